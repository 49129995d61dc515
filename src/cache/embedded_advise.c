/* SPDX-License-Identifier: MIT */
/*
 * What an operator should know of the embedded store's place, found by looking: its
 * rights, the kind of its file system, the room that is left. Changes nothing.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cache/advice.h"
#include "cache/embedded.h"

struct advice {
	struct sc_advice_to to;
	const char *location;
	char there[PATH_MAX]; /* the location, or what exists of it */
};

/* The location itself is made when the store is opened. */
static bool find_existing(struct advice *a)
{
	struct stat st = { .st_mode = 0 };
	int n = snprintf(a->there, sizeof a->there, "%s", a->location);

	if (n < 0 || (size_t)n >= sizeof a->there)
		return false;
	while (stat(a->there, &st) != 0) {
		char *slash = strrchr(a->there, '/');

		if (strcmp(a->there, ".") == 0 || strcmp(a->there, "/") == 0)
			return false;
		if (!slash)
			memcpy(a->there, ".", 2);
		else if (slash == a->there)
			a->there[1] = '\0';
		else
			*slash = '\0';
	}
	return S_ISDIR(st.st_mode);
}

static void advise_rights(const struct advice *a)
{
	if (access(a->there, R_OK | W_OK | X_OK) == 0)
		sc_advise_tell(&a->to, SC_ADVICE_OK, "", "directory %s: can be written",
			       a->there);
	else
		sc_advise_tell(
			&a->to, SC_ADVICE_FAILURE,
			"make it belong to the user that the service runs as, or set "
			"location to a directory that does",
			"directory %s: cannot be written: %s", a->there, strerror(errno));
}

/* Locks and shared maps of several processes are not to be had on these. */
static const char *network_name(long magic)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} kinds[] = {
		{ 0x6969, "NFS" },	  { 0xff534d42, "CIFS" }, { 0xfe534d42, "SMB" },
		{ 0x517b, "SMB" },	  { 0x65735546, "FUSE" }, { 0x01021997, "9P" },
		{ 0x00c36400, "Ceph" },	  { 0x5346414f, "AFS" },  { 0x73757245, "Coda" },
		{ 0x0bd00bd0, "Lustre" },
	};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (kinds[i].magic == ((unsigned long)magic & 0xffffffff))
			return kinds[i].name;
	return NULL;
}

static void advise_kind(const struct advice *a)
{
	struct statfs fs = { .f_type = 0 };

	if (statfs(a->there, &fs) != 0)
		return;
	const char *name = network_name((long)fs.f_type);
	if (name)
		sc_advise_tell(&a->to, SC_ADVICE_FAILURE,
			       "set location to a directory of a local disk",
			       "directory %s: is on a network file system (%s), whose "
			       "locks do not "
			       "hold",
			       a->there, name);
	else
		sc_advise_tell(&a->to, SC_ADVICE_OK, "",
			       "directory %s: is on a local file system", a->there);
}

static uint64_t used_bytes(const struct advice *a)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	struct stat st = { .st_blocks = 0 };

	sc_buf_printf(&path, "%s/data.mdb", a->location);
	return stat((const char *)path.data, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

static void advise_room(const struct advice *a, uint64_t max_size_mb)
{
	struct statvfs fs = { .f_bavail = 0 };

	if (statvfs(a->there, &fs) != 0)
		return;
	uint64_t left = (uint64_t)fs.f_bavail * fs.f_frsize;
	uint64_t room_mb = (left + used_bytes(a)) >> 20;
	if (room_mb < max_size_mb)
		sc_advise_tell(&a->to, SC_ADVICE_WARNING,
			       "lower max_size_mb, or make room",
			       "directory %s: has room for %llu MiB, max_size_mb is %llu",
			       a->there, (unsigned long long)room_mb,
			       (unsigned long long)max_size_mb);
	else
		sc_advise_tell(&a->to, SC_ADVICE_OK, "",
			       "directory %s: has room for max_size_mb", a->there);
}

void sc_embedded_advise(const struct sc_cache_options *o, sc_advice_fn say, void *arg)
{
	struct advice a = { .to = { .say = say, .arg = arg }, .location = o->location };

	if (!o->location || o->location[0] == '\0' || !find_existing(&a)) {
		sc_advise_tell(&a.to, SC_ADVICE_FAILURE, "set location to a directory",
			       "location \"%s\": is no directory",
			       o->location ? o->location : "");
		return;
	}
	advise_rights(&a);
	advise_kind(&a);
	advise_room(&a, o->max_size_mb);
}

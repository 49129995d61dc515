/* SPDX-License-Identifier: MIT */
/*
 * The files of an LMDB directory: making it, its paths, moving a store out of the way.
 *
 * Knows names and bytes, not what LMDB keeps in them. What is set aside is renamed, never
 * truncated: other processes may still have it mapped.
 */
#include "cache/lmdb_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/bytes.h"
#include "slidecache/log.h"

/* The lock file goes first: a new data file below an old lock file, should we die half
 * way, would be worse than the reverse. */
static const char *const lmdb_names[] = { "lock.mdb", "data.mdb", NULL };

enum sc_status sc_lmdb_path(char out[PATH_MAX], const char *dir, const char *name,
			    struct sc_err *err)
{
	int n = snprintf(out, PATH_MAX, "%s/%s", dir, name);

	if (n < 0 || n >= PATH_MAX)
		return sc_fail(err, SC_INVALID, "the path below %.100s is too long", dir);
	return SC_OK;
}

enum sc_status sc_lmdb_sync_dir(const char *path, struct sc_err *err)
{
	SC_AUTO_FD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "%s: %s", path, strerror(errno));
	return SC_OK;
}

static enum sc_status make_dir(const char *path, struct sc_err *err)
{
	char parent[PATH_MAX];
	struct stat st;

	if (mkdir(path, 0700) == 0) {
		enum sc_status status = sc_lmdb_path(parent, path, "..", err);

		return status == SC_OK ? sc_lmdb_sync_dir(parent, err) : status;
	}
	int reason = errno;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return SC_OK;
	return sc_fail(err, SC_UNAVAILABLE, "%s cannot be made: %s", path,
		       strerror(reason == EEXIST ? ENOTDIR : reason));
}

enum sc_status sc_lmdb_make_dirs(const char *path, struct sc_err *err)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof part)
		return sc_fail(err, SC_INVALID, "a location of 1 to %d bytes is needed",
			       PATH_MAX - 1);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		enum sc_status status = make_dir(part, err);
		if (status != SC_OK)
			return status;
	}
	return SC_OK;
}

enum sc_status sc_lmdb_grow_file(const char *dir, uint64_t size, struct sc_err *err)
{
	char path[PATH_MAX];
	enum sc_status status = sc_lmdb_path(path, dir, "data.mdb", err);

	if (status == SC_OK && truncate(path, (off_t)size) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "%s: %s", path, strerror(errno));
	return status;
}

bool sc_lmdb_dir_exists(const struct sc_lmdb_dir *d, uint64_t *size)
{
	char path[PATH_MAX];
	struct sc_err ignored;
	struct stat st;

	if (sc_lmdb_path(path, d->o.path, "data.mdb", &ignored) != SC_OK ||
	    stat(path, &st) < 0)
		return false;
	*size = (uint64_t)st.st_size;
	return true;
}

/* Without a target the file is removed; so is one that cannot be moved. */
static enum sc_status move_file(const char *dir, const char *target, const char *name,
				struct sc_err *err)
{
	char from[PATH_MAX];
	char to[PATH_MAX];
	enum sc_status status = sc_lmdb_path(from, dir, name, err);

	if (status == SC_OK && target)
		status = sc_lmdb_path(to, target, name, err);
	if (status != SC_OK)
		return status;
	if (target && rename(from, to) == 0)
		return SC_OK;
	if (unlink(from) < 0 && errno != ENOENT)
		return sc_fail(err, SC_UNAVAILABLE, "%s cannot be removed: %s", from,
			       strerror(errno));
	return SC_OK;
}

static enum sc_status move_files(const char *dir, const char *target,
				 const char *const *names, struct sc_err *err)
{
	enum sc_status status = SC_OK;

	for (size_t i = 0; names && names[i] && status == SC_OK; i++)
		status = move_file(dir, target, names[i], err);
	return status;
}

/* PATH.damaged, or PATH/damaged where the parent is not ours to write (a mount point).
 * An older damaged store in it is overwritten. */
static bool make_target(const char *path, char out[PATH_MAX])
{
	static const char *const suffixes[] = { ".damaged", "/damaged" };
	struct sc_err ignored;
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	for (size_t i = 0; i < 2; i++) {
		int n = snprintf(out, PATH_MAX, "%.*s%s", (int)len, path, suffixes[i]);

		if (n > 0 && n < PATH_MAX && make_dir(out, &ignored) == SC_OK &&
		    access(out, W_OK | X_OK) == 0)
			return true;
	}
	return false;
}

enum sc_status sc_lmdb_dir_set_aside(struct sc_lmdb_dir *d, bool keep, const char *why,
				     struct sc_err *err)
{
	char target[PATH_MAX];
	bool kept = keep && make_target(d->o.path, target);
	const char *to = kept ? target : NULL;

	sc_lmdb_close_env(d);
	enum sc_status status = move_files(d->o.path, to, lmdb_names, err);
	if (status == SC_OK)
		status = move_files(d->o.path, to, d->o.companions, err);
	if (status != SC_OK)
		return status;
	if (kept)
		sc_log_error("%s; moved to %s, starting empty", why, target);
	else
		sc_log_warning("%s; removed, starting empty", why);
	return SC_OK;
}

/* SPDX-License-Identifier: MIT */
/*
 * Landlock by its three system calls, see sandbox_landlock.h. glibc has no functions for
 * them.
 */
#include "sandbox_landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What newer headers have, in a form that they do not. */
#define FS_TRUNCATE	    (UINT64_C(1) << 14)
#define FS_IOCTL_DEV	    (UINT64_C(1) << 15)
#define NET_BIND_TCP	    (UINT64_C(1) << 0)
#define NET_CONNECT_TCP	    (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT_UNIX (UINT64_C(1) << 0)
#define SCOPE_SIGNAL	    (UINT64_C(1) << 1)
#define RULE_NET_PORT	    2
#define CREATE_VERSION	    1U
#define FS_OF_1		    ((UINT64_C(1) << 13) - 1)
#define FILE_RIGHTS                                                                      \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |                    \
	 LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

struct ruleset {
	uint64_t fs, net, scoped;
};
struct port_rule {
	uint64_t allowed, port;
};

/* One whose size the kernel does not know yet is given as far as that does. */
static const struct {
	uint64_t fs, net, scoped;
	size_t size; /* of struct ruleset */
	const char *lacks;
} abis[] = {
	{ 0, 0, 0, 0, "no Landlock: it confines system calls, but not files" },
	{ FS_OF_1, 0, 0, 8,
	  "an old Landlock: it confines neither truncation nor TCP nor "
	  "signals" },
	{ LANDLOCK_ACCESS_FS_REFER, 0, 0, 8,
	  "an old Landlock: it confines neither truncation nor TCP nor signals" },
	{ FS_TRUNCATE, 0, 0, 8, "an old Landlock: it confines neither TCP nor signals" },
	{ 0, NET_BIND_TCP | NET_CONNECT_TCP, 0, 16,
	  "an old Landlock: it confines neither devices nor signals" },
	{ FS_IOCTL_DEV, 0, 0, 16, "an old Landlock: it does not confine signals" },
	{ 0, 0, SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL, 24, NULL },
};
#define ABIS ((int)(sizeof(abis) / sizeof(abis[0])))

static int known(int abi)
{
	return abi < ABIS ? abi : ABIS - 1;
}

/* Each number has all of those before it. */
static struct ruleset handled(int abi)
{
	struct ruleset r = { 0, 0, 0 };

	for (int i = 0; i <= known(abi); i++) {
		r.fs |= abis[i].fs;
		r.net |= abis[i].net;
		r.scoped |= abis[i].scoped;
	}
	return r;
}

int sc_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

	return abi > 0 ? (int)abi : 0;
}

const char *sc_landlock_lacks(int abi)
{
	return abis[known(abi)].lacks;
}

uint64_t sc_landlock_rights(enum sc_path_use use, bool is_folder, int abi)
{
	static const uint64_t read =
		LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
	static const uint64_t write = LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE;
	static const uint64_t arrange =
		LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
		LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
		LANDLOCK_ACCESS_FS_REFER;
	static const uint64_t rights[] = {
		[SC_PATH_READ] = read,
		[SC_PATH_KEEP] = read | write | arrange,
		[SC_PATH_APPEND] =
			LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG,
		[SC_PATH_READ_WRITE] = read | write,
	};
	uint64_t all = rights[use] & handled(abi).fs;

	return is_folder ? all : all & FILE_RIGHTS;
}

/* ---- what a path comes to ---- */

static bool is_folder(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static void open_one(const struct sc_path *p, const char *name, sc_path_fn use, void *arg)
{
	/* As a folder first: that is what has one mounted which is so when it is used. */
	int fd = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		fd = open(name, O_PATH | O_CLOEXEC);
	if (fd >= 0)
		use(arg, p, name, fd);
}

static void open_folder_of(const struct sc_path *p, const char *name, sc_path_fn use,
			   void *arg)
{
	SC_AUTO_BUF above = SC_BUF_INIT;

	sc_path_above(name, &above);
	if (p->scope == SC_PATH_OWN_FOLDER && sc_path_is_shared((const char *)above.data))
		open_one(p, name, use, arg);
	else
		open_one(p, (const char *)above.data, use, arg);
}

/* Of a log, say: what is no file cannot be replaced. */
static bool is_special(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

/* With those above it, as the stores do (lmdb_files.c). Whoever uses it then tells why it
 * could not be made. */
static void make_folder(const char *path)
{
	SC_AUTO_BUF part = SC_BUF_INIT;

	for (size_t i = 1; i <= strlen(path); i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		sc_buf_reset(&part);
		sc_buf_printf(&part, "%.*s", (int)i, path);
		(void)mkdir((const char *)part.data, 0700);
	}
}

void sc_path_open(const struct sc_path *p, sc_path_fn use, void *arg)
{
	char real[PATH_MAX];

	if (p->is_made)
		make_folder(p->path);
	if (p->scope == SC_PATH_ITSELF || is_special(p->path)) {
		open_one(p, p->path, use, arg);
		return;
	}
	open_folder_of(p, p->path, use, arg);
	if (realpath(p->path, real) && strcmp(real, p->path) != 0)
		open_folder_of(p, real, use, arg);
}

/* ---- entering ---- */

struct entering {
	int abi;
	int ruleset;
	int error;
};

/* One that has to be held is, until the process ends. */
static void add_path(void *arg, const struct sc_path *p, const char *name, int fd)
{
	struct entering *e = arg;
	struct landlock_path_beneath_attr rule = {
		.allowed_access = sc_landlock_rights(p->use, is_folder(fd), e->abi),
		.parent_fd = fd,
	};

	(void)name;
	if (syscall(SYS_landlock_add_rule, e->ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule,
		    0) < 0)
		e->error = errno;
	if (!p->is_pinned)
		(void)close(fd);
}

static void add_port(struct entering *e, uint16_t port)
{
	struct port_rule rule = { NET_CONNECT_TCP, port };

	if (handled(e->abi).net &&
	    syscall(SYS_landlock_add_rule, e->ruleset, RULE_NET_PORT, &rule, 0) < 0)
		e->error = errno;
}

static enum sc_status fail(struct sc_err *err, int error)
{
	return sc_fail(err, SC_UNAVAILABLE, "sandbox: Landlock: %s", strerror(error));
}

enum sc_status sc_landlock_enter(const struct sc_landlock *l, struct sc_err *err)
{
	struct entering e = { .abi = sc_landlock_abi() };
	struct ruleset handles = handled(e.abi);

	if (e.abi == 0)
		return SC_OK;
	e.ruleset = (int)syscall(SYS_landlock_create_ruleset, &handles,
				 abis[known(e.abi)].size, 0);
	if (e.ruleset < 0)
		return fail(err, errno);
	for (size_t i = 0; i < l->paths->n; i++)
		sc_path_open(&l->paths->all[i], add_path, &e);
	for (size_t i = 0; i < l->nports; i++)
		add_port(&e, l->ports[i]);
	if (!e.error && syscall(SYS_landlock_restrict_self, e.ruleset, 0) < 0)
		e.error = errno;
	(void)close(e.ruleset);
	return e.error ? fail(err, e.error) : SC_OK;
}

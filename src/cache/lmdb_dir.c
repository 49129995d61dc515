/* SPDX-License-Identifier: MIT */
/*
 * One LMDB environment in a directory: opening, the gate, transactions, error mapping.
 *
 * Knows nothing of what is stored. Everything in here that can wait for another process
 * happens below the gate, whose wait has a deadline: LMDB's writer mutex, its mutex of
 * the reader table (first read transaction, reader check) and its file lock at open and
 * close are all taken without one.
 */
#include "slidecache/lmdb_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/lmdb_files.h"
#include "cache/lmdb_guard.h"
#include "slidecache/bytes.h"
#include "slidecache/filelock.h"
#include "slidecache/process.h"

#define GATE_OFFSET 0
/* Processes of all pools and tools on one store. */
#define READERS_MAX   1024
#define READER_BYTES  64 /* of a row of LMDB's table, whose head is less than a page */
#define PAGE_BYTES    4096
#define NAMED_DBS_MAX 8
#define PROBE_MS      20000

/* Return codes that a sound file never gives to a correct caller. */
static const int damage[] = {
	MDB_CORRUPTED,	  MDB_PAGE_NOTFOUND, MDB_INVALID,   MDB_VERSION_MISMATCH,
	MDB_INCOMPATIBLE, MDB_CURSOR_FULL,   MDB_PAGE_FULL, MDB_BAD_VALSIZE,
	MDB_BAD_DBI,	  MDB_NOTFOUND,	     MDB_KEYEXIST,
};

enum sc_status sc_lmdb_status(int rc)
{
	for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++)
		if (damage[i] == rc)
			return SC_DAMAGED;
	return SC_UNAVAILABLE;
}

enum sc_status sc_lmdb_fail(struct sc_lmdb_dir *d, struct sc_err *err, int rc,
			    const char *doing)
{
	/* A failed write of the meta page poisons the handle, not the file: open again.
	 */
	if (rc == MDB_PANIC)
		d->ino = 0;
	return sc_fail(err, sc_lmdb_status(rc), "%s %s: %s: %s", d->o.what, d->o.path,
		       doing, mdb_strerror(rc));
}

/* The byte that says "this process has the directory open". */
static uint64_t owner_offset(pid_t pid)
{
	return (uint64_t)pid + 1;
}

enum sc_status sc_lmdb_dir_prepare(struct sc_lmdb_dir *d,
				   const struct sc_lmdb_dir_options *o,
				   struct sc_err *err)
{
	char path[PATH_MAX];
	SC_AUTO_FD fd = -1;
	enum sc_status status = sc_lmdb_make_dirs(o->path, err);

	if (status == SC_OK)
		status = sc_lmdb_path(path, o->path, "gate", err);
	if (status == SC_OK)
		status = sc_filelock_open(path, &fd, err);
	if (status != SC_OK)
		return status;
	if (sc_filelock_take(fd, owner_offset(sc_process_id()), 0, NULL, err) != SC_OK)
		return sc_fail(err, SC_INVALID, "%s %s: already open in this process",
			       o->what, o->path);
	*d = (struct sc_lmdb_dir){ .o = *o, .gate_fd = fd, .pid = sc_process_id() };
	fd = -1;
	return SC_OK;
}

enum sc_status sc_lmdb_gate_take(struct sc_lmdb_dir *d, int wait_ms, struct sc_err *err)
{
	enum sc_status status =
		sc_filelock_take(d->gate_fd, GATE_OFFSET, wait_ms, NULL, err);

	return status == SC_OK ? SC_OK : sc_fail_in(err, d->o.path);
}

void sc_lmdb_gate_drop(struct sc_lmdb_dir *d)
{
	sc_filelock_drop(d->gate_fd, GATE_OFFSET);
}

void sc_lmdb_close_env(struct sc_lmdb_dir *d)
{
	if (!d->env)
		return;
	if (d->reader)
		mdb_txn_abort(d->reader);
	sc_lmdb_guard_close(d->guard);
	mdb_env_close(d->env);
	d->guard = NULL;
	d->reader = NULL;
	d->env = NULL;
}

void sc_lmdb_dir_release(struct sc_lmdb_dir *d)
{
	struct sc_err ignored;

	/* A forked child must not touch its parent's environment, nor its locks. */
	if (d->pid != sc_process_id())
		return;
	if (d->env) {
		/* Closing takes LMDB's file lock; without the gate it is still right,
		 * only not bounded. */
		bool gated = sc_lmdb_gate_take(d, d->o.gate_ms, &ignored) == SC_OK;

		sc_lmdb_close_env(d);
		if (gated)
			sc_lmdb_gate_drop(d);
	}
	/* Explicitly: a child forked meanwhile shares the description that holds it. */
	sc_filelock_drop(d->gate_fd, owner_offset(d->pid));
	sc_close_fd(&d->gate_fd);
	*d = (struct sc_lmdb_dir){ .gate_fd = -1 };
}

bool sc_lmdb_dir_current(const struct sc_lmdb_dir *d)
{
	char path[PATH_MAX];
	struct sc_err ignored;
	struct stat st;

	return d->env && sc_lmdb_path(path, d->o.path, "data.mdb", &ignored) == SC_OK &&
	       stat(path, &st) == 0 && st.st_ino == d->ino && st.st_dev == d->dev;
}

/*
 * LMDB makes its lock file sparse and maps it: on a full disk the first reader would die
 * of SIGBUS. So its blocks are there before it is opened; LMDB takes a larger file than
 * it asked for. Closing the file drops this process's locks on it, of which there are
 * none while the environment is not open.
 */
static int reserve_lock_file(const struct sc_lmdb_dir *d)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	SC_AUTO_FD fd = -1;

	sc_buf_printf(&path, "%s/lock.mdb", d->o.path);
	fd = open((const char *)path.data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return errno;
	return posix_fallocate(fd, 0, READERS_MAX * READER_BYTES + PAGE_BYTES);
}

static int create_env(const struct sc_lmdb_dir *d, unsigned extra_flags, MDB_env **out)
{
	MDB_env *env = NULL;
	int rc = extra_flags & MDB_RDONLY ? 0 : reserve_lock_file(d);

	if (rc == 0)
		rc = mdb_env_create(&env);

	if (rc != 0)
		return rc;
	/* Only the readers' table of the first opener counts; errors show at open. */
	(void)mdb_env_set_maxreaders(env, READERS_MAX);
	(void)mdb_env_set_maxdbs(env, NAMED_DBS_MAX);
	(void)mdb_env_set_mapsize(env, (size_t)d->o.map_size);
	rc = mdb_env_open(env, d->o.path, d->o.env_flags | extra_flags, 0600);
	if (rc != 0)
		mdb_env_close(env);
	else
		*out = env;
	return rc;
}

int sc_lmdb_open_for_probe(const struct sc_lmdb_dir *d, MDB_env **out)
{
	return create_env(d, MDB_RDONLY, out);
}

/* True when pages that the store counts as its own lie behind the end of the file. That
 * is so in a truncated file, and may be so in a sound one: the last pages that a
 * transaction took and gave back are never written. */
static bool file_is_short(MDB_env *env, uint64_t *want)
{
	MDB_envinfo info = { .me_last_pgno = 0 };
	MDB_stat page = { .ms_psize = 0 };
	struct stat st;
	int fd = -1;

	if (mdb_env_info(env, &info) != 0 || mdb_env_stat(env, &page) != 0 ||
	    mdb_env_get_fd(env, &fd) != 0 || fstat(fd, &st) < 0)
		return false;
	*want = ((uint64_t)info.me_last_pgno + 1) * page.ms_psize;
	return (uint64_t)st.st_size < *want;
}

/* A short file is read wholly by a child, then made as long as it says it is: a read
 * past its end would be a SIGBUS. */
static enum sc_status mend_short_file(struct sc_lmdb_dir *d, struct sc_err *err)
{
	uint64_t want = 0;
	enum sc_status status = SC_OK;

	if (!file_is_short(d->env, &want))
		return SC_OK;
	sc_lmdb_close_env(d);
	status = sc_lmdb_dir_probe(d, true, PROBE_MS, err);
	if (status == SC_OK)
		status = sc_lmdb_grow_file(d->o.path, want, err);
	if (status != SC_OK)
		return status;
	int rc = create_env(d, 0, &d->env);
	return rc == 0 ? SC_OK : sc_lmdb_fail(d, err, rc, "opening");
}

static enum sc_status remember_file(struct sc_lmdb_dir *d, struct sc_err *err)
{
	struct stat st;
	int fd = -1;

	if (mdb_env_get_fd(d->env, &fd) != 0 || fstat(fd, &st) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "%s %s: cannot be examined",
			       d->o.what, d->o.path);
	d->dev = st.st_dev;
	d->ino = st.st_ino;
	return SC_OK;
}

/* The first read transaction claims this process's row of the readers' table. */
static int claim_reader(struct sc_lmdb_dir *d)
{
	int dead = 0;
	int rc = mdb_reader_check(d->env, &dead);

	if (rc == 0)
		rc = mdb_txn_begin(d->env, NULL, MDB_RDONLY, &d->reader);
	if (rc == 0)
		mdb_txn_reset(d->reader);
	return rc;
}

static enum sc_status open_env(struct sc_lmdb_dir *d, struct sc_err *err)
{
	int rc = create_env(d, 0, &d->env);

	if (rc != 0)
		return sc_lmdb_fail(d, err, rc, "opening");
	enum sc_status status = mend_short_file(d, err);
	if (status != SC_OK)
		return status;
	rc = claim_reader(d);
	return rc == 0 ? remember_file(d, err) : sc_lmdb_fail(d, err, rc, "opening");
}

enum sc_status sc_lmdb_dir_open(struct sc_lmdb_dir *d, struct sc_err *err)
{
	uint64_t size = 0;
	bool fresh = !sc_lmdb_dir_exists(d, &size);
	enum sc_status status = SC_OK;

	if (!fresh)
		status = sc_lmdb_dir_probe(d, false, PROBE_MS, err);
	if (status == SC_OK)
		status = open_env(d, err);
	if (status == SC_OK && fresh)
		status = sc_lmdb_sync_dir(d->o.path, err);
	if (status != SC_OK)
		sc_lmdb_close_env(d);
	return status;
}

/* Another process, with a larger limit, wrote behind the end of our map. */
static int adopt_map_size(struct sc_lmdb_dir *d)
{
	if (d->reader)
		mdb_txn_abort(d->reader);
	d->reader = NULL;
	return mdb_env_set_mapsize(d->env, 0);
}

static int renew_reader(struct sc_lmdb_dir *d)
{
	return d->reader ? mdb_txn_renew(d->reader)
			 : mdb_txn_begin(d->env, NULL, MDB_RDONLY, &d->reader);
}

int sc_lmdb_read_begin(struct sc_lmdb_dir *d, struct MDB_txn **out)
{
	int rc = renew_reader(d);

	if (rc == MDB_MAP_RESIZED) {
		rc = adopt_map_size(d);
		if (rc == 0)
			rc = renew_reader(d);
	}
	if (rc == 0)
		*out = d->reader;
	return rc;
}

void sc_lmdb_read_end(struct sc_lmdb_dir *d)
{
	if (d->reader)
		mdb_txn_reset(d->reader);
}

static int begin_write(struct sc_lmdb_dir *d, struct MDB_txn **out)
{
	int rc = mdb_txn_begin(d->env, NULL, 0, out);

	if (rc == MDB_MAP_RESIZED) {
		rc = adopt_map_size(d);
		if (rc == 0)
			rc = mdb_txn_begin(d->env, NULL, 0, out);
	}
	return rc;
}

int sc_lmdb_write_begin(struct sc_lmdb_dir *d, struct MDB_txn **out)
{
	int rc = d->guard ? 0 : sc_lmdb_guard_open(d->env, &d->guard);

	if (rc == 0)
		rc = begin_write(d, out);
	if (rc != 0)
		return rc;
	rc = sc_lmdb_guard_begin(d->guard, *out);
	if (rc != 0)
		mdb_txn_abort(*out);
	return rc;
}

int sc_lmdb_guard(struct sc_lmdb_dir *d, const char *tree, struct sc_bytes key,
		  bool removes)
{
	return sc_lmdb_guard_key(d->guard, tree, key, removes);
}

int sc_lmdb_guard_trees(struct sc_lmdb_dir *d)
{
	return sc_lmdb_guard_all(d->guard);
}

int sc_lmdb_visit(struct MDB_txn *txn, unsigned dbi, sc_lmdb_visit_fn visit, void *arg)
{
	MDB_cursor *cursor = NULL;
	MDB_val key = { 0, NULL };
	MDB_val value = { 0, NULL };
	int rc = mdb_cursor_open(txn, dbi, &cursor);

	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	while (rc == 0) {
		rc = visit(arg, &key, &value);
		if (rc == 0)
			rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

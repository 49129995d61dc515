/* SPDX-License-Identifier: MIT */
/*
 * A directory that holds one LMDB environment: what the embedded cache and the embedded
 * version store have in common. Private to those two; lmdb.h stays out of this header.
 *
 *  - "gate" is a lock file. Whoever opens, writes, closes or throws away takes it first,
 *    with a deadline, so that no process ever waits for LMDB's own mutexes: a stopped
 *    process costs the others a time-out, never a hang. It outlives the store.
 *  - Damage: LMDB reads through a memory map, so a damaged file can kill its reader. The
 *    probe reads it in a child process first. What is damaged is moved to PATH.damaged
 *    and others notice (sc_lmdb_dir_current) that the file is another one.
 *    What a write would touch is checked before it is: a damaged page would disturb the
 *    memory of who writes (the guard).
 *  - A handle belongs to the process that made it; one handle a process and directory
 *    (prepare refuses): closing a second one would drop the first one's reader lock.
 */
#ifndef SLIDECACHE_LMDB_DIR_H
#define SLIDECACHE_LMDB_DIR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "slidecache/bytes.h"
#include "slidecache/status.h"

struct MDB_env;
struct MDB_txn;
struct MDB_val;

/* Reads what the store holds; full: all of it. Runs in a child, which it may crash.
 * Returns LMDB's code, MDB_CORRUPTED for what cannot be. */
typedef int (*sc_lmdb_walk_fn)(struct MDB_txn *txn, bool full);

struct sc_lmdb_dir_options {
	const char *path;
	const char *what;	       /* for messages: "cache store" */
	const char *const *companions; /* further files of the store, NULL ends */
	uint64_t map_size;
	unsigned env_flags; /* of mdb_env_open */
	int gate_ms;	    /* deadline of the gate at open and close */
	sc_lmdb_walk_fn walk;
};

struct sc_lmdb_dir {
	struct sc_lmdb_dir_options o; /* strings borrowed from the caller */
	struct MDB_env *env;	      /* NULL while closed */
	struct MDB_txn *reader;	      /* reused for every read */
	struct sc_lmdb_guard *guard;  /* NULL until the first write */
	int gate_fd;
	pid_t pid;
	dev_t dev; /* of the data file that env maps */
	ino_t ino;
};

/* Pure: SC_INVALID when there is none, or when it is an address: then a folder with a
 * password in its name would be made. The sentence quotes nothing. */
SC_MUST enum sc_status sc_lmdb_location_check(const char *location, struct sc_err *err);
/* Makes the directory (0700, parents too) and opens the gate file. */
SC_MUST enum sc_status sc_lmdb_dir_prepare(struct sc_lmdb_dir *d,
					   const struct sc_lmdb_dir_options *o,
					   struct sc_err *err);
/* Closes everything. Safe on a zeroed or released handle. */
void sc_lmdb_dir_release(struct sc_lmdb_dir *d);

SC_MUST enum sc_status sc_lmdb_gate_take(struct sc_lmdb_dir *d, int wait_ms,
					 struct sc_err *err);
void sc_lmdb_gate_drop(struct sc_lmdb_dir *d);

/* The following four want the gate held. */
bool sc_lmdb_dir_exists(const struct sc_lmdb_dir *d, uint64_t *size);
/* Walks the store in a child for at most limit_ms. SC_DAMAGED says what is wrong; what
 * could not be asked (no process to be had) is SC_UNAVAILABLE. */
SC_MUST enum sc_status sc_lmdb_dir_probe(struct sc_lmdb_dir *d, bool full, int limit_ms,
					 struct sc_err *err);
/* Opens or makes the environment, after a probe. SC_DAMAGED: set it aside, try again. */
SC_MUST enum sc_status sc_lmdb_dir_open(struct sc_lmdb_dir *d, struct sc_err *err);
/* Closes the environment and moves its files to PATH.damaged (keep) or removes them;
 * logs one line with the reason. */
SC_MUST enum sc_status sc_lmdb_dir_set_aside(struct sc_lmdb_dir *d, bool keep,
					     const char *why, struct sc_err *err);

/* False when the file at PATH is no longer the one that is open: open again. */
bool sc_lmdb_dir_current(const struct sc_lmdb_dir *d);

/* One read at a time; what it found is valid until the end. These two return LMDB's
 * code; what it said is then told by sc_lmdb_fail. */
SC_MUST int sc_lmdb_read_begin(struct sc_lmdb_dir *d, struct MDB_txn **out);
void sc_lmdb_read_end(struct sc_lmdb_dir *d);
/* Wants the gate. The caller commits or aborts, and changes nothing below a tree's name
 * that was not guarded before. */
SC_MUST int sc_lmdb_write_begin(struct sc_lmdb_dir *d, struct MDB_txn **out);
/* Whether LMDB may put that key into the named tree of that transaction, or remove it;
 * MDB_CORRUPTED: the pages that it would touch are damaged. */
SC_MUST int sc_lmdb_guard(struct sc_lmdb_dir *d, const char *tree, struct sc_bytes key,
			  bool removes);
/* The same for whatever is done to any tree; reads all of them. */
SC_MUST int sc_lmdb_guard_trees(struct sc_lmdb_dir *d);

/* Calls visit for each record of a tree in order, until it returns something else than
 * 0, and returns that. It may not write. */
typedef int (*sc_lmdb_visit_fn)(void *arg, const struct MDB_val *key,
				const struct MDB_val *value);
SC_MUST int sc_lmdb_visit(struct MDB_txn *txn, unsigned dbi, sc_lmdb_visit_fn visit,
			  void *arg);

/* LMDB's return code rc (not 0) as a status: SC_DAMAGED for structural damage, otherwise
 * SC_UNAVAILABLE. A record that must be there and is not counts as damage. */
enum sc_status sc_lmdb_status(int rc);
/* The same with a sentence; doing: "reading". */
enum sc_status sc_lmdb_fail(struct sc_lmdb_dir *d, struct sc_err *err, int rc,
			    const char *doing);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Private to src/access: credentials that were looked at lately, in memory that all
 * processes share: right passwords for a minute after they were asked for last, but for
 * ten minutes at most after they were looked at; wrong ones, and wrong tokens, for a
 * minute.
 *
 * What is remembered goes by an id: a keyed hash of user, password and the user's hash in
 * the file, so that whoever reads the memory learns no password, and a user who is
 * removed or gets another password is not remembered from then on.
 *
 * There is no lock, as who dies with one would lock out everybody. A record has a keyed
 * hash of itself and of what it says: one that two processes wrote into at once, or that
 * somebody without the key wrote, is none. Right and wrong have tables of their own:
 * wrong ones, which anybody can make, push out no right one.
 */
#ifndef SRC_ACCESS_MEMO_H
#define SRC_ACCESS_MEMO_H

#include "slidecache/clock.h"
#include "slidecache/hash.h"

#define SC_MEMO_RIGHT_US (60 * SC_US_PER_S)
#define SC_MEMO_WRONG_US (60 * SC_US_PER_S)
#define SC_MEMO_MOST_US	 (600 * SC_US_PER_S) /* a right one, however often it is used */
/* A record is not written anew for less. */
#define SC_MEMO_STEP_US SC_US_PER_S
#define SC_MEMO_SETS	64
#define SC_MEMO_WAYS	8

enum sc_memory { SC_MEMO_NOTHING, SC_MEMO_RIGHT, SC_MEMO_WRONG };

struct sc_memo_id {
	uint64_t word[SC_HASH128_LEN / 8];
};

/* As it lies in shared memory: whatever may be in it. */
struct sc_memo_record {
	struct sc_memo_id id;
	uint64_t until_us; /* monotonic */
	uint64_t most_us;  /* until_us is never later */
	uint64_t check[SC_HASH128_LEN / 8];
};
struct sc_memo_table {
	struct sc_memo_record records[SC_MEMO_SETS][SC_MEMO_WAYS];
};
struct sc_memo {
	struct sc_memo_table right, wrong;
};

/* hash: of the file; "" of a user who is not there. */
struct sc_memo_id sc_memo_id(const char *user, const char *password, const char *hash,
			     const unsigned char key[SC_MAC_KEY_LEN]);
/* A right one counts for a minute from then on. */
enum sc_memory sc_memo_find(struct sc_memo *m, const struct sc_memo_id *id,
			    const unsigned char key[SC_MAC_KEY_LEN], int64_t mono_us);
void sc_memo_keep(struct sc_memo *m, const struct sc_memo_id *id, bool right,
		  const unsigned char key[SC_MAC_KEY_LEN], int64_t mono_us);

#endif

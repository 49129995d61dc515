/* SPDX-License-Identifier: MIT */
/*
 * Passwords: remembered, or looked at in turn.
 *
 * A hash takes its time by design. So of those who send the same credentials one at most
 * is on the way to the turn, and the others wait for what it finds.
 */
#include "access/users.h"

#include <stdlib.h>
#include <unistd.h>

#include "access/hide.h"
#include "access/htpasswd.h"
#include "access/shared.h"
#include "slidecache/filelock.h"
#include "slidecache/metrics.h"

struct sc_users {
	struct sc_htpasswd *file;
	char *lock_file;   /* NULL: none */
	int lock;	   /* -1: not open */
	uint64_t waiting;  /* how many may, at least one */
	int64_t unsaid_us; /* of hide.h */
};

/* One look at credentials. */
struct question {
	const struct sc_basic *basic;
	struct sc_memo_id id;
	uint64_t who;
	bool *repeated;
};

/* Bytes of the lock file: whose turn it is, and the places of those who come next; then
 * one for each pair of credentials. */
enum { TURN, NEXT };
#define PAIR(id)     (UINT64_C(1) << 61 | (id)->word[0] >> 3)
#define TURN_MS	     2000
#define SAME_PAIR_MS 5000

struct sc_users *sc_users_new(const char *htpasswd_file, const char *lock_file,
			      unsigned waiting)
{
	struct sc_users *u = sc_alloc(sizeof(*u));

	u->file = sc_htpasswd_new(htpasswd_file);
	u->lock_file = lock_file && *lock_file ? sc_strdup(lock_file) : NULL;
	u->lock = -1;
	u->waiting = waiting ? waiting : 1;
	return u;
}

void sc_users_free(struct sc_users *u)
{
	if (!u)
		return;
	sc_htpasswd_free(u->file);
	free(u->lock_file);
	sc_close_fd(&u->lock);
	free(u);
}

static enum sc_status fail_wrong(struct sc_err *err)
{
	return sc_fail(err, SC_STRANGER, "the user or the password is wrong");
}

static enum sc_status fail_busy(struct sc_err *err)
{
	return sc_fail(err, SC_UNAVAILABLE,
		       "others' passwords are being checked; try again");
}

/* What can be said without a look at the password. SC_MISS: nothing. */
static enum sc_status recall(const struct question *q, struct sc_err *err)
{
	int64_t now = sc_mono_us();
	enum sc_memory known =
		sc_memo_find(&sc_shared()->memo, &q->id, sc_shared_key(), now);

	*q->repeated = known == SC_MEMO_WRONG;
	if (known == SC_MEMO_RIGHT)
		return SC_OK;
	if (known == SC_MEMO_WRONG)
		return fail_wrong(err);
	if (sc_throttle_left(&sc_shared()->throttle, q->who, now) > 0)
		return sc_fail(err, SC_THROTTLED, "not looked at");
	return SC_MISS;
}

static enum sc_status look(struct sc_users *u, const struct question *q,
			   struct sc_err *err)
{
	bool right = sc_htpasswd_matches(u->file, q->basic->user, q->basic->password);

	sc_count(SC_M_PASSWORDS_CHECKED, 1);
	sc_memo_keep(&sc_shared()->memo, &q->id, right, sc_shared_key(), sc_mono_us());
	return right ? SC_OK : fail_wrong(err);
}

/* SC_TIMEOUT: others have all of them. */
static enum sc_status take_place(const struct sc_users *u, uint64_t *place,
				 struct sc_err *err)
{
	enum sc_status status = SC_TIMEOUT;

	for (uint64_t i = 0; i < u->waiting && status == SC_TIMEOUT; i++) {
		*place = NEXT + i;
		status = sc_filelock_take(u->lock, *place, 0, NULL, err);
	}
	return status;
}

static enum sc_status take_turn(const struct sc_users *u, struct sc_err *err)
{
	uint64_t place = 0;
	enum sc_status status = take_place(u, &place, err);

	if (status)
		return status;
	status = sc_filelock_take(u->lock, TURN, TURN_MS, NULL, err);
	sc_filelock_drop(u->lock, place);
	return status;
}

/* A lock that fails otherwise than by time is none: managers are not locked out. */
static enum sc_status look_in_turn(struct sc_users *u, const struct question *q,
				   struct sc_err *err)
{
	enum sc_status status = take_turn(u, err);

	if (status == SC_TIMEOUT)
		return fail_busy(err);
	status = look(u, q, err);
	sc_filelock_drop(u->lock, TURN);
	return status;
}

static enum sc_status look_once(struct sc_users *u, const struct question *q,
				struct sc_err *err)
{
	enum sc_status status =
		sc_filelock_take(u->lock, PAIR(&q->id), SAME_PAIR_MS, NULL, err);

	if (status == SC_TIMEOUT)
		return fail_busy(err);
	status = recall(q, err);
	if (status == SC_MISS)
		status = look_in_turn(u, q, err);
	sc_filelock_drop(u->lock, PAIR(&q->id));
	return status;
}

/* Where no lock is to be had everybody has a turn. */
static bool has_lock(struct sc_users *u)
{
	struct sc_err err;

	if (u->lock < 0 && u->lock_file)
		SC_IGNORE(sc_filelock_open(u->lock_file, &u->lock, &err));
	return u->lock >= 0;
}

enum sc_status sc_users_check(struct sc_users *u, const struct sc_basic *basic,
			      uint64_t who, bool *repeated, struct sc_err *err)
{
	struct question q = { .basic = basic, .who = who, .repeated = repeated };
	enum sc_status status = SC_OK;

	*repeated = false;
	if (sc_htpasswd_refresh(u->file, err) != SC_OK)
		return sc_hide_reason("users", &u->unsaid_us, err);
	q.id = sc_memo_id(basic->user, basic->password,
			  sc_htpasswd_hash(u->file, basic->user), sc_shared_key());
	status = recall(&q, err);
	if (status != SC_MISS)
		return status;
	return has_lock(u) ? look_once(u, &q, err) : look(u, &q, err);
}

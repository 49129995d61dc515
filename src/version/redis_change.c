/* SPDX-License-Identifier: MIT */
/*
 * Changing versions on Redis: optimistic transactions. What is known is read under WATCH,
 * what is to be written is decided here, and EXEC writes all of it or, when somebody else
 * was faster, nothing. An EXEC whose answer is lost may or may not have happened; then
 * the change is not acknowledged.
 */
#include <stdlib.h>
#include <string.h>

#include "slidecache/clock.h"
#include "version/record.h"
#include "version/renew.h"
#include "version/step.h"
#include "version/store_redis.h"

/* Fields of one command: a change may name thousands of images. */
#define FIELDS_MAX 1000

struct changing {
	struct sc_redis_store *s;
	const struct sc_version_change *change;
	struct sc_call call;
	int64_t now_us;

	/* What was read. */
	bool counts;		 /* written to the server that answers */
	struct sc_records known; /* all names but images; as they are to be, in the end */
	size_t images;		 /* how many have a version */
	struct sc_version *old;	 /* of each step on an image; version "": none */

	/* What is to be written. */
	struct sc_records next;
	const char **gone;
	size_t ngone;
	bool drop_images;
	size_t changed;
	/* Somebody was faster. */
	bool again;
};

static void forget(struct changing *c)
{
	c->known.n = 0;
	c->next.n = 0;
	c->ngone = 0;
	c->drop_images = false;
	c->changed = 0;
	c->again = false;
}

/* Begins a command on some of *left fields, width arguments each; returns how many. */
static size_t begin_fields(struct changing *c, const char *command, const char *key,
			   size_t width, size_t *left)
{
	size_t n = *left < FIELDS_MAX ? *left : FIELDS_MAX;

	*left -= n;
	sc_redis_command(c->s->link, command, 1 + n * width);
	sc_redis_arg(c->s->link, sc_bytes_str(key));
	return n;
}

static void add_read_images(struct changing *c)
{
	const struct sc_version_change *change = c->change;
	size_t left = 0;
	size_t room = 0;

	for (size_t i = 0; i < change->n; i++)
		left += sc_image_id(change->steps[i].name) != NULL;
	for (size_t i = 0; i < change->n; i++) {
		const char *id = sc_image_id(change->steps[i].name);

		if (!id)
			continue;
		if (room == 0)
			room = begin_fields(c, "HMGET", c->s->images, 1, &left);
		sc_redis_arg(c->s->link, sc_bytes_str(id));
		room--;
	}
}

/* The replies to the first half, and images from the last on. */
enum { REPLY_WATCH, REPLY_ALL, REPLY_COUNT, REPLY_RUN_ID, REPLY_HISTORY, REPLY_IMAGES };

static void add_read(struct changing *c)
{
	struct sc_redis *link = c->s->link;

	sc_redis_begin(link);
	sc_redis_command(link, "WATCH", 2);
	sc_redis_arg(link, sc_bytes_str(c->s->versions));
	sc_redis_arg(link, sc_bytes_str(c->s->images));
	sc_redis_command(link, "HGETALL", 1);
	sc_redis_arg(link, sc_bytes_str(c->s->versions));
	sc_redis_command(link, "HLEN", 1);
	sc_redis_arg(link, sc_bytes_str(c->s->images));
	sc_redis_add_identity(link);
	add_read_images(c);
}

/* In the order of the steps, over several replies. */
static enum sc_status take_images(struct changing *c, struct sc_err *err)
{
	size_t at = 0;
	size_t reply = REPLY_IMAGES;

	memset(c->old, 0, c->change->n * sizeof(*c->old));
	for (size_t i = 0; i < c->change->n; i++) {
		const char *name = c->change->steps[i].name;

		if (!sc_image_id(name))
			continue;
		struct sc_redis_reply *r = sc_redis_reply(c->s->link, reply);
		if (r->type != SC_REDIS_ARRAY || at >= r->n)
			return sc_redis_unexpected(c->s->link, &c->call, r, err);
		/* What is no record is none. */
		(void)!sc_version_decode(sc_bytes_str(name),
					 sc_buf_bytes(&r->items[at].text), &c->old[i]);
		if (++at == FIELDS_MAX) {
			at = 0;
			reply++;
		}
	}
	return SC_OK;
}

static enum sc_status take_read(struct changing *c, struct sc_err *err)
{
	struct sc_redis *link = c->s->link;
	const struct sc_redis_reply *error = sc_redis_first_error(link);
	struct sc_redis_reply *all = sc_redis_reply(link, REPLY_ALL);
	struct sc_redis_reply *count = sc_redis_reply(link, REPLY_COUNT);

	if (error)
		return sc_redis_refused(link, &c->call, error, err);
	if (all->type != SC_REDIS_ARRAY)
		return sc_redis_unexpected(link, &c->call, all, err);
	if (count->type != SC_REDIS_INTEGER)
		return sc_redis_unexpected(link, &c->call, count, err);
	sc_redis_take_identity(link, sc_redis_reply(link, REPLY_RUN_ID));
	const struct sc_redis_reply *server = sc_records_server(all);
	c->counts = server && sc_redis_is_written_by(c->s, server);
	c->images = (size_t)count->integer;
	sc_records_add(&c->known, all, false);
	enum sc_status status = sc_redis_check_identity(link, &c->call, err);
	return status == SC_OK ? take_images(c, err) : status;
}

static const struct sc_version *renew(struct changing *c, const char *name,
				      const char *old)
{
	struct sc_version *next = sc_records_new(&c->next);

	sc_version_renew(name, old, c->change->actor, c->now_us, next);
	return next;
}

/* Every known name, and images by forgetting theirs. */
static void renew_all(struct changing *c)
{
	for (size_t i = 0; i < c->known.n; i++) {
		struct sc_version *v = &c->known.items[i];

		if (sc_change_of_all_renews(v->name, !c->counts))
			*v = *renew(c, v->name, v->version);
	}
	c->drop_images = true;
	memset(c->old, 0, c->change->n * sizeof(*c->old));
	if (c->change->all)
		c->changed = c->next.n + c->images;
}

static const struct sc_version *find(const struct sc_records *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->items[i].name, name) == 0)
			return &r->items[i];
	return NULL;
}

static const char *version_of(const struct changing *c, size_t i)
{
	const char *name = c->change->steps[i].name;
	const struct sc_version *v =
		sc_image_id(name) ? &c->old[i] : find(&c->known, name);

	return v ? v->version : "";
}

static enum sc_status take_step(struct changing *c, size_t i, struct sc_err *err)
{
	const struct sc_version_step *step = &c->change->steps[i];
	const char *old = version_of(c, i);
	bool renewed = !c->counts && old[0] && sc_change_of_all_renews(step->name, true);
	enum sc_step_effect effect = SC_STEP_NOTHING;
	enum sc_status status = sc_step_judge(step, old, &effect, err);

	if (status != SC_OK || effect == SC_STEP_NOTHING)
		return status;
	c->changed++;
	if (effect == SC_STEP_REMOVES)
		c->gone[c->ngone++] = step->name;
	else if (!renewed)
		(void)renew(c, step->name, old);
	return SC_OK;
}

static enum sc_status decide(struct changing *c, struct sc_err *err)
{
	enum sc_status status = SC_OK;

	if (c->change->all || !c->counts)
		renew_all(c);
	for (size_t i = 0; i < c->change->n && status == SC_OK; i++)
		status = take_step(c, i, err);
	return status;
}

static void add_write(struct changing *c, bool images)
{
	struct sc_redis *link = c->s->link;
	size_t left = 0;
	size_t room = 0;

	for (size_t i = 0; i < c->next.n; i++)
		left += (sc_image_id(c->next.items[i].name) != NULL) == images;
	for (size_t i = 0; i < c->next.n; i++) {
		const struct sc_version *v = &c->next.items[i];
		const char *id = sc_image_id(v->name);
		unsigned char record[SC_VERSION_RECORD_MAX];

		if ((id != NULL) != images)
			continue;
		if (room == 0)
			room = begin_fields(c, "HSET",
					    images ? c->s->images : c->s->versions, 2,
					    &left);
		sc_redis_arg(link, sc_bytes_str(id ? id : v->name));
		sc_redis_arg(link, sc_bytes_of(record, sc_version_encode(v, record)));
		room--;
	}
}

static void add_server(struct changing *c)
{
	struct sc_redis *link = c->s->link;

	sc_redis_command(link, "HSET", 3);
	sc_redis_arg(link, sc_bytes_str(c->s->versions));
	sc_redis_arg(link, sc_bytes_str(SC_SERVER_FIELD));
	sc_redis_arg(link, sc_bytes_str(sc_redis_identity(link)));
}

/* After what is written: a name may be both, of a store that lost something. */
static void add_remove(struct changing *c)
{
	size_t left = c->ngone;
	size_t room = 0;

	for (size_t i = 0; i < c->ngone; i++) {
		if (room == 0)
			room = begin_fields(c, "HDEL", c->s->versions, 1, &left);
		sc_redis_arg(c->s->link, sc_bytes_str(c->gone[i]));
		room--;
	}
}

static void add_transaction(struct changing *c)
{
	struct sc_redis *link = c->s->link;

	sc_redis_begin(link);
	sc_redis_command(link, "MULTI", 0);
	if (c->drop_images) {
		sc_redis_command(link, "UNLINK", 1);
		sc_redis_arg(link, sc_bytes_str(c->s->images));
	}
	if (!c->counts)
		add_server(c);
	add_write(c, false);
	add_write(c, true);
	add_remove(c);
	sc_redis_command(link, "EXEC", 0);
}

static enum sc_status write_all(struct changing *c, struct sc_err *err)
{
	struct sc_redis *link = c->s->link;

	add_transaction(c);
	enum sc_status status = sc_redis_run(link, &c->call, SC_REDIS_WRITE_SAME, err);
	if (status != SC_OK)
		return status;
	const struct sc_redis_reply *error = sc_redis_first_error(link);
	if (error)
		return sc_redis_refused(link, &c->call, error, err);
	const struct sc_redis_reply *done = sc_redis_last(link);
	c->again = done->type == SC_REDIS_NIL;
	return c->again || done->type == SC_REDIS_ARRAY
		       ? SC_OK
		       : sc_redis_unexpected(link, &c->call, done, err);
}

/* Ends what WATCH began; a server that does not answer to that has ended it as well. */
static void leave(struct changing *c)
{
	struct sc_err ignored;

	sc_redis_begin(c->s->link);
	sc_redis_command(c->s->link, "UNWATCH", 0);
	SC_IGNORE(sc_redis_run(c->s->link, &c->call, SC_REDIS_WRITE_SAME, &ignored));
}

static bool is_to_be_written(const struct changing *c)
{
	return c->next.n > 0 || c->ngone > 0 || c->drop_images;
}

static enum sc_status try_once(struct changing *c, struct sc_err *err)
{
	forget(c);
	add_read(c);
	enum sc_status status = sc_redis_run(c->s->link, &c->call, SC_REDIS_READ, err);
	if (status == SC_OK)
		status = take_read(c, err);
	if (status != SC_OK)
		return status;
	status = decide(c, err);
	if (status == SC_OK && is_to_be_written(c))
		return write_all(c, err);
	leave(c);
	return status;
}

static enum sc_status try_again(struct changing *c, struct sc_err *err)
{
	enum sc_status status = SC_OK;

	do {
		if (sc_call_left_ms(&c->call) == 0)
			return sc_fail(err, SC_UNAVAILABLE,
				       "redis: others change versions all the time");
		status = try_once(c, err);
	} while (status == SC_OK && c->again);
	return status;
}

static enum sc_status check_steps(const struct sc_version_change *change,
				  struct sc_err *err)
{
	for (size_t i = 0; i < change->n; i++)
		if (strcmp(change->steps[i].name, SC_SERVER_FIELD) == 0)
			return sc_fail(err, SC_INVALID,
				       "redis: \"" SC_SERVER_FIELD "\" is no name");
	return SC_OK;
}

enum sc_status sc_redis_change(void *store, const struct sc_version_change *change,
			       size_t *changed, struct sc_err *err)
{
	struct sc_redis_store *s = store;
	bool reading = sc_change_only_makes(change);
	struct changing c = { .s = s,
			      .change = change,
			      .call = sc_call_begin(reading ? s->call_ms : s->timeout_ms),
			      .now_us = sc_wall_us() };
	enum sc_status status = check_steps(change, err);

	if (status != SC_OK)
		return status;
	c.old = sc_alloc_array(change->n, sizeof(*c.old));
	c.gone = sc_alloc_array(change->n, sizeof(*c.gone));
	status = try_again(&c, err);
	if (status == SC_OK)
		*changed = c.changed;
	free(c.known.items);
	free(c.next.items);
	free(c.old);
	free(c.gone);
	return status;
}

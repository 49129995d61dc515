/* SPDX-License-Identifier: MIT */
/*
 * Changes of the memcached version store, described in store_memcached.c: the next root
 * is composed from the one that was read and put in its place if it is still there;
 * otherwise somebody was faster, and it begins anew.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "slidecache/clock.h"
#include "slidecache/hash.h"
#include "slidecache/log.h"
#include "version/renew.h"
#include "version/store_memcached.h"
#include "version/version_name.h"

/* For thousands of images; a server that is away costs it once. */
#define ROLL_MS 500

struct changing {
	struct sc_memcached_store *s;
	const struct sc_version_change *change;
	struct sc_call call;
	struct sc_snapshot snap; /* what was read last */
	int64_t now_us;
	size_t changed;
	bool again; /* somebody was faster */
	struct sc_err *err;
};

/* Whether it is made for a read, and may take no longer than one. */
static bool only_makes(const struct sc_version_change *change)
{
	for (size_t i = 0; i < change->n; i++)
		if (change->steps[i].action != SC_MAKE)
			return false;
	return !change->all;
}

static void renew(const struct changing *c, const char *name,
		  const struct sc_version *old, struct sc_version *out)
{
	sc_version_renew(name, old ? old->version : "", c->change->actor, c->now_us, out);
}

/* Larger than any serial that this process has seen, and no less than the clock. */
static uint64_t next_serial(const struct changing *c)
{
	uint64_t serial =
		c->snap.root.serial > c->s->seen ? c->snap.root.serial : c->s->seen;
	uint64_t now = (uint64_t)c->now_us;

	return now > serial ? now : serial + 1;
}

/* A root to be changed, from what was read: valid until its release. */
static struct sc_root next_root(const struct changing *c)
{
	struct sc_root next = c->snap.root;

	next.names = next.pending = (struct sc_version_set){ .items = NULL };
	sc_version_set_copy(&next.names, &c->snap.root.names);
	sc_version_set_copy(&next.pending, &c->snap.root.pending);
	next.incarnation = c->snap.items[0].incarnation;
	next.serial = next_serial(c);
	return next;
}

/* Fresh versions for all names, and no image has one any more. */
static void renew_all(const struct changing *c, struct sc_root *next)
{
	for (size_t i = 0; i < next->names.n; i++) {
		struct sc_version *v = &next->names.items[i];
		struct sc_version fresh;

		renew(c, v->name, v, &fresh);
		*v = fresh;
	}
	sc_version_set_release(&next->pending);
	sc_random_text(next->base, SC_VERSION_LEN);
}

static enum sc_status check_root(const struct changing *c, const struct sc_root *next)
{
	struct sc_err *err = c->err;

	if (next->names.n > SC_ROOT_NAMES_MAX)
		return sc_fail(err, SC_INVALID, "more than %d versioned caches",
			       SC_ROOT_NAMES_MAX);
	if (next->pending.n <= SC_ROOT_PENDING_MAX)
		return SC_OK;
	if (c->change->n <= SC_ROOT_PENDING_MAX)
		return sc_fail(err, SC_UNAVAILABLE,
			       "memcached: more than %d images wait for a server that "
			       "is away",
			       SC_ROOT_PENDING_MAX);
	return sc_fail(err, SC_INVALID,
		       "more than %d images in one change: change all, or fewer at once",
		       SC_ROOT_PENDING_MAX);
}

static enum sc_status judge_write(struct changing *c, const struct sc_memcached_item *it)
{
	switch (it->status) {
	case SC_OK:
		return SC_OK;
	case SC_EXISTS:
	case SC_CHANGED:
	case SC_MISS:
		c->again = true;
		return SC_OK;
	default:
		return sc_fail(c->err, SC_UNAVAILABLE,
			       "memcached: takes no item of %zu bytes", it->value.len);
	}
}

/* Puts next where the root that was read is. c->again: that is not there any more. */
static enum sc_status put_root(struct changing *c, const struct sc_root *next)
{
	const struct sc_memcached_item *old = &c->snap.items[0];
	SC_AUTO_BUF stored = SC_BUF_INIT;
	enum sc_status status = check_root(c, next);

	if (status != SC_OK)
		return status;
	sc_root_encode(next, old->key, &stored);
	struct sc_memcached_item it = { .key = old->key,
					.value = sc_buf_bytes(&stored),
					.cas = old->cas };
	status = sc_memcached_write(c->s->link, &c->call,
				    old->status == SC_OK ? SC_MEMCACHED_SWAP
							 : SC_MEMCACHED_ADD,
				    &it, 1, c->err);
	return it.status == SC_UNAVAILABLE ? status : judge_write(c, &it);
}

static void know(struct sc_root *next, const struct sc_version_set *names)
{
	for (size_t i = 0; i < names->n; i++)
		if (!sc_version_set_find(&next->names, names->items[i].name))
			sc_version_set_put(&next->names, &names->items[i]);
}

/* A new root for one that is missing or does not count. */
static enum sc_status make_root(struct changing *c)
{
	struct sc_root next = next_root(c);

	know(&next, &c->s->known);
	for (size_t i = 0; i < sc_initial_versions_n; i++) {
		struct sc_version v;

		renew(c, sc_initial_versions[i], NULL, &v);
		if (!sc_version_set_find(&next.names, v.name))
			sc_version_set_put(&next.names, &v);
	}
	renew_all(c, &next);
	next.rolled = 0;
	enum sc_status status = put_root(c, &next);
	if (status == SC_OK && !c->again)
		sc_log_info("memcached: the versions of \"%s\" begin anew", c->s->prefix);
	sc_root_release(&next);
	/* What was to be changed is read again in any case. */
	c->again = true;
	return status;
}

/* The item that gives the image of it->key a fresh version, on the server process that it
 * was read from. */
static void compose_image(const struct changing *c, const char *name,
			  const struct sc_version *old,
			  const struct sc_memcached_item *it, struct sc_buf *out)
{
	struct sc_image_record image = { .incarnation = it->incarnation,
					 .serial = c->snap.root.serial };

	memcpy(image.base, c->snap.root.base, sizeof image.base);
	renew(c, name, old, &image.version);
	sc_image_record_encode(&image, it->key, out);
}

/* Images that are to get items, and what is written. */
struct writing {
	struct sc_memcached_item *items;
	struct sc_buf *values;
	const char **names;
	size_t n;
};

static struct writing new_writing(size_t max)
{
	struct writing w = { .n = 0 };

	w.items = sc_alloc_array(max, sizeof *w.items);
	w.values = sc_alloc_array(max, sizeof *w.values);
	w.names = sc_alloc_array(max, sizeof *w.names);
	return w;
}

static void release_writing(struct writing *w)
{
	for (size_t i = 0; i < w->n; i++)
		sc_buf_release(&w->values[i]);
	free(w->items);
	free(w->values);
	free(w->names);
}

static void add_writing(const struct changing *c, struct writing *w, const char *name,
			const struct sc_memcached_item *it)
{
	struct sc_buf *value = &w->values[w->n];

	compose_image(c, name, sc_snapshot_find(&c->snap, name), it, value);
	w->names[w->n] = name;
	w->items[w->n++] = (struct sc_memcached_item){ .key = it->key,
						       .value = sc_buf_bytes(value),
						       .cas = it->cas };
}

/* Gives those images items that have none that counts: there: over one that does not. */
static enum sc_status make_images(struct changing *c, bool there)
{
	struct writing w = new_writing(c->snap.n);
	enum sc_status status = SC_OK;

	for (size_t i = 0; i < c->snap.n; i++) {
		const struct sc_image_state *image = &c->snap.images[i];

		if (!sc_snapshot_find(&c->snap, image->name) &&
		    (image->item->status == SC_OK) == there)
			add_writing(c, &w, image->name, image->item);
	}
	if (w.n > 0)
		status = sc_memcached_write(c->s->link, &c->call,
					    there ? SC_MEMCACHED_SWAP : SC_MEMCACHED_ADD,
					    w.items, w.n, c->err);
	/* Where somebody was faster there is a version now, which is as good. */
	for (size_t i = 0; i < w.n; i++)
		c->changed += w.items[i].status == SC_OK;
	release_writing(&w);
	return status;
}

/* The first name that has no version and may not get one. */
static const char *find_unknown(const struct changing *c)
{
	for (size_t i = 0; i < c->change->n; i++)
		if (!sc_snapshot_find(&c->snap, c->change->steps[i].name) &&
		    c->change->steps[i].action == SC_RENEW &&
		    !sc_is_image(c->change->steps[i].name))
			return c->change->steps[i].name;
	return NULL;
}

static void put_fresh(const struct changing *c, struct sc_root *next, const char *name)
{
	struct sc_version v;

	renew(c, name, sc_snapshot_find(&c->snap, name), &v);
	sc_version_set_put(sc_is_image(name) ? &next->pending : &next->names, &v);
}

static enum sc_status change_missing(struct changing *c)
{
	struct sc_root next = next_root(c);
	enum sc_status status = SC_OK;
	size_t made = 0;

	for (size_t i = 0; i < c->change->n; i++) {
		const char *name = c->change->steps[i].name;

		if (sc_is_image(name) || sc_version_set_find(&next.names, name))
			continue;
		put_fresh(c, &next, name);
		made++;
	}
	if (made > 0)
		status = put_root(c, &next);
	sc_root_release(&next);
	if (status == SC_OK && !c->again) {
		c->changed += made;
		status = make_images(c, false);
	}
	return status == SC_OK && !c->again ? make_images(c, true) : status;
}

/* Takes from next what got an item: those of w that are pending as they were. False:
 * there is nothing to take. */
static bool take_rolled(const struct changing *c, const struct writing *w,
			const struct sc_version_set *were, struct sc_root *next)
{
	size_t before = next->pending.n;

	for (size_t i = 0; i < w->n; i++) {
		const struct sc_version *now =
			sc_version_set_find(&next->pending, w->names[i]);
		const struct sc_version *was = sc_version_set_find(were, w->names[i]);

		if (w->items[i].status == SC_OK && now && was &&
		    strcmp(now->version, was->version) == 0)
			sc_version_set_remove(&next->pending, w->names[i]);
	}
	next->rolled = next_serial(c);
	return next->pending.n < before;
}

static enum sc_status read_about(struct changing *c,
				 const struct sc_version_change *about)
{
	sc_snapshot_release(&c->snap);
	return sc_snapshot_take(c->s, &c->call, about, SC_MEMCACHED_VERSIONS_AGAIN,
				&c->snap, c->err);
}

static enum sc_status read_root(struct changing *c)
{
	struct sc_version_change nothing = { .n = 0 };

	return read_about(c, &nothing);
}

/* Not an error of any server, which a call that is begun without time would look like. */
static enum sc_status check_time(const struct changing *c)
{
	if (sc_call_left_ms(&c->call) > 0)
		return SC_OK;
	return sc_fail(c->err, SC_UNAVAILABLE,
		       "memcached: others change the versions all the time");
}

/* Takes entries from pending; if somebody is faster, from what he made of it. */
static enum sc_status end_pending(struct changing *c, const struct writing *w,
				  const struct sc_version_set *were)
{
	char base[sizeof c->snap.root.base];
	enum sc_status status = SC_OK;

	memcpy(base, c->snap.root.base, sizeof base);
	do {
		struct sc_root next = next_root(c);

		c->again = false;
		if (take_rolled(c, w, were, &next))
			status = put_root(c, &next);
		sc_root_release(&next);
		if (status == SC_OK && c->again)
			status = check_time(c);
		if (status == SC_OK && c->again)
			status = read_root(c);
	} while (status == SC_OK && c->again && c->snap.counts &&
		 strcmp(base, c->snap.root.base) == 0);
	return status;
}

/* Has the servers of the images say which processes they are; one that is away keeps its
 * own images pending, and no others. */
static void introduce(struct changing *c, const struct sc_version_set *pending,
		      struct sc_memcached_item *items, struct sc_memcached_key *keys)
{
	for (size_t i = 0; i < pending->n; i++)
		items[i].key =
			sc_memcached_key(c->s, pending->items[i].name, &keys[i])->bytes;
	SC_IGNORE(sc_memcached_get(c->s->link, &c->call, SC_MEMCACHED_VERSIONS_AGAIN,
				   items, pending->n, c->err));
}

static enum sc_status roll(struct changing *c)
{
	struct sc_version_set were = { .items = NULL };
	size_t n = c->snap.root.pending.n;
	struct writing w = new_writing(n);
	struct sc_memcached_item *items = sc_alloc_array(n, sizeof *items);
	struct sc_memcached_key *keys = sc_alloc_array(n, sizeof *keys);

	sc_version_set_copy(&were, &c->snap.root.pending);
	introduce(c, &were, items, keys);
	for (size_t i = 0; i < n; i++) {
		if (items[i].status != SC_UNAVAILABLE && items[i].incarnation != 0)
			add_writing(c, &w, were.items[i].name, &items[i]);
		sc_buf_release(&items[i].out);
	}
	SC_IGNORE(sc_memcached_write(c->s->link, &c->call, SC_MEMCACHED_SET, w.items, w.n,
				     c->err));
	enum sc_status status = end_pending(c, &w, &were);
	release_writing(&w);
	sc_version_set_release(&were);
	free(items);
	free(keys);
	return status;
}

/* What is pending, by whomever, gets into its items. Nothing depends on that: what is
 * pending is current, and the next change tries again. */
static void roll_forward(const struct changing *committed)
{
	struct sc_err ignored;
	struct changing c = *committed;

	c.snap = (struct sc_snapshot){ .items = NULL };
	c.call = sc_call_begin(c.s->call_ms > ROLL_MS ? c.s->call_ms : ROLL_MS);
	c.err = &ignored;
	c.again = false;
	if (read_root(&c) == SC_OK && c.snap.counts && c.snap.root.pending.n > 0)
		SC_IGNORE(roll(&c));
	sc_snapshot_release(&c.snap);
}

/* One image and nothing else, unless the root has a say in it, or must have one because
 * the image's own server is away. */
static bool is_image_alone(const struct changing *c)
{
	return c->change->n == 1 && c->snap.n == 1 &&
	       !sc_version_set_find(&c->snap.root.pending, c->change->steps[0].name);
}

static enum sc_status change_image(struct changing *c)
{
	struct writing w = new_writing(1);

	add_writing(c, &w, c->snap.images[0].name, c->snap.images[0].item);
	enum sc_status status = sc_memcached_write(c->s->link, &c->call, SC_MEMCACHED_SET,
						   w.items, 1, c->err);
	if (w.items[0].status != SC_UNAVAILABLE)
		status = judge_write(c, &w.items[0]);
	release_writing(&w);
	c->changed = 1;
	if (status == SC_OK && c->snap.root.pending.n > 0)
		roll_forward(c);
	return status;
}

static enum sc_status change_named(struct changing *c)
{
	struct sc_root next = next_root(c);

	for (size_t i = 0; i < c->change->n; i++)
		put_fresh(c, &next, c->change->steps[i].name);
	enum sc_status status = put_root(c, &next);
	bool pending = next.pending.n > 0;
	sc_root_release(&next);
	if (status == SC_OK && !c->again) {
		c->changed = c->change->n;
		if (pending)
			roll_forward(c);
	}
	return status;
}

static enum sc_status change_all(struct changing *c)
{
	struct sc_root next = next_root(c);

	renew_all(c, &next);
	c->changed = next.names.n;
	enum sc_status status = put_root(c, &next);
	sc_root_release(&next);
	return status;
}

static enum sc_status change_once(struct changing *c)
{
	const char *unknown = NULL;

	if (!c->snap.counts)
		return make_root(c);
	if (c->change->all)
		return change_all(c);
	unknown = find_unknown(c);
	if (unknown)
		return sc_fail(c->err, SC_NOT_FOUND, "no versioned cache \"%s\"",
			       unknown);
	if (only_makes(c->change))
		return change_missing(c);
	return is_image_alone(c) ? change_image(c) : change_named(c);
}

/* Reads what the change needs to know. Several images change by the root alone, and so
 * does one whose server is away. */
static enum sc_status read_before(struct changing *c)
{
	bool named = !c->change->all && !only_makes(c->change);

	if (named && c->change->n > 1)
		return read_root(c);
	enum sc_status status = read_about(c, c->change);
	return named && status == SC_UNAVAILABLE ? read_root(c) : status;
}

/* A missing name is made as a part of a read. */
static int64_t time_for(const struct sc_memcached_store *s,
			const struct sc_version_change *change)
{
	return only_makes(change) ? s->call_ms : s->timeout_ms;
}

enum sc_status sc_memcached_change(void *store, const struct sc_version_change *change,
				   size_t *changed, struct sc_err *err)
{
	struct sc_memcached_store *s = store;
	struct changing c = { .s = s,
			      .change = change,
			      .call = sc_call_begin(time_for(s, change)),
			      .now_us = sc_wall_us(),
			      .err = err };
	enum sc_status status = SC_OK;

	/* Each time round somebody else got through; the deadline ends it. */
	do {
		c.again = false;
		c.changed = 0;
		status = check_time(&c);
		if (status == SC_OK)
			status = read_before(&c);
		if (status == SC_OK)
			status = change_once(&c);
		sc_snapshot_release(&c.snap);
	} while (status == SC_OK && c.again);
	if (status == SC_OK)
		*changed = c.changed;
	return status;
}

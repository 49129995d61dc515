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
#include "version/step.h"
#include "version/store_memcached.h"
#include "version/version_name.h"

/* For thousands of images; a server that is away costs it once. */
#define IMAGES_MS 500

struct changing {
	struct sc_memcached_store *s;
	const struct sc_version_change *change;
	const char **images; /* of the steps */
	size_t nimages;
	bool only_makes;
	struct sc_call call;
	struct sc_snapshot snap; /* what was read last */
	int64_t now_us;
	size_t changed;
	bool again; /* somebody was faster */
	struct sc_err *err;
};

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

/* Fresh versions for all names, and no image has one any more. */
static void renew_all(struct changing *c, struct sc_root *next)
{
	for (size_t i = 0; i < next->names.n; i++) {
		struct sc_version *v = &next->names.items[i];
		struct sc_version fresh;

		if (!sc_change_of_all_renews(v->name, !c->snap.counts))
			continue;
		renew(c, v->name, v, &fresh);
		*v = fresh;
		c->changed += c->change->all;
	}
	sc_version_set_release(&next->pending);
	sc_random_text(next->base, SC_VERSION_LEN);
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

static enum sc_status check_root(const struct changing *c, const struct sc_root *next)
{
	struct sc_err *err = c->err;

	/* Names that a read makes again nobody asked for: then it is no mistake of his.
	 */
	if (next->names.n > SC_ROOT_NAMES_MAX)
		return sc_fail(err, c->only_makes ? SC_UNAVAILABLE : SC_INVALID,
			       "more than %d versioned caches", SC_ROOT_NAMES_MAX);
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

/* Items of images, and what is written. */
struct writing {
	struct sc_memcached_item *items;
	struct sc_buf *values;
	size_t n;
};

static struct writing new_writing(size_t max)
{
	struct writing w = { .n = 0 };

	w.items = sc_alloc_array(max, sizeof *w.items);
	w.values = sc_alloc_array(max, sizeof *w.values);
	return w;
}

static void release_writing(struct writing *w)
{
	for (size_t i = 0; i < w->n; i++)
		sc_buf_release(&w->values[i]);
	free(w->items);
	free(w->values);
}

/* The item that gives the image of it->key this version, on the server process that it
 * was read from. */
static void add_writing(const struct changing *c, struct writing *w,
			const struct sc_version *version,
			const struct sc_memcached_item *it)
{
	struct sc_image_record image = { .incarnation = it->incarnation,
					 .serial = c->snap.root.serial,
					 .version = *version };
	struct sc_buf *value = &w->values[w->n];

	memcpy(image.base, c->snap.root.base, sizeof image.base);
	sc_image_record_encode(&image, it->key, value);
	w->items[w->n++] = (struct sc_memcached_item){ .key = it->key,
						       .value = sc_buf_bytes(value),
						       .cas = it->cas };
}

static void add_image(const struct changing *c, struct writing *w,
		      const struct sc_image_state *image)
{
	struct sc_version v;

	renew(c, image->name, sc_snapshot_find(&c->snap, image->name), &v);
	add_writing(c, w, &v, image->item);
}

/* Gives those images items that have none that counts: there: over one that does not. */
static enum sc_status make_some(struct changing *c, bool there)
{
	struct writing w = new_writing(c->snap.n);
	enum sc_status status = SC_OK;

	for (size_t i = 0; i < c->snap.n; i++) {
		const struct sc_image_state *image = &c->snap.images[i];

		if (!sc_snapshot_find(&c->snap, image->name) &&
		    (image->item->status == SC_OK) == there)
			add_image(c, &w, image);
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

static enum sc_status make_images(struct changing *c)
{
	enum sc_status status = make_some(c, false);

	return status == SC_OK ? make_some(c, true) : status;
}

static const struct sc_version *find_now(const struct changing *c,
					 const struct sc_root *next, const char *name)
{
	return sc_version_name_is_image(name) ? sc_snapshot_find(&c->snap, name)
					      : sc_version_set_find(&next->names, name);
}

static void put_fresh(const struct changing *c, struct sc_root *next, const char *name)
{
	struct sc_version v;

	renew(c, name, find_now(c, next, name), &v);
	sc_version_set_put(sc_version_name_is_image(name) ? &next->pending : &next->names,
			   &v);
}

static enum sc_status take_step(struct changing *c, struct sc_root *next,
				const struct sc_version_step *step)
{
	const struct sc_version *now = find_now(c, next, step->name);
	/* With all, as the root was lost. */
	bool renewed =
		!c->snap.counts && now && sc_change_of_all_renews(step->name, true);
	enum sc_step_effect effect = SC_STEP_NOTHING;
	enum sc_status status =
		sc_step_judge(step, now ? now->version : "", &effect, c->err);

	/* Images that are only made get items, not versions in the root. */
	if (status != SC_OK || effect == SC_STEP_NOTHING ||
	    (c->only_makes && sc_version_name_is_image(step->name)))
		return status;
	c->changed++;
	if (effect == SC_STEP_REMOVES)
		sc_version_set_remove(&next->names, step->name);
	else if (!renewed)
		put_fresh(c, next, step->name);
	return SC_OK;
}

/* What the change makes of the root. */
static enum sc_status compose(struct changing *c, struct sc_root *next)
{
	enum sc_status status = SC_OK;

	*next = next_root(c);
	if (c->change->all || !c->snap.counts)
		renew_all(c, next);
	for (size_t i = 0; i < c->change->n && status == SC_OK; i++)
		status = take_step(c, next, &c->change->steps[i]);
	return status;
}

/* Takes from next what got an item: those that are pending as they were. False: there is
 * nothing to take. */
static bool take_rolled(const struct changing *c, const struct sc_version_set *rolled,
			struct sc_root *next)
{
	size_t before = next->pending.n;

	for (size_t i = 0; i < rolled->n; i++) {
		const struct sc_version *was = &rolled->items[i];
		const struct sc_version *now =
			sc_version_set_find(&next->pending, was->name);

		if (now && strcmp(now->version, was->version) == 0)
			sc_version_set_remove(&next->pending, was->name);
	}
	next->rolled = next_serial(c);
	return next->pending.n < before;
}

static enum sc_status read_images(struct changing *c, size_t n)
{
	struct sc_asking asking = { c->images, n, SC_MEMCACHED_VERSIONS_AGAIN };

	sc_snapshot_release(&c->snap);
	return sc_snapshot_take(c->s, &c->call, &asking, &c->snap, c->err);
}

static enum sc_status read_root(struct changing *c)
{
	return read_images(c, 0);
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
static enum sc_status end_pending(struct changing *c, const struct sc_version_set *rolled)
{
	char base[sizeof c->snap.root.base];
	enum sc_status status = SC_OK;

	memcpy(base, c->snap.root.base, sizeof base);
	do {
		struct sc_root next = next_root(c);

		c->again = false;
		if (take_rolled(c, rolled, &next))
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

/* The version that the item gets: never the pending one, but the same change. */
static void settle(const struct sc_version *pending, struct sc_version *out)
{
	sc_version_renew(pending->name, pending->version, pending->changed_by,
			 pending->changed_at_us, out);
	memcpy(out->previous, pending->previous, sizeof out->previous);
}

/* What is pending and whose server says who it is gets an item; *rolled: those. */
static void write_pending(struct changing *c, const struct sc_memcached_item *items,
			  struct sc_version_set *rolled)
{
	const struct sc_version_set *pending = &c->snap.root.pending;
	struct writing w = new_writing(pending->n);
	struct sc_version v;

	for (size_t i = 0; i < pending->n; i++) {
		if (items[i].status == SC_UNAVAILABLE || items[i].incarnation == 0)
			continue;
		settle(&pending->items[i], &v);
		add_writing(c, &w, &v, &items[i]);
		sc_version_set_put(rolled, &pending->items[i]);
	}
	SC_IGNORE(sc_memcached_write(c->s->link, &c->call, SC_MEMCACHED_SET, w.items, w.n,
				     c->err));
	for (size_t i = w.n; i-- > 0;)
		if (w.items[i].status != SC_OK)
			sc_version_set_remove(rolled, rolled->items[i].name);
	release_writing(&w);
}

static enum sc_status roll(struct changing *c)
{
	struct sc_version_set rolled = { .items = NULL };
	size_t n = c->snap.root.pending.n;
	struct sc_memcached_item *items = sc_alloc_array(n, sizeof *items);
	struct sc_memcached_key *keys = sc_alloc_array(n, sizeof *keys);

	introduce(c, &c->snap.root.pending, items, keys);
	write_pending(c, items, &rolled);
	enum sc_status status = end_pending(c, &rolled);
	sc_version_set_release(&rolled);
	for (size_t i = 0; i < n; i++)
		sc_buf_release(&items[i].out);
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
	c.call = sc_call_begin(c.s->call_ms > IMAGES_MS ? c.s->call_ms : IMAGES_MS);
	c.err = &ignored;
	c.again = false;
	if (read_root(&c) == SC_OK && c.snap.counts && c.snap.root.pending.n > 0)
		SC_IGNORE(roll(&c));
	sc_snapshot_release(&c.snap);
}

static enum sc_status change_image(struct changing *c)
{
	struct writing w = new_writing(1);

	add_image(c, &w, &c->snap.images[0]);
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

/* Puts what the change makes of the root in its place; then that is what was read. */
static enum sc_status commit(struct changing *c)
{
	bool lost = !c->snap.counts;
	struct sc_root next;
	enum sc_status status = compose(c, &next);
	bool differs = lost || c->change->all || c->changed > 0;

	if (status == SC_OK && differs)
		status = put_root(c, &next);
	if (status != SC_OK || c->again || !differs) {
		sc_root_release(&next);
		return status;
	}
	sc_root_release(&c->snap.root);
	c->snap.root = next;
	c->snap.counts = true;
	if (lost)
		sc_log_info("memcached: the versions of \"%s\" begin anew", c->s->prefix);
	return SC_OK;
}

static enum sc_status change_root(struct changing *c)
{
	enum sc_status status = commit(c);

	if (status != SC_OK || c->again)
		return status;
	if (c->only_makes)
		return make_images(c);
	if (c->snap.root.pending.n > 0)
		roll_forward(c);
	return SC_OK;
}

/* Without that, what a change makes of it cannot be told. */
static bool must_read_images(const struct changing *c)
{
	for (size_t i = 0; i < c->change->n; i++)
		if (c->change->steps[i].action == SC_MAKE &&
		    sc_version_name_is_image(c->change->steps[i].name))
			return true;
	return false;
}

/* Reads what the change needs to know. If an image's server is away, the root alone has
 * to do; then what was its version before is not known. */
static enum sc_status read_before(struct changing *c)
{
	struct sc_call call = c->call;
	int64_t limit_us = sc_mono_us() + IMAGES_MS * INT64_C(1000);

	if (must_read_images(c))
		return read_images(c, c->nimages);
	if (c->nimages > 0 && limit_us < call.deadline_us)
		c->call.deadline_us = limit_us;
	enum sc_status status = read_images(c, c->nimages);
	c->call = call;
	return status == SC_UNAVAILABLE && c->nimages > 0 ? read_root(c) : status;
}

static bool is_image_renewed(const struct sc_version_step *step)
{
	return step->action == SC_RENEW && sc_version_name_is_image(step->name);
}

/* One image and nothing else, unless the root is lost, has a say in it, or must have one
 * because the image's own server is away. */
static bool is_image_alone(const struct changing *c)
{
	return c->snap.counts && c->change->n == 1 && c->snap.n == 1 &&
	       is_image_renewed(&c->change->steps[0]) &&
	       !sc_version_set_find(&c->snap.root.pending, c->change->steps[0].name);
}

/* Each time round somebody else got through; the deadline ends it. */
static enum sc_status try_again(struct changing *c)
{
	enum sc_status status = SC_OK;

	do {
		c->again = false;
		c->changed = 0;
		status = check_time(c);
		if (status == SC_OK)
			status = read_before(c);
		if (status == SC_OK)
			status = is_image_alone(c) ? change_image(c) : change_root(c);
		sc_snapshot_release(&c->snap);
	} while (status == SC_OK && c->again);
	return status;
}

static void find_images(struct changing *c)
{
	const struct sc_version_change *change = c->change;

	c->images = sc_alloc_array(change->n, sizeof *c->images);
	for (size_t i = 0; i < change->n; i++)
		if (sc_version_name_is_image(change->steps[i].name))
			c->images[c->nimages++] = change->steps[i].name;
}

enum sc_status sc_memcached_change(void *store, const struct sc_version_change *change,
				   size_t *changed, struct sc_err *err)
{
	struct sc_memcached_store *s = store;
	bool only_makes = sc_change_only_makes(change);
	struct changing c = { .s = s,
			      .change = change,
			      .only_makes = only_makes,
			      .call = sc_call_begin(only_makes ? s->call_ms
							       : s->timeout_ms),
			      .now_us = sc_wall_us(),
			      .err = err };

	find_images(&c);
	enum sc_status status = try_again(&c);
	if (status == SC_OK)
		*changed = c.changed;
	free(c.images);
	return status;
}

/* SPDX-License-Identifier: MIT */
/*
 * Reading the root and images of the memcached store so that they belong together, and
 * judging what of it counts; store_memcached.c says why it does.
 */
#include <stdlib.h>
#include <string.h>

#include "version/store_memcached.h"
#include "version/version_name.h"

/* Each further one needs a change that happened during the one before. */
#define TRIES 16

void sc_snapshot_release(struct sc_snapshot *snap)
{
	for (size_t i = 0; snap->items && i < 1 + snap->n; i++)
		sc_buf_release(&snap->items[i].out);
	free(snap->items);
	free(snap->images);
	sc_root_release(&snap->root);
	*snap = (struct sc_snapshot){ .items = NULL };
}

static void prepare(struct sc_memcached_store *s, const struct sc_asking *asking,
		    struct sc_snapshot *snap)
{
	*snap = (struct sc_snapshot){ .items = NULL };
	snap->items = sc_alloc_array(1 + asking->n, sizeof *snap->items);
	snap->images = sc_alloc_array(asking->n, sizeof *snap->images);
	snap->items[0].key = sc_memcached_key(s, "versions", &snap->root_key)->bytes;
	for (size_t i = 0; i < asking->n; i++) {
		struct sc_image_state *image = &snap->images[snap->n];

		if (!sc_version_name_is_image(asking->names[i]))
			continue;
		image->name = asking->names[i];
		image->item = &snap->items[1 + snap->n++];
		image->item->key = sc_memcached_key(s, image->name, &image->key)->bytes;
	}
}

static enum sc_status check_incarnations(const struct sc_snapshot *snap,
					 struct sc_err *err)
{
	for (size_t i = 0; i < 1 + snap->n; i++)
		if (snap->items[i].incarnation == 0)
			return sc_fail(err, SC_UNAVAILABLE,
				       "memcached: \"stats\" does not say which process "
				       "it is (pid, time): versions need to know");
	return SC_OK;
}

static void judge_root(const struct sc_memcached_store *s, struct sc_snapshot *snap)
{
	const struct sc_memcached_item *it = &snap->items[0];

	sc_root_release(&snap->root);
	snap->root = (struct sc_root){ .serial = 0 };
	snap->counts = it->status == SC_OK &&
		       sc_root_decode(sc_buf_bytes(&it->out), it->key, &snap->root) &&
		       snap->root.incarnation == it->incarnation &&
		       snap->root.serial >= s->seen;
}

static void judge_image(const struct sc_snapshot *snap, struct sc_image_state *image)
{
	const struct sc_memcached_item *it = image->item;

	image->counts = snap->counts && it->status == SC_OK &&
			sc_image_record_decode(sc_buf_bytes(&it->out), it->key,
					       image->name, &image->record) &&
			image->record.incarnation == it->incarnation &&
			strcmp(image->record.base, snap->root.base) == 0;
}

static enum sc_status fetch(struct sc_memcached_store *s, struct sc_call *call,
			    enum sc_memcached_read read, struct sc_snapshot *snap,
			    struct sc_err *err)
{
	enum sc_status status =
		sc_memcached_get(s->link, call, read, snap->items, 1 + snap->n, err);

	if (status == SC_OK)
		status = check_incarnations(snap, err);
	if (status != SC_OK)
		return status;
	judge_root(s, snap);
	for (size_t i = 0; i < snap->n; i++)
		judge_image(snap, &snap->images[i]);
	return SC_OK;
}

static bool is_pending(const struct sc_snapshot *snap, const struct sc_image_state *image)
{
	return sc_version_set_find(&snap->root.pending, image->name) != NULL;
}

/* An image was made under a later root than the one that was read. */
static bool is_image_ahead(const struct sc_snapshot *snap)
{
	for (size_t i = 0; i < snap->n; i++)
		if (snap->images[i].counts &&
		    snap->images[i].record.serial > snap->root.serial)
			return true;
	return false;
}

/* Entries left pending, perhaps after an image was read and before the root was. */
static bool may_be_behind(const struct sc_memcached_store *s,
			  const struct sc_snapshot *snap)
{
	for (size_t i = 0; i < snap->n; i++)
		if (snap->root.rolled > s->seen && !is_pending(snap, &snap->images[i]))
			return true;
	return false;
}

/* Whether the parts belong together. last: the root before, 0 at first: if it is still
 * the same and an image is ahead of it, it is an old one that was put back. */
static bool is_whole(struct sc_memcached_store *s, struct sc_snapshot *snap,
		     uint64_t last)
{
	bool ahead = snap->counts && is_image_ahead(snap);
	bool behind = snap->counts && may_be_behind(s, snap);

	if (!snap->counts)
		return true;
	if (ahead && snap->items[0].cas == last) {
		snap->counts = false;
		return true;
	}
	s->seen = snap->root.serial;
	return !ahead && !behind;
}

enum sc_status sc_snapshot_take(struct sc_memcached_store *s, struct sc_call *call,
				const struct sc_asking *asking, struct sc_snapshot *out,
				struct sc_err *err)
{
	enum sc_memcached_read read = asking->read;
	uint64_t last = 0;

	prepare(s, asking, out);
	for (int i = 0; i < TRIES; i++) {
		enum sc_status status = fetch(s, call, read, out, err);

		if (status != SC_OK)
			sc_snapshot_release(out);
		if (status != SC_OK || is_whole(s, out, last))
			return status;
		last = out->items[0].cas;
		read = SC_MEMCACHED_VERSIONS_AGAIN;
	}
	sc_snapshot_release(out);
	return sc_fail(err, SC_UNAVAILABLE,
		       "memcached: the versions change all the time");
}

static const struct sc_version *find_image(const struct sc_snapshot *snap,
					   const char *name)
{
	const struct sc_version *v = sc_version_set_find(&snap->root.pending, name);

	for (size_t i = 0; i < snap->n && !v; i++)
		if (snap->images[i].counts && strcmp(snap->images[i].name, name) == 0)
			v = &snap->images[i].record.version;
	return v;
}

const struct sc_version *sc_snapshot_find(const struct sc_snapshot *snap,
					  const char *name)
{
	if (!snap->counts)
		return NULL;
	return sc_version_name_is_image(name)
		       ? find_image(snap, name)
		       : sc_version_set_find(&snap->root.names, name);
}

/* SPDX-License-Identifier: MIT */
/*
 * The version store on memcached, which has neither transactions nor lists, and forgets
 * what it likes.
 *
 *	PREFIX:versions   the root: the versions of all names that are no images
 *	PREFIX:image/ID   one item for each image that has been asked for
 *
 * What everything rests on: a version is written in the moment it is made, by nobody but
 * its maker, and nobody has used it before. So it does not matter who of two writers is
 * late, or what the server forgets: what is there later is never an older version. (A
 * command that a stopped server executes long after its caller has given up writes such a
 * version, too.)
 *
 * The root is one item, changed only by compare-and-swap (or add, while it is missing).
 * That is the commit of every change of several names: all or nothing, and seen by every
 * later read, since every read fetches the root. It has
 *
 *  - incarnation: which process of its server it was written to (pid and start). Another
 *    process may have kept memory from before (memcached -e), and changes that happened
 *    meanwhile would be undone: its root does not count. With -e the start is kept, too,
 *    and in a container the pid may be the same: there versions must not be kept
 *    (slidecachectl doctor says so).
 *  - base: 8 random characters. An image item counts only if it has the same base, and
 *    the incarnation of its own server. So a new base drops all images in constant time.
 *  - pending: images that were changed together with other names; what is pending is
 *    current, whatever the image's item says. After the commit, which is acknowledged
 *    even if the rest fails, the items get fresh versions (not the pending ones: those
 *    have been used by then, and a late write of one would undo a later change) with the
 *    time, the actor and the previous version of the change, and the entries leave
 *    pending by another compare-and-swap. What a process that died left
 *    pending, the next change finishes.
 *  - serial: grows with each change, and is never less than the clock. Image items have
 *    that of the root they were made under.
 *  - rolled: the serial at which entries last left pending.
 *
 * A read is one multi-get of the root, the images and the expected entry. Its parts may
 * be of different moments; the serials tell. An image item newer than the root: the root
 * changed in between. A root whose rolled is newer than anything this process had seen
 * before the call: the item may have been read before the entry's end, and from another
 * server. In both cases the read is made once more; the second is one extra round trip
 * for each process and each change of several names with images.
 *
 * A change of one image alone only sets its item: the root is read before, so the new
 * version is younger than the call, and if the image is (or becomes) pending, what is
 * pending is younger, too, or is replaced in the root. If the image's server is away, the
 * change goes by the root like one of several names: it counts, although the image cannot
 * be read yet.
 *
 * Missing, damaged, or of another incarnation: a new root, with fresh versions for all
 * names that can be made out in the old one (of reserved names only for "#origin"; the
 * records of the others are kept), and a new base. The change that finds it goes along.
 *
 * An old root put back by hand. If its incarnation is that of the server, its content
 * alone does not tell it from the truth. Covered: any process that has seen a later
 * serial, and any that finds an image item younger than the root, makes a new root. Not
 * covered: processes that start afterwards and read no such image. Neither is two servers
 * that take turns at one address, each with its own root: such a pair must not be used.
 *
 * A list has the names in the root, without images: memcached cannot say which there are.
 */
#include "version/store_memcached.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_MS	   100
#define TIMEOUT_MS 5000

struct sc_memcached_key *sc_memcached_key(const struct sc_memcached_store *s,
					  const char *name, struct sc_memcached_key *out)
{
	int n = snprintf(out->text, sizeof out->text, "%s:%s", s->prefix, name);

	out->bytes = sc_bytes_of(out->text, n > 0 ? (size_t)n : 0);
	return out;
}

/* The rule of cache keys, with the same sentence. */
static enum sc_status check_prefix(const char *prefix, struct sc_err *err)
{
	char ignored[SC_KEY_MAX + 1];

	return sc_cache_key(prefix, "v", sc_bytes_str("x"), ignored, err);
}

static enum sc_status open_memcached(const struct sc_versions_options *o, void **out,
				     struct sc_err *err)
{
	const char *prefix = o->key_prefix ? o->key_prefix : "";
	struct sc_memcached *link = NULL;
	enum sc_status status = check_prefix(prefix, err);

	if (status == SC_OK)
		status = sc_memcached_open(o->location, &link, err);
	if (status != SC_OK)
		return status;
	struct sc_memcached_store *s = sc_alloc(sizeof *s);
	s->link = link;
	s->call_ms = o->call_ms > 0 ? o->call_ms : CALL_MS;
	s->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : TIMEOUT_MS;
	(void)snprintf(s->prefix, sizeof s->prefix, "%s", prefix);
	*out = s;
	return SC_OK;
}

static void close_memcached(void *store)
{
	struct sc_memcached_store *s = store;

	sc_memcached_close(s->link);
	free(s);
}

static enum sc_status read_memcached(void *store, const char *const *names, size_t n,
				     struct sc_version *out, bool *found,
				     struct sc_err *err)
{
	struct sc_memcached_store *s = store;
	struct sc_call call = sc_call_begin(s->call_ms);
	struct sc_asking asking = { names, n, SC_MEMCACHED_VERSIONS };
	struct sc_snapshot snap;
	enum sc_status status = sc_snapshot_take(s, &call, &asking, &snap, err);

	if (status != SC_OK)
		return status;
	for (size_t i = 0; i < n; i++) {
		const struct sc_version *v = sc_snapshot_find(&snap, names[i]);

		found[i] = v != NULL;
		if (v)
			out[i] = *v;
	}
	sc_snapshot_release(&snap);
	return SC_OK;
}

static enum sc_status list_memcached(void *store, bool images, struct sc_version **out,
				     size_t *n, struct sc_err *err)
{
	struct sc_memcached_store *s = store;
	struct sc_call call = sc_call_begin(s->call_ms);
	struct sc_asking asking = { .read = SC_MEMCACHED_VERSIONS_AGAIN };
	struct sc_snapshot snap;
	enum sc_status status = sc_snapshot_take(s, &call, &asking, &snap, err);

	(void)images;

	if (status != SC_OK)
		return status;
	/* A root that does not count has nothing. */
	if (snap.counts) {
		*out = snap.root.names.items;
		*n = snap.root.names.n;
		snap.root.names = (struct sc_version_set){ .items = NULL };
	} else {
		*out = NULL;
		*n = 0;
	}
	sc_snapshot_release(&snap);
	return SC_OK;
}

const struct sc_store_ops sc_store_memcached = {
	.name = "memcached",
	.remote = true,
	.hides_images = true,
	.check_location = sc_memcached_location_check,
	.open = open_memcached,
	.close = close_memcached,
	.read = read_memcached,
	.list = list_memcached,
	.change = sc_memcached_change,
};

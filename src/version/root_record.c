/* SPDX-License-Identifier: MIT */
/*
 * Encoding and decoding of the root and of image items, described in root_record.h. Pure.
 */
#include "version/root_record.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "slidecache/hash.h"
#include "version/record.h"

#define ROOT_MAGIC  "SCR1"
#define IMAGE_MAGIC "SCI1"
#define MAGIC_LEN   4
#define SUM_LEN	    sizeof(uint64_t)

/* Where name is, or belongs. */
static size_t place_of(const struct sc_version_set *set, const char *name)
{
	size_t low = 0;
	size_t high = set->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(set->items[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(const struct sc_version_set *set, size_t at, const char *name)
{
	return at < set->n && strcmp(set->items[at].name, name) == 0;
}

struct sc_version *sc_version_set_find(const struct sc_version_set *set, const char *name)
{
	size_t at = place_of(set, name);

	return is_at(set, at, name) ? &set->items[at] : NULL;
}

void sc_version_set_put(struct sc_version_set *set, const struct sc_version *v)
{
	size_t at = place_of(set, v->name);

	if (!is_at(set, at, v->name)) {
		if (set->n == set->cap) {
			set->cap = set->cap ? 2 * set->cap : 8;
			set->items = sc_realloc_array(set->items, set->cap,
						      sizeof *set->items);
		}
		memmove(&set->items[at + 1], &set->items[at],
			(set->n - at) * sizeof *set->items);
		set->n++;
	}
	set->items[at] = *v;
}

void sc_version_set_remove(struct sc_version_set *set, const char *name)
{
	size_t at = place_of(set, name);

	if (!is_at(set, at, name))
		return;
	set->n--;
	memmove(&set->items[at], &set->items[at + 1], (set->n - at) * sizeof *set->items);
}

void sc_version_set_release(struct sc_version_set *set)
{
	free(set->items);
	*set = (struct sc_version_set){ .items = NULL };
}

void sc_version_set_copy(struct sc_version_set *to, const struct sc_version_set *from)
{
	sc_version_set_release(to);
	if (from->n == 0)
		return;
	to->items = sc_alloc_array(from->n, sizeof *to->items);
	memcpy(to->items, from->items, from->n * sizeof *to->items);
	to->n = to->cap = from->n;
}

void sc_root_release(struct sc_root *root)
{
	sc_version_set_release(&root->names);
	sc_version_set_release(&root->pending);
}

static void put_u64(struct sc_buf *out, uint64_t v)
{
	uint64_t le = htole64(v);

	sc_buf_append(out, &le, sizeof le);
}

static void put_count(struct sc_buf *out, size_t n)
{
	uint16_t le = htole16((uint16_t)n);

	sc_buf_append(out, &le, sizeof le);
}

static void put_short(struct sc_buf *out, const void *data, size_t len)
{
	unsigned char n = (unsigned char)len;

	sc_buf_append(out, &n, 1);
	sc_buf_append(out, data, len);
}

static void put_set(struct sc_buf *out, const struct sc_version_set *set)
{
	unsigned char record[SC_VERSION_RECORD_MAX];

	for (size_t i = 0; i < set->n; i++) {
		const struct sc_version *v = &set->items[i];

		put_short(out, v->name, strlen(v->name));
		put_short(out, record, sc_version_encode(v, record));
	}
}

static uint64_t sum_of(struct sc_bytes item, struct sc_bytes key)
{
	uint64_t both[] = { sc_hash64(item), sc_hash64(key) };

	return sc_hash64(sc_bytes_of(both, sizeof both));
}

static void put_sum(struct sc_buf *out, size_t start, struct sc_bytes key)
{
	put_u64(out, sum_of(sc_bytes_of(out->data + start, out->len - start), key));
}

void sc_root_encode(const struct sc_root *root, struct sc_bytes key, struct sc_buf *out)
{
	size_t start = out->len;

	sc_buf_append(out, ROOT_MAGIC, MAGIC_LEN);
	put_u64(out, root->incarnation);
	put_u64(out, root->serial);
	put_u64(out, root->rolled);
	sc_buf_append(out, root->base, SC_VERSION_LEN);
	put_count(out, root->names.n);
	put_count(out, root->pending.n);
	put_set(out, &root->names);
	put_set(out, &root->pending);
	put_sum(out, start, key);
}

/* What is left to be read; ok until something was missing. */
struct reader {
	struct sc_bytes in;
	bool ok;
};

static struct sc_bytes take(struct reader *r, size_t n)
{
	struct sc_bytes s = sc_bytes_of(r->in.data, n);

	if (!r->ok || r->in.len < n) {
		r->ok = false;
		return sc_bytes_of(r->in.data, 0);
	}
	r->in = sc_bytes_of(r->in.data + n, r->in.len - n);
	return s;
}

static uint64_t take_u64(struct reader *r)
{
	struct sc_bytes s = take(r, sizeof(uint64_t));
	uint64_t v = 0;

	memcpy(&v, s.data, s.len);
	return le64toh(v);
}

static size_t take_count(struct reader *r, size_t max)
{
	struct sc_bytes s = take(r, sizeof(uint16_t));
	uint16_t v = 0;

	memcpy(&v, s.data, s.len);
	r->ok = r->ok && le16toh(v) <= max;
	return le16toh(v);
}

static struct sc_bytes take_short(struct reader *r)
{
	struct sc_bytes n = take(r, 1);

	return take(r, n.len ? n.data[0] : 0);
}

static void take_base(struct reader *r, char base[SC_VERSION_LEN + 1])
{
	struct sc_bytes s = take(r, SC_VERSION_LEN);

	memcpy(base, s.data, s.len);
	base[s.len] = '\0';
}

static void take_set(struct reader *r, size_t n, struct sc_version_set *set)
{
	struct sc_version v;

	for (size_t i = 0; i < n && r->ok; i++) {
		struct sc_bytes name = take_short(r);
		struct sc_bytes record = take_short(r);

		r->ok = r->ok && sc_version_decode(name, record, &v) &&
			(set->n == 0 || strcmp(set->items[set->n - 1].name, v.name) < 0);
		if (r->ok)
			sc_version_set_put(set, &v);
	}
}

/* Cuts the magic and the checksum off; not ok: one of them is wrong. */
static struct reader open_item(struct sc_bytes stored, const char *magic,
			       struct sc_bytes key)
{
	struct reader r = { .in = stored, .ok = stored.len >= MAGIC_LEN + SUM_LEN };
	uint64_t sum = 0;

	if (!r.ok)
		return r;
	r.in.len -= SUM_LEN;
	memcpy(&sum, stored.data + r.in.len, SUM_LEN);
	r.ok = le64toh(sum) == sum_of(r.in, key);
	r.ok = r.ok && memcmp(take(&r, MAGIC_LEN).data, magic, MAGIC_LEN) == 0;
	return r;
}

bool sc_root_decode(struct sc_bytes stored, struct sc_bytes key, struct sc_root *out)
{
	struct reader r = open_item(stored, ROOT_MAGIC, key);
	struct sc_root root = { .incarnation = 0 };

	if (!r.ok)
		return false;
	root.incarnation = take_u64(&r);
	root.serial = take_u64(&r);
	root.rolled = take_u64(&r);
	take_base(&r, root.base);
	size_t names = take_count(&r, SC_ROOT_NAMES_MAX);
	size_t pending = take_count(&r, SC_ROOT_PENDING_MAX);
	take_set(&r, names, &root.names);
	take_set(&r, pending, &root.pending);
	if (r.ok && r.in.len == 0) {
		*out = root;
		return true;
	}
	sc_root_release(&root);
	return false;
}

void sc_image_record_encode(const struct sc_image_record *image, struct sc_bytes key,
			    struct sc_buf *out)
{
	unsigned char record[SC_VERSION_RECORD_MAX];
	size_t start = out->len;

	sc_buf_append(out, IMAGE_MAGIC, MAGIC_LEN);
	put_u64(out, image->incarnation);
	put_u64(out, image->serial);
	sc_buf_append(out, image->base, SC_VERSION_LEN);
	sc_buf_append(out, record, sc_version_encode(&image->version, record));
	put_sum(out, start, key);
}

bool sc_image_record_decode(struct sc_bytes stored, struct sc_bytes key, const char *name,
			    struct sc_image_record *out)
{
	struct reader r = open_item(stored, IMAGE_MAGIC, key);
	struct sc_image_record image = { .incarnation = 0 };

	if (!r.ok)
		return false;
	image.incarnation = take_u64(&r);
	image.serial = take_u64(&r);
	take_base(&r, image.base);
	if (!r.ok || !sc_version_decode(sc_bytes_str(name), r.in, &image.version))
		return false;
	*out = image;
	return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * The plan: the one place that knows what decides the bytes of an item. Key text and
 * entity tag are both made here from the same values that the makers render from.
 */
#include "render/renderer.h"

#include <stdio.h>

#include "slidecache/hash.h"

/* Hashed as it lies in memory; a member more is a key more. */
struct rest {
	int64_t revision;
	struct sc_identity identity;
	int64_t tile_size, overlap, limit_bounds, jpeg_quality, png_compression,
		thumbnail_size;
};

uint64_t sc_content_hash(const struct sc_conf *conf, const struct sc_identity *identity)
{
	struct rest rest;

	memset(&rest, 0, sizeof(rest));
	rest.revision = SC_RENDER_REVISION;
	rest.identity = *identity;
	rest.tile_size = conf->deepzoom.tile_size;
	rest.overlap = conf->deepzoom.overlap;
	rest.limit_bounds = conf->deepzoom.limit_bounds;
	rest.jpeg_quality = conf->deepzoom.jpeg_quality;
	rest.png_compression = conf->deepzoom.png_compression;
	rest.thumbnail_size = conf->thumbnail_size;
	return sc_hash64(sc_bytes_of(&rest, sizeof(rest)));
}

static const char *mime_of(const struct sc_item *item)
{
	if (item->kind == SC_KIND_DZI)
		return "application/xml";
	if (item->kind == SC_KIND_INFO)
		return "application/json";
	return sc_encoder_of(item->format)->mime;
}

static void put_part(struct sc_buf *text, int64_t number)
{
	sc_buf_append(text, "/", 1);
	sc_buf_int(text, number);
}

static void write_text(struct sc_plan *plan, const char *hash)
{
	const struct sc_item *item = &plan->item;
	const struct sc_kind_ops *kind = sc_kind_of(item->kind);
	SC_AUTO_BUF text = SC_BUF_INIT;

	sc_buf_reserve(&text, SC_ITEM_MAX);
	sc_buf_str(&text, kind->name);
	put_part(&text, item->image);
	put_part(&text, item->z);
	put_part(&text, item->frame);
	kind->suffix(item, &text);
	sc_buf_append(&text, "~", 1);
	sc_buf_str(&text, hash);
	/* The longest item that routes let through is shorter; see test_plan. */
	memcpy(plan->text, text.data,
	       text.len < SC_ITEM_MAX ? text.len + 1 : SC_ITEM_MAX);
	plan->text[SC_ITEM_MAX] = 0;
}

static void write_version(struct sc_plan *plan, const char *version)
{
	size_t n = strnlen(version, SC_PLAN_VERSION_MAX);

	memcpy(plan->version, version, n);
	plan->version[n] = '\0';
}

_Static_assert(sizeof(((struct sc_plan *)0)->etag) ==
		       sizeof("\"-\"") + SC_PLAN_VERSION_MAX + SC_HEX64_LEN - 1,
	       "a tag is two quotes, the versions, a hyphen and the hash");

/* The tag names the versions, and a hash of the whole item text, so that it differs
 * between any two answers that can differ. */
static void write_etag(struct sc_plan *plan)
{
	char hex[SC_HEX64_LEN];
	size_t n = strlen(plan->version);

	sc_hex64(sc_hash64(sc_bytes_str(plan->text)), hex);
	plan->etag[0] = '"';
	memcpy(plan->etag + 1, plan->version, n);
	plan->etag[n + 1] = '-';
	memcpy(plan->etag + n + 2, hex, SC_HEX64_LEN - 1);
	memcpy(plan->etag + n + 1 + SC_HEX64_LEN, "\"", 2);
}

enum sc_status sc_item_plan(struct sc_renderer *r, const struct sc_image *im,
			    const struct sc_item *item,
			    const struct sc_plan_versions *versions, struct sc_plan *out,
			    struct sc_err *err)
{
	char hash[SC_HEX64_LEN];
	enum sc_status status = SC_OK;

	if (sc_kind_of(item->kind)->of_plane)
		status = sc_image_plane_file(im, item->z, item->frame, out->file, err);
	else
		(void)snprintf(out->file, sizeof(out->file), "%s", im->file);
	if (status)
		return status;
	status = sc_slide_identity(r->root, out->file, &out->identity, err);
	if (status)
		return status;
	out->item = *item;
	out->mime = mime_of(item);
	out->epoch = versions->epoch;
	write_version(out, versions->text);
	sc_hex64(sc_content_hash(r->conf, &out->identity), hash);
	write_text(out, hash);
	write_etag(out);
	return SC_OK;
}

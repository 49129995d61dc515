/* SPDX-License-Identifier: MIT */
/*
 * The plan: the one place that knows what decides the bytes of an item. Key text and
 * entity tag are both made here from the same values that the makers render from.
 */
#include "render/renderer.h"

#include <stdio.h>

#include "slidecache/hash.h"

/* All that decides the bytes and is not readable in the item text. */
static uint64_t hash_rest(const struct sc_conf *conf, const struct sc_plan *plan,
			  const char *image_version)
{
	const struct sc_identity *id = &plan->identity;
	char text[512];
	int n = 0;

	n = snprintf(text, sizeof(text),
		     "r%d %s f%llu:%llu:%lld:%lld:%lld t%lld:%lld:%d q%lld:%lld s%lld",
		     SC_RENDER_REVISION, image_version, (unsigned long long)id->device,
		     (unsigned long long)id->inode, (long long)id->size,
		     (long long)id->mtime_ns, (long long)id->ctime_ns,
		     (long long)conf->deepzoom.tile_size,
		     (long long)conf->deepzoom.overlap, conf->deepzoom.limit_bounds,
		     (long long)conf->deepzoom.jpeg_quality,
		     (long long)conf->deepzoom.png_compression,
		     (long long)conf->thumbnail_size);
	return sc_hash64(sc_bytes_of(text, (size_t)n));
}

static const char *mime_of(const struct sc_item *item)
{
	if (item->kind == SC_KIND_DZI)
		return "application/xml";
	if (item->kind == SC_KIND_INFO)
		return "application/json";
	return sc_encoder_of(item->format)->mime;
}

static void write_text(struct sc_plan *plan, const char *hash)
{
	const struct sc_item *item = &plan->item;
	const struct sc_kind_ops *kind = sc_kind_of(item->kind);
	SC_AUTO_BUF text = SC_BUF_INIT;

	sc_buf_printf(&text, "%s/%lld/%lld/%lld", kind->name, (long long)item->image,
		      (long long)item->z, (long long)item->frame);
	kind->suffix(item, &text);
	sc_buf_printf(&text, "~%s", hash);
	(void)snprintf(plan->text, sizeof(plan->text), "%s", (const char *)text.data);
}

/* The tag names the version, and a hash of the whole item text, so that it differs
 * between any two answers that can differ. */
static void write_etag(struct sc_plan *plan, const char *version)
{
	char hex[SC_HEX64_LEN];

	sc_hex64(sc_hash64(sc_bytes_str(plan->text)), hex);
	(void)snprintf(plan->etag, sizeof(plan->etag), "\"%.8s-%s\"", version, hex);
}

enum sc_status sc_item_plan(struct sc_renderer *r, const struct sc_image *im,
			    const struct sc_item *item, const char *version,
			    const char *image_version, struct sc_plan *out,
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
	sc_hex64(hash_rest(r->conf, out, image_version), hash);
	write_text(out, hash);
	write_etag(out, version);
	return SC_OK;
}

/* SPDX-License-Identifier: MIT */
/*
 * Render: "this tile, thumbnail, document of this image" as one value, its key, its
 * bytes.
 *
 * One function, sc_item_plan, derives from a struct sc_item everything that depends on
 * it: the cache and item text of its key, its entity tag, its MIME type; sc_render makes
 * the bytes of the very same plan, so key, tag and pixels cannot disagree.
 *
 * Item text: KIND/ID/Z/FRAME[/LEVEL/COL_ROW.FORMAT]~HASH, where HASH is XXH3-64 over all
 * else that decides the bytes: the file's identity, tile geometry, quality, sizes,
 * SC_RENDER_REVISION. It is stored under two versions, of its kind and of its image,
 * which the entity tag names, too.
 */
#ifndef SLIDECACHE_RENDER_H
#define SLIDECACHE_RENDER_H

#include "slidecache/cache.h"
#include "slidecache/catalogue.h"
#include "slidecache/conf.h"
#include "slidecache/slide.h"

/* Raise when the same plan makes other bytes than before, or when what is stored is to be
 * read in another way (2: references): old entries end, and who reads them as before does
 * not find the new ones. */
#define SC_RENDER_REVISION 2

enum sc_kind {
	SC_KIND_TILE,
	SC_KIND_THUMBNAIL,
	SC_KIND_DZI,
	SC_KIND_INFO,
	SC_KIND_PATCH,
	SC_KIND_COUNT,
};

struct sc_item {
	enum sc_kind kind;
	int64_t image, z, frame;
	int64_t level, col, row; /* tile: Deep Zoom level; patch: stored level */
	enum sc_format format;
	int64_t x, y, width,
		height; /* patch: x, y level 0 pixels, size pixels of the level */
};

/* Bytes of two versions, one after the other. */
#define SC_PLAN_VERSION_MAX 16

/* The versions that are current for a plan. */
struct sc_plan_versions {
	const char *text; /* of the kind's named cache and of image/ID; "" while they are
			     not known */
	/* A hash of all versions that count for the image. What was opened under another
	 * one is opened anew: an invalidation reaches what a worker holds in memory, too.
	 */
	uint64_t epoch;
};

struct sc_plan {
	struct sc_item item;
	char file[SC_IMAGE_FILE_MAX]; /* of the plane, below the root */
	struct sc_identity identity;
	const char *mime;
	char version[SC_PLAN_VERSION_MAX + 1]; /* what it is stored under */
	char text[SC_ITEM_MAX + 1];	       /* item part of the key */
	char etag[SC_PLAN_VERSION_MAX + 20];   /* quoted: VERSION-HASH */
	uint64_t epoch;
};

struct sc_renderer;

/* Both pointers must outlive it. After fork. */
SC_MUST enum sc_status sc_renderer_new(const struct sc_conf *conf,
				       struct sc_slide_root *root,
				       struct sc_renderer **out, struct sc_err *err);
void sc_renderer_free(struct sc_renderer *r);
/* Between two requests: gives back slides and pictures that nobody asked for lately. */
void sc_renderer_idle(struct sc_renderer *r);

/* SC_NOT_FOUND: no such plane or file. No slide is opened. */
SC_MUST enum sc_status sc_item_plan(struct sc_renderer *r, const struct sc_image *im,
				    const struct sc_item *item,
				    const struct sc_plan_versions *versions,
				    struct sc_plan *out, struct sc_err *err);
/* All that decides bytes and is not readable in a key: the file, the settings. */
uint64_t sc_content_hash(const struct sc_conf *conf, const struct sc_identity *identity);

/*
 * What was rendered: what a client gets, and what a cache keeps. A tile of one colour is
 * kept as a reference, its colour and size in a few bytes of their own MIME type, unless
 * deepzoom.blank_references is off; all else as its bytes. Encoding is deterministic, so
 * a reference leads back to the very bytes.
 */
#define SC_REFERENCE_MIME "x-slidecache/blank"
#define SC_REFERENCE_MAX  24
struct sc_rendered {
	struct sc_buf bytes;
	char reference[SC_REFERENCE_MAX]; /* "WIDTHxHEIGHT#RRGGBB"; "": none */
};
#define SC_RENDERED_INIT                                                                 \
	{                                                                                \
		SC_BUF_INIT, ""                                                          \
	}
void sc_rendered_release(struct sc_rendered *r);
#define SC_AUTO_RENDERED __attribute__((cleanup(sc_rendered_release))) struct sc_rendered

/* Seconds for which the plan's file is in quarantine, see quarantine.h, with the sentence
 * that sc_render fails with in why; 0: it is not. */
int64_t sc_render_quarantine_s(struct sc_renderer *r, const struct sc_plan *plan,
			       struct sc_err *why);
/* Whether a file of the image is; for lists, which have no plan. No slide is opened. */
bool sc_image_quarantined(struct sc_renderer *r, const struct sc_image *im,
			  struct sc_err *why);

/* Appends nothing: out->bytes is emptied first. SC_CHANGED: the file is not the plan's
 * any more. SC_NOT_FOUND: outside the pyramid. */
SC_MUST enum sc_status sc_render(struct sc_renderer *r, const struct sc_plan *plan,
				 struct sc_rendered *out, struct sc_err *err);
/* What to store of it, borrowed from both: value and *mime are sc_cache_set's. */
struct sc_bytes sc_rendered_value(const struct sc_plan *plan, const struct sc_rendered *r,
				  const char **mime);
/* Makes of an entry that a cache kept what a client gets; all but references is that
 * already. The encoder runs once for many of one colour and size. SC_MISS: a reference
 * that this plan cannot have: to be rendered anew. */
SC_MUST enum sc_status sc_render_resolve(struct sc_renderer *r,
					 const struct sc_plan *plan,
					 struct sc_entry *entry, struct sc_err *err);

/* The associated images of the plan's file (slide.h), whatever its item is; one of them
 * as PNG. The errors of sc_render, SC_NOT_FOUND: none of that name; SC_UNREADABLE, too:
 * over the limit. out: appended to; after a failure it may hold anything. */
SC_MUST enum sc_status sc_render_associated_list(struct sc_renderer *r,
						 const struct sc_plan *plan,
						 struct sc_associated_list *out,
						 struct sc_err *err);
SC_MUST enum sc_status sc_render_associated(struct sc_renderer *r,
					    const struct sc_plan *plan, const char *name,
					    struct sc_buf *out, struct sc_err *err);

/* The pyramid of the plan's file. SC_UNREADABLE, SC_CHANGED: as sc_render. */
SC_MUST enum sc_status sc_render_pyramid(struct sc_renderer *r,
					 const struct sc_plan *plan, struct sc_dz *out,
					 struct sc_err *err);
/* All of what the pyramid of the plan's file shows, as the largest of its levels that
 * fits side x side pixels (side up to 2^14: SC_INVALID), and what is around the slide. */
SC_MUST enum sc_status sc_render_map(struct sc_renderer *r, const struct sc_plan *plan,
				     uint32_t side, struct sc_pixels *out,
				     uint32_t *background, struct sc_err *err);

/*
 * Single flight over all workers of a host: see filelock.h. key: the entry's whole key.
 * SC_OK: this one renders, and calls _end; SC_TIMEOUT: another one still does after
 * wait_ms. Without a lock file everybody renders.
 */
SC_MUST enum sc_status sc_flight_begin(struct sc_renderer *r, struct sc_bytes key,
				       int wait_ms, struct sc_err *err);
void sc_flight_end(struct sc_renderer *r, struct sc_bytes key);

#endif

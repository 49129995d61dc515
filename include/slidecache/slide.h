/* SPDX-License-Identifier: MIT */
/*
 * Slides: which file it is (identity), what it holds (info), its pixels (read), and a
 * bounded pool of open ones. The only place that includes OpenSlide and libtiff.
 *
 * A pool, its slides and everything read from them belong to one process: open it after
 * fork. One thread: another one has a root and a pool of its own.
 *
 * Right pixels: sc_slide_get and sc_slide_read both compare the file's identity with the
 * one that the caller has put into its keys, before and after each read, and answer
 * SC_CHANGED (dropping handle and pixels) when it differs. A slide that failed once is
 * closed: OpenSlide's errors are sticky.
 *
 * Pixels are those of openslide_read_region, where it is right. Most tiles of JPEG-tiled
 * TIFF slides (Aperio, generic) are decoded here all the same, which takes a third of the
 * time: a pool keeps the stored tiles that it decoded last, SC_SLIDE_TILES_MAX bytes of
 * them for all its slides, so that neighbouring regions decode each once.
 * SC_M_TILES_DECODED counts.
 */
#ifndef SLIDECACHE_SLIDE_H
#define SLIDECACHE_SLIDE_H

#include <stdint.h>

#include "slidecache/deepzoom.h"
#include "slidecache/image.h"

/* What tells one file content from another. Compare with sc_identity_equal. */
struct sc_identity {
	uint64_t device, inode;
	int64_t size; /* bytes */
	int64_t mtime_ns, ctime_ns;
};

bool sc_identity_equal(const struct sc_identity *a, const struct sc_identity *b);

/* The folder that all slides lie below; every path is resolved beneath it by the kernel
 * (openat2 RESOLVE_BENEATH), so neither ".." nor a symbolic link leads outside. */
struct sc_slide_root;
/* SC_UNAVAILABLE: there is no such folder now, as when it is not mounted; the text names
 * no path. One that comes back is found again by whoever holds it. */
SC_MUST enum sc_status sc_slide_root_open(const char *dir, struct sc_slide_root **out,
					  struct sc_err *err);
void sc_slide_root_close(struct sc_slide_root *r);
/* file: relative to the root. SC_NOT_FOUND: no such file (the text names no path);
 * SC_UNREADABLE: not a regular file; SC_UNAVAILABLE: the folder itself is away. Touches
 * no slide data: a stat when the name still leads to the file that was found beneath the
 * root before, an openat2 otherwise. */
SC_MUST enum sc_status sc_slide_identity(struct sc_slide_root *r, const char *file,
					 struct sc_identity *out, struct sc_err *err);

struct sc_slide_info {
	struct sc_geometry geometry;
	char vendor[64];	/* openslide.vendor */
	double mpp;		/* mean micrometres a pixel of x and y, 0 unknown */
	double objective_power; /* 1 unknown */
	uint32_t background;	/* 0xRRGGBB, openslide.background-color, default ffffff */
};

/* Limits checked before anything is decoded; see traps O1, O7, O11. */
#define SC_SLIDE_TILE_MAX                                                                \
	4096 /* pixels a side of a stored TIFF tile; 64 MiB any tile                     \
	      */
#define SC_SLIDE_READ_MAX	    8192 /* pixels a side of one sc_slide_read */
#define SC_SLIDE_PROPERTIES_MAX	    4096
#define SC_SLIDE_PROPERTY_BYTES_MAX (1 << 20)	       /* of their names and values */
#define SC_SLIDE_TILES_MAX	    ((size_t)32 << 20) /* bytes of decoded tiles, a pool */

struct sc_slide;
struct sc_slide_pool;

/* max_open: slides kept open; the least recently used is closed. */
SC_MUST enum sc_status sc_slide_pool_new(struct sc_slide_root *r, int max_open,
					 struct sc_slide_pool **out, struct sc_err *err);
void sc_slide_pool_free(struct sc_slide_pool *p);
int sc_slide_pool_open_count(const struct sc_slide_pool *p);
/* Closes what was not asked for during the last idle_us microseconds. */
void sc_slide_pool_trim(struct sc_slide_pool *p, int64_t idle_us);

/* Asked before each call of a source (OpenSlide, libtiff) with the file that is going to
 * be read: the last moment to refuse it, and to note which one it is. What it fails with
 * is what the call of the pool fails with; nothing is closed. */
typedef enum sc_status (*sc_slide_admit_fn)(void *arg, const char *file,
					    const struct sc_identity *id,
					    struct sc_err *err);
void sc_slide_pool_admit(struct sc_slide_pool *p, sc_slide_admit_fn admit, void *arg);

/*
 * Opens the slide, or finds it open. *out is borrowed: valid until the next
 * sc_slide_pool call. SC_CHANGED when the file is not want any more; SC_UNREADABLE with
 * a sentence (no path in it) for what cannot be opened or exceeds a limit. epoch: any
 * number; what was opened, or failed to open, under another one is opened anew.
 */
SC_MUST enum sc_status sc_slide_get(struct sc_slide_pool *p, const char *file,
				    const struct sc_identity *want, uint64_t epoch,
				    struct sc_slide **out, struct sc_err *err);
const struct sc_slide_info *sc_slide_info(const struct sc_slide *s);

/*
 * Pixels of one stored level, composited over the slide's background (or over
 * background, when that is not NULL). x, y: top left in level 0 pixels; parts outside the
 * slide are background. SC_INVALID (a level that is not there or not usable, a side of 0)
 * and SC_TOO_LARGE do nothing; after any other failure the slide is closed and must not
 * be used again: get it anew.
 */
struct sc_slide_region {
	int level;
	int64_t x, y;		/* level 0 pixels */
	uint32_t width, height; /* pixels of the level */
};
SC_MUST enum sc_status sc_slide_read(struct sc_slide *s, const struct sc_slide_region *r,
				     const uint32_t *background, struct sc_pixels *out,
				     struct sc_err *err);

/*
 * Associated images: what a scanner stored beside the slide; "label", "macro" (the glass
 * as a whole), "thumbnail". Names are the slide's own, in the order of their bytes: those
 * of 1..SC_ASSOCIATED_NAME_MAX bytes of UTF-8 without slash and control characters, the
 * first SC_ASSOCIATED_MAX of them. Others do not exist.
 */
#define SC_ASSOCIATED_MAX	 32
#define SC_ASSOCIATED_NAME_MAX	 64
#define SC_ASSOCIATED_PIXELS_MAX ((int64_t)64 << 20)
struct sc_associated {
	char name[SC_ASSOCIATED_NAME_MAX + 1];
	int64_t width, height; /* pixels */
};
struct sc_associated_list {
	size_t n;
	struct sc_associated images[SC_ASSOCIATED_MAX];
};
/* Decodes nothing. After a failure the slide is closed, as by sc_slide_read. */
SC_MUST enum sc_status sc_slide_associated(struct sc_slide *s,
					   struct sc_associated_list *out,
					   struct sc_err *err);
/* Pixels, over white. SC_NOT_FOUND: none of that name; SC_TOO_LARGE: over
 * SC_ASSOCIATED_PIXELS_MAX, or what struct sc_pixels can hold, and nothing was decoded.
 * After any other failure the slide is closed. */
SC_MUST enum sc_status sc_slide_read_associated(struct sc_slide *s, const char *name,
						struct sc_pixels *out,
						struct sc_err *err);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Catalogue: which images there are. A JSON file; ids are stable for ever.
 *
 * An id is given once and never again, also when its file is gone. The file is written
 * whole to a temporary name, synced and renamed, under a lock file beside it, so readers
 * see the old or the new one and two writers exclude each other. Readers (workers) call
 * sc_catalogue_refresh before each request: one stat(2), and a new load when it changed.
 *
 * {"next_id": 3, "images": [{"id": 1, "name": "a.svs", "file": "case1/a.svs", "depth": 1,
 *   "frames": 1, "state": "ok", "removed": false, "reason": "", "width": 46000,
 *   "height": 32914, "mpp": 0.25, "objective_power": 40.0, "vendor": "aperio",
 *   "added": "2026-...", "identity": "dev:ino:size:mtime:ctime"}]}
 */
#ifndef SLIDECACHE_CATALOGUE_H
#define SLIDECACHE_CATALOGUE_H

#include <stdint.h>

#include "slidecache/slide.h"

enum sc_image_state {
	SC_IMAGE_OK,
	SC_IMAGE_UNREADABLE, /* reason says why; tried again when the file changes */
	SC_IMAGE_GONE,	     /* the file is not there any more */
};

struct sc_image {
	int64_t id;
	char *name;	   /* file name, for people */
	char *file;	   /* path below the root, '/' between folders */
	int depth, frames; /* z planes and frames, 1 unless files STEM/{z}_{frame}_{NAME}
			      exist */
	enum sc_image_state state;
	bool removed; /* gone because somebody said so: stays gone while the file is the
			 same */
	char *reason; /* "" when ok; a sentence without a path */
	char *vendor;
	int64_t width, height; /* level 0 pixels; 0 while unreadable */
	double mpp, objective_power;
	int64_t added_us;	     /* wall clock */
	struct sc_identity identity; /* of the file that was probed */
};

struct sc_catalogue;

/* Empty until the first refresh that finds a good file: for a service, which goes on. */
struct sc_catalogue *sc_catalogue_new(const char *path);
/* path: the JSON file; a file that is not there is an empty catalogue. SC_DAMAGED with
 * line and column when it is no catalogue. */
SC_MUST enum sc_status sc_catalogue_open(const char *path, struct sc_catalogue **out,
					 struct sc_err *err);
void sc_catalogue_close(struct sc_catalogue *c);
/* Loads again when the file changed. A damaged new one is SC_DAMAGED, once for each
 * change of the file, and what was loaded before stays. */
SC_MUST enum sc_status sc_catalogue_refresh(struct sc_catalogue *c, struct sc_err *err);

/* How often it was loaded: while that stays, so do all images. */
uint64_t sc_catalogue_generation(const struct sc_catalogue *c);

/* Borrowed; valid until the next refresh. Images are in the order of their ids. */
size_t sc_catalogue_count(const struct sc_catalogue *c);
const struct sc_image *sc_catalogue_at(const struct sc_catalogue *c, size_t i);
const struct sc_image *sc_catalogue_find(const struct sc_catalogue *c, int64_t id);
const char *sc_image_state_name(enum sc_image_state s);

/*
 * The file of plane (z, frame), both from 1: the image's own file when depth and frames
 * are 1 (then only plane 1, 1 exists), otherwise STEM/{z}_{frame}_{NAME}. SC_NOT_FOUND
 * for planes outside 1..depth, 1..frames. out has SC_IMAGE_FILE_MAX bytes.
 */
#define SC_IMAGE_FILE_MAX 4096
SC_MUST enum sc_status sc_image_plane_file(const struct sc_image *im, int64_t z,
					   int64_t frame, char out[SC_IMAGE_FILE_MAX],
					   struct sc_err *err);

/* Whether it is the image's own file or one of its planes'. */
bool sc_image_has_file(const struct sc_image *im, const char *file);

struct sc_scan_result {
	int added, changed, gone; /* by this scan */
	int unreadable, total;	  /* now: unreadable ones, and all that are not gone */
};

/*
 * Brings the file up to date with what lies below root: adds new slides, probes new and
 * changed ones (each in a child process of its own with a time limit, so that a hostile
 * file costs itself only), marks what is gone, never renumbers. Writes only when
 * something changed. A candidate has a slide's suffix or begins like a TIFF file. Plane
 * files and hidden names are not candidates. Any process that has no threads may call.
 */
SC_MUST enum sc_status sc_catalogue_scan(const char *path, const char *root,
					 struct sc_scan_result *out, struct sc_err *err);
/* The same; says which images are new or changed, and can be shown: once they are written
 * down, so several times in a long scan. */
typedef void (*sc_scan_found_fn)(void *arg, const int64_t *ids, size_t n);
SC_MUST enum sc_status sc_catalogue_scan_found(const char *path, const char *root,
					       sc_scan_found_fn found, void *arg,
					       struct sc_scan_result *out,
					       struct sc_err *err);
/* Adds one file (relative to root, no "." or ".." in it) whatever its name, also when no
 * source can read it; the same file again is its old id, probed again unless it is ok. */
SC_MUST enum sc_status sc_catalogue_add(const char *path, const char *root,
					const char *file, int64_t *id,
					struct sc_err *err);
/* Marks as gone for good: a scan does not bring it back while the file is unchanged. */
SC_MUST enum sc_status sc_catalogue_remove(const char *path, int64_t id,
					   struct sc_err *err);

#endif

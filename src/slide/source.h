/* SPDX-License-Identifier: MIT */
/*
 * A slide source: one way to get pixels out of slide files. One row in sources.c plus its
 * own file, which is the only one that includes its library. The pool (pool.c) asks the
 * rows in order and is the only caller; it owns limits, identity checks and logging of
 * what a caller did wrong, so a source only opens, reads and closes.
 */
#ifndef SC_SLIDE_SOURCE_H
#define SC_SLIDE_SOURCE_H

#include <stdint.h>

#include "slide/tile_memory.h"
#include "slidecache/slide.h"

struct sc_source_file {
	int fd; /* open for reading, a regular file; the pool closes it after the state */
	const char *file;	       /* below the root: its suffix, and for log lines */
	struct sc_slide_root *root;    /* for formats whose file names further files */
	struct sc_tile_memory *memory; /* the pool's, for as long as the state is open */
};

struct sc_source_ops {
	const char *name;
	/*
	 * SC_OK: *state is the source's, *info is complete (the pool checks the
	 * geometry). SC_MISS: not a format of this source, the next row is asked; err is
	 * not filled. SC_UNREADABLE: its format, but damaged, hostile or over a limit;
	 * err has a sentence without a path. On all but SC_OK nothing stays open. Decodes
	 * nothing.
	 */
	enum sc_status (*open)(const struct sc_source_file *f, void **state,
			       struct sc_slide_info *info, struct sc_err *err);
	/*
	 * Writes premultiplied ARGB (native-endian, width * height, zero on entry);
	 * pixels outside the slide stay zero. The region's level is a usable one, its
	 * sides are within SC_SLIDE_READ_MAX, and it touches the slide. SC_UNREADABLE:
	 * argb may be half written, the pool drops it and closes the state.
	 */
	enum sc_status (*read)(void *state, const struct sc_slide_region *r,
			       uint32_t *argb, struct sc_err *err);
	/* Fills the list by sc_associated_add. SC_UNREADABLE: as of read. */
	enum sc_status (*associated)(void *state, struct sc_associated_list *out,
				     struct sc_err *err);
	/* As read, all of one of the list. */
	enum sc_status (*read_associated)(void *state, const struct sc_associated *which,
					  uint32_t *argb, struct sc_err *err);
	/* Also after a failed read. Never with NULL. */
	void (*close)(void *state);
};

/* One more, in its place; not if its name is none or the list is full, see slide.h. */
void sc_associated_add(struct sc_associated_list *list, const struct sc_associated *one);

/* A call of an open slide's source with all that protects one, see slide.h: after any
 * failure, also of call, the slide is closed. pool.c */
typedef enum sc_status (*sc_source_call_fn)(const struct sc_source_ops *ops, void *state,
					    void *arg, struct sc_err *err);
SC_MUST enum sc_status sc_slide_call(struct sc_slide *s, sc_source_call_fn call,
				     void *arg, struct sc_err *err);

/* Ends with NULL. */
extern const struct sc_source_ops *const sc_sources[];
extern const struct sc_source_ops sc_source_openslide;

#endif

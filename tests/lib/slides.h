/* SPDX-License-Identifier: MIT */
/*
 * A folder of slides for the tests of slide sources and their pool: pyramids whose pixels
 * are known, broken files, a make-slide picture and the shared slides where they are.
 */
#ifndef SLIDECACHE_TESTS_SLIDES_H
#define SLIDECACHE_TESTS_SLIDES_H

#include "slidecache/slide.h"
#include "tests/lib/check.h"
#include "tests/lib/sample.h"

#define RED 0xff0000U

struct slides_names {
	char *items[64];
	size_t n;
};

/* good ones are read in full, bad ones fail when they are opened or read at 0, 0. */
extern struct slides {
	char *dir;
	struct sc_slide_root *root;
	struct slides_names good, bad;
} slides;

#define SLIDES_KNOWN 3
extern const struct sample slides_small_levels, slides_narrow, slides_masks;
extern const struct slides_known {
	const char *file;
	const struct sample *sample;
} slides_known[SLIDES_KNOWN];

/* For groups of tests. */
int slides_set_up(void **state);
int slides_tear_down(void **state);

/* For one test: *state is a struct fixture with a pool of four. */
struct fixture {
	struct sc_slide_pool *pool;
};
int slides_open_pool(void **state);
int slides_close_pool(void **state);

char *slides_path(const char *file); /* to be freed */
struct sc_identity slides_identify(const char *file);
struct sc_slide *slides_get(struct fixture *f, const char *file);
struct sc_pixels slides_read(struct sc_slide *s, const struct sc_slide_region *r,
			     uint32_t background);
uint32_t slides_rgb(const struct sc_pixels *p, int64_t x, int64_t y);

#endif

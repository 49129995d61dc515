/* SPDX-License-Identifier: MIT */
/*
 * A slide folder and its catalogue, for the tests of both.
 */
#ifndef SLIDECACHE_TESTS_CATALOGUE_H
#define SLIDECACHE_TESTS_CATALOGUE_H

#include "slidecache/catalogue.h"
#include "tests/lib/check.h"
#include "tests/lib/sample.h"

struct fixture {
	char *dir, *root, *path; /* dir/root, dir/images.json */
	struct sc_catalogue *c;	 /* NULL before the first scan */
};

extern const struct sample sample_one_level, sample_two_levels;

int catalogue_set_up(void **state);
int catalogue_tear_down(void **state);
void catalogue_put_slide(struct fixture *f, const char *name, const struct sample *s);
void catalogue_put_text(struct fixture *f, const char *name, const char *text);
void catalogue_put_folder(struct fixture *f, const char *name);
void catalogue_put_link(struct fixture *f, const char *target, const char *name);
void catalogue_drop_file(struct fixture *f, const char *name);
struct sc_scan_result catalogue_scan(struct fixture *f);
const struct sc_image *catalogue_find(const struct fixture *f, const char *file);
int64_t catalogue_id_of(const struct fixture *f, const char *file);
void catalogue_expect_state(const struct fixture *f, const char *file,
			    enum sc_image_state state);

#endif

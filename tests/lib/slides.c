/* SPDX-License-Identifier: MIT */
/*
 * Makes the folder of slides. Anything that fails ends the test.
 */
#include "tests/lib/slides.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

const struct sample slides_small_levels = {
	.seed = 1,
	.levels = 4,
	.level = { { 600, 400, 128, false },
		   { 150, 100, 128, false },
		   { 75, 50, 128, false },
		   { 19, 13, 64, false } },
};
const struct sample slides_narrow = {
	.seed = 2,
	.levels = 2,
	.level = { { 40, 700, 64, false }, { 20, 350, 64, false } },
};
const struct sample slides_masks = {
	.seed = 3,
	.levels = 5,
	.level = { { 512, 512, 128, false },
		   { 256, 256, 128, false },
		   { 256, 256, 128, true },
		   { 64, 64, 128, false },
		   { 64, 64, 128, true } },
};
const struct slides_known slides_known[SLIDES_KNOWN] = {
	{ "small-levels.tif", &slides_small_levels },
	{ "narrow.tif", &slides_narrow },
	{ "masks.tif", &slides_masks },
};

/* Shared files that open; the rest of broken/ and unsupported/ must fail. */
static const char *const readable[] = { "mask-levels.tif",
					"webp-20000x20000-one-level.tif",
					"tile-wider-than-image-16bit.tiff" };
static const char *const partly_readable[] = { "corrupt-first-level.tif" };

struct slides slides;

char *slides_path(const char *file)
{
	return check_path(slides.dir, file);
}

static void add_name(struct slides_names *l, const char *name)
{
	assert_true(l->n < COUNT_OF(l->items));
	l->items[l->n++] = sc_strdup(name);
}

static bool is_among(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, list[i]) == 0)
			return true;
	return false;
}

static struct slides_names *list_for(const char *folder, const char *name)
{
	if (strstr(name, ".md") ||
	    is_among(name, partly_readable, COUNT_OF(partly_readable)))
		return NULL;
	if (folder[0] == '\0' || is_among(name, readable, COUNT_OF(readable)))
		return &slides.good;
	return &slides.bad;
}

static void take_shared(const char *folder)
{
	SC_AUTO_FREE char *from = check_path(sample_shared(), folder);
	DIR *dir = opendir(from);
	const struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		SC_AUTO_FREE char *source = check_path(from, e->d_name);
		SC_AUTO_FREE char *target = slides_path(e->d_name);
		struct slides_names *l = list_for(folder, e->d_name);
		struct stat st;

		if (!l || stat(source, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		sample_copy(source, target);
		add_name(l, e->d_name);
	}
	closedir(dir);
}

/* A pyramid whose file ends before its pixels do, and one whose tiles are too large. */
static void write_broken(void)
{
	static const struct sample bomb = { .is_flat = true,
					    .levels = 1,
					    .level = { { 100, 100, 4112, false } } };
	static const struct sample cut = { .seed = 5,
					   .levels = 1,
					   .level = { { 2000, 2000, 256, false } } };
	SC_AUTO_FREE char *bomb_path = slides_path("bomb.tif");
	SC_AUTO_FREE char *cut_path = slides_path("cut.tif");
	SC_AUTO_FREE char *text_path = slides_path("text.svs");
	SC_AUTO_FREE char *empty_path = slides_path("empty.svs");
	FILE *f;

	sample_write(bomb_path, &bomb);
	sample_write(cut_path, &cut);
	f = fopen(cut_path, "r+");
	assert_non_null(f);
	/* The first tile's data begins after the header: make it no Deflate stream. */
	assert_int_equal(fseek(f, 8, SEEK_SET), 0);
	assert_int_equal(fwrite("damaged damaged ", 16, 1, f), 1);
	assert_int_equal(fclose(f), 0);
	check_write(text_path, "text\n", 5);
	check_write(empty_path, "", 0);
	add_name(&slides.bad, "bomb.tif");
	add_name(&slides.bad, "cut.tif");
	add_name(&slides.bad, "text.svs");
	add_name(&slides.bad, "empty.svs");
}

int slides_set_up(void **state)
{
	SC_AUTO_FREE char *made = NULL;
	struct sc_err err;

	(void)state;
	slides.dir = check_mkdir();
	for (size_t i = 0; i < SLIDES_KNOWN; i++) {
		SC_AUTO_FREE char *path = slides_path(slides_known[i].file);

		sample_write(path, slides_known[i].sample);
		add_name(&slides.good, slides_known[i].file);
	}
	made = slides_path("made.svs");
	if (sample_make_slide(made))
		add_name(&slides.good, "made.svs");
	write_broken();
	if (sample_shared()) {
		take_shared("");
		take_shared("broken");
		take_shared("unsupported");
	}
	return sc_slide_root_open(slides.dir, &slides.root, &err) != SC_OK;
}

int slides_tear_down(void **state)
{
	(void)state;
	sc_slide_root_close(slides.root);
	for (size_t i = 0; i < slides.good.n; i++)
		free(slides.good.items[i]);
	for (size_t i = 0; i < slides.bad.n; i++)
		free(slides.bad.items[i]);
	check_rmdir(slides.dir);
	return 0;
}

int slides_open_pool(void **state)
{
	static struct fixture f;
	struct sc_err err;

	*state = &f;
	return sc_slide_pool_new(slides.root, 4, &f.pool, &err) != SC_OK;
}

int slides_close_pool(void **state)
{
	struct fixture *f = *state;

	sc_slide_pool_free(f->pool);
	return 0;
}

struct sc_identity slides_identify(const char *file)
{
	struct sc_identity id;
	struct sc_err err;

	assert_int_equal(sc_slide_identity(slides.root, file, &id, &err), SC_OK);
	return id;
}

struct sc_slide *slides_get(struct fixture *f, const char *file)
{
	struct sc_identity id = slides_identify(file);
	struct sc_slide *s = NULL;
	struct sc_err err;

	if (sc_slide_get(f->pool, file, &id, 0, &s, &err) != SC_OK)
		fail_msg("%s: %s", file, err.text);
	return s;
}

struct sc_pixels slides_read(struct sc_slide *s, const struct sc_slide_region *r,
			     uint32_t background)
{
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_err err;

	if (sc_slide_read(s, r, &background, &p, &err) != SC_OK)
		fail_msg("level %d: %s", r->level, err.text);
	assert_int_equal(p.width, r->width);
	assert_int_equal(p.height, r->height);
	return p;
}

uint32_t slides_rgb(const struct sc_pixels *p, int64_t x, int64_t y)
{
	const unsigned char *at = p->rgbx + ((size_t)y * p->width + (size_t)x) * 4;

	return (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
}

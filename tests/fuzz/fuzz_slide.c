/* SPDX-License-Identifier: MIT */
/*
 * A slide file from outside, through the whole source: opened by OpenSlide or refused,
 * within the limits, and read at some places. OpenSlide and libtiff are as Debian builds
 * them: what they do wrong beyond a crash is not seen.
 * Input: a byte of choices, the file.
 */
#include <stdlib.h>

#include "slide/source.h"
#include "slide/tiff_file.h"
#include "tests/fuzz/fuzz.h"

#define SIDE   64
#define LEVELS 3
#define MEMORY ((size_t)8 << 20)

static void check_info(const struct sc_slide_info *info)
{
	const struct sc_geometry *g = &info->geometry;

	FUZZ_MUST(g->levels >= 1 && g->levels <= SC_SLIDE_LEVELS_MAX && g->usable[0]);
	FUZZ_MUST(memchr(info->vendor, '\0', sizeof(info->vendor)));
	FUZZ_MUST(info->mpp >= 0 && info->objective_power >= 0);
	FUZZ_MUST(info->background <= 0xffffff);
	for (int i = 0; i < g->levels; i++)
		FUZZ_MUST(g->width[i] >= 1 && g->height[i] >= 1);
}

/* The pool's own check, before it reads. */
static bool can_read(const struct sc_geometry *g)
{
	static const struct sc_dz_options plain = { .tile_size = 256 };
	struct sc_dz dz;
	struct sc_err err;

	return sc_dz_init(&dz, g, &plain, &err) == SC_OK;
}

static bool read_one(void *state, const struct sc_geometry *g, int level, int64_t at)
{
	struct sc_slide_region r = {
		.level = level, .x = at, .y = at, .width = SIDE, .height = SIDE
	};
	SC_AUTO_FREE uint32_t *argb = sc_alloc((size_t)SIDE * SIDE * sizeof(*argb));
	struct sc_err err;

	if (!g->usable[level] || at >= g->width[0] || at >= g->height[0])
		return true;
	enum sc_status status = sc_source_openslide.read(state, &r, argb, &err);
	if (status != SC_OK)
		fuzz_check_error(status, &err);
	return status == SC_OK;
}

static void read_some(void *state, const struct sc_geometry *g, unsigned choices)
{
	int levels = g->levels < LEVELS ? g->levels : LEVELS;
	int64_t at = (int64_t)(choices & 7) * 33 - 33;
	bool well = true;

	for (int i = 0; i < levels && well; i++)
		well = read_one(state, g, i, at);
	if (well && levels < g->levels)
		(void)read_one(state, g, g->levels - 1, at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sc_slide_root *root;
	struct sc_bytes in = sc_bytes_of(data, size);
	unsigned choices = fuzz_byte(&in);
	struct sc_tile_memory *memory = sc_tile_memory_new(MEMORY);
	struct sc_source_file f = { .file = "slide.tiff", .memory = memory };
	struct sc_slide_info info = { .background = 0 };
	void *state = NULL;
	struct sc_err err;

	sc_tiff_quiet();
	if (!root)
		FUZZ_MUST(sc_slide_root_open(fuzz_folder(), &root, &err) == SC_OK);
	(void)fuzz_file(in);
	f.fd = fuzz_file_fd();
	f.root = root;
	enum sc_status status = sc_source_openslide.open(&f, &state, &info, &err);
	if (status == SC_OK) {
		check_info(&info);
		if (can_read(&info.geometry))
			read_some(state, &info.geometry, choices);
		sc_source_openslide.close(state);
	} else if (status != SC_MISS) {
		fuzz_check_error(status, &err);
	}
	FUZZ_MUST(sc_tile_memory_used(memory) == 0);
	sc_tile_memory_free(memory);
	return 0;
}

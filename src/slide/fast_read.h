/* SPDX-License-Identifier: MIT */
/*
 * The fast way to read a slide that OpenSlide has opened. Where it gives an answer, the
 * pixels are OpenSlide's; where it gives none, OpenSlide is asked.
 */
#ifndef SC_SLIDE_FAST_READ_H
#define SC_SLIDE_FAST_READ_H

#include "slide/source.h"
#include "slide/tiff_file.h"

struct sc_fast;

/* A TIFF slide whose levels are each one directory; all is borrowed. */
struct sc_fast_slide {
	const struct sc_source_file *file;
	const struct sc_geometry *geometry;
	const struct sc_tiff_level *levels;
	bool reduced_only;    /* see sc_tiff_open */
	bool missing_spreads; /* a missing tile hides tiles of the levels after it */
};

/* file's memory and descriptor are used until sc_fast_free. Reads nothing yet. */
struct sc_fast *sc_fast_new(const struct sc_fast_slide *s);
void sc_fast_free(struct sc_fast *f);
/* As the read of struct sc_source_ops. False: openslide_read_region must, which clears
 * argb first. */
bool sc_fast_read(struct sc_fast *f, const struct sc_slide_region *r, uint32_t *argb);

#endif

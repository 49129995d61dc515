/* SPDX-License-Identifier: MIT */
/*
 * Levels of tiled TIFF files that OpenSlide 3.4.1 cannot be trusted with, and a small
 * reader for them. See tiff_level.c.
 */
#ifndef SC_SLIDE_TIFF_LEVEL_H
#define SC_SLIDE_TIFF_LEVEL_H

#include "slide/tiff_file.h"

/* How a level is to be read. */
enum sc_tiff_verdict {
	SC_TIFF_OPENSLIDE, /* OpenSlide reads it right */
	SC_TIFF_OWN,	   /* sc_tiff_read must, from directory *out */
	SC_TIFF_UNUSABLE,  /* nobody reads it right, or it is no picture */
};

bool sc_tiff_smaller_than_tile(const struct sc_tiff_level *l);
enum sc_tiff_verdict sc_tiff_judge(const struct sc_tiff *t, const struct sc_tiff_level *l,
				   const struct sc_tiff_directory **out);
/* Premultiplied ARGB into argb (width * height, zero on entry); outside stays zero. */
SC_MUST enum sc_status sc_tiff_read(struct sc_tiff *t, const struct sc_tiff_directory *d,
				    const struct sc_tiff_window *w, uint32_t *argb,
				    struct sc_err *err);

#endif

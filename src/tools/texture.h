/* SPDX-License-Identifier: MIT */
/*
 * Texture of a synthetic slide: glass with a stained section on it, row by row.
 *
 * A pixel is a pure function of the options and of x and y, in integers but for two
 * tables of stain colours; rows may be asked for in any order, ascending ones are
 * quickest.
 */
#ifndef SLIDECACHE_TOOLS_TEXTURE_H
#define SLIDECACHE_TOOLS_TEXTURE_H

#include <stdint.h>

struct texture_options {
	uint32_t width, height; /* pixels; the section is laid into the middle of them */
	uint32_t seed;
	uint32_t plane; /* planes of one seed share the section and differ in detail */
};

struct texture;

struct texture *texture_new(const struct texture_options *o);
void texture_free(struct texture *t);
/* width * 3 bytes, R G B. */
void texture_row(struct texture *t, uint32_t y, unsigned char *rgb);

#endif

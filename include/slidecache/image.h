/* SPDX-License-Identifier: MIT */
/*
 * Pixels, resampling and encoders. All pure: memory in, memory out; any process, any
 * thread. The only place that includes libjpeg-turbo and libpng.
 *
 * A struct sc_pixels is packed rows of 4 bytes a pixel, R G B X in memory order; X is
 * ignored by resampling and encoders (every picture is opaque by then). Its size is
 * checked once, at sc_pixels_new: 1..32768 pixels a side, at most 256 MiB.
 */
#ifndef SLIDECACHE_IMAGE_H
#define SLIDECACHE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "slidecache/bytes.h"

struct sc_pixels {
	uint32_t width;	     /* pixels */
	uint32_t height;     /* pixels */
	unsigned char *rgbx; /* width * height * 4 bytes, owned */
};

#define SC_PIXELS_INIT                                                                   \
	{                                                                                \
		0, 0, NULL                                                               \
	}
#define SC_AUTO_PIXELS __attribute__((cleanup(sc_pixels_release))) struct sc_pixels

/* Zeroed memory; SC_INVALID on a side of 0, SC_TOO_LARGE over the limits. */
SC_MUST enum sc_status sc_pixels_new(struct sc_pixels *p, uint32_t width, uint32_t height,
				     struct sc_err *err);
void sc_pixels_release(struct sc_pixels *p);
struct sc_pixels sc_pixels_take(struct sc_pixels *p);

/*
 * Composites in place premultiplied ARGB (native-endian uint32_t, as OpenSlide and cairo
 * have it) over an opaque background 0xRRGGBB, leaving R G B X. Two steps, as
 * openslide-python and Pillow do, so that the bytes are theirs: un-premultiply, then
 * composite. Fully opaque pixels, the common case, are only reordered.
 */
void sc_pixels_from_argb(struct sc_pixels *p, uint32_t background);

/* Filter weights of resizes of late, for those of the same sizes to come. One thread. */
struct sc_filters;
struct sc_filters *sc_filters_new(void);
void sc_filters_free(struct sc_filters *f);

/*
 * Lanczos (a = 3) resampling of src to width x height; a side may also grow, as by the
 * pixel that rounding takes from a tile at the edge. Pillow's algorithm, precision and
 * bytes (separable, support scaled by the reduction, 8-bit result of a 22-bit fixed-point
 * sum per pass, horizontal pass first). Reductions by 4 or more in an axis box-average by
 * floor(scale / 2) in that axis first, as Pillow's reducing_gap = 2.0 does. dst is
 * allocated here. Same size: a copy.
 */
SC_MUST enum sc_status sc_resample(struct sc_filters *f, const struct sc_pixels *src,
				   uint32_t width, uint32_t height, struct sc_pixels *dst,
				   struct sc_err *err);

/*
 * The two steps of sc_resample by themselves, for pictures that are too large to have in
 * memory at once: box-reduce part after part by the factors that sc_reduce_factor gives,
 * then sc_resample_boxes the whole. The result is sc_resample's.
 */
uint32_t sc_reduce_factor(uint32_t from, uint32_t to);
/* Each output pixel is the mean of fx x fy source pixels, fewer at the right and bottom
 * edge; size rounded up. */
SC_MUST enum sc_status sc_reduce(const struct sc_pixels *src, uint32_t fx, uint32_t fy,
				 struct sc_pixels *dst, struct sc_err *err);
/* boxes: a picture of full_width x full_height pixels, reduced by fx x fy, on its way to
 * width x height; SC_INVALID when its size cannot be that. */
struct sc_resize {
	uint32_t full_width, full_height;
	uint32_t fx, fy;
	uint32_t width, height;
};
SC_MUST enum sc_status sc_resample_boxes(struct sc_filters *f,
					 const struct sc_pixels *boxes,
					 const struct sc_resize *to,
					 struct sc_pixels *dst, struct sc_err *err);

enum sc_format { SC_JPEG, SC_PNG, SC_FORMAT_COUNT };

struct sc_encode_options {
	int jpeg_quality;    /* 1..100; baseline, 4:2:0, standard Huffman tables, JFIF */
	int png_compression; /* 0..9, zlib level */
};

/* One row a format. encode appends to out; output is deterministic. */
struct sc_encoder {
	const char *name; /* as in URLs: "jpeg", "png" */
	const char *mime;
	enum sc_status (*encode)(const struct sc_pixels *p,
				 const struct sc_encode_options *o, struct sc_buf *out,
				 struct sc_err *err);
};

const struct sc_encoder *sc_encoder_of(enum sc_format f);
/* SC_NOT_FOUND for a name that is no format. */
SC_MUST enum sc_status sc_format_parse(struct sc_bytes name, enum sc_format *out,
				       struct sc_err *err);
SC_MUST enum sc_status sc_encode(enum sc_format f, const struct sc_pixels *p,
				 const struct sc_encode_options *o, struct sc_buf *out,
				 struct sc_err *err);

/*
 * A JPEG of three 8-bit components as TIFF tiles have it. Decoded as libjpeg-turbo does
 * by default (accurate DCT, smooth upsampling): the pixels that OpenSlide makes of it.
 */
struct sc_jpeg_tile {
	struct sc_bytes tables; /* an abbreviated stream that data builds on; may be empty
				 */
	struct sc_bytes data;
	bool ycbcr; /* what the components are, whatever markers in data say */
	uint32_t width, height; /* pixels that it is to have */
};
/* argb: width * height opaque words as sc_pixels_from_argb takes them. SC_UNREADABLE: it
 * is not of that size and kind, or damaged in the least; argb is undefined then. */
SC_MUST enum sc_status sc_jpeg_decode(const struct sc_jpeg_tile *t, uint32_t *argb,
				      struct sc_err *err);

#endif

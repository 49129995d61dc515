/* SPDX-License-Identifier: MIT */
/*
 * The encoders behind the table in encode.c, one file each. Private to src/image.
 * They get checked options and append to out; on failure out has its old length.
 */
#ifndef SLIDECACHE_IMAGE_ENCODERS_H
#define SLIDECACHE_IMAGE_ENCODERS_H

#include "slidecache/image.h"

SC_MUST enum sc_status sc_encode_jpeg(const struct sc_pixels *p,
				      const struct sc_encode_options *o,
				      struct sc_buf *out, struct sc_err *err);
SC_MUST enum sc_status sc_encode_png(const struct sc_pixels *p,
				     const struct sc_encode_options *o,
				     struct sc_buf *out, struct sc_err *err);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Compression of values: zlib's format, in one piece. Pure.
 */
#ifndef SRC_CACHE_COMPRESS_H
#define SRC_CACHE_COMPRESS_H

#include "slidecache/bytes.h"

/* Whether value is worth a try: no image, and not tiny. */
bool sc_compress_wanted(struct sc_bytes mime, struct sc_bytes value);
/* Replaces out by the compressed value. False: that would not be smaller. */
bool sc_compress(struct sc_bytes value, struct sc_buf *out);
/* Replaces out by the value, which has len bytes: reserves these and never more.
 * SC_DAMAGED: s is not what sc_compress makes of a value of that length. */
SC_MUST enum sc_status sc_decompress(struct sc_bytes s, size_t len, struct sc_buf *out,
				     struct sc_err *err);

#endif

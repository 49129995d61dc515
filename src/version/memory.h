/* SPDX-License-Identifier: MIT */
/*
 * What is remembered of a version store: which names it had that are no images', and the
 * version of SC_ORIGIN that they were seen with. As a text:
 *
 *	slidecache versions 1 ORIGIN
 *	NAME                              each on a line, sorted
 *	end CHECKSUM                      of all lines before, 16 hex digits
 *
 * Pure.
 */
#ifndef SRC_VERSION_MEMORY_H
#define SRC_VERSION_MEMORY_H

#include <stdbool.h>

#include "slidecache/bytes.h"
#include "slidecache/version.h"

typedef char sc_memory_name[SC_VERSION_NAME_MAX + 1];

struct sc_memory {
	char origin[SC_VERSION_LEN + 1]; /* "": nothing was seen yet */
	sc_memory_name *names;		 /* sorted; without SC_ORIGIN */
	size_t n;
};

void sc_memory_release(struct sc_memory *m);
/* Replaces what was remembered by the names of these records, which are sorted. Records
 * without that of SC_ORIGIN are no state of a store: then all stays as it was. */
void sc_memory_take(struct sc_memory *m, const struct sc_version *records, size_t n);
/* Appends. */
void sc_memory_print(const struct sc_memory *m, struct sc_buf *out);
/* False for anything that print does not write; then *out is untouched. */
bool sc_memory_parse(struct sc_bytes text, struct sc_memory *out);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Parsing of small texts: the only number and escape parsers of the project. Pure.
 *
 * Every parser takes the whole input: empty input, a sign where none is allowed, white
 * space, trailing bytes and overflow all fail. They return true on success and leave
 * *out untouched otherwise.
 */
#ifndef SLIDECACHE_PARSE_H
#define SLIDECACHE_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "slidecache/bytes.h"

/* Decimal digits only, at most max. */
bool sc_parse_u64(struct sc_bytes s, uint64_t max, uint64_t *out);
/* Optional '-', decimal digits, within [min, max]. */
bool sc_parse_i64(struct sc_bytes s, int64_t min, int64_t max, int64_t *out);
/* A finite decimal number: "1", "-0.25", "1e3". No hex, inf or nan. */
bool sc_parse_double(struct sc_bytes s, double *out);
/* %XX decoded once into out (capacity cap, NUL-terminated); plus_is_space for forms.
 * Bad escapes, NUL bytes and results of cap bytes or more fail. */
bool sc_percent_decode(struct sc_bytes s, bool plus_is_space, char *out, size_t cap);
bool sc_utf8_valid(struct sc_bytes s);
/* Bytes of the character that valid UTF-8 begins with, and its code, if it shows nothing
 * but steers what is shown: controls beyond ASCII (U+009B begins a terminal's command),
 * line separators, marks of the direction of writing. 0: it is another. */
size_t sc_utf8_steering(const char *s, unsigned *code);

#endif

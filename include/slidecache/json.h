/* SPDX-License-Identifier: MIT */
/*
 * Writing JSON text into a buffer. Reading is jansson's; writing is ours because EXACT's
 * clients expect numbers as Python writes them (the shortest digits that read back to the
 * same double, "1.0" for one), which jansson does not do.
 *
 * A value, or a key and its value, puts the comma before it that the place needs, so
 * callers only say what comes next. Texts may hold anything: invalid UTF-8 becomes
 * U+FFFD. Compact, no spaces. Pure.
 */
#ifndef SLIDECACHE_JSON_H
#define SLIDECACHE_JSON_H

#include <stdint.h>

#include "slidecache/bytes.h"

void sc_json_begin(struct sc_buf *b, char bracket); /* '{' or '[' */
void sc_json_end(struct sc_buf *b, char bracket);   /* '}' or ']' */
void sc_json_key(struct sc_buf *b, const char *key);
void sc_json_str(struct sc_buf *b, const char *s);
void sc_json_int(struct sc_buf *b, int64_t v);
void sc_json_double(struct sc_buf *b, double v); /* not finite: null */
void sc_json_bool(struct sc_buf *b, bool v);
void sc_json_null(struct sc_buf *b);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The lines of memcached's text protocol: what a server answers. Pure; it takes nothing
 * that a memcached does not send.
 */
#ifndef SRC_CACHE_MEMCACHED_REPLY_H
#define SRC_CACHE_MEMCACHED_REPLY_H

#include <stdbool.h>

#include "slidecache/bytes.h"
#include "slidecache/fault.h"

/* With its end: a key, three numbers; a statistic with a path. */
#define SC_MEMCACHED_LINE_MAX 4096

enum sc_memcached_word {
	SC_MEMCACHED_STORED,
	SC_MEMCACHED_NOT_STORED,
	SC_MEMCACHED_EXISTS,
	SC_MEMCACHED_NOT_FOUND,
	SC_MEMCACHED_DELETED,
	SC_MEMCACHED_END,
	SC_MEMCACHED_VALUE,
	SC_MEMCACHED_STAT,
	SC_MEMCACHED_TOO_LARGE,
	SC_MEMCACHED_FULL,
	SC_MEMCACHED_REFUSAL, /* any other error, or none that we know */
};

/* The length of the first line with its CR LF; 0: it has no end yet. *bad: it cannot have
 * one that is right. */
size_t sc_memcached_line(struct sc_bytes in, bool *bad);
/* line: without its end. */
enum sc_memcached_word sc_memcached_word_of(struct sc_bytes line);
/* What kind of failure a refusal is. */
enum sc_fault sc_memcached_fault_of(struct sc_bytes line);

struct sc_memcached_value_line {
	struct sc_bytes key;
	size_t len;
	uint64_t cas;
};
/* "VALUE key flags bytes cas". False: it is none. len may be anything. */
bool sc_memcached_parse_value(struct sc_bytes line, struct sc_memcached_value_line *out);
/* "STAT name value"; the value may be empty or have spaces. */
bool sc_memcached_parse_stat(struct sc_bytes line, struct sc_bytes *name,
			     struct sc_bytes *value);

#endif

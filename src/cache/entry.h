/* SPDX-License-Identifier: MIT */
/*
 * The envelope: the stored format of an entry. Pure; nothing outside entry.c knows it.
 *
 * Little-endian, no padding:
 *
 *	0  magic "SCen"          8  created, us, i64      32  mime, key, value, in this
 *	4  format version, u8   16  expires, us, i64          order and without a break
 *	5  flags, u8 (none yet) 24  length of value, u64   .. XXH3-64 of all before, u64
 *	6  length of mime, u8
 *	7  length of key, u8
 *
 * Whoever reads one checks everything: format, lengths to the byte, checksum, and that
 * the key is the one asked for. A format of another version does not verify.
 */
#ifndef SRC_CACHE_ENTRY_H
#define SRC_CACHE_ENTRY_H

#include "slidecache/cache.h"

#define SC_MIME_MAX 31
/* The most that an envelope adds to its value. */
#define SC_ENTRY_OVERHEAD_MAX (32 + SC_MIME_MAX + SC_KEY_MAX + 8)

struct sc_entry_meta {
	struct sc_bytes key;  /* 1..SC_KEY_MAX bytes */
	struct sc_bytes mime; /* 1..SC_MIME_MAX printable bytes */
	int64_t created_us;
	int64_t expires_us; /* 0 never */
};

/* Appends the envelope of value to out. SC_INVALID when key or mime break the rules. */
SC_MUST enum sc_status sc_entry_encode(const struct sc_entry_meta *meta,
				       struct sc_bytes value, struct sc_buf *out,
				       struct sc_err *err);

/* SC_DAMAGED unless stored is, whole and unchanged, an entry of key. meta and value
 * point into stored. Says nothing about the time: see sc_entry_expired. */
SC_MUST enum sc_status sc_entry_decode(struct sc_bytes stored, struct sc_bytes key,
				       struct sc_entry_meta *meta, struct sc_bytes *value,
				       struct sc_err *err);

/* 0 never expires. */
bool sc_entry_expired(int64_t expires_us, int64_t now_us);

/* When the stored entry expires, without verifying anything: a hint for eviction.
 * 0 when it never does or is no entry. */
int64_t sc_entry_peek_expires(struct sc_bytes stored);

#endif

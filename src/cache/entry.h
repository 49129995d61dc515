/* SPDX-License-Identifier: MIT */
/*
 * The envelope: the stored format of an entry. Pure; nothing outside entry.c knows it.
 *
 * The value comes first, so that who got an envelope only shortens the buffer and has the
 * value, without moving it. Then MIME type and key, without a break, then, little-endian
 * and without padding:
 *
 *	 0  created, us, i64                   24  magic "SCen"
 *	 8  expires, us, i64                   28  format version, u8
 *	16  length of the value as stored, u32 29  flags, u8
 *	20  and as it was set, u32             30  length of mime, u8
 *	                                       31  length of key, u8
 *	32  seal of all before, 16 bytes: XXH3-128, or a MAC where there is a secret
 *
 * Flags: 1 the seal is a MAC; 2 the value is compressed (compress.c); 4 the value is the
 * index of parts, see parts.h; 8 this is such a part, and no entry by itself.
 *
 * Whoever reads one checks everything: format, lengths to the byte, seal, and that the
 * key is the one asked for. A format of another version does not verify, nor does a
 * checksum where a MAC is asked for, or the reverse.
 */
#ifndef SRC_CACHE_ENTRY_H
#define SRC_CACHE_ENTRY_H

#include "slidecache/cache.h"
#include "slidecache/hash.h"

#define SC_MIME_MAX 31
/* The most that an envelope adds to its value. */
#define SC_ENTRY_OVERHEAD_MAX (SC_MIME_MAX + SC_KEY_MAX + 32 + SC_HASH128_LEN)
/* The largest value of any entry. */
#define SC_VALUE_MAX ((size_t)16 << 20)

enum sc_entry_flag {
	SC_ENTRY_KEYED = 1, /* set by the encoder */
	SC_ENTRY_ZLIB = 2,
	SC_ENTRY_INDEX = 4,
	SC_ENTRY_PART = 8,
};

struct sc_entry_meta {
	struct sc_bytes key;  /* 1..SC_KEY_MAX bytes */
	struct sc_bytes mime; /* 1..SC_MIME_MAX printable bytes */
	int64_t created_us;
	int64_t expires_us; /* 0 never */
	unsigned flags;
	/* Length of the value as it was set. Without flags that of what is stored. */
	size_t value_len;
};

/* SC_INVALID unless mime is one. */
SC_MUST enum sc_status sc_entry_mime_check(struct sc_bytes mime, struct sc_err *err);

/* Bytes of the envelope of a value, however they are. */
size_t sc_entry_len(size_t key_len, size_t mime_len, size_t value_len);

/* Appends the envelope of value to out; secret: a key of sc_mac_key, or NULL. SC_INVALID
 * when key, mime or a length breaks the rules. */
SC_MUST enum sc_status sc_entry_encode(const struct sc_entry_meta *meta,
				       struct sc_bytes value, const unsigned char *secret,
				       struct sc_buf *out, struct sc_err *err);

/* SC_DAMAGED unless stored is, whole and unchanged, an entry of key. meta and value
 * point into stored; value.data is its beginning. Says nothing about the time: see
 * sc_entry_expired. */
SC_MUST enum sc_status sc_entry_decode(struct sc_bytes stored, struct sc_bytes key,
				       const unsigned char *secret,
				       struct sc_entry_meta *meta, struct sc_bytes *value,
				       struct sc_err *err);

/* 0 never expires. */
bool sc_entry_expired(int64_t expires_us, int64_t now_us);

/* When the stored entry expires, without verifying anything: a hint for eviction.
 * 0 when it never does or is no entry. */
int64_t sc_entry_peek_expires(struct sc_bytes stored);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What a page of an LMDB file (format 1, LMDB 0.9) may look like. Pure.
 *
 * LMDB believes what its pages say: before it changes one it copies it into memory of the
 * process and moves bytes there by the page's own numbers. Here they are checked: after
 * that whatever LMDB does with the page stays within it.
 *
 *	page      number u64, pad u16, kind u16, lower u16, upper u16 (pages u32, if it
 *		  holds a long value), places of its nodes u16 ..., gap, nodes
 *	node      low u16, high u16, flags u16, key length u16, key, data
 *		  in a branch low, high and flags are the child's number, without data
 *
 * The nodes lie without a gap up to the end of the page; their places are in the order
 * of their keys. The key of a branch's first node says nothing.
 */
#ifndef SRC_CACHE_LMDB_PAGE_H
#define SRC_CACHE_LMDB_PAGE_H

#include "slidecache/bytes.h"

#define SC_LMDB_PAGE_HEADER 16
#define SC_LMDB_PAGE_MAX    65536
#define SC_LMDB_META_PAGES  2
#define SC_LMDB_NO_PAGE	    UINT64_MAX
#define SC_LMDB_TREE_BYTES  48

enum sc_lmdb_kind { SC_LMDB_BRANCH = 1, SC_LMDB_LEAF = 2, SC_LMDB_LONG = 4 };

/* How keys are ordered: as bytes, or each as a number in the machine's order. */
enum sc_lmdb_order { SC_LMDB_BYTES, SC_LMDB_NUMBERS };

struct sc_lmdb_tree {
	uint16_t flags;
	uint16_t depth;
	uint64_t root; /* SC_LMDB_NO_PAGE: empty */
};

struct sc_lmdb_meta {
	uint64_t page_size;
	struct sc_lmdb_tree free, main;
	uint64_t last_page;
	uint64_t txn_id;
};

struct sc_lmdb_node {
	struct sc_bytes key;
	uint64_t child;	      /* of a branch, or where a long value is */
	struct sc_bytes data; /* of a leaf; data NULL: it is long */
	bool is_tree;	      /* data is a tree's record */
};

/* Which page of a tree it should be. */
struct sc_lmdb_place {
	uint64_t number;
	enum sc_lmdb_kind kind;
	enum sc_lmdb_order order;
};

/* False: it is no such page. sizes: room for page_size / 2 numbers. */
bool sc_lmdb_meta_read(const unsigned char *page, struct sc_lmdb_meta *out);
bool sc_lmdb_page_check(const unsigned char *page, size_t page_size,
			const struct sc_lmdb_place *place, uint16_t *sizes);
/* The first of the pages of a long value; *pages: how many these are. */
bool sc_lmdb_long_check(const unsigned char *page, size_t page_size, uint64_t number,
			size_t len, uint64_t *pages);
bool sc_lmdb_tree_read(struct sc_bytes record, struct sc_lmdb_tree *out);

/* Of a page that was checked: */
bool sc_lmdb_page_is(const unsigned char *page, uint64_t number, enum sc_lmdb_kind kind);
unsigned sc_lmdb_page_nodes(const unsigned char *page);
struct sc_lmdb_node sc_lmdb_page_node(const unsigned char *page, unsigned i);
/* The last node whose key is not behind key; the first, if all are. */
unsigned sc_lmdb_page_find(const unsigned char *page, struct sc_bytes key,
			   enum sc_lmdb_order order);
int sc_lmdb_compare(struct sc_bytes a, struct sc_bytes b, enum sc_lmdb_order order);

#endif

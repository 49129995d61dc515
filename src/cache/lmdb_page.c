/* SPDX-License-Identifier: MIT */
/*
 * Checking and reading one page of an LMDB file, see lmdb_page.h. Pure: nothing outside
 * of the page is looked at.
 */
#include "cache/lmdb_page.h"

#define MAGIC	    0xBEEFC0DEu
#define FORMAT	    1
#define NODE_HEADER 8
#define KEY_MAX	    511

/* Flags of a leaf's nodes. */
enum { LONG_DATA = 1, TREE_DATA = 2 };

/* Where things are. */
enum { AT_KIND = 10, AT_LOWER = 12, AT_UPPER = 14, AT_LONG_PAGES = 12 };
enum { META_FORMAT = 4, META_FREE = 24, META_MAIN = 72, META_LAST = 120, META_TXN = 128 };
enum { TREE_FLAGS = 4, TREE_DEPTH = 6, TREE_ROOT = 40 };

static uint16_t word_at(const unsigned char *p)
{
	uint16_t v = 0;

	memcpy(&v, p, sizeof v);
	return v;
}

static uint32_t long_at(const unsigned char *p)
{
	uint32_t v = 0;

	memcpy(&v, p, sizeof v);
	return v;
}

static uint64_t number_at(const unsigned char *p)
{
	uint64_t v = 0;

	memcpy(&v, p, sizeof v);
	return v;
}

bool sc_lmdb_tree_read(struct sc_bytes record, struct sc_lmdb_tree *out)
{
	if (record.len != SC_LMDB_TREE_BYTES)
		return false;
	*out = (struct sc_lmdb_tree){
		.flags = word_at(record.data + TREE_FLAGS),
		.depth = word_at(record.data + TREE_DEPTH),
		.root = number_at(record.data + TREE_ROOT),
	};
	return (out->root == SC_LMDB_NO_PAGE) == (out->depth == 0);
}

bool sc_lmdb_meta_read(const unsigned char *page, struct sc_lmdb_meta *out)
{
	const unsigned char *meta = page + SC_LMDB_PAGE_HEADER;

	*out = (struct sc_lmdb_meta){
		.page_size = long_at(meta + META_FREE),
		.last_page = number_at(meta + META_LAST),
		.txn_id = number_at(meta + META_TXN),
	};
	return long_at(meta) == MAGIC && long_at(meta + META_FORMAT) == FORMAT &&
	       sc_lmdb_tree_read(sc_bytes_of(meta + META_FREE, SC_LMDB_TREE_BYTES),
				 &out->free) &&
	       sc_lmdb_tree_read(sc_bytes_of(meta + META_MAIN, SC_LMDB_TREE_BYTES),
				 &out->main);
}

bool sc_lmdb_page_is(const unsigned char *page, uint64_t number, enum sc_lmdb_kind kind)
{
	return number_at(page) == number && word_at(page + AT_KIND) == kind;
}

unsigned sc_lmdb_page_nodes(const unsigned char *page)
{
	return (word_at(page + AT_LOWER) - (unsigned)SC_LMDB_PAGE_HEADER) / 2;
}

static const unsigned char *node_at(const unsigned char *page, unsigned i)
{
	return page + word_at(page + SC_LMDB_PAGE_HEADER + i * sizeof(uint16_t));
}

static struct sc_lmdb_node branch_node(const unsigned char *at)
{
	return (struct sc_lmdb_node){
		.key = sc_bytes_of(at + NODE_HEADER, word_at(at + 6)),
		.child = long_at(at) | (uint64_t)word_at(at + 4) << 32,
	};
}

static struct sc_lmdb_node leaf_node(const unsigned char *at)
{
	size_t key_len = word_at(at + 6);
	const unsigned char *data = at + NODE_HEADER + key_len;
	bool is_long = word_at(at + 4) & LONG_DATA;

	return (struct sc_lmdb_node){
		.key = sc_bytes_of(at + NODE_HEADER, key_len),
		.child = is_long ? number_at(data) : SC_LMDB_NO_PAGE,
		.data = sc_bytes_of(is_long ? NULL : data, long_at(at)),
		.is_tree = word_at(at + 4) & TREE_DATA,
	};
}

struct sc_lmdb_node sc_lmdb_page_node(const unsigned char *page, unsigned i)
{
	const unsigned char *at = node_at(page, i);

	return word_at(page + AT_KIND) == SC_LMDB_BRANCH ? branch_node(at)
							 : leaf_node(at);
}

int sc_lmdb_compare(struct sc_bytes a, struct sc_bytes b, enum sc_lmdb_order order)
{
	if (order == SC_LMDB_NUMBERS) {
		uint64_t x = number_at(a.data);
		uint64_t y = number_at(b.data);

		return (x > y) - (x < y);
	}
	int d = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
	return d ? d : (a.len > b.len) - (a.len < b.len);
}

unsigned sc_lmdb_page_find(const unsigned char *page, struct sc_bytes key,
			   enum sc_lmdb_order order)
{
	unsigned low = 0;
	unsigned high = sc_lmdb_page_nodes(page);

	while (high - low > 1) {
		unsigned middle = (low + high) / 2;
		struct sc_lmdb_node node = sc_lmdb_page_node(page, middle);

		if (sc_lmdb_compare(node.key, key, order) <= 0)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* What a node may take in a leaf: two have room. */
static size_t node_max(size_t page_size)
{
	return ((page_size - SC_LMDB_PAGE_HEADER) / 2 & ~(size_t)1) - sizeof(uint16_t);
}

/* What the data of a leaf's node takes there; false: it is none. */
static bool data_size(const unsigned char *at, size_t room, size_t page_size, size_t *out)
{
	uint16_t flags = word_at(at + 4);
	size_t len = long_at(at);

	if (flags == TREE_DATA && len != SC_LMDB_TREE_BYTES)
		return false;
	if (flags != 0 && flags != LONG_DATA && flags != TREE_DATA)
		return false;
	*out = flags == LONG_DATA ? sizeof(uint64_t) : len;
	return *out <= room &&
	       NODE_HEADER + word_at(at + 6) + *out <= node_max(page_size);
}

/* What the node there takes; 0: it is none. */
static size_t node_size(const unsigned char *page, size_t page_size, size_t at,
			const struct sc_lmdb_place *place)
{
	bool is_leaf = place->kind == SC_LMDB_LEAF;
	size_t room = page_size - at;
	size_t data = 0;

	if (at % 2 != 0 || at >= page_size || room < NODE_HEADER)
		return 0;
	size_t key = word_at(page + at + 6);
	if (key > KEY_MAX || key > room - NODE_HEADER || (is_leaf && key < 1))
		return 0;
	if (place->order == SC_LMDB_NUMBERS && key > 0 && key != sizeof(uint64_t))
		return 0;
	if (is_leaf && !data_size(page + at, room - NODE_HEADER - key, page_size, &data))
		return 0;
	return (NODE_HEADER + key + data + 1) & ~(size_t)1;
}

/* The nodes, whose sizes are noted by place, follow each other to the page's end. */
static bool is_tiled(const uint16_t *sizes, size_t from, size_t to, unsigned n)
{
	unsigned found = 0;

	while (from < to && sizes[from / 2] != 0) {
		from += sizes[from / 2];
		found++;
	}
	return from == to && found == n;
}

static bool check_nodes(const unsigned char *page, size_t page_size,
			const struct sc_lmdb_place *place, uint16_t *sizes)
{
	unsigned n = sc_lmdb_page_nodes(page);
	size_t upper = word_at(page + AT_UPPER);

	memset(sizes, 0, page_size);
	for (unsigned i = 0; i < n; i++) {
		size_t at = word_at(page + SC_LMDB_PAGE_HEADER + i * sizeof(uint16_t));
		size_t size = at < upper ? 0 : node_size(page, page_size, at, place);

		if (size == 0 || sizes[at / 2] != 0)
			return false;
		sizes[at / 2] = (uint16_t)size;
	}
	return is_tiled(sizes, upper, page_size, n);
}

static bool is_ordered(const unsigned char *page, const struct sc_lmdb_place *place)
{
	unsigned n = sc_lmdb_page_nodes(page);
	unsigned first = place->kind == SC_LMDB_BRANCH;

	for (unsigned i = first; i < n; i++) {
		struct sc_bytes key = sc_lmdb_page_node(page, i).key;

		if (key.len == 0)
			return false;
		if (i > first && sc_lmdb_compare(sc_lmdb_page_node(page, i - 1).key, key,
						 place->order) >= 0)
			return false;
	}
	return true;
}

bool sc_lmdb_page_check(const unsigned char *page, size_t page_size,
			const struct sc_lmdb_place *place, uint16_t *sizes)
{
	size_t lower = word_at(page + AT_LOWER);
	size_t upper = word_at(page + AT_UPPER);

	return sc_lmdb_page_is(page, place->number, place->kind) &&
	       lower > SC_LMDB_PAGE_HEADER && lower % 2 == 0 && lower <= upper &&
	       upper % 2 == 0 && upper < page_size &&
	       check_nodes(page, page_size, place, sizes) && is_ordered(page, place);
}

bool sc_lmdb_long_check(const unsigned char *page, size_t page_size, uint64_t number,
			size_t len, uint64_t *pages)
{
	*pages = long_at(page + AT_LONG_PAGES);
	return sc_lmdb_page_is(page, number, SC_LMDB_LONG) &&
	       *pages >= (SC_LMDB_PAGE_HEADER - 1 + len) / page_size + 1;
}

/* SPDX-License-Identifier: MIT */
/*
 * Checking what a write transaction will reach, see lmdb_guard.h.
 *
 * Reads the file through a map of its own, so that no address of LMDB's is needed. A page
 * is checked once a transaction; that its keys lie between those that lead to it, each
 * time.
 */
#include "cache/lmdb_guard.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cache/lmdb_page.h"

#define DEPTH_MAX     32 /* LMDB's own */
#define TREES_MAX     8
#define GROWTH	      ((size_t)64 << 20) /* of the file, until it is mapped anew */
#define TREE_NAME_MAX 16
/* Removals of one transaction; with more of them the whole tree is checked at once. */
#define REMOVALS_MAX 32

struct tree {
	char name[TREE_NAME_MAX];
	struct sc_lmdb_tree at;
	enum sc_lmdb_order order;
	unsigned removals;
	bool is_whole; /* all of it was checked */
};

struct sc_lmdb_guard {
	int fd; /* LMDB's */
	size_t page_size;
	const unsigned char *map;
	size_t mapped;
	uint64_t file_size;
	uint64_t last_page;
	struct tree trees[TREES_MAX]; /* the free pages', the main one, the named */
	unsigned ntrees;
	uint64_t *free; /* a bit a page */
	uint64_t *seen;
	size_t words;	       /* of each of them */
	struct sc_buf visited; /* uint64_t: the pages that seen has */
	uint16_t sizes[SC_LMDB_PAGE_MAX / 2];
};

/* A way down: pages, which node of each, and between which keys its keys lie. */
struct step {
	const unsigned char *page;
	unsigned node;
	struct sc_bytes low;
	struct sc_bytes high;
};

struct way {
	struct sc_lmdb_guard *g;
	const struct tree *tree;
	struct step step[DEPTH_MAX];
};

static const struct sc_bytes no_key;

int sc_lmdb_guard_open(MDB_env *env, struct sc_lmdb_guard **out)
{
	MDB_stat st = { .ms_psize = 0 };
	int fd = -1;
	int rc = mdb_env_stat(env, &st);

	if (rc == 0)
		rc = mdb_env_get_fd(env, &fd);
	if (rc != 0)
		return rc;
	if (st.ms_psize > SC_LMDB_PAGE_MAX)
		return MDB_CORRUPTED;
	struct sc_lmdb_guard *g = sc_alloc(sizeof *g);
	memset(g, 0, sizeof *g);
	g->fd = fd;
	g->page_size = st.ms_psize;
	*out = g;
	return 0;
}

void sc_lmdb_guard_close(struct sc_lmdb_guard *g)
{
	void *map = NULL;

	if (!g)
		return;
	memcpy(&map, &g->map, sizeof map);
	if (map)
		(void)munmap(map, g->mapped);
	free(g->free);
	free(g->seen);
	sc_buf_release(&g->visited);
	free(g);
}

/* ---- the file ---- */

static const unsigned char *page_at(const struct sc_lmdb_guard *g, uint64_t number)
{
	return g->map + number * g->page_size;
}

static bool is_in_file(const struct sc_lmdb_guard *g, uint64_t number)
{
	return number >= SC_LMDB_META_PAGES && number <= g->last_page &&
	       (number + 1) * g->page_size <= g->file_size;
}

/* All of the file, with room for it to grow. */
static int map_file(struct sc_lmdb_guard *g)
{
	void *map = NULL;
	struct stat st;

	if (fstat(g->fd, &st) < 0)
		return errno;
	g->file_size = (uint64_t)st.st_size;
	if (g->map && g->file_size <= g->mapped)
		return 0;
	memcpy(&map, &g->map, sizeof map);
	if (map)
		(void)munmap(map, g->mapped);
	g->map = NULL;
	g->mapped = g->file_size + GROWTH;
	map = mmap(NULL, g->mapped, PROT_READ, MAP_SHARED | MAP_NORESERVE, g->fd, 0);
	if (map == MAP_FAILED)
		return errno;
	g->map = map;
	return 0;
}

/* ---- sets of pages ---- */

static bool has(const uint64_t *set, uint64_t number)
{
	return set[number / 64] >> number % 64 & 1;
}

static void put(uint64_t *set, uint64_t number)
{
	set[number / 64] |= UINT64_C(1) << number % 64;
}

static void empty_sets(struct sc_lmdb_guard *g)
{
	size_t words = (size_t)(g->last_page / 64 + 1);
	const unsigned char *at = g->visited.data;

	if (words > g->words) {
		g->words = 2 * words;
		g->free = sc_realloc_array(g->free, g->words, sizeof *g->free);
		g->seen = sc_realloc_array(g->seen, g->words, sizeof *g->seen);
		memset(g->seen, 0, g->words * sizeof *g->seen);
		g->visited.len = 0;
	}
	memset(g->free, 0, words * sizeof *g->free);
	for (size_t i = 0; i < g->visited.len; i += sizeof(uint64_t)) {
		uint64_t number = 0;

		memcpy(&number, at + i, sizeof number);
		g->seen[number / 64] = 0;
	}
	sc_buf_reset(&g->visited);
}

static void note_visit(struct sc_lmdb_guard *g, uint64_t number)
{
	put(g->seen, number);
	sc_buf_append(&g->visited, &number, sizeof number);
}

/* ---- pages of a tree ---- */

static bool is_between(const struct step *s, enum sc_lmdb_kind kind,
		       enum sc_lmdb_order order)
{
	unsigned n = sc_lmdb_page_nodes(s->page);
	unsigned first = kind == SC_LMDB_BRANCH;

	if (first >= n)
		return true;
	return (s->low.len == 0 || sc_lmdb_compare(sc_lmdb_page_node(s->page, first).key,
						   s->low, order) >= 0) &&
	       (s->high.len == 0 || sc_lmdb_compare(sc_lmdb_page_node(s->page, n - 1).key,
						    s->high, order) < 0);
}

/* Sets the step's page to that one. */
static bool visit(struct way *w, unsigned level, uint64_t number)
{
	struct sc_lmdb_guard *g = w->g;
	struct step *s = &w->step[level];
	enum sc_lmdb_kind kind =
		level + 1u < w->tree->at.depth ? SC_LMDB_BRANCH : SC_LMDB_LEAF;

	if (!is_in_file(g, number) || has(g->free, number))
		return false;
	s->page = page_at(g, number);
	if (has(g->seen, number)) {
		if (!sc_lmdb_page_is(s->page, number, kind))
			return false;
	} else {
		const struct sc_lmdb_place place = { number, kind, w->tree->order };

		if (!sc_lmdb_page_check(s->page, g->page_size, &place, g->sizes))
			return false;
		note_visit(g, number);
	}
	return is_between(s, kind, w->tree->order);
}

enum direction { TO_FIRST, TO_LAST, TO_KEY };

static void choose_node(const struct way *w, struct step *s, enum direction to,
			struct sc_bytes key)
{
	s->node = to == TO_FIRST  ? 0
		  : to == TO_LAST ? sc_lmdb_page_nodes(s->page) - 1
				  : sc_lmdb_page_find(s->page, key, w->tree->order);
}

/* To the child that the step above chose. */
static bool step_down(struct way *w, unsigned level)
{
	const struct step *above = &w->step[level - 1];
	struct sc_lmdb_node node = sc_lmdb_page_node(above->page, above->node);
	bool is_last = above->node + 1 >= sc_lmdb_page_nodes(above->page);

	w->step[level].low = above->node > 0 ? node.key : above->low;
	w->step[level].high =
		is_last ? above->high
			: sc_lmdb_page_node(above->page, above->node + 1).key;
	return visit(w, level, node.child);
}

/* From the page of that level, whose node is chosen, down to another one. */
static bool descend(struct way *w, unsigned from, unsigned to_level, enum direction to,
		    struct sc_bytes key)
{
	for (unsigned level = from + 1; level <= to_level; level++) {
		if (!step_down(w, level))
			return false;
		choose_node(w, &w->step[level], to, key);
	}
	return true;
}

/* Down to the leaf; the tree is not empty. */
static bool begin_way(struct way *w, enum direction to, struct sc_bytes key)
{
	if (w->tree->at.depth > DEPTH_MAX)
		return false;
	w->step[0] = (struct step){ .low = no_key, .high = no_key };
	if (!visit(w, 0, w->tree->at.root))
		return false;
	choose_node(w, &w->step[0], to, key);
	return descend(w, 0, w->tree->at.depth - 1u, to, key);
}

/* To the next page of that level, either way; *moved: there is one. */
static bool move(struct way *w, unsigned level, int by, bool *moved)
{
	unsigned up = level;

	*moved = false;
	while (up > 0 && (by < 0 ? w->step[up - 1].node == 0
				 : w->step[up - 1].node + 1 >=
					   sc_lmdb_page_nodes(w->step[up - 1].page)))
		up--;
	if (up == 0)
		return true;
	w->step[up - 1].node += (unsigned)by;
	*moved = true;
	return descend(w, up - 1, level, by < 0 ? TO_LAST : TO_FIRST, no_key);
}

/* The leaf that a branch page's keys begin in: LMDB takes its own first key from there.
 */
static bool check_lowest(const struct way *w, unsigned level)
{
	struct way low = *w;

	low.step[level].node = 0;
	return descend(&low, level, w->tree->at.depth - 1u, TO_FIRST, no_key);
}

static bool check_beside(const struct way *w, unsigned level, int by, unsigned far)
{
	struct way side = *w;
	bool moved = true;

	while (far-- > 0 && moved) {
		if (!move(&side, level, by, &moved))
			return false;
		if (moved && !check_lowest(&side, level))
			return false;
	}
	return true;
}

static bool check_around(const struct way *w, unsigned far)
{
	for (unsigned level = 1; level < w->tree->at.depth; level++)
		if (!check_lowest(w, level) || !check_beside(w, level, -1, far) ||
		    !check_beside(w, level, 1, far))
			return false;
	return true;
}

/* ---- long values ---- */

static bool check_long(const struct sc_lmdb_guard *g, const struct sc_lmdb_node *node)
{
	uint64_t pages = 0;

	if (node->data.data)
		return true;
	if (!is_in_file(g, node->child) ||
	    !sc_lmdb_long_check(page_at(g, node->child), g->page_size, node->child,
				node->data.len, &pages) ||
	    pages > g->last_page - node->child + 1)
		return false;
	for (uint64_t i = 0; i < pages; i++)
		if (has(g->free, node->child + i))
			return false;
	return true;
}

static bool check_leaf_longs(const struct way *w)
{
	const struct step *s = &w->step[w->tree->at.depth - 1];

	for (unsigned i = 0; i < sc_lmdb_page_nodes(s->page); i++) {
		struct sc_lmdb_node node = sc_lmdb_page_node(s->page, i);

		if (!check_long(w->g, &node))
			return false;
	}
	return true;
}

/* ---- whole trees ---- */

typedef bool (*leaf_fn)(const struct way *w);

/* Calls each for every leaf, if it is not NULL. */
static bool walk(struct sc_lmdb_guard *g, const struct tree *tree, leaf_fn each)
{
	struct way w = { .g = g, .tree = tree };
	bool moved = tree->at.depth > 0;

	if (moved && !begin_way(&w, TO_FIRST, no_key))
		return false;
	while (moved) {
		if (each && !each(&w))
			return false;
		if (!move(&w, tree->at.depth - 1u, 1, &moved))
			return false;
	}
	return true;
}

/* Where the numbers of a record of free pages are; false: not in the file. */
static bool free_record(const struct sc_lmdb_guard *g, const struct sc_lmdb_node *node,
			struct sc_bytes *out)
{
	*out = node->data;
	if (node->data.data)
		return true;
	if (!check_long(g, node))
		return false;
	uint64_t at = node->child * g->page_size + SC_LMDB_PAGE_HEADER;
	out->data = g->map + at;
	return at + out->len <= g->file_size;
}

/* How many, then each, descending. */
static bool mark_free(struct sc_lmdb_guard *g, struct sc_bytes record)
{
	uint64_t before = g->last_page + 1;
	uint64_t n = 0;

	if (record.len < sizeof n)
		return false;
	memcpy(&n, record.data, sizeof n);
	if (n > record.len / sizeof n - 1)
		return false;
	for (uint64_t i = 1; i <= n; i++) {
		uint64_t number = 0;

		memcpy(&number, record.data + i * sizeof number, sizeof number);
		if (number < SC_LMDB_META_PAGES || number >= before ||
		    has(g->free, number))
			return false;
		put(g->free, number);
		before = number;
	}
	return true;
}

static bool mark_leaf_free(const struct way *w)
{
	const struct step *s = &w->step[w->tree->at.depth - 1];

	for (unsigned i = 0; i < sc_lmdb_page_nodes(s->page); i++) {
		struct sc_lmdb_node node = sc_lmdb_page_node(s->page, i);
		struct sc_bytes record = no_key;

		if (!free_record(w->g, &node, &record) || !mark_free(w->g, record))
			return false;
	}
	return true;
}

/* When it was walked, not all was known. */
static bool is_visited_free(const struct sc_lmdb_guard *g)
{
	for (size_t i = 0; i < g->visited.len; i += sizeof(uint64_t)) {
		uint64_t number = 0;

		memcpy(&number, g->visited.data + i, sizeof number);
		if (has(g->free, number))
			return true;
	}
	return false;
}

static bool check_free_tree(struct sc_lmdb_guard *g)
{
	const struct tree *tree = &g->trees[0];

	return walk(g, tree, mark_leaf_free) && !is_visited_free(g) &&
	       walk(g, tree, check_leaf_longs);
}

static bool add_tree(struct sc_lmdb_guard *g, const struct sc_lmdb_node *node)
{
	struct tree *t = &g->trees[g->ntrees];

	if (g->ntrees == TREES_MAX || node->key.len >= sizeof t->name)
		return false;
	*t = (struct tree){ .order = SC_LMDB_BYTES };
	memcpy(t->name, node->key.data, node->key.len);
	g->ntrees++;
	return sc_lmdb_tree_read(node->data, &t->at) && t->at.flags == 0;
}

static bool add_leaf_trees(const struct way *w)
{
	const struct step *s = &w->step[w->tree->at.depth - 1];

	for (unsigned i = 0; i < sc_lmdb_page_nodes(s->page); i++) {
		struct sc_lmdb_node node = sc_lmdb_page_node(s->page, i);

		if (!check_long(w->g, &node) || (node.is_tree && !add_tree(w->g, &node)))
			return false;
	}
	return true;
}

/* ---- what others call ---- */

/* LMDB begins with the meta page of the last transaction, whatever it says. */
static bool read_meta(struct sc_lmdb_guard *g, uint64_t txn_id)
{
	struct sc_lmdb_meta meta;

	if (g->file_size < SC_LMDB_META_PAGES * g->page_size ||
	    !sc_lmdb_meta_read(page_at(g, txn_id % SC_LMDB_META_PAGES), &meta) ||
	    meta.page_size != g->page_size || meta.txn_id != txn_id ||
	    meta.free.flags != MDB_INTEGERKEY || meta.main.flags != 0 ||
	    meta.last_page > SIZE_MAX / 2 / g->page_size)
		return false;
	g->last_page = meta.last_page;
	g->trees[0] = (struct tree){ .at = meta.free, .order = SC_LMDB_NUMBERS };
	g->trees[1] = (struct tree){ .at = meta.main, .order = SC_LMDB_BYTES };
	g->ntrees = 2;
	return true;
}

int sc_lmdb_guard_begin(struct sc_lmdb_guard *g, MDB_txn *txn)
{
	int rc = map_file(g);

	if (rc != 0)
		return rc;
	if (!read_meta(g, mdb_txn_id(txn) - 1))
		return MDB_CORRUPTED;
	empty_sets(g);
	return check_free_tree(g) && walk(g, &g->trees[1], add_leaf_trees)
		       ? 0
		       : MDB_CORRUPTED;
}

static struct tree *find_tree(struct sc_lmdb_guard *g, const char *name)
{
	for (unsigned i = 2; i < g->ntrees; i++)
		if (strcmp(g->trees[i].name, name) == 0)
			return &g->trees[i];
	return NULL;
}

/* The long value that the key has: its pages become free. */
static bool check_value(const struct way *w, struct sc_bytes key)
{
	const struct step *s = &w->step[w->tree->at.depth - 1];
	struct sc_lmdb_node node = sc_lmdb_page_node(s->page, s->node);

	return sc_lmdb_compare(node.key, key, w->tree->order) != 0 ||
	       check_long(w->g, &node);
}

static bool check_key(struct sc_lmdb_guard *g, struct tree *tree, struct sc_bytes key)
{
	struct way w = { .g = g, .tree = tree };

	if (tree->removals > REMOVALS_MAX && !tree->is_whole) {
		tree->is_whole = true;
		if (!walk(g, tree, NULL))
			return false;
	}
	return begin_way(&w, TO_KEY, key) && check_value(&w, key) &&
	       (tree->is_whole || tree->removals == 0 ||
		check_around(&w, tree->removals));
}

int sc_lmdb_guard_key(struct sc_lmdb_guard *g, const char *tree, struct sc_bytes key,
		      bool removes)
{
	struct tree *t = find_tree(g, tree);

	/* It was made by this very transaction. */
	if (!t || t->at.depth == 0)
		return 0;
	t->removals += removes;
	return check_key(g, t, key) ? 0 : MDB_CORRUPTED;
}

int sc_lmdb_guard_all(struct sc_lmdb_guard *g)
{
	for (unsigned i = 2; i < g->ntrees; i++)
		if (!walk(g, &g->trees[i], check_leaf_longs))
			return MDB_CORRUPTED;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * All that warming works with, for one test: a slide of a few hundred small tiles, a
 * configuration, versions and a cache in each backend; and a look at what is stored that
 * is none of the run's.
 */
#ifndef SLIDECACHE_TESTS_WARM_RIG_H
#define SLIDECACHE_TESTS_WARM_RIG_H

#include "slidecache/render.h"
#include "slidecache/warm.h"
#include "tests/lib/check.h"
#include "tests/lib/sample.h"
#include "tests/lib/server.h"
#include "warm/order.h"

#define WARM_IMAGE 7
#define WARM_SLIDE "noise.tif"
#define WARM_ALL   (UINT64_C(1) << 40) /* a budget that covers everything */

struct warm_backend {
	const char *name;
	bool is_server;
	enum server_kind kind;
};

struct warm_rig {
	const struct warm_backend *backend;
	struct server *server; /* one for all tests; each has its prefix */
	char *dir, *root, *memory;
	char prefix[32];
	struct sc_conf *conf;
	struct sc_versions_options versions_options;
	struct sc_cache_options cache_options;
	struct sc_versions *versions;
	struct sc_cache *cache;
	struct sc_image im;
	struct sc_warm_tools tools;
	struct sc_warm_request want;
	struct sc_warm_progress p;
	struct sc_err err;
	/* Called with each report that holds together; NULL: go on. */
	bool (*on_report)(struct warm_rig *r, const struct sc_warm_progress *p);
	int calls;     /* reports of the last run */
	bool is_wrong; /* a report did not hold together */
	void *note;    /* the test's */
	struct sc_slide_root *look_root;
	struct sc_renderer *look;
};

/* The slide of each test, one of another shape, and one of many blocks. */
extern const struct sample warm_noise, warm_other_noise, warm_wide;

enum warm_where {
	ON_EACH,
	ON_ONE,	    /* the embedded store says it all */
	ON_SERVERS, /* the embedded store has none */
};
struct warm_case {
	const char *name;
	void (*fn)(struct warm_rig *r);
	enum warm_where where;
};
/* Runs each case on its backends; returns main's result. */
int run_warm_cases(const char *suite, const struct warm_case *cases, size_t n);

/* Handles of this process; for children, too, which make no assertions. */
bool warm_open(struct warm_rig *r);
void warm_close(struct warm_rig *r);
void warm_put_slide(struct warm_rig *r, const char *name, const struct sample *s);
/* Makes everything that is stored unreachable, and forgets the progress. */
void warm_forget(struct warm_rig *r);
enum sc_status warm_run(struct warm_rig *r);

/* What is stored of the wanted plane, by position. */
struct warm_seen {
	int64_t total;
	struct warm_seen_tile {
		struct sc_item item;
		size_t block;	/* of its level */
		uint64_t bytes; /* 0: not there */
	} * tiles;
	int64_t present;
	uint64_t bytes;
	struct sc_dz dz;
	struct sc_warm_middle middle;
};
void warm_look(struct warm_rig *r, struct warm_seen *out);
void warm_seen_release(struct warm_seen *s);
#define SC_SEEN_INIT                                                                     \
	{                                                                                \
		.total = 0                                                               \
	}
#define SC_AUTO_SEEN __attribute__((cleanup(warm_seen_release))) struct warm_seen
/* Renders and stores one tile as a request does; its bytes in the cache. */
uint64_t warm_request(struct warm_rig *r, const struct sc_item *item);
/* What is stored of the tile is what a request would have stored. False: it is not there.
 */
bool warm_is_right(struct warm_rig *r, const struct sc_item *item);
/* All tiles are there, each with the right bytes. */
void warm_expect_all(struct warm_rig *r);
void warm_drop(struct warm_rig *r, const struct sc_item *item);
/* Entries that were stored through this process. */
uint64_t warm_stores(void);

/* Random rounds: from SLIDECACHE_SEED, or from the clock; the seed is printed. */
void warm_start_random(void);
/* From 0 to n - 1. */
uint64_t warm_below(uint64_t n);

#endif

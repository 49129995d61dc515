/* SPDX-License-Identifier: MIT */
/*
 * What the suites of the cache contract share: the table of backends with their traits, a
 * store and a handle for each test, numbered values, and the runner that crosses backends
 * with cases.
 */
#ifndef SLIDECACHE_TESTS_CACHE_SUITE_H
#define SLIDECACHE_TESTS_CACHE_SUITE_H

#include <stdbool.h>

#include "slidecache/cache.h"
#include "slidecache/metrics.h"
#include "tests/lib/check.h"
#include "tests/lib/server.h"

enum trait {
	KEEPS = 1,    /* a get after a set is a hit */
	BOUNDED = 2,  /* keeps max_entries and max_size_mb by itself */
	LOCATION = 4, /* lives in a directory that one handle a process may open */
	SERVER = 8,   /* kept by a server: f->server */
	OWN = 16,     /* its stats are of this cache alone */
	PLAIN = 32,   /* checksums, nothing compressed, nothing in parts */
};

struct cache_backend {
	const char *name;  /* what the option says */
	const char *label; /* of the row */
	unsigned traits;
	enum server_kind server; /* with SERVER */
};

/* One test's own: a store, a handle, and counters to compare with. */
struct fixture {
	const struct cache_backend *backend;
	struct server *server; /* one for all tests of a program; each has its prefix */
	char *dir;
	char *location;
	char *secret;	  /* a file for secret_file */
	char prefix[32];  /* of the keys */
	size_t value_max; /* largest value that must be stored */
	struct sc_cache_options o;
	struct sc_cache *cache;
	struct sc_err err;
	uint64_t before[SC_CACHE_METRIC_COUNT];
};

struct cache_case {
	const char *name;
	void (*fn)(struct fixture *f);
	unsigned needs; /* traits */
};

/* Runs each case on each backend that has what it needs; returns main's result. */
int run_cache_cases(const char *suite, const struct cache_case *cases, size_t n);

void open_cache(struct fixture *f);
void close_cache(struct fixture *f);
void reopen(struct fixture *f);
bool keeps(const struct fixture *f);
/* What a get after a set is in this backend: SC_OK or SC_MISS. */
enum sc_status found(const struct fixture *f);
/* How much the counter grew in this test. */
uint64_t counted(const struct fixture *f, enum sc_cache_metric m);
/* Opening, checking and syncing with these options is SC_INVALID, with a sentence. */
void expect_refused(struct fixture *f, const struct sc_cache_options *o);

/* What is stored for number n, as the backend has it; empty: nothing. Past the calls. */
struct sc_buf raw_get(struct fixture *f, uint64_t n);
void raw_set(struct fixture *f, uint64_t n, struct sc_bytes stored);
/* Seconds that the server keeps it yet, by its own word. Key: of a number, or of one of
 * its parts. */
long long server_ttl(struct fixture *f, struct sc_bytes key);
struct sc_bytes key_of(const struct fixture *f, uint64_t n, char key[SC_KEY_MAX + 1]);
/* A new file with that text below f->dir, of that mode; to be freed. */
char *write_file(struct fixture *f, const char *name, const char *text, unsigned mode);

/* The following make no assertion: children may use them. */
struct sc_bytes item_of(uint64_t n, char text[SC_ITEM_MAX]);
enum sc_status put(struct sc_cache *c, uint64_t n, size_t len);
/* SC_OK only with the right bytes: others are SC_DAMAGED, which no test expects. */
enum sc_status look(struct sc_cache *c, uint64_t n);
enum sc_status drop(struct sc_cache *c, uint64_t n);

/* "1" in the environment's SLIDECACHE_LONG: the full figures. */
int rounds(int usual, int full);

#define VERSION "k3VbQ0aZ"

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What an invalidation costs, and what its alternative does: looking through all keys for
 * those of one image, and deleting them.
 *
 * invalidate load BACKEND PLACE N          N small entries of ten images, in PLACE
 * invalidate time BACKEND PLACE PLACE RUNS
 *	"NAME US US" a run and name: in the first place, in the second, by turns first
 * invalidate delete BACKEND PLACE IMAGE    "N SECONDS": that many are gone
 *
 * PLACE: a folder, or a server's location, with versions and entries. Deleting scans with
 * COUNT 1000 and deletes 1000 at once, which is kinder than django-redis' delete_pattern
 * (10, in one pipeline at the end) in time and memory.
 */
#include <hiredis/hiredis.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "slidecache/cache.h"
#include "slidecache/clock.h"
#include "slidecache/parse.h"
#include "slidecache/version.h"

#define IMAGES	  10
#define BATCH	  1000
#define PREFIX	  "exact"
#define PATIENT	  60000 /* milliseconds */
#define MAP_BYTES ((size_t)1 << 40)

static struct sc_err err;

static void check(enum sc_status status)
{
	if (!status)
		return;
	fprintf(stderr, "invalidate: %s\n", err.text);
	_exit(1);
}

static void give_up(const char *what)
{
	fprintf(stderr, "invalidate: %s\n", what);
	_exit(1);
}

static bool is_embedded(const char *backend)
{
	return strcmp(backend, "embedded") == 0;
}

/* The versions' or the entries' part of a place. */
static char *part_of(const char *backend, const char *place, const char *part)
{
	SC_AUTO_BUF path = SC_BUF_INIT;

	if (!is_embedded(backend))
		return sc_strdup(place);
	sc_buf_printf(&path, "%s/%s", place, part);
	return sc_strdup((const char *)path.data);
}

static struct sc_versions *open_versions(const char *backend, const char *place)
{
	static const char *const names[] = { "tiles", "thumbnails", "slides", "acl" };
	SC_AUTO_FREE char *location = part_of(backend, place, "versions");
	const struct sc_versions_options o = { .backend = backend,
					       .location = location,
					       .key_prefix = PREFIX,
					       .timeout_ms = PATIENT,
					       .call_ms = PATIENT };
	struct sc_versions *v = NULL;
	enum sc_status status = SC_OK;

	check(sc_versions_open(&o, &v, &err));
	status = sc_versions_start(v, names, sizeof(names) / sizeof(names[0]), &err);
	check(status == SC_EXISTS ? SC_OK : status);
	return v;
}

static struct sc_cache *open_cache(const char *backend, const char *place)
{
	SC_AUTO_FREE char *location = part_of(backend, place, "entries");
	const struct sc_cache_options o = { .name = "bench",
					    .backend = backend,
					    .location = location,
					    .key_prefix = PREFIX,
					    .timeout_s = 86400,
					    .max_entries = 4000000,
					    .max_size_mb = 8192,
					    .timeout_ms = PATIENT };
	struct sc_cache *c = NULL;

	check(sc_cache_open(&o, &c, &err));
	return c;
}

static void text_of(struct sc_versions *v, size_t image,
		    char out[SC_VERSION_TEXT_MAX + 1])
{
	char name[SC_VERSION_NAME_MAX + 1];
	const char *names[] = { "tiles", name };
	struct sc_version now[2];

	sc_version_image_name((int64_t)image, name);
	check(sc_versions_get(v, names, 2, now, &err));
	sc_version_text(now, 2, out);
}

static void set_batch(struct sc_cache *c, const char *version, size_t image, size_t first,
		      size_t n)
{
	static char items[BATCH][SC_ITEM_MAX];
	static const char small[64] = "a small value";
	static struct sc_cache_value values[BATCH];
	enum sc_status each[BATCH];

	for (size_t i = 0; i < n; i++) {
		(void)snprintf(items[i], sizeof(items[i]),
			       "tile/%zu/1/1/14/%zu_0.jpeg~9f86d081884c7d65", image,
			       first + i);
		values[i] = (struct sc_cache_value){ .item = sc_bytes_str(items[i]),
						     .mime = "image/jpeg",
						     .value = sc_bytes_of(small, 64) };
	}
	check(sc_cache_set_many(c, version, values, n, each, &err));
	for (size_t i = 0; i < n; i++)
		if (each[i])
			give_up("an entry was not stored");
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void load(const char *backend, const char *place, size_t n)
{
	struct sc_versions *v = open_versions(backend, place);
	struct sc_cache *c = open_cache(backend, place);
	char text[SC_VERSION_TEXT_MAX + 1];
	size_t share = n / IMAGES;

	for (size_t image = 1; image <= IMAGES; image++) {
		text_of(v, image, text);
		for (size_t at = 0; at < share; at += BATCH)
			set_batch(c, text, image, at, smaller(BATCH, share - at));
	}
	sc_cache_close(c);
	sc_versions_close(v);
}

/* Microseconds. */
static long long invalidate(struct sc_versions *v, const char *name)
{
	int64_t begun_us = sc_mono_us();

	if (strcmp(name, "all") == 0)
		check(sc_invalidate_all_caches(v, &err));
	else
		check(sc_invalidate_cache(v, &name, 1, &err));
	return sc_mono_us() - begun_us;
}

static void time_each(const char *backend, const char *const places[2], size_t runs)
{
	static const char *const names[] = { "tiles", "image/7", "all" };
	struct sc_versions *v[2] = { open_versions(backend, places[0]),
				     open_versions(backend, places[1]) };

	for (size_t i = 0; i < runs * 3; i++) {
		size_t first = i / 3 % 2;
		long long us[2];

		us[first] = invalidate(v[first], names[i % 3]);
		us[!first] = invalidate(v[!first], names[i % 3]);
		printf("%s %lld %lld\n", names[i % 3], us[0], us[1]);
	}
	sc_versions_close(v[0]);
	sc_versions_close(v[1]);
}

/* Redis: SCAN MATCH, DEL. */

static redisReply *command(redisContext *c, int argc, const char **argv)
{
	redisReply *reply = redisCommandArgv(c, argc, argv, NULL);

	if (!reply || reply->type == REDIS_REPLY_ERROR)
		give_up("redis");
	return reply;
}

static size_t delete_keys(redisContext *c, const redisReply *keys)
{
	SC_AUTO_FREE const char **argv =
		sc_alloc_array(keys->elements + 1, sizeof(*argv));

	if (keys->elements == 0)
		return 0;
	argv[0] = "DEL";
	for (size_t i = 0; i < keys->elements; i++)
		argv[i + 1] = keys->element[i]->str;
	freeReplyObject(command(c, (int)keys->elements + 1, argv));
	return keys->elements;
}

static size_t scan_redis(const char *place, const char *pattern)
{
	SC_AUTO_FREE char *path = sc_strdup(place + strlen("redis+unix://"));
	redisContext *c = NULL;
	char cursor[32] = "0";
	size_t n = 0;

	path[strcspn(path, "?")] = '\0';
	c = redisConnectUnix(path);
	if (!c || c->err)
		give_up("redis: no connection");
	do {
		const char *argv[] = {
			"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"
		};
		redisReply *found = command(c, 6, argv);

		(void)snprintf(cursor, sizeof(cursor), "%s", found->element[0]->str);
		n += delete_keys(c, found->element[1]);
		freeReplyObject(found);
	} while (strcmp(cursor, "0") != 0);
	redisFree(c);
	return n;
}

/* Embedded: the keys of its tree, then sc_cache_delete_many. */

struct found {
	struct sc_buf keys; /* with a NUL after each */
	size_t n;
};

static void scan_tree(const char *folder, const char *infix, struct found *out)
{
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	MDB_cursor *cursor = NULL;
	MDB_dbi dbi = 0;
	MDB_val key, value;

	if (mdb_env_create(&env) || mdb_env_set_maxdbs(env, 16) ||
	    mdb_env_set_mapsize(env, MAP_BYTES) ||
	    mdb_env_open(env, folder, MDB_RDONLY, 0600) ||
	    mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) ||
	    mdb_dbi_open(txn, "entries", 0, &dbi) || mdb_cursor_open(txn, dbi, &cursor))
		give_up("the embedded store cannot be read");
	while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
		if (memmem(key.mv_data, key.mv_size, infix, strlen(infix))) {
			sc_buf_append(&out->keys, key.mv_data, key.mv_size);
			sc_buf_append(&out->keys, "", 1);
			out->n++;
		}
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	mdb_env_close(env);
}

/* PREFIX:VERSION:ITEM of one version. */
static void delete_found(struct sc_cache *c, const struct found *found)
{
	const char *key = (const char *)found->keys.data;
	struct sc_bytes items[BATCH];
	enum sc_status each[BATCH];
	char version[SC_VERSION_TEXT_MAX + 1];

	for (size_t done = 0; done < found->n;) {
		size_t n = 0;

		for (; n < BATCH && done < found->n; n++, done++) {
			const char *begin = strchr(key, ':') + 1;
			const char *item = strchr(begin, ':') + 1;

			(void)snprintf(version, sizeof(version), "%.*s",
				       (int)(item - 1 - begin), begin);
			items[n] = sc_bytes_str(item);
			key = item + items[n].len + 1;
		}
		check(sc_cache_delete_many(c, version, items, n, each, &err));
	}
}

static size_t scan_embedded(const char *place, const char *infix)
{
	SC_AUTO_FREE char *folder = part_of("embedded", place, "entries");
	struct found found = { SC_BUF_INIT, 0 };
	struct sc_cache *c = NULL;

	scan_tree(folder, infix, &found);
	c = open_cache("embedded", place);
	delete_found(c, &found);
	sc_cache_close(c);
	sc_buf_release(&found.keys);
	return found.n;
}

static void delete_image(const char *backend, const char *place, size_t image)
{
	char pattern[64];
	int64_t begun_us = 0;
	size_t n = 0;

	(void)snprintf(pattern, sizeof(pattern), "%s:tile/%zu/%s",
		       is_embedded(backend) ? "" : PREFIX ":*", image,
		       is_embedded(backend) ? "" : "*");
	begun_us = sc_mono_us();
	n = is_embedded(backend) ? scan_embedded(place, pattern)
				 : scan_redis(place, pattern);
	printf("%zu %.6f\n", n, (double)(sc_mono_us() - begun_us) / 1e6);
}

static size_t number(const char *text)
{
	int64_t value = 0;

	if (!sc_parse_i64(sc_bytes_str(text), 1, INT32_MAX, &value))
		give_up("a number is none");
	return (size_t)value;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (argc == 5 && strcmp(what, "load") == 0)
		load(argv[2], argv[3], number(argv[4]));
	else if (argc == 6 && strcmp(what, "time") == 0)
		time_each(argv[2], (const char *const[2]){ argv[3], argv[4] },
			  number(argv[5]));
	else if (argc == 5 && strcmp(what, "delete") == 0)
		delete_image(argv[2], argv[3], number(argv[4]));
	else
		give_up("see the head of its source");
	return 0;
}

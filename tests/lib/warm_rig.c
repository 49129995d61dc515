/* SPDX-License-Identifier: MIT */
/*
 * Backends, fixture and runner of the warming tests.
 */
#include "tests/lib/warm_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "slidecache/metrics.h"
#include "slidecache/parse.h"
#include "tests/lib/child.h"
#include "warm/opening.h"

#define SLOT	  3
#define CASES_MAX 100

static const struct warm_backend backends[] = {
	{ "embedded", false, 0 },
	{ "redis", true, SERVER_REDIS },
	{ "memcached", true, SERVER_MEMCACHED },
};
static struct server *servers[2];

const struct sample warm_noise = {
	.seed = 11,
	.levels = 2,
	.level = { { 480, 350, 128, false }, { 120, 88, 128, false } },
};
const struct sample warm_other_noise = {
	.seed = 12,
	.levels = 2,
	.level = { { 400, 460, 128, false }, { 100, 115, 128, false } },
};
const struct sample warm_wide = {
	.seed = 13,
	.levels = 2,
	.level = { { 1200, 900, 128, false }, { 300, 225, 128, false } },
};

static struct server *server_of(const struct warm_backend *b)
{
	struct server **s = &servers[b->kind];

	if (!*s)
		*s = server_new(b->kind, NULL);
	if ((*s)->pid == 0)
		server_start(*s);
	return *s;
}

static int stop_servers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(servers); i++)
		if (servers[i])
			server_free(servers[i]);
	return 0;
}

bool warm_open(struct warm_rig *r)
{
	if (sc_versions_open(&r->versions_options, &r->versions, &r->err) != SC_OK ||
	    sc_cache_open(&r->cache_options, &r->cache, &r->err) != SC_OK)
		return false;
	r->tools.versions = r->versions;
	r->tools.cache = r->cache;
	return true;
}

void warm_close(struct warm_rig *r)
{
	sc_cache_close(r->cache);
	sc_versions_close(r->versions);
	r->cache = NULL;
	r->versions = NULL;
}

static void set(struct warm_rig *r, const char *option, const char *value)
{
	assert_int_equal(sc_conf_set(r->conf, option, value, &r->err), SC_OK);
}

static char *make_folder(const char *dir, const char *name)
{
	char *path = check_path(dir, name);

	assert_int_equal(mkdir(path, 0700), 0);
	return path;
}

static void make_conf(struct warm_rig *r)
{
	SC_AUTO_FREE char *state = make_folder(r->dir, "state");
	SC_AUTO_FREE char *cache = make_folder(r->dir, "cache");

	r->root = make_folder(r->dir, "slides");
	r->conf = sc_conf_new();
	set(r, "slides.root", r->root);
	set(r, "state_dir", state);
	set(r, "cache_dir", cache);
	set(r, "deepzoom.tile_size", "32");
	assert_int_equal(sc_conf_finish(r->conf, &r->err), SC_OK);
}

static void set_options(struct warm_rig *r)
{
	static unsigned tests;

	(void)snprintf(r->prefix, sizeof(r->prefix), "warm-%u", tests++);
	r->memory = check_path(r->dir, "memory");
	r->versions_options = (struct sc_versions_options){
		.backend = r->backend->name,
		.location = r->server ? r->server->location : r->conf->versions.location,
		.key_prefix = r->prefix,
		.timeout_ms = 5000,
		.call_ms = 5000,
		.memory = r->memory,
	};
	r->cache_options = (struct sc_cache_options){
		.name = "tiles_cache",
		.slot = SLOT,
		.backend = r->backend->name,
		.location = r->server ? r->server->location
				      : r->conf->caches[SC_CACHE_TILES].location,
		.key_prefix = r->prefix,
		.max_entries = 100000,
		.max_size_mb = 256,
		.timeout_ms = 5000,
	};
}

static int set_up(void **state)
{
	struct warm_rig *r = sc_alloc(sizeof(*r));
	static char name[] = WARM_SLIDE, file[] = WARM_SLIDE;
	const char *tiles = "tiles";

	r->backend = *state;
	r->server = r->backend->is_server ? server_of(r->backend) : NULL;
	r->dir = check_mkdir();
	make_conf(r);
	set_options(r);
	assert_true(warm_open(r));
	assert_int_equal(sc_versions_start(r->versions, &tiles, 1, &r->err), SC_OK);
	warm_put_slide(r, WARM_SLIDE, &warm_noise);
	r->im = (struct sc_image){
		.id = WARM_IMAGE, .name = name, .file = file, .depth = 1, .frames = 1
	};
	r->want = (struct sc_warm_request){ WARM_IMAGE, 1, 1, WARM_ALL };
	r->tools.conf = r->conf;
	r->tools.threads = 2;
	assert_int_equal(sc_slide_root_open(r->root, &r->look_root, &r->err), SC_OK);
	assert_int_equal(sc_renderer_new(r->conf, r->look_root, &r->look, &r->err),
			 SC_OK);
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	struct warm_rig *r = *state;

	warm_close(r);
	sc_renderer_free(r->look);
	sc_slide_root_close(r->look_root);
	sc_conf_free(r->conf);
	check_rmdir(r->dir);
	free(r->root);
	free(r->memory);
	free(r);
	return 0;
}

void warm_put_slide(struct warm_rig *r, const char *name, const struct sample *s)
{
	SC_AUTO_FREE char *new = check_path(r->root, "new.tif");
	SC_AUTO_FREE char *path = check_path(r->root, name);

	sample_write(new, s);
	assert_int_equal(rename(new, path), 0);
}

void warm_forget(struct warm_rig *r)
{
	char name[SC_VERSION_NAME_MAX + 1];
	const char *names[] = { name };

	sc_version_image_name(WARM_IMAGE, name);
	assert_int_equal(sc_invalidate_cache(r->versions, names, 1, &r->err), SC_OK);
	memset(&r->p, 0, sizeof(r->p));
}

static bool holds_together(const struct warm_rig *r, const struct sc_warm_progress *p)
{
	struct sc_warm_level sum = { .tiles = 0 };

	for (int l = 0; l < SC_DZ_LEVELS_MAX; l++) {
		sum.tiles += p->by_level[l].tiles;
		sum.bytes += p->by_level[l].bytes;
		sum.skipped_tiles += p->by_level[l].skipped_tiles;
		sum.skipped_bytes += p->by_level[l].skipped_bytes;
	}
	return sum.tiles == p->tiles && sum.bytes == p->bytes &&
	       sum.skipped_tiles == p->skipped_tiles &&
	       sum.skipped_bytes == p->skipped_bytes &&
	       p->bytes <= r->want.budget_bytes &&
	       p->planned_bytes <= r->want.budget_bytes && p->planned_tiles >= p->tiles &&
	       p->seen <= p->total_tiles && p->walk_tiles <= p->total_tiles;
}

static bool report(void *arg, const struct sc_warm_progress *p)
{
	struct warm_rig *r = arg;

	r->calls++;
	r->is_wrong = r->is_wrong || !holds_together(r, p);
	return !r->on_report || r->on_report(r, p);
}

enum sc_status warm_run(struct warm_rig *r)
{
	r->calls = 0;
	r->is_wrong = false;
	return sc_warm_run(&r->tools, &r->im, &r->want, &r->p, report, r, &r->err);
}

static void plan(struct warm_rig *r, const struct sc_item *item, struct sc_plan *out)
{
	char image[SC_VERSION_NAME_MAX + 1], text[SC_VERSION_TEXT_MAX + 1];
	const char *names[] = { "tiles", image };
	const struct sc_plan_versions versions = { text, 0 };
	struct sc_version now[2];

	sc_version_image_name(WARM_IMAGE, image);
	assert_int_equal(sc_versions_get(r->versions, names, 2, now, &r->err), SC_OK);
	sc_version_text(now, 2, text);
	assert_int_equal(sc_item_plan(r->look, &r->im, item, &versions, out, &r->err),
			 SC_OK);
}

static struct sc_item first_tile(const struct warm_rig *r)
{
	return (struct sc_item){ .kind = SC_KIND_TILE,
				 .image = WARM_IMAGE,
				 .z = r->want.z,
				 .frame = r->want.frame,
				 .format = SC_JPEG };
}

static enum sc_status peek(struct warm_rig *r, const struct sc_plan *p,
			   struct sc_entry *out)
{
	enum sc_status status =
		sc_cache_peek(r->cache, p->version, sc_bytes_str(p->text), out, &r->err);

	assert_true(status == SC_OK || status == SC_MISS);
	return status;
}

static uint64_t bytes_of(struct warm_rig *r, const struct sc_item *item)
{
	SC_AUTO_FREE struct sc_plan *p = sc_alloc(sizeof(*p));
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;

	plan(r, item, p);
	if (peek(r, p, &e) != SC_OK)
		return 0;
	return sc_cache_entry_bytes(r->cache, p->version, sc_bytes_str(p->text), e.mime,
				    e.value.len);
}

static void look_at_block(struct warm_rig *r, const struct sc_warm_block *b, size_t block,
			  struct warm_seen *out)
{
	for (int i = 0; i < sc_warm_block_tiles(b); i++) {
		struct warm_seen_tile *t = &out->tiles[b->first + i];

		t->item = first_tile(r);
		t->item.level = b->level;
		t->block = block;
		sc_warm_block_tile(b, i, &t->item.col, &t->item.row);
		t->bytes = bytes_of(r, &t->item);
		out->present += t->bytes > 0;
		out->bytes += t->bytes;
	}
}

void warm_look(struct warm_rig *r, struct warm_seen *out)
{
	SC_AUTO_FREE struct sc_warm_opening *o = sc_alloc(sizeof(*o));
	const struct sc_item item = first_tile(r);

	plan(r, &item, &o->plan);
	sc_warm_open(r->look, o);
	assert_int_equal(o->status, SC_OK);
	*out = (struct warm_seen){ .total = sc_warm_total(&o->dz),
				   .dz = o->dz,
				   .middle = o->middle };
	out->tiles = sc_alloc_array((size_t)out->total, sizeof(*out->tiles));
	for (int l = 0; l < o->dz.levels; l++) {
		SC_AUTO_ORDER order = { 0, NULL };

		sc_warm_order_level(&o->dz, l, o->middle, &order);
		for (size_t i = 0; i < order.n; i++)
			look_at_block(r, &order.blocks[i], i, out);
	}
}

void warm_seen_release(struct warm_seen *s)
{
	free(s->tiles);
	s->tiles = NULL;
}

/* What a request makes of the tile. */
static bool render(struct warm_rig *r, const struct sc_item *item, struct sc_plan *p,
		   struct sc_rendered *out)
{
	plan(r, item, p);
	return sc_render(r->look, p, out, &r->err) == SC_OK;
}

uint64_t warm_request(struct warm_rig *r, const struct sc_item *item)
{
	SC_AUTO_FREE struct sc_plan *p = sc_alloc(sizeof(*p));
	SC_AUTO_RENDERED out = SC_RENDERED_INIT;
	const char *mime = NULL;

	assert_true(render(r, item, p, &out));
	struct sc_bytes value = sc_rendered_value(p, &out, &mime);
	assert_int_equal(sc_cache_set(r->cache, p->version, sc_bytes_str(p->text), mime,
				      value, &r->err),
			 SC_OK);
	return sc_cache_entry_bytes(r->cache, p->version, sc_bytes_str(p->text), mime,
				    value.len);
}

bool warm_is_right(struct warm_rig *r, const struct sc_item *item)
{
	SC_AUTO_FREE struct sc_plan *p = sc_alloc(sizeof(*p));
	SC_AUTO_RENDERED out = SC_RENDERED_INIT;
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	const char *mime = NULL;

	plan(r, item, p);
	if (peek(r, p, &e) != SC_OK)
		return false;
	assert_true(render(r, item, p, &out));
	struct sc_bytes value = sc_rendered_value(p, &out, &mime);
	assert_string_equal(e.mime, mime);
	assert_true(sc_bytes_equal(sc_buf_bytes(&e.value), value));
	return true;
}

void warm_expect_all(struct warm_rig *r)
{
	SC_AUTO_SEEN seen = SC_SEEN_INIT;

	warm_look(r, &seen);
	assert_int_equal(seen.present, seen.total);
	for (int64_t i = 0; i < seen.total; i++)
		assert_true(warm_is_right(r, &seen.tiles[i].item));
}

void warm_drop(struct warm_rig *r, const struct sc_item *item)
{
	SC_AUTO_FREE struct sc_plan *p = sc_alloc(sizeof(*p));

	plan(r, item, p);
	assert_int_equal(
		sc_cache_delete(r->cache, p->version, sc_bytes_str(p->text), &r->err),
		SC_OK);
}

uint64_t warm_stores(void)
{
	return sc_cache_metric_value(SLOT, SC_CM_STORES);
}

static const struct warm_case *cases;
/* cmocka hands a test nothing but its fixture: the cases run in the order of the plan. */
static size_t planned[CASES_MAX];
static size_t running;

static void run_case(void **state)
{
	cases[planned[running++]].fn(*state);
}

int run_warm_cases(const char *suite, const struct warm_case *all, size_t n)
{
	static char names[CASES_MAX][80];
	struct CMUnitTest tests[CASES_MAX];
	size_t count = 0;

	cases = all;
	for (size_t i = 0; i < COUNT_OF(backends) * n; i++) {
		const struct warm_backend *b = &backends[i / n];

		if (all[i % n].where == (b->is_server ? ON_ONE : ON_SERVERS))
			continue;
		assert_true(count < CASES_MAX);
		(void)snprintf(names[count], sizeof(names[0]), "%s: %s", b->name,
			       all[i % n].name);
		tests[count] = (struct CMUnitTest){ names[count], run_case, set_up,
						    tear_down, (void *)(uintptr_t)b };
		planned[count++] = i % n;
	}
	return _cmocka_run_group_tests(suite, tests, count, NULL, stop_servers);
}

static uint64_t seed;

void warm_start_random(void)
{
	const char *wanted = getenv("SLIDECACHE_SEED");

	seed = (uint64_t)time(NULL) | 1;
	if (wanted)
		assert_true(sc_parse_u64(sc_bytes_str(wanted), UINT64_MAX, &seed));
	print_message("SLIDECACHE_SEED=%llu\n", (unsigned long long)seed);
}

uint64_t warm_below(uint64_t n)
{
	return next_random(&seed) % n;
}

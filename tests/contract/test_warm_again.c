/* SPDX-License-Identifier: MIT */
/*
 * What happens to a run meanwhile: it is killed, stores go away, come back empty or keep
 * nothing, versions change, the file is replaced. It ends with every tile there, and
 * never holds more than its budget.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "tests/lib/child.h"
#include "tests/lib/warm_rig.h"

#define KILLS	5
#define KILL_US 40000 /* after its start, at most; the first ones sooner */

/* What outlives the child: as the table of jobs does. Of two copies the one that now says
 * is whole. */
struct kept {
	struct sc_warm_progress p[2];
	volatile int now;
	enum sc_status status;
	bool is_wrong;
	int lives; /* children that are still to be killed */
};

static struct kept *kept;

static bool keep(struct warm_rig *r, const struct sc_warm_progress *p)
{
	int next = !kept->now;

	(void)r;
	kept->p[next] = *p;
	atomic_thread_fence(memory_order_seq_cst);
	kept->now = next;
	return true;
}

/* Ends by the timer's signal, whatever it is doing, or when all is done. */
static bool run_child(void *arg)
{
	struct warm_rig *r = arg;
	uint64_t most = kept->lives > 0 ? KILL_US / (uint64_t)kept->lives : 0;
	suseconds_t us = most > 0 ? (suseconds_t)(1 + warm_below(most)) : 0;
	struct itimerval t = { .it_value = { .tv_usec = us } };

	if (!warm_open(r) || setitimer(ITIMER_REAL, &t, NULL) < 0)
		return false;
	r->on_report = keep;
	r->p = kept->p[kept->now];
	kept->status = warm_run(r);
	(void)keep(r, &r->p);
	kept->is_wrong = r->is_wrong;
	return true;
}

/* Whether the child came to its end. */
static bool run_once(struct warm_rig *r)
{
	pid_t pid = 0;
	int status = 0;

	warm_close(r);
	pid = child_start(run_child, r);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(warm_open(r));
	(void)warm_below(2); /* the child has a copy */
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGALRM);
		return false;
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return true;
}

static uint64_t stored_bytes(struct warm_rig *r)
{
	SC_AUTO_SEEN seen = SC_SEEN_INIT;

	warm_look(r, &seen);
	return seen.bytes;
}

static uint64_t request_some(struct warm_rig *r, uint64_t one_in)
{
	SC_AUTO_SEEN seen = SC_SEEN_INIT;
	uint64_t bytes = 0;

	warm_look(r, &seen);
	for (int64_t i = 0; i < seen.total; i++)
		if (warm_below(one_in) == 0)
			bytes += warm_request(r, &seen.tiles[i].item);
	return bytes;
}

/* Kills until a child ends by itself; how many it took. */
static int run_through_kills(struct warm_rig *r, uint64_t before)
{
	int kills = 0;

	memset(kept, 0, sizeof(*kept));
	for (kept->lives = KILLS; !run_once(r); kills++, kept->lives--)
		assert_true(stored_bytes(r) <= before + r->want.budget_bytes);
	assert_int_equal(kept->status, SC_OK);
	assert_false(kept->is_wrong);
	assert_int_equal(stored_bytes(r), before + kept->p[kept->now].bytes);
	assert_true(kept->p[kept->now].bytes <= r->want.budget_bytes);
	return kills;
}

static void killed_at_any_moment(struct warm_rig *r)
{
	int kills = 0;

	warm_start_random();
	for (int i = 0; i < (r->server ? 1 : 3); i++) {
		warm_forget(r);
		r->want.budget_bytes = WARM_ALL;
		kills += run_through_kills(r, request_some(r, 5));
		warm_expect_all(r);
		r->want.budget_bytes = stored_bytes(r) / 2;
		warm_forget(r);
		kills += run_through_kills(r, request_some(r, 10));
		assert_true((double)kept->p[kept->now].bytes >=
			    0.98 * (double)r->want.budget_bytes);
	}
	assert_true(kills > 0);
}

/* One that says when to do something, once. */
struct event {
	int at; /* report */
	void (*act)(struct warm_rig *r);
	bool was_waiting;
};

static bool act_once(struct warm_rig *r, const struct sc_warm_progress *p)
{
	struct event *e = r->note;

	e->was_waiting = e->was_waiting || p->waiting;
	if (r->calls == e->at)
		e->act(r);
	return true;
}

/* Ends with all there, whenever it happens. */
static void expect_to_end(struct warm_rig *r, void (*act)(struct warm_rig *r))
{
	for (int at = 2; at <= 10; at += 4) {
		struct event e = { .at = at, .act = act };

		warm_forget(r);
		r->note = &e;
		r->on_report = act_once;
		assert_int_equal(warm_run(r), SC_OK);
		assert_false(r->is_wrong);
		assert_true(r->calls >= at);
		r->on_report = NULL;
		warm_expect_all(r);
		assert_int_equal(r->p.tiles + r->p.skipped_tiles, r->p.total_tiles);
		assert_int_equal(r->p.failed_tiles, 0);
	}
}

static void restart(struct warm_rig *r)
{
	server_stop(r->server);
	server_start(r->server);
}

static void a_restart_of_the_server(struct warm_rig *r)
{
	expect_to_end(r, restart);
}

static void flush(struct warm_rig *r)
{
	bool redis = r->server->kind == SERVER_REDIS;
	SC_AUTO_FREE char *answer =
		server_ask(r->server, redis ? "FLUSHALL" : "flush_all");

	assert_non_null(strstr(answer, "OK"));
}

static void a_flush_of_the_server(struct warm_rig *r)
{
	expect_to_end(r, flush);
}

static bool wait_for_server(struct warm_rig *r, const struct sc_warm_progress *p)
{
	struct event *e = r->note;

	if (r->calls == e->at)
		server_stop(r->server);
	if (p->waiting && !e->was_waiting) {
		e->was_waiting = true;
		e->at = r->calls + 3;
		e->act = NULL;
	} else if (e->was_waiting && r->calls == e->at) {
		server_start(r->server);
	}
	return true;
}

static void a_server_that_is_away_for_a_while(struct warm_rig *r)
{
	struct event e = { .at = 4 };

	r->note = &e;
	r->on_report = wait_for_server;
	assert_int_equal(warm_run(r), SC_OK);
	assert_true(e.was_waiting);
	assert_false(r->p.waiting);
	r->on_report = NULL;
	warm_expect_all(r);
}

/* Versions of this machine, and a cache whose calls end soon. */
static void part_versions_from_cache(struct warm_rig *r)
{
	const char *name = "tiles";

	warm_close(r);
	r->versions_options.backend = "embedded";
	r->versions_options.location = r->conf->versions.location;
	r->cache_options.timeout_ms = 100;
	assert_true(warm_open(r));
	if (sc_versions_start(r->versions, &name, 1, &r->err) != SC_OK)
		assert_int_equal(r->err.status, SC_EXISTS);
}

static bool freeze_server(struct warm_rig *r, const struct sc_warm_progress *p)
{
	struct event *e = r->note;

	if (r->calls == e->at)
		server_pause(r->server);
	if (p->waiting && !e->was_waiting) {
		e->was_waiting = true;
		server_resume(r->server);
	}
	return true;
}

/* What cannot be looked for is not taken for missing. */
static void a_cache_that_does_not_answer(struct warm_rig *r)
{
	struct event e = { .at = 2 };
	uint64_t stores = 0;

	part_versions_from_cache(r);
	assert_int_equal(warm_run(r), SC_OK);
	memset(&r->p, 0, sizeof(r->p));
	stores = warm_stores();
	r->note = &e;
	r->on_report = freeze_server;
	assert_int_equal(warm_run(r), SC_OK);
	assert_true(e.was_waiting);
	assert_int_equal(warm_stores(), stores);
	assert_int_equal(r->p.skipped_tiles, r->p.total_tiles);
}

/* The versions stay what they are, so what is lost is found out by looking again. */
static void a_flush_of_the_cache_alone(struct warm_rig *r)
{
	part_versions_from_cache(r);
	expect_to_end(r, flush);
	expect_to_end(r, restart);
}

struct outages {
	int left;
	bool is_frozen, was; /* now, in this walk */
	int64_t tiles;
};

/* Once in each walk, at its end: what was stored before is found missing by the next. */
static bool freeze_and_flush(struct warm_rig *r, const struct sc_warm_progress *p)
{
	struct outages *o = r->note;

	if (p->tiles < o->tiles)
		o->was = false;
	o->tiles = p->tiles;
	if (o->is_frozen && p->waiting) {
		server_resume(r->server);
		flush(r);
		o->is_frozen = false;
	} else if (!o->was && o->left > 0 && p->tiles > 0 && p->tiles == p->total_tiles) {
		server_pause(r->server);
		o->is_frozen = o->was = true;
		o->left--;
	}
	return true;
}

/* However often: it is no sign of a cache that is too small. */
static void outages_that_lose_all(struct warm_rig *r)
{
	struct outages o = { .left = 5 };

	part_versions_from_cache(r);
	r->note = &o;
	r->on_report = freeze_and_flush;
	assert_int_equal(warm_run(r), SC_OK);
	assert_int_equal(o.left, 0);
	assert_int_equal(r->p.failed_tiles, 0);
	warm_expect_all(r);
}

static void stop_server(struct warm_rig *r)
{
	server_stop(r->server);
}

static void patience_ends(struct warm_rig *r)
{
	struct event e = { .at = 4, .act = stop_server };
	int64_t begun = sc_mono_us();

	r->tools.patience_us = SC_US_PER_S / 2;
	r->note = &e;
	r->on_report = act_once;
	assert_int_equal(warm_run(r), SC_UNAVAILABLE);
	assert_true(sc_mono_us() - begun >= r->tools.patience_us);
	assert_true(e.was_waiting && r->p.waiting);
	assert_true(strlen(r->err.text) > 10);
	server_start(r->server);
}

static bool stop_waiting(struct warm_rig *r, const struct sc_warm_progress *p)
{
	struct event *e = r->note;

	if (r->calls == e->at)
		server_stop(r->server);
	return !p->waiting;
}

static void a_stop_while_it_waits(struct warm_rig *r)
{
	struct event e = { .at = 4 };

	r->note = &e;
	r->on_report = stop_waiting;
	assert_int_equal(warm_run(r), SC_ABORTED);
	server_start(r->server);
}

/* Some of what is stored goes away. */
static void evict(struct warm_rig *r)
{
	SC_AUTO_SEEN seen = SC_SEEN_INIT;

	warm_look(r, &seen);
	for (int64_t i = 0; i < seen.total; i += 2)
		if (seen.tiles[i].bytes > 0)
			warm_drop(r, &seen.tiles[i].item);
}

static void tiles_that_go_away(struct warm_rig *r)
{
	expect_to_end(r, evict);
}

static bool evict_always(struct warm_rig *r, const struct sc_warm_progress *p)
{
	if (p->walk_tiles == p->total_tiles)
		evict(r);
	return true;
}

static void a_cache_that_keeps_losing_tiles(struct warm_rig *r)
{
	r->on_report = evict_always;
	assert_int_equal(warm_run(r), SC_OK);
	assert_true(r->p.failed_tiles > 0);
	assert_non_null(strstr(r->p.failure, "the cache does not keep them"));
}

static void invalidate(struct warm_rig *r, const char *name)
{
	assert_int_equal(sc_invalidate_cache(r->versions, &name, 1, &r->err), SC_OK);
}

static void invalidate_image(struct warm_rig *r)
{
	invalidate(r, "image/7");
}

static void invalidate_tiles(struct warm_rig *r)
{
	invalidate(r, "tiles");
}

static void an_invalidation_of_the_image(struct warm_rig *r)
{
	expect_to_end(r, invalidate_image);
}

static void an_invalidation_of_all_tiles(struct warm_rig *r)
{
	expect_to_end(r, invalidate_tiles);
}

static bool always_invalidate(struct warm_rig *r, const struct sc_warm_progress *p)
{
	if (p->walk_tiles > 0 || r->calls % 2)
		invalidate_image(r);
	return true;
}

static void versions_that_keep_changing(struct warm_rig *r)
{
	r->on_report = always_invalidate;
	assert_int_equal(warm_run(r), SC_CHANGED);
	assert_true(strlen(r->err.text) > 10);
}

/* By one of another size: another pyramid. */
static void replace_slide(struct warm_rig *r)
{
	static bool is_other;

	is_other = !is_other;
	warm_put_slide(r, WARM_SLIDE, is_other ? &warm_other_noise : &warm_noise);
}

static void a_file_that_is_replaced(struct warm_rig *r)
{
	expect_to_end(r, replace_slide);
}

static void remove_slide(struct warm_rig *r)
{
	SC_AUTO_FREE char *path = check_path(r->root, WARM_SLIDE);

	assert_int_equal(unlink(path), 0);
}

static void a_file_that_goes_away(struct warm_rig *r)
{
	struct event e = { .at = 4, .act = remove_slide };

	r->note = &e;
	r->on_report = act_once;
	assert_int_equal(warm_run(r), SC_NOT_FOUND);
}

/* Of another file, or other versions, nothing counts but what it has cost. */
static void progress_of_something_else(struct warm_rig *r)
{
	assert_int_equal(warm_run(r), SC_OK);
	invalidate_image(r);
	r->p.busy_us = 77 * SC_US_PER_S;
	assert_int_equal(warm_run(r), SC_OK);
	warm_expect_all(r);
	assert_int_equal(r->p.tiles, r->p.total_tiles);
	assert_int_equal(r->p.skipped_tiles, 0);
	assert_true(r->p.busy_us > 77 * SC_US_PER_S);
}

int main(void)
{
	static const struct warm_case cases[] = {
		{ "killed at any moment", killed_at_any_moment, ON_EACH },
		{ "a restart of the server", a_restart_of_the_server, ON_SERVERS },
		{ "a flush of the server", a_flush_of_the_server, ON_SERVERS },
		{ "a server that is away", a_server_that_is_away_for_a_while,
		  ON_SERVERS },
		{ "a cache that does not answer", a_cache_that_does_not_answer,
		  ON_SERVERS },
		{ "outages that lose all", outages_that_lose_all, ON_SERVERS },
		{ "a flush of the cache alone", a_flush_of_the_cache_alone, ON_SERVERS },
		{ "patience ends", patience_ends, ON_SERVERS },
		{ "a stop while it waits", a_stop_while_it_waits, ON_SERVERS },
		{ "tiles that go away", tiles_that_go_away, ON_EACH },
		{ "a cache that keeps losing tiles", a_cache_that_keeps_losing_tiles,
		  ON_ONE },
		{ "an invalidation of the image", an_invalidation_of_the_image, ON_EACH },
		{ "an invalidation of all tiles", an_invalidation_of_all_tiles, ON_EACH },
		{ "versions that keep changing", versions_that_keep_changing, ON_ONE },
		{ "a file that is replaced", a_file_that_is_replaced, ON_EACH },
		{ "a file that goes away", a_file_that_goes_away, ON_ONE },
		{ "progress of something else", progress_of_something_else, ON_ONE },
	};

	kept = mmap(NULL, sizeof(*kept), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (kept == MAP_FAILED)
		return 1;
	return run_warm_cases("warm again", cases, COUNT_OF(cases));
}

/* SPDX-License-Identifier: MIT */
/*
 * How far a run goes: the budget is never overshot and used up, what a cut budget leaves
 * is the middle, and who is told to stop stores nothing more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "slidecache/clock.h"
#include "tests/lib/child.h"
#include "tests/lib/warm_rig.h"

#define ROUNDS	   100
#define LARGEST	   2500 /* bytes of a tile with its key, at most */
#define BUDGET_MIN ((uint64_t)60 * LARGEST)

/* What there is to store, all in all. */
static uint64_t measure_all(struct warm_rig *r)
{
	SC_AUTO_SEEN seen = SC_SEEN_INIT;

	assert_int_equal(warm_run(r), SC_OK);
	warm_look(r, &seen);
	for (int64_t i = 0; i < seen.total; i++)
		assert_in_range(seen.tiles[i].bytes, 1, LARGEST);
	return seen.bytes;
}

/* Some tiles as viewers would have stored them. */
static uint64_t request_some(struct warm_rig *r)
{
	SC_AUTO_SEEN seen = SC_SEEN_INIT;
	uint64_t bytes = 0;

	if (warm_below(2))
		return 0;
	warm_look(r, &seen);
	for (int64_t i = 0; i < seen.total; i++)
		if (warm_below(10) == 0)
			bytes += warm_request(r, &seen.tiles[i].item);
	return bytes;
}

/* What the tile would take. */
static uint64_t size_of(struct warm_rig *r, const struct sc_item *item)
{
	uint64_t bytes = warm_request(r, item);

	warm_drop(r, item);
	return bytes;
}

/* Before the last tile that the run stored none is missing that there is room for. So
 * none that is missing is nearer to the middle than one that is stored. */
static void expect_middle(struct warm_rig *r, const struct warm_seen *seen, int64_t end)
{
	uint64_t room = r->want.budget_bytes - r->p.bytes;

	for (int64_t i = 0; i < end; i++)
		if (seen->tiles[i].bytes == 0)
			assert_true(size_of(r, &seen->tiles[i].item) > room);
}

/* Positions before the last one that the run itself stored. */
static int64_t end_of_own(const struct warm_seen *before, const struct warm_seen *after)
{
	int64_t end = 0;

	for (int64_t i = 0; i < after->total; i++)
		if (after->tiles[i].bytes > 0 && before->tiles[i].bytes == 0)
			end = i;
	return end;
}

static void try_budget(struct warm_rig *r, uint64_t all)
{
	SC_AUTO_SEEN before = SC_SEEN_INIT;
	SC_AUTO_SEEN after = SC_SEEN_INIT;
	uint64_t there = 0;

	warm_forget(r);
	there = request_some(r);
	warm_look(r, &before);
	r->want.budget_bytes = BUDGET_MIN + warm_below(all + all / 10 - BUDGET_MIN);
	assert_int_equal(warm_run(r), SC_OK);
	assert_false(r->is_wrong);
	warm_look(r, &after);
	assert_true(after.bytes - there <= r->want.budget_bytes);
	assert_int_equal(after.bytes - there, r->p.bytes);
	if (after.bytes < all)
		assert_true((double)r->p.bytes >= 0.98 * (double)r->want.budget_bytes);
	expect_middle(r, &after, end_of_own(&before, &after));
}

static void random_budgets(struct warm_rig *r)
{
	int n = r->server ? ROUNDS / 10 : ROUNDS;
	uint64_t all = measure_all(r);

	warm_start_random();
	for (int i = 0; i < n; i++)
		try_budget(r, all);
}

/* Of the tile's block to the middle, squared, in pixels of the level. */
static double distance(const struct warm_seen *seen, const struct sc_item *item)
{
	int64_t side = SC_WARM_BLOCK * (int64_t)seen->dz.options.tile_size;
	int64_t w = seen->dz.width[item->level], h = seen->dz.height[item->level];
	int64_t x = item->col / SC_WARM_BLOCK * side,
		y = item->row / SC_WARM_BLOCK * side;
	double dx = (double)(x + (x + side < w ? x + side : w)) / 2 -
		    seen->middle.x * (double)w;
	double dy = (double)(y + (y + side < h ? y + side : h)) / 2 -
		    seen->middle.y * (double)h;

	return dx * dx + dy * dy;
}

/* No missing tile of a level is nearer to the middle, by its block, than a stored one:
 * but for those at the cut that did not fit. */
static void a_cut_leaves_the_middle(struct warm_rig *r)
{
	SC_AUTO_SEEN seen = SC_SEEN_INIT;
	int64_t level = 0;
	double far = 0;

	warm_put_slide(r, WARM_SLIDE, &warm_wide);
	r->want.budget_bytes = measure_all(r) / 2;
	warm_forget(r);
	assert_int_equal(warm_run(r), SC_OK);
	warm_look(r, &seen);
	level = r->p.level;
	assert_int_equal(level, seen.dz.levels - 1);
	for (int64_t i = 0; i < seen.total; i++)
		if (seen.tiles[i].item.level == level && seen.tiles[i].bytes > 0 &&
		    distance(&seen, &seen.tiles[i].item) > far)
			far = distance(&seen, &seen.tiles[i].item);
	assert_true(far > 0);
	for (int64_t i = 0; i < seen.total; i++)
		if (seen.tiles[i].bytes == 0 &&
		    (seen.tiles[i].item.level < level ||
		     distance(&seen, &seen.tiles[i].item) < far))
			assert_true(size_of(r, &seen.tiles[i].item) >
				    r->want.budget_bytes - r->p.bytes);
}

/* Tiles that no budget of that size has room for are passed over, smaller ones taken. */
static void a_budget_of_a_few_tiles(struct warm_rig *r)
{
	SC_AUTO_SEEN seen = SC_SEEN_INIT;

	r->want.budget_bytes = 1;
	assert_int_equal(warm_run(r), SC_OK);
	assert_int_equal(r->p.tiles, 0);
	r->want.budget_bytes = 3000;
	memset(&r->p, 0, sizeof(r->p));
	assert_int_equal(warm_run(r), SC_OK);
	assert_false(r->is_wrong);
	warm_look(r, &seen);
	assert_true(seen.present > 0 && seen.bytes <= 3000);
}

/* What viewers store while it runs is none of the run's. */
static bool request_one(struct warm_rig *r, const struct sc_warm_progress *p)
{
	const struct warm_seen *seen = r->note;
	int64_t at = seen->total - 1 - r->calls;

	(void)p;
	if (at >= 0 && r->calls < 30)
		(void)warm_request(r, &seen->tiles[at].item);
	return true;
}

static void viewers_meanwhile(struct warm_rig *r)
{
	SC_AUTO_SEEN before = SC_SEEN_INIT;
	uint64_t all = measure_all(r);

	warm_forget(r);
	warm_look(r, &before);
	r->want.budget_bytes = all / 2;
	r->note = &before;
	r->on_report = request_one;
	assert_int_equal(warm_run(r), SC_OK);
	assert_false(r->is_wrong);
	assert_true((double)r->p.bytes >= 0.98 * (double)r->want.budget_bytes);
}

/* What viewers stored between two processes of a run is none of the run's either. */
static void viewers_between_two_runs(struct warm_rig *r)
{
	SC_AUTO_SEEN seen = SC_SEEN_INIT;
	uint64_t all = measure_all(r);

	warm_forget(r);
	r->want.budget_bytes = all / 2;
	assert_int_equal(warm_run(r), SC_OK);
	warm_look(r, &seen);
	assert_true(seen.present < r->p.seen);
	for (int64_t i = 0; i < r->p.seen; i++)
		if (seen.tiles[i].bytes == 0)
			(void)warm_request(r, &seen.tiles[i].item);
	assert_int_equal(r->p.skipped_bytes, 0);
	assert_int_equal(warm_run(r), SC_OK);
	assert_false(r->is_wrong);
	assert_int_equal(r->p.bytes, r->want.budget_bytes);
	assert_true(r->p.skipped_bytes > 0);
}

struct stop {
	int at; /* this report's answer is no */
	uint64_t stores;
	int64_t us;
};

static bool stop_at(struct warm_rig *r, const struct sc_warm_progress *p)
{
	struct stop *s = r->note;

	(void)p;
	if (r->calls < s->at)
		return true;
	assert_int_equal(r->calls, s->at);
	s->stores = warm_stores();
	s->us = sc_mono_us();
	return false;
}

static void a_stop_stores_nothing_more(struct warm_rig *r)
{
	r->on_report = stop_at;
	for (int at = 1; at < 12; at++) {
		struct stop s = { .at = at };
		SC_AUTO_SEEN seen = SC_SEEN_INIT;

		warm_forget(r);
		r->note = &s;
		assert_int_equal(warm_run(r), SC_ABORTED);
		assert_true(sc_mono_us() - s.us < SC_US_PER_S);
		assert_int_equal(warm_stores(), s.stores);
		warm_look(r, &seen);
		assert_true(seen.present < seen.total);
		assert_true(seen.bytes <= r->p.bytes);
	}
}

static void a_stopped_run_goes_on(struct warm_rig *r)
{
	struct stop s = { .at = 2 };

	r->on_report = stop_at;
	r->note = &s;
	while (warm_run(r) == SC_ABORTED) {
		assert_false(r->is_wrong);
		s.at++;
	}
	assert_false(r->is_wrong);
	assert_true(s.at > 4);
	warm_expect_all(r);
	assert_int_equal(r->p.tiles, r->p.total_tiles);
	assert_int_equal(r->p.skipped_tiles, 0);
}

/* Tiles of which each takes long: reports go on, and nobody waits for them. */
static void a_slide_that_takes_long(struct warm_rig *r)
{
	static const struct sample slow = { .seed = 3,
					    .levels = 1,
					    .level = { { 5000, 5000, 256, false } } };
	struct stop s = { .at = 4 };

	warm_put_slide(r, WARM_SLIDE, &slow);
	r->on_report = stop_at;
	r->note = &s;
	assert_int_equal(warm_run(r), SC_ABORTED);
	assert_true(sc_mono_us() - s.us < SC_US_PER_S);
}

int main(void)
{
	static const struct warm_case cases[] = {
		{ "random budgets", random_budgets, ON_EACH },
		{ "a cut leaves the middle", a_cut_leaves_the_middle, ON_ONE },
		{ "a budget of a few tiles", a_budget_of_a_few_tiles, ON_ONE },
		{ "viewers meanwhile", viewers_meanwhile, ON_ONE },
		{ "viewers between two runs", viewers_between_two_runs, ON_ONE },
		{ "a stop stores nothing more", a_stop_stores_nothing_more, ON_EACH },
		{ "a stopped run goes on", a_stopped_run_goes_on, ON_EACH },
		{ "a slide that takes long", a_slide_that_takes_long, ON_ONE },
	};

	return run_warm_cases("warm limits", cases, COUNT_OF(cases));
}

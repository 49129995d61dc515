/* SPDX-License-Identifier: MIT */
/*
 * A walk through all tiles of the plane, in two passes.
 *
 * The first looks at those that were looked at before: what of them is there, less what
 * was there before the run, is what the run has used of its budget. Only then it is known
 * how much is left, and the second pass renders what is absent of these and looks at the
 * others. What was stored there meanwhile by others is none of the run's.
 */
#include "warm/run.h"

#include <stdlib.h>

#define TAKE_MS 50

typedef enum sc_status (*block_fn)(struct sc_warm_run *r, const struct sc_warm_block *b,
				   struct sc_err *err);

static enum sc_status each_block(struct sc_warm_run *r, block_fn fn, struct sc_err *err)
{
	enum sc_status status = SC_OK;

	r->enough = false;
	for (int l = 0; l < r->dz.levels && !status && !r->enough; l++) {
		SC_AUTO_ORDER order = { 0, NULL };

		sc_warm_order_level(&r->dz, l, r->middle, &order);
		for (size_t i = 0; i < order.n && !status && !r->enough; i++) {
			status = fn(r, &order.blocks[i], err);
			if (!status)
				status = sc_warm_tick(r, err);
		}
	}
	return status;
}

/* Reads the versions, and after them the file's identity, for all tiles of the block. */
static enum sc_status plan_block(struct sc_warm_run *r, const struct sc_warm_block *b,
				 struct sc_err *err)
{
	char now[SC_PLAN_VERSION_MAX + 1];
	enum sc_status status = sc_warm_versions(r, now, err);

	if (!status && strcmp(now, r->version) != 0)
		return sc_fail(err, SC_CHANGED, "the image's versions changed");
	for (int i = 0; !status && i < sc_warm_block_tiles(b); i++) {
		int64_t col = 0, row = 0;

		sc_warm_block_tile(b, i, &col, &row);
		status = sc_warm_plan(r, b->level, col, row, &r->plans[i], err);
		if (!status && !sc_identity_equal(&r->plans[i].identity, &r->identity))
			return sc_fail(err, SC_CHANGED, "the file was replaced");
	}
	return status;
}

static enum sc_status look_at(struct sc_warm_run *r, const struct sc_warm_block *b,
			      struct sc_err *err)
{
	enum sc_status status = plan_block(r, b, err);

	return status ? status : sc_warm_peek(r, sc_warm_block_tiles(b), err);
}

static void note_walked(struct sc_warm_run *r, const struct sc_warm_block *b)
{
	int64_t end = b->first + sc_warm_block_tiles(b);

	if (r->p->walk_tiles < end)
		r->p->walk_tiles = end;
}

static enum sc_status look_back(struct sc_warm_run *r, const struct sc_warm_block *b,
				struct sc_err *err)
{
	enum sc_status status = SC_OK;

	r->enough = b->first >= r->known;
	if (r->enough)
		return SC_OK;
	status = look_at(r, b, err);
	if (status)
		return status;
	for (int i = 0; i < sc_warm_block_tiles(b) && b->first + i < r->known; i++)
		if (r->found[i] == 0) {
			sc_warm_set_bit(r->absent, b->first + i);
		} else {
			sc_warm_add_own(r, b->level, r->found[i]);
			sc_warm_leave_excess(r, b->level);
		}
	sc_warm_on_level(r, b->level);
	note_walked(r, b);
	return SC_OK;
}

/* Counts what is there of tiles that nobody looked at before. */
static enum sc_status look_ahead(struct sc_warm_run *r, const struct sc_warm_block *b,
				 struct sc_err *err)
{
	int64_t end = b->first + sc_warm_block_tiles(b);
	enum sc_status status = SC_OK;

	if (end <= r->known)
		return plan_block(r, b, err);
	status = look_at(r, b, err);
	for (int i = 0; !status && i < sc_warm_block_tiles(b); i++)
		if (b->first + i >= r->known && r->found[i] > 0)
			sc_warm_add_skipped(r, b->level, r->found[i]);
	if (!status && r->p->seen < end)
		r->p->seen = end;
	return status;
}

static bool is_wanted(struct sc_warm_run *r, int64_t position, int i)
{
	bool absent =
		position < r->known ? sc_warm_bit(r->absent, position) : r->found[i] == 0;

	return absent && !sc_warm_is_bad(r, position) &&
	       !sc_warm_budget_passes(&r->budget, position);
}

/* NULL: nothing of the block is to be rendered. */
static struct sc_warm_batch *make_batch(struct sc_warm_run *r,
					const struct sc_warm_block *b)
{
	struct sc_warm_batch *batch = NULL;

	for (int i = 0; i < sc_warm_block_tiles(b); i++) {
		struct sc_warm_tile *t = NULL;

		if (!is_wanted(r, b->first + i, i))
			continue;
		if (!batch)
			batch = sc_warm_batch_new(b->level);
		t = &batch->tiles[batch->n++];
		t->position = b->first + i;
		t->plan = r->plans[i];
	}
	return batch;
}

/* Stores what is done, until no more than that many batches are left or the budget is
 * used. */
static enum sc_status collect(struct sc_warm_run *r, int left, struct sc_err *err)
{
	enum sc_status status = SC_OK;

	while (!status && sc_warm_pool_pending(r->pool) > 0 &&
	       !sc_warm_budget_full(&r->budget)) {
		bool must = sc_warm_pool_pending(r->pool) > left;
		struct sc_warm_batch *b = sc_warm_pool_take(r->pool, must ? TAKE_MS : 0);

		if (!b && !must)
			return SC_OK;
		if (b)
			status = sc_warm_deliver(r, b, err);
		sc_warm_batch_free(b);
		if (!status)
			status = sc_warm_tick(r, err);
	}
	return status;
}

/* Nothing of what is being rendered is wanted any more. */
static enum sc_status discard(struct sc_warm_run *r, struct sc_err *err)
{
	enum sc_status status = SC_OK;

	sc_warm_pool_cancel(r->pool);
	while (!status && sc_warm_pool_pending(r->pool) > 0) {
		sc_warm_batch_free(sc_warm_pool_take(r->pool, TAKE_MS));
		status = sc_warm_tick(r, err);
	}
	return status;
}

static bool is_complete(const struct sc_warm_run *r, const struct sc_warm_block *b)
{
	int64_t end = b->first + sc_warm_block_tiles(b);

	if (end > r->known)
		return false;
	for (int64_t at = b->first; at < end; at++)
		if (sc_warm_bit(r->absent, at))
			return false;
	return true;
}

static enum sc_status fill(struct sc_warm_run *r, const struct sc_warm_block *b,
			   struct sc_err *err)
{
	struct sc_warm_batch *batch = NULL;
	enum sc_status status = SC_OK;

	r->enough = sc_warm_budget_full(&r->budget);
	if (r->enough || is_complete(r, b))
		return SC_OK;
	status = look_ahead(r, b, err);
	if (status)
		return status;
	note_walked(r, b);
	batch = make_batch(r, b);
	if (batch)
		sc_warm_pool_give(r->pool, batch);
	else if (sc_warm_pool_pending(r->pool) == 0)
		sc_warm_on_level(r, b->level);
	return collect(r, 2 * sc_warm_pool_threads(r->pool), err);
}

static enum sc_status walk(struct sc_warm_run *r, struct sc_err *err)
{
	enum sc_status status = each_block(r, look_back, err);

	if (!status)
		status = each_block(r, fill, err);
	if (!status)
		status = collect(r, 0, err);
	return status;
}

enum sc_status sc_warm_walk(struct sc_warm_run *r, struct sc_err *err)
{
	int64_t total = sc_warm_total(&r->dz);
	enum sc_status status = SC_OK;
	struct sc_err late;

	sc_warm_begin_walk(r);
	r->known = r->p->seen < total ? r->p->seen : total;
	r->absent = sc_alloc(sc_warm_bits(r->known));
	status = walk(r, err);
	free(r->absent);
	r->absent = NULL;
	if (status == SC_ABORTED)
		return status;
	if (discard(r, &late)) {
		*err = late;
		return late.status;
	}
	return status;
}

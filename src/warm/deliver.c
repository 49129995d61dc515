/* SPDX-License-Identifier: MIT */
/*
 * What becomes of tiles that were rendered: counted against the budget, told to the
 * caller, and only then stored, so that whenever the process dies no stored tile is
 * uncounted.
 */
#include "warm/run.h"

/* What of a batch is to be stored. */
struct choice {
	size_t n;
	struct sc_cache_value values[SC_WARM_BLOCK_TILES];
	const struct sc_warm_tile *tiles[SC_WARM_BLOCK_TILES];
	uint64_t bytes[SC_WARM_BLOCK_TILES];
};

static void choose(struct sc_warm_run *r, const struct sc_warm_batch *b,
		   const struct sc_warm_tile *t, struct choice *c)
{
	struct sc_cache_value v = { .item = sc_bytes_str(t->plan.text) };
	uint64_t bytes = 0;

	v.value = sc_rendered_value(&t->plan, &t->out, &v.mime);
	bytes = sc_cache_entry_bytes(r->tools->cache, r->version, v.item, v.mime,
				     v.value.len);
	if (!sc_warm_budget_fits(&r->budget, bytes)) {
		sc_warm_budget_pass(&r->budget, t->position, bytes);
		return;
	}
	sc_warm_add_own(r, b->level, bytes);
	c->values[c->n] = v;
	c->tiles[c->n] = t;
	c->bytes[c->n++] = bytes;
}

static enum sc_status choose_all(struct sc_warm_run *r, const struct sc_warm_batch *b,
				 struct choice *c, struct sc_err *err)
{
	for (int i = 0; i < b->n; i++) {
		const struct sc_warm_tile *t = &b->tiles[i];

		*err = t->err;
		switch (sc_warm_as_changed(t->status, err)) {
		case SC_CHANGED:
			return SC_CHANGED;
		case SC_OK:
			choose(r, b, t, c);
			break;
		default:
			sc_warm_add_bad(r, t);
		}
	}
	return SC_OK;
}

static void note_refused(struct sc_warm_run *r, const struct sc_warm_tile *t,
			 enum sc_status answer)
{
	sc_warm_add_failed(r, t,
			   answer == SC_TOO_LARGE ? "it is larger than the cache takes"
						  : "the cache does not take its key");
}

/* What of it is not there counts no more. complete: each has an answer. */
static void note_answers(struct sc_warm_run *r, int level, const struct choice *c,
			 const enum sc_status *each, bool complete)
{
	for (size_t i = 0; i < c->n; i++) {
		if (each[i] == SC_OK) {
			r->stored++;
			continue;
		}
		sc_warm_take_back(r, level, c->bytes[i]);
		if (complete)
			note_refused(r, c->tiles[i], each[i]);
	}
}

enum sc_status sc_warm_deliver(struct sc_warm_run *r, struct sc_warm_batch *b,
			       struct sc_err *err)
{
	enum sc_status each[SC_WARM_BLOCK_TILES];
	struct choice c;
	enum sc_status status = SC_OK;

	for (int i = 0; i < SC_WARM_BLOCK_TILES; i++)
		each[i] = SC_ABORTED;
	c.n = 0;
	sc_warm_on_level(r, b->level);
	sc_warm_rendered(r, b->n);
	status = choose_all(r, b, &c, err);
	if (!status)
		status = sc_warm_tell(r, err);
	if (!status)
		status = sc_warm_store(r, c.values, c.n, each, err);
	note_answers(r, b->level, &c, each, status == SC_OK);
	return status;
}

/* SPDX-License-Identifier: MIT */
/*
 * Private to src/warm: the state of a run, and what its parts offer each other.
 */
#ifndef SLIDECACHE_WARM_RUN_H
#define SLIDECACHE_WARM_RUN_H

#include "slidecache/hash.h"
#include "warm/budget.h"
#include "warm/pool.h"

/* What is in the cache of a level, of the tiles that were looked at. */
struct sc_warm_present {
	int64_t tiles;
	uint64_t bytes;
};

/* Tiles rendered lately: two stretches of time, of which the later one grows. */
struct sc_warm_rate {
	int64_t since_us, before_us; /* where the two begin */
	int64_t tiles, tiles_before;
};

/* Since when something is out of reach. Begin with zeros. */
struct sc_warm_wait {
	int64_t since_us; /* 0: it is not */
	int64_t pause_ms;
};

struct sc_warm_run {
	const struct sc_warm_tools *tools;
	const struct sc_image *im;
	const struct sc_warm_request *want;
	struct sc_warm_progress *p;
	sc_warm_report_fn report;
	void *arg;

	struct sc_slide_root *root;
	struct sc_renderer *renderer; /* of the run's thread, which only plans with it */
	struct sc_warm_pool *pool;
	bool was_there; /* its file was seen, at least once */

	/* Found anew whenever file or versions changed. */
	char version[SC_PLAN_VERSION_MAX + 1];
	struct sc_identity identity;
	struct sc_dz dz;
	struct sc_warm_middle middle;
	unsigned char *bad; /* a bit for each position: it cannot be rendered; owned */
	char failure[sizeof(((struct sc_warm_progress *)0)->failure)]; /* of the first */

	/* Of the walk. */
	struct sc_warm_budget budget;
	struct sc_warm_present present[SC_DZ_LEVELS_MAX];
	int64_t known; /* positions before it were looked at when the walk began */
	unsigned char *absent; /* a bit for each of these: it was not there; owned */
	int64_t stored;
	int64_t unreadable; /* tiles of the slide that could not be rendered */
	bool disturbed;	    /* a store was out of reach meanwhile */
	bool enough;	    /* the rest of the walk is not wanted */

	int level; /* time is spent on */
	int64_t tick_us, reported_us;
	struct sc_warm_rate rate;

	/* The block that is looked at. */
	struct sc_plan plans[SC_WARM_BLOCK_TILES];
	uint64_t found[SC_WARM_BLOCK_TILES]; /* bytes of what is there; 0: nothing is */
};

static inline bool sc_warm_bit(const unsigned char *bits, int64_t at)
{
	return bits[at / 8] >> (at % 8) & 1;
}

static inline void sc_warm_set_bit(unsigned char *bits, int64_t at)
{
	bits[at / 8] |= (unsigned char)(1U << (at % 8));
}

/* Bytes for n bits. */
static inline size_t sc_warm_bits(int64_t n)
{
	return (size_t)n / 8 + 1;
}

/* progress.c: what the caller sees. */

void sc_warm_begin_time(struct sc_warm_run *r);
/* Forgets all but what it has cost. */
void sc_warm_begin(struct sc_warm_run *r, uint64_t epoch);
void sc_warm_begin_walk(struct sc_warm_run *r);
/* The tile is there: of the run's own if it was looked at before the run stored. */
void sc_warm_add_own(struct sc_warm_run *r, int level, uint64_t bytes);
void sc_warm_add_skipped(struct sc_warm_run *r, int level, uint64_t bytes);
/* It was counted as the run's own, but could not be stored. */
void sc_warm_take_back(struct sc_warm_run *r, int level, uint64_t bytes);
/* What is there of the run's own beyond the budget somebody else has stored. */
void sc_warm_leave_excess(struct sc_warm_run *r, int level);
void sc_warm_add_failed(struct sc_warm_run *r, const struct sc_warm_tile *t,
			const char *why);
/* A tile that the slide does not have: no walk tries it again. */
void sc_warm_add_bad(struct sc_warm_run *r, const struct sc_warm_tile *t);
/* Whether it is one of these: it has failed in this walk, too. */
bool sc_warm_is_bad(struct sc_warm_run *r, int64_t position);
void sc_warm_rendered(struct sc_warm_run *r, int64_t tiles);
void sc_warm_on_level(struct sc_warm_run *r, int level);
/* Nothing is to come. */
void sc_warm_finish(struct sc_warm_run *r);
/* To be called often: tells the caller some ten times a second how far the run is.
 * SC_ABORTED: it is to stop. */
SC_MUST enum sc_status sc_warm_tick(struct sc_warm_run *r, struct sc_err *err);
/* The same at once. */
SC_MUST enum sc_status sc_warm_tell(struct sc_warm_run *r, struct sc_err *err);
/* Lets ms pass. */
SC_MUST enum sc_status sc_warm_pause(struct sc_warm_run *r, int64_t ms,
				     struct sc_err *err);

/* talk.c: what is out of reach, and how a run waits for it. err: why it is. SC_OK: ask
 * again; SC_ABORTED; SC_UNAVAILABLE: the caller's patience is at its end. */
SC_MUST enum sc_status sc_warm_wait(struct sc_warm_run *r, struct sc_warm_wait *w,
				    struct sc_err *err);
void sc_warm_answered(struct sc_warm_run *r, struct sc_warm_wait *w);
/* The same for a file that was there: SC_NOT_FOUND after a few seconds. */
SC_MUST enum sc_status sc_warm_wait_for_file(struct sc_warm_run *r,
					     struct sc_warm_wait *w, struct sc_err *err);

/* talk.c: asks stores until they answer; SC_ABORTED, SC_UNAVAILABLE if they do not. */

/* The current version text; SC_UNAVAILABLE: there is none. */
SC_MUST enum sc_status sc_warm_versions(struct sc_warm_run *r,
					char out[SC_PLAN_VERSION_MAX + 1],
					struct sc_err *err);
/* Which of the n plans are there: r->found. */
SC_MUST enum sc_status sc_warm_peek(struct sc_warm_run *r, int n, struct sc_err *err);
/* Stores n values under r->version; each[i] is SC_OK, SC_TOO_LARGE or SC_INVALID. */
SC_MUST enum sc_status sc_warm_store(struct sc_warm_run *r,
				     const struct sc_cache_value *values, size_t n,
				     enum sc_status *each, struct sc_err *err);

/* slides.c: the folder of slides, which is waited for. What was opened, as far as it
 * was, is to be closed. */
SC_MUST enum sc_status sc_warm_open_slides(struct sc_warm_run *r, struct sc_err *err);
void sc_warm_close_slides(struct sc_warm_run *r);
/* The plan of a tile as it is now, under r->version. Waits for the folder and, once the
 * file was seen, for the file. */
SC_MUST enum sc_status sc_warm_plan(struct sc_warm_run *r, int64_t level, int64_t col,
				    int64_t row, struct sc_plan *out, struct sc_err *err);
/* What a rendering thread says of a file that is away: SC_CHANGED, since everything
 * begins again with a plan, which waits for it. */
SC_MUST enum sc_status sc_warm_as_changed(enum sc_status status, struct sc_err *err);
/* walk.c: one walk through all tiles. SC_CHANGED: file or versions are others now. */
SC_MUST enum sc_status sc_warm_walk(struct sc_warm_run *r, struct sc_err *err);
/* deliver.c: stores what the budget has room for of a batch that was rendered. */
SC_MUST enum sc_status sc_warm_deliver(struct sc_warm_run *r, struct sc_warm_batch *b,
				       struct sc_err *err);

#endif

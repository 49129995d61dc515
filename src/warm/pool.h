/* SPDX-License-Identifier: MIT */
/*
 * Private to src/warm: threads that render.
 *
 * The run's thread gives batches and takes them back in the same order. A batch is a
 * block of tiles and one thread's work, so that tiles beside each other share what is
 * decoded. A thread has its own renderer and folder of slides, and runs only when nobody
 * else wants the processor.
 */
#ifndef SLIDECACHE_WARM_POOL_H
#define SLIDECACHE_WARM_POOL_H

#include <stdatomic.h>

#include "slidecache/render.h"
#include "warm/opening.h"
#include "warm/order.h"

struct sc_warm_tile {
	int64_t position;
	struct sc_plan plan;
	struct sc_rendered out;
	enum sc_status status; /* of rendering it */
	struct sc_err err;
};

/* Tiles to render, or a plane to open. */
struct sc_warm_batch {
	struct sc_warm_opening *opening; /* owned; NULL: tiles */
	int level;
	int n;
	struct sc_warm_tile tiles[SC_WARM_BLOCK_TILES];
	/* The pool's. */
	atomic_bool cancelled;
	bool done;
	struct sc_warm_batch *next;
};
struct sc_warm_batch *sc_warm_batch_new(int level);
void sc_warm_batch_free(struct sc_warm_batch *b);

struct sc_warm_pool;

/* conf: as of now; the threads look at no text that it points at later. */
SC_MUST enum sc_status sc_warm_pool_new(const struct sc_conf *conf, int threads,
					struct sc_warm_pool **out, struct sc_err *err);
int sc_warm_pool_threads(const struct sc_warm_pool *p);
/* Given, and not taken back yet. */
int sc_warm_pool_pending(const struct sc_warm_pool *p);
/* The batch is the pool's until it is taken. */
void sc_warm_pool_give(struct sc_warm_pool *p, struct sc_warm_batch *b);
/* The batch that was given first; NULL: it is not done within wait_ms, or there is none.
 */
struct sc_warm_batch *sc_warm_pool_take(struct sc_warm_pool *p, int wait_ms);
/* What was given is done as soon as can be: a tile that is being rendered is the last of
 * its batch. The tiles that are left out have the status SC_ABORTED. */
void sc_warm_pool_cancel(struct sc_warm_pool *p);
/* Ends the threads and waits for that, wait_ms at most: one that is in the middle of a
 * large tile goes by itself after it, and what it needs is its own. */
void sc_warm_pool_end(struct sc_warm_pool *p, int wait_ms);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Warming: rendering and storing the tiles of a plane before anyone asks for them.
 *
 * What is rendered and how it is stored is exactly what a request would have done: the
 * same plan, the same bytes, the same key, the same time to live. Deep Zoom levels come
 * from 0 up; within a level the blocks of tiles (SC_WARM_BLOCK a side) that are nearest
 * to the middle of the tissue come first, so that a budget which ends early leaves the
 * middle and not the left strip. What is stored already is looked at and left alone.
 *
 * The budget. Bytes are those of key and stored value, as the ledger counts them. A run
 * never makes the cache hold more than what it held of the plane before plus the budget:
 * a batch is counted before it is stored. When there is more to warm, tiles that do not
 * fit are passed over for a while and smaller ones taken, until 98 % are used.
 *
 * A run looks at all tiles in their order (a walk), and again until a walk found that all
 * it stored is there: a server that was restarted meanwhile, versions that changed and a
 * file that was replaced cost another walk, not tiles. Versions are read anew for each
 * block, before its file is.
 *
 * One thread (the caller's) talks to the stores; others render, each with a renderer of
 * its own, at idle priority: whoever serves a viewer comes first.
 */
#ifndef SLIDECACHE_WARM_H
#define SLIDECACHE_WARM_H

#include "slidecache/cache.h"
#include "slidecache/catalogue.h"
#include "slidecache/conf.h"
#include "slidecache/deepzoom.h"
#include "slidecache/version.h"

#define SC_WARM_BLOCK 8 /* tiles a side */

struct sc_warm_request {
	int64_t image;
	int64_t z, frame;      /* from 1 */
	uint64_t budget_bytes; /* > 0 */
};

/* What a run has stored of one Deep Zoom level, and that is there. */
struct sc_warm_level {
	int64_t cols, rows;
	int64_t tiles;
	uint64_t bytes;
	int64_t skipped_tiles; /* were there before; part of the sums below */
	uint64_t skipped_bytes;
	int64_t us; /* spent on it, looking included */
};

/*
 * How far a run is, and all that it needs to go on after the process that ran it died:
 * plain values, kept by the caller (see jobs.h). Begin with zeros.
 */
struct sc_warm_progress {
	/* What it is the progress of: a hash of file, settings and versions. When that is
	 * another one now, nothing of before counts. */
	uint64_t epoch;
	int levels;	       /* of the plane; 0: it was not opened yet */
	int level;	       /* worked on */
	int64_t walk_tiles;    /* looked at in this walk */
	int64_t total_tiles;   /* of all levels */
	int64_t tiles;	       /* stored by the run and there, sum of by_level */
	uint64_t bytes;	       /* the same; at most the budget */
	int64_t skipped_tiles; /* were there before */
	uint64_t skipped_bytes;
	/* Tiles of the order whose state of before is in skipped: what is found there of
	 * the first seen ones, and not in skipped, the run has stored. Written down
	 * before a batch is stored. */
	int64_t seen;
	int64_t planned_tiles; /* what the budget will reach, as far as can be told */
	uint64_t planned_bytes;
	int64_t failed_tiles; /* could not be rendered or stored, in this walk */
	char failure[160];    /* why the first of them could not; "" */
	bool waiting;	      /* for a store, or the slides, out of reach */
	int64_t busy_us;      /* spent by the run, over all processes */
	double tiles_per_s;   /* rendered lately; 0 unknown */
	struct sc_warm_level by_level[SC_DZ_LEVELS_MAX];
};

/* Called by the run's thread before each batch is stored and some ten times a second:
 * notes the progress. False: the run is to stop (SC_ABORTED), which takes no longer than
 * a tile that is being stored. */
typedef bool (*sc_warm_report_fn)(void *arg, const struct sc_warm_progress *p);

/* What a run works with; opened by this process, used by this thread. */
struct sc_warm_tools {
	const struct sc_conf *conf;
	struct sc_versions *versions;
	struct sc_cache *cache; /* tiles_cache */
	int threads;		/* that render; 0: one a core */
	/* How long a store, or the slides, may be out of reach before the run gives up
	 * (SC_UNAVAILABLE); 0: it waits until it is told to stop. */
	int64_t patience_us;
};

/*
 * Before any work: SC_NOT_FOUND when the image has no such plane, or its file is not
 * there; SC_UNAVAILABLE when the cache keeps nothing, or the slides are out of reach;
 * SC_CHANGED while the file is being written. Opens no slide.
 */
SC_MUST enum sc_status sc_warm_check(const struct sc_warm_tools *t,
				     const struct sc_image *im,
				     const struct sc_warm_request *want,
				     struct sc_err *err);
/*
 * Runs to the end. SC_OK: everything is there that the budget reaches, but for
 * failed_tiles. Else SC_NOT_FOUND, SC_UNREADABLE (the slide; no tile of it can be had),
 * SC_ABORTED, SC_UNAVAILABLE, SC_CHANGED (file or versions keep changing).
 */
SC_MUST enum sc_status sc_warm_run(const struct sc_warm_tools *t,
				   const struct sc_image *im,
				   const struct sc_warm_request *want,
				   struct sc_warm_progress *out, sc_warm_report_fn report,
				   void *arg, struct sc_err *err);

/* EXACT's answer to update_image_cache: {"0": {"Level", "Size_MB", "Tiles", "Total",
 * "Sec."}, ...}, levels from 0 to the one that the run came to; Size_MB (MiB) and Total
 * cumulative. Appends the members without the braces, so that more can follow. */
void sc_warm_levels_json(const struct sc_warm_progress *p, struct sc_buf *out);
/* Tiles that are not there: of a run that ended well those that the budget had no room
 * for. Pure. */
int64_t sc_warm_missing_tiles(const struct sc_warm_progress *p);
/* Seconds left by the rate of lately; -1 unknown. Pure. */
int64_t sc_warm_left_s(const struct sc_warm_progress *p);

#endif

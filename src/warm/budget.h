/* SPDX-License-Identifier: MIT */
/*
 * Private to src/warm: what a budget has room for. Pure.
 */
#ifndef SLIDECACHE_WARM_BUDGET_H
#define SLIDECACHE_WARM_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SC_WARM_MISFITS 256 /* passed over, then the budget is used */

/* Of these two the run sets limit and held; the rest is the budget's. */
struct sc_warm_budget {
	uint64_t limit, held; /* bytes */
	int passed;	      /* in this walk */
	size_t known;	      /* what did not fit, so that no walk renders it again */
	struct sc_warm_misfit {
		int64_t position;
		uint64_t bytes;
	} misfits[SC_WARM_MISFITS];
};

/* Before each walk. */
void sc_warm_budget_begin(struct sc_warm_budget *b);
bool sc_warm_budget_fits(const struct sc_warm_budget *b, uint64_t bytes);
/* Notes that a tile did not fit and is passed over. */
void sc_warm_budget_pass(struct sc_warm_budget *b, int64_t position, uint64_t bytes);
/* Whether a tile did not fit before and still does not: it is passed over again. */
bool sc_warm_budget_passes(struct sc_warm_budget *b, int64_t position);
/* Nothing more is to be tried: 98 % are used, or too many tiles did not fit. */
bool sc_warm_budget_full(const struct sc_warm_budget *b);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The budget: never overshot, used up to 98 % when there is more to warm. A tile that is
 * too large for the rest is passed over, and smaller ones are taken, for a while.
 */
#include "warm/budget.h"

#define REST_PART 50 /* a budget with less than 1/50 left is used */

void sc_warm_budget_begin(struct sc_warm_budget *b)
{
	b->passed = 0;
}

bool sc_warm_budget_fits(const struct sc_warm_budget *b, uint64_t bytes)
{
	return b->held <= b->limit && bytes <= b->limit - b->held;
}

void sc_warm_budget_pass(struct sc_warm_budget *b, int64_t position, uint64_t bytes)
{
	b->passed++;
	if (b->known < SC_WARM_MISFITS)
		b->misfits[b->known++] = (struct sc_warm_misfit){ position, bytes };
}

static void forget(struct sc_warm_budget *b, size_t i)
{
	b->misfits[i] = b->misfits[--b->known];
}

bool sc_warm_budget_passes(struct sc_warm_budget *b, int64_t position)
{
	for (size_t i = 0; i < b->known; i++) {
		if (b->misfits[i].position != position)
			continue;
		if (!sc_warm_budget_fits(b, b->misfits[i].bytes)) {
			b->passed++;
			return true;
		}
		forget(b, i);
		return false;
	}
	return false;
}

bool sc_warm_budget_full(const struct sc_warm_budget *b)
{
	return b->held >= b->limit - b->limit / REST_PART || b->passed >= SC_WARM_MISFITS;
}

/* SPDX-License-Identifier: MIT */
/*
 * How many connections are shed, see shed_plan.h.
 */
#include "shed_plan.h"

int64_t sc_shed_surplus(struct sc_shed_plan *p, const struct sc_shed_look *look)
{
	bool was_over = p->was_over;

	p->was_over = look->waiting > look->limit;
	if (!p->was_over || (look->is_idle && !was_over))
		return 0;
	return look->waiting - look->limit;
}

int64_t sc_shed_pause_us(const struct sc_shed_look *look)
{
	return look->waiting > look->limit / 2 ? SC_SHED_CLOSE_US : SC_SHED_LOOK_US;
}

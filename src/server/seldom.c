/* SPDX-License-Identifier: MIT */
/*
 * When a line is due that is seldom said, see seldom.h.
 */
#include "seldom.h"

int sc_seldom_count(struct sc_seldom *s, int64_t now_us)
{
	int count = ++s->unsaid;

	if (now_us < s->next_us)
		return 0;
	*s = (struct sc_seldom){ .next_us = now_us + SC_SELDOM_US };
	return count;
}

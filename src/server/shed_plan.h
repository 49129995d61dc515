/* SPDX-License-Identifier: MIT */
/*
 * How many connections are shed, decided from values only. Pure.
 */
#ifndef SC_SERVER_SHED_PLAN_H
#define SC_SERVER_SHED_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#define SC_SHED_LOOK_US	 INT64_C(50000)	   /* from one look to the next */
#define SC_SHED_CLOSE_US INT64_C(5000)	   /* the same while the limit is near */
#define SC_SHED_BLIND_US INT64_C(10000000) /* the same while nothing can be seen */

struct sc_shed_plan {
	bool was_over; /* at the last look */
};

/* What is seen at one look. */
struct sc_shed_look {
	int64_t waiting;
	int64_t limit; /* so many may wait */
	bool is_idle;  /* a worker says that it has no request */
};

/*
 * How many are too many. A worker that has nothing to do is about to take what waits, so
 * a burst is left to it; if it did not, at the next look it is not believed any more: it
 * may be stopped, or lie.
 */
int64_t sc_shed_surplus(struct sc_shed_plan *p, const struct sc_shed_look *look);
/* Until the next look. */
int64_t sc_shed_pause_us(const struct sc_shed_look *look);

#endif

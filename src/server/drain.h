/* SPDX-License-Identifier: MIT */
/*
 * What a worker that is to stop does with those who wait in the queue: it serves them as
 * long as there is time, and then tells who is left to come again, so that nobody is cut
 * off without a word.
 */
#ifndef SC_SERVER_DRAIN_H
#define SC_SERVER_DRAIN_H

#include "worker.h"

/* Now. control says whether the whole pool stops, or this worker only. */
void sc_drain_begin(const struct sc_control *control);
/* Whether there is time to serve another connection. */
bool sc_drain_goes_on(void);
/* Answers 503 to the next one of the queue; false: there is none, or no time either. */
bool sc_drain_turn_away(const struct sc_worker_args *args);

#endif

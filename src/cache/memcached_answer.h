/* SPDX-License-Identifier: MIT */
/*
 * What a talk asks, and what the bytes of its answer mean. No input or output.
 */
#ifndef SRC_CACHE_MEMCACHED_ANSWER_H
#define SRC_CACHE_MEMCACHED_ANSWER_H

#include "cache/memcached_talk.h"

/* Composes the request and begins the answer anew. */
void sc_memcached_ask(struct sc_memcached_talk *t);
/* Takes what has been received; done when the answer is complete, or with a fault. */
void sc_memcached_take_answer(struct sc_memcached_talk *t);
/* Ends the talk with a fault; the connection is of no more use. */
void sc_memcached_talk_fail(struct sc_memcached_talk *t, enum sc_fault fault,
			    const char *text);

#endif

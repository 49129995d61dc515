/* SPDX-License-Identifier: MIT */
/*
 * The answer to a connection that is shed, as FastCGI records: 503, Retry-After, and a
 * sentence like that of every other error. Pure.
 */
#ifndef SC_SERVER_SHED_ANSWER_H
#define SC_SERVER_SHED_ANSWER_H

#include "slidecache/bytes.h"

/* The request that the first bytes of a connection begin; 1, which every web server
 * uses, when they do not say. */
unsigned sc_shed_request_id(struct sc_bytes first);
/* Appends the whole answer. */
void sc_shed_answer(unsigned request_id, struct sc_buf *out);

#endif

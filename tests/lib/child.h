/* SPDX-License-Identifier: MIT */
/*
 * Child processes of C tests, and the values that tests of stores keep: made from a
 * number, so that any process can tell right bytes from wrong ones.
 */
#ifndef SLIDECACHE_TESTS_CHILD_H
#define SLIDECACHE_TESTS_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "slidecache/bytes.h"

/* Runs fn(arg) in a child, which exits with 0 if it returns true. Use no assertion of
 * cmocka in it. */
typedef bool (*child_fn)(void *arg);
pid_t child_start(child_fn fn, void *arg);
/* Whether the child exited with 0. */
bool child_ok(pid_t pid);
static inline bool child_run(child_fn fn, void *arg)
{
	return child_ok(child_start(fn, arg));
}
/* False if it had ended by itself. */
bool child_kill(pid_t pid);

/* A small generator (xorshift); the seed may not be 0. */
uint64_t next_random(uint64_t *seed);

/* Appends len bytes that follow from number and len. */
void make_value(struct sc_buf *out, uint64_t number, size_t len);
/* Whether value is what make_value makes of number, of whatever length. */
bool is_value(struct sc_bytes value, uint64_t number);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Writes "Basic BASE64", without a check of what is in it.
 */
#ifndef SLIDECACHE_TESTS_BASIC_H
#define SLIDECACHE_TESTS_BASIC_H

#include <stddef.h>

/* Both are valid until the next call. */
const char *check_basic_of(const void *pair, size_t n);
const char *check_basic(const char *pair);

#endif

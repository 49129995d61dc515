/* SPDX-License-Identifier: MIT */
/*
 * What every C test includes: cmocka with its prerequisites, in the order it wants them,
 * and a temporary directory that is gone after the test.
 */
#ifndef SLIDECACHE_TESTS_CHECK_H
#define SLIDECACHE_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "slidecache/bytes.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* A new directory below $TMPDIR or /tmp; the caller frees it with check_rmdir. */
char *check_mkdir(void);
/* Removes the directory and all below it, and frees the name. */
void check_rmdir(char *dir);
/* DIR/NAME, to be freed. */
char *check_path(const char *dir, const char *name);
/* Replaces the file's contents. */
void check_write(const char *path, const void *data, size_t len);

#endif

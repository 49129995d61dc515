/* SPDX-License-Identifier: MIT */
/*
 * For tests of programs that use versioned caches: does this code invalidate what it
 * changes?
 *
 *	sc_assert_invalidates (versions, "reports")
 *		save_report(...);
 *
 * runs the statement (or block) once, then fails unless the version of "reports" changed
 * meanwhile. It fails too for a name that is not versioned, before or after: a typing
 * error never passes. Do not leave the block by break, goto or
 * return: nothing would be checked.
 */
#ifndef SLIDECACHE_TESTING_H
#define SLIDECACHE_TESTING_H

#include "slidecache/version.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sc_invalidation_check {
	struct sc_versions *versions;
	const char *name;
	const char *file;
	int line;
	int runs; /* of the block */
	struct sc_version before;
};

/* The functions behind the macro. */
struct sc_invalidation_check sc_invalidation_begin(struct sc_versions *v,
						   const char *name, const char *file,
						   int line);
int sc_invalidation_goes_on(struct sc_invalidation_check *check);

/* Called with a sentence, "cache reports was not invalidated", where a check fails; it
 * does not return (longjmp, exit: cmocka's _fail will do). Default: prints it and
 * abort()s. NULL: the default again. */
typedef void (*sc_test_failure_fn)(const char *sentence, const char *file, int line);
void sc_test_on_failure(sc_test_failure_fn fail);

#define sc_assert_invalidates(v, name)                                                   \
	for (struct sc_invalidation_check sc_check_ =                                    \
		     sc_invalidation_begin((v), (name), __FILE__, __LINE__);             \
	     sc_invalidation_goes_on(&sc_check_);)

#ifdef __cplusplus
}
#endif

#endif

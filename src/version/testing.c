/* SPDX-License-Identifier: MIT */
/*
 * The check behind sc_assert_invalidates: the version before the block, and after it.
 */
#include "slidecache/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_and_abort(const char *sentence, const char *file, int line)
{
	(void)fprintf(stderr, "%s:%d: %s\n", file, line, sentence);
	abort();
}

static sc_test_failure_fn on_failure = print_and_abort;

void sc_test_on_failure(sc_test_failure_fn fail)
{
	on_failure = fail ? fail : print_and_abort;
}

static void SC_PRINTF(2, 3)
	fail(const struct sc_invalidation_check *check, const char *fmt, ...)
{
	SC_AUTO_BUF sentence = SC_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	sc_buf_vprintf(&sentence, fmt, ap);
	va_end(ap);
	on_failure((const char *)sentence.data, check->file, check->line);
	abort(); /* it was to stay there */
}

/* unknown: how it is said that the name is not versioned. */
static struct sc_version read_version(const struct sc_invalidation_check *check,
				      const char *unknown)
{
	struct sc_version now = { .name = "" };
	struct sc_err err;
	enum sc_status status =
		sc_versions_get(check->versions, &check->name, 1, &now, &err);

	if (status == SC_NOT_FOUND)
		fail(check, "cache %s %s", check->name, unknown);
	if (status != SC_OK)
		fail(check, "cache %s: its version cannot be read: %s",
		     check->name ? check->name : "?", err.text);
	return now;
}

struct sc_invalidation_check
sc_invalidation_begin(struct sc_versions *v, const char *name, const char *file, int line)
{
	struct sc_invalidation_check check = {
		.versions = v, .name = name, .file = file, .line = line
	};

	check.before = read_version(&check, "is not versioned");
	return check;
}

int sc_invalidation_goes_on(struct sc_invalidation_check *check)
{
	if (check->runs++ == 0)
		return 1;
	struct sc_version after = read_version(check, "is not versioned any more");
	if (strcmp(after.version, check->before.version) == 0)
		fail(check, "cache %s was not invalidated", check->name);
	return 0;
}

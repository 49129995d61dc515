/* SPDX-License-Identifier: MIT */
/*
 * The contract of slidecache/testing.h. A check that fails does not return: each is made
 * by a child, which ends with the sentence.
 */
#include "slidecache/testing.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/lib/child.h"
#include "tests/lib/version_suite.h"

struct trial {
	struct fixture *f;
	const char *name; /* that is asserted */
	void (*block)(struct trial *t, struct sc_versions *v);
	/* What the child leaves. */
	struct {
		char sentence[512];
		char file[256];
		int line;
		int runs;
		bool passed;
	} * left;
};

static struct trial *current;

static void note_failure(const char *sentence, const char *file, int line)
{
	(void)snprintf(current->left->sentence, sizeof current->left->sentence, "%s",
		       sentence);
	(void)snprintf(current->left->file, sizeof current->left->file, "%s", file);
	current->left->line = line;
	_exit(0);
}

static bool try(void *arg)
{
	struct trial *t = arg;
	struct sc_versions *v = NULL;

	current = t;
	sc_test_on_failure(note_failure);
	if (sc_versions_open(&t->f->o, &v, &t->f->err) != SC_OK)
		return false;
	sc_assert_invalidates(v, t->name)
	{
		t->left->runs++;
		t->block(t, v);
	}
	t->left->passed = true;
	return true;
}

static void run(struct trial *t)
{
	void *shared = mmap(NULL, sizeof *t->left, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(shared, MAP_FAILED);
	t->left = shared;
	assert_true(child_run(try, t));
}

static void expect_pass(struct trial t)
{
	run(&t);
	assert_string_equal(t.left->sentence, "");
	assert_true(t.left->passed);
	assert_int_equal(t.left->runs, 1);
	munmap(t.left, sizeof *t.left);
}

static void expect_failure(struct trial t, const char *sentence, int runs)
{
	run(&t);
	assert_non_null(strstr(t.left->sentence, sentence));
	assert_non_null(strstr(t.left->file, "test_testing.c"));
	assert_true(t.left->line > 0);
	assert_false(t.left->passed);
	assert_int_equal(t.left->runs, runs);
	munmap(t.left, sizeof *t.left);
}

static void do_nothing(struct trial *t, struct sc_versions *v)
{
	(void)t;
	(void)v;
}

static void drop(enum sc_status status)
{
	if (status != SC_OK)
		_exit(1);
}

static void invalidate(struct sc_versions *v, const char *name)
{
	struct sc_err err;

	drop(sc_invalidate_cache(v, &name, 1, &err));
}

static void invalidate_tiles_in_block(struct trial *t, struct sc_versions *v)
{
	(void)t;
	invalidate(v, "tiles");
}

static void invalidate_acl(struct trial *t, struct sc_versions *v)
{
	(void)t;
	invalidate(v, "acl");
}

static void invalidate_seven(struct trial *t, struct sc_versions *v)
{
	(void)t;
	invalidate(v, "image/7");
}

static void invalidate_all(struct trial *t, struct sc_versions *v)
{
	drop(sc_invalidate_all_caches(v, &t->f->err));
}

static void stop_tiles(struct trial *t, struct sc_versions *v)
{
	const char *name = "tiles";

	drop(sc_versions_stop(v, &name, 1, &t->f->err));
}

static void restart_tiles(struct trial *t, struct sc_versions *v)
{
	const char *name = "tiles";

	stop_tiles(t, v);
	drop(sc_versions_start(v, &name, 1, &t->f->err));
}

static void start_typing_error(struct trial *t, struct sc_versions *v)
{
	const char *name = "tilse";

	drop(sc_versions_start(v, &name, 1, &t->f->err));
}

/* Until it is gone. */
static void kill_server(struct trial *t, struct sc_versions *v)
{
	struct sc_version now = read_one(v, t->name);

	(void)kill(t->f->server->pid, SIGKILL);
	while (now.version[0] != '\0')
		now = read_one(v, t->name);
}

static void test_passes(struct fixture *f)
{
	expect_pass((struct trial){ f, "tiles", invalidate_tiles_in_block, NULL });
	expect_pass((struct trial){ f, "tiles", invalidate_all, NULL });
	expect_pass((struct trial){ f, "tiles", restart_tiles, NULL });
	expect_pass((struct trial){ f, "image/7", invalidate_seven, NULL });
	expect_pass((struct trial){ f, "image/7", invalidate_all, NULL });
}

static void test_not_invalidated(struct fixture *f)
{
	expect_failure((struct trial){ f, "tiles", do_nothing, NULL },
		       "cache tiles was not invalidated", 1);
	expect_failure((struct trial){ f, "tiles", invalidate_acl, NULL },
		       "cache tiles was not invalidated", 1);
	expect_failure((struct trial){ f, "image/17", invalidate_seven, NULL },
		       "cache image/17 was not invalidated", 1);
}

static void test_not_versioned(struct fixture *f)
{
	expect_failure((struct trial){ f, "tilse", do_nothing, NULL },
		       "cache tilse is not versioned", 0);
	/* Too late: it was nothing before. */
	expect_failure((struct trial){ f, "tilse", start_typing_error, NULL },
		       "cache tilse is not versioned", 0);
	expect_failure((struct trial){ f, "Tiles", do_nothing, NULL }, "Tiles", 0);
	expect_failure((struct trial){ f, NULL, do_nothing, NULL }, "cannot be read", 0);
	expect_failure((struct trial){ f, "tiles", stop_tiles, NULL },
		       "cache tiles is not versioned any more", 1);
}

static void test_out_of_reach(struct fixture *f)
{
	expect_failure((struct trial){ f, "tiles", kill_server, NULL },
		       "cache tiles: its version cannot be read", 1);
	expect_failure((struct trial){ f, "tiles", do_nothing, NULL },
		       "cache tiles: its version cannot be read", 0);
}

/* The check by itself: as each test of a program has it, one after the other. */
static void test_in_one_process(struct fixture *f)
{
	const char *name = "tiles";
	int runs = 0;

	for (int i = 0; i < 3; i++)
		sc_assert_invalidates(f->versions, name)
		{
			assert_int_equal(
				sc_invalidate_cache(f->versions, &name, 1, &f->err),
				SC_OK);
			runs++;
		}
	assert_int_equal(runs, 3);
}

/* What happens unless a test says otherwise: in a child, for it ends the process. */
static bool fail_by_default(void *arg)
{
	struct sc_versions_options *o = arg;
	struct sc_versions *v = NULL;
	struct sc_err err;

	sc_test_on_failure(NULL);
	if (!freopen("/dev/null", "w", stderr) || sc_versions_open(o, &v, &err) != SC_OK)
		return false;
	sc_assert_invalidates(v, "image/1")
	{
	}
	_exit(0);
}

static void test_default(struct fixture *f)
{
	/* No exit: abort(). */
	assert_false(child_run(fail_by_default, &f->o));
}

static const struct version_case cases[] = {
	{ "passes", test_passes, 0 },
	{ "not invalidated", test_not_invalidated, 0 },
	{ "not versioned", test_not_versioned, 0 },
	{ "out of reach", test_out_of_reach, SERVER },
	{ "in one process", test_in_one_process, 0 },
	{ "default", test_default, LOCATION },
};

int main(void)
{
	return run_version_cases("testing", cases, COUNT_OF(cases));
}

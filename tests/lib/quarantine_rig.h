/* SPDX-License-Identifier: MIT */
/*
 * For tests of a quarantine: one in a folder of its own, where this process marks what it
 * reads, and its deaths.
 */
#ifndef TESTS_LIB_QUARANTINE_RIG_H
#define TESTS_LIB_QUARANTINE_RIG_H

#include <stdlib.h>

#include "slidecache/log.h"
#include "slidecache/quarantine.h"
#include "tests/lib/check.h"

struct fixture {
	char *dir, *path;
	struct sc_quarantine *q;
	struct sc_mark mark;
	int lines; /* of the log */
	struct sc_err err;
};

static void count_line(void *arg, enum sc_log_level level, const char *text)
{
	(void)level;
	(void)text;
	((struct fixture *)arg)->lines++;
}

static int set_up(void **state)
{
	struct fixture *f = sc_alloc(sizeof(*f));

	memset(f, 0, sizeof(*f));
	f->dir = check_mkdir();
	f->path = check_path(f->dir, SC_QUARANTINE_FILE);
	f->q = sc_quarantine_new(f->path);
	sc_mark_at(&f->mark);
	sc_log_to(count_line, f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sc_log_to(NULL, NULL);
	sc_mark_at(NULL);
	sc_quarantine_free(f->q);
	free(f->path);
	check_rmdir(f->dir);
	free(f);
	return 0;
}

static const struct sc_identity one = { 1, 2, 3, 4, 5 };

static enum sc_status admit(struct fixture *f, const char *file,
			    const struct sc_identity *id)
{
	return sc_quarantine_admit(f->q, file, id, &f->err);
}

/* The process died of what it is marked with. */
static bool die(struct fixture *f)
{
	bool shut = false;

	assert_int_equal(sc_quarantine_strike(f->path, &f->mark,
					      "worker 4711 died of signal 11", &shut,
					      &f->err),
			 SC_OK);
	return shut;
}

static void shut(struct fixture *f, const char *file)
{
	assert_int_equal(admit(f, file, &one), SC_OK);
	assert_false(die(f));
	assert_int_equal(admit(f, file, &one), SC_OK);
	assert_true(die(f));
}

#endif

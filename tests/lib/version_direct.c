/* SPDX-License-Identifier: MIT */
/*
 * A version store called directly, and what its records are after a change.
 */
#include "tests/lib/version_direct.h"

#include <stdlib.h>
#include <string.h>

#include "slidecache/clock.h"

void direct_open(struct direct *d, struct fixture *f)
{
	close_versions(f);
	*d = (struct direct){ .f = f,
			      .ops = sc_store_find(f->store->name),
			      .actor = "test (nobody)" };
	assert_int_equal(d->ops->open(&f->o, &d->store, &f->err), SC_OK);
}

void direct_close(struct direct *d)
{
	d->ops->close(d->store);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct sc_version_step *)a)->name,
		      ((const struct sc_version_step *)b)->name);
}

enum sc_status direct_change(struct direct *d, struct sc_version_step *steps, size_t n)
{
	struct sc_version_change c = { .steps = steps, .n = n, .actor = d->actor };

	qsort(steps, n, sizeof *steps, compare);
	d->changed = SIZE_MAX;
	return d->ops->change(d->store, &c, &d->changed, &d->f->err);
}

enum sc_status direct_change_one(struct direct *d, const char *name,
				 enum sc_version_action action, const char *expected)
{
	struct sc_version_step step = { name, action, expected };

	return direct_change(d, &step, 1);
}

void direct_change_all(struct direct *d)
{
	struct sc_version_change c = { .all = true, .actor = d->actor };

	assert_int_equal(d->ops->change(d->store, &c, &d->changed, &d->f->err), SC_OK);
}

struct sc_version direct_look(struct direct *d, const char *name)
{
	struct sc_version v = { .version = "" };
	bool found = false;

	assert_int_equal(d->ops->read(d->store, &name, 1, &v, &found, &d->f->err), SC_OK);
	return found ? v : (struct sc_version){ .version = "" };
}

struct sc_version direct_make(struct direct *d, const char *name)
{
	assert_int_equal(direct_change_one(d, name, SC_MAKE, NULL), SC_OK);
	struct sc_version v = direct_look(d, name);
	assert_int_equal(strlen(v.version), SC_VERSION_LEN);
	return v;
}

void direct_assert_kept(struct direct *d, const struct sc_version *before)
{
	struct sc_version now = direct_look(d, before->name);

	assert_same(&now, before);
	assert_string_equal(now.previous, before->previous);
}

void direct_assert_renewed(struct direct *d, const struct sc_version *before)
{
	struct sc_version now = direct_look(d, before->name);

	assert_int_equal(strlen(now.version), SC_VERSION_LEN);
	assert_string_not_equal(now.version, before->version);
	assert_string_equal(now.previous, before->version);
	assert_string_equal(now.changed_by, d->actor);
	assert_true(now.changed_at_us >= before->changed_at_us);
}

void direct_assert_gone(struct direct *d, const char *name)
{
	assert_string_equal(direct_look(d, name).version, "");
}

void direct_assert_made(struct direct *d, const char *name)
{
	struct sc_version now = direct_look(d, name);

	assert_string_equal(now.name, name);
	assert_int_equal(strlen(now.version), SC_VERSION_LEN);
	assert_string_equal(now.previous, "");
	assert_string_equal(now.changed_by, d->actor);
	assert_true(now.changed_at_us <= sc_wall_us());
}

/* SPDX-License-Identifier: MIT */
/*
 * doctor: migrations. Whether their files are right, and whether all are applied: a cache
 * whose migration is not is not used.
 */
#include "ctl/doctor.h"

#include <errno.h>

/* The first ones by name, the others as a number. */
#define NAMED 3

static void name_unapplied(const struct sc_migration_state *all, size_t n,
			   struct sc_buf *out)
{
	size_t unapplied = 0;

	for (size_t i = 0; i < n; i++)
		if (!all[i].applied && unapplied++ < NAMED)
			sc_buf_printf(out, "%s%s.%s", unapplied > 1 ? ", " : "",
				      all[i].app, all[i].name);
	if (unapplied > NAMED)
		sc_buf_printf(out, " and %zu more", unapplied - NAMED);
}

static void tell_states(struct sc_doctor *d, const struct sc_migration_state *all,
			size_t n)
{
	SC_AUTO_BUF names = SC_BUF_INIT;

	name_unapplied(all, n, &names);
	if (names.len > 0)
		sc_doctor_warn(d, "slidecachectl migrate", "not applied: %s",
			       (const char *)names.data);
	else
		sc_doctor_ok(d, "all are applied: %zu", n);
}

/* Of the version store another check says what is wrong with it. */
static void look_at_store(struct sc_doctor *d, const struct sc_migrations *set)
{
	SC_AUTO_FREE struct sc_migration_state *all = NULL;
	struct sc_versions *store = NULL;
	struct sc_err err;
	size_t n = 0;

	if (sc_ctl_open_versions(d->ctl, &store, &err) == SC_OK &&
	    sc_migrations_show(set, store, &all, &n, &err) == SC_OK)
		tell_states(d, all, n);
	sc_versions_close(store);
}

static void look(struct sc_doctor *d, const struct sc_migrations *set)
{
	int why = sc_doctor_used(d);

	if (why == 0)
		look_at_store(d, set);
	else if (why == EACCES)
		sc_doctor_may_not_look(d, d->conf->state_dir);
	else
		sc_doctor_ok(d, "the files are right; the service did not run with this "
				"store yet");
}

void sc_doctor_migrations(struct sc_doctor *d)
{
	struct sc_migrations *set = NULL;
	struct sc_err err;

	if (sc_ctl_load_migrations(d->ctl, &set, &err) != SC_OK)
		sc_doctor_fail(d,
			       "mend or remove that file; until then no migration can be "
			       "applied",
			       "%s", err.text);
	else
		look(d, set);
	sc_migrations_free(set);
}

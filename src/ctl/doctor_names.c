/* SPDX-License-Identifier: MIT */
/*
 * doctor: are the service's own names versioned? What is of a kind whose name was never
 * started, or was stopped, is not cached.
 */
#include "ctl/doctor.h"

static void append(struct sc_buf *list, const char *separator, const char *name)
{
	sc_buf_printf(list, "%s%s", list->len > 0 ? separator : "", name);
}

static void tell(struct sc_doctor *d, const struct sc_buf *missing,
		 const struct sc_buf *arguments)
{
	SC_AUTO_BUF fix = SC_BUF_INIT;

	sc_buf_printf(&fix, "slidecachectl migrate, or slidecachectl start %s",
		      (const char *)arguments->data);
	sc_doctor_warn(d, (const char *)fix.data,
		       "not versioned, so nothing of it is cached: %s",
		       (const char *)missing->data);
}

/* Each alone: one that is not versioned hides the others. */
static void look_at_names(struct sc_doctor *d, struct sc_versions *store)
{
	SC_AUTO_BUF missing = SC_BUF_INIT;
	SC_AUTO_BUF arguments = SC_BUF_INIT;

	for (size_t i = 0; i < sc_initial_migration.noperations; i++) {
		const char *name = sc_initial_migration.operations[i].cache;
		struct sc_version now;
		struct sc_err err;
		enum sc_status status = sc_versions_get(store, &name, 1, &now, &err);

		if (status && status != SC_NOT_FOUND)
			return;
		if (status) {
			append(&missing, ", ", name);
			append(&arguments, " ", name);
		}
	}
	if (missing.len > 0)
		tell(d, &missing, &arguments);
	else
		sc_doctor_ok(d, "all names of the service are versioned: %zu",
			     sc_initial_migration.noperations);
}

/* Of a store that cannot be read another check says what is wrong with it. */
void sc_doctor_names(struct sc_doctor *d)
{
	struct sc_versions *store = NULL;
	struct sc_err err;

	if (sc_doctor_used(d) != 0)
		return;
	if (sc_ctl_open_versions(d->ctl, &store, &err) == SC_OK)
		look_at_names(d, store);
	sc_versions_close(store);
}

/* SPDX-License-Identifier: MIT */
/*
 * What the steps of a change (store.h) do: decided here for every store, which only
 * reads and writes. Pure.
 */
#ifndef SRC_VERSION_STEP_H
#define SRC_VERSION_STEP_H

#include "version/store.h"

enum sc_step_effect {
	SC_STEP_NOTHING, /* it is as it should be */
	SC_STEP_RENEWS,	 /* the name gets a new version */
	SC_STEP_REMOVES, /* its record goes */
};

/* now: the version that the name has, "": none. Not SC_OK: the change may not happen. */
SC_MUST enum sc_status sc_step_judge(const struct sc_version_step *step, const char *now,
				     enum sc_step_effect *out, struct sc_err *err);
/* A change that only makes: a part of a read, which may take no longer than one. */
bool sc_change_only_makes(const struct sc_version_change *change);
/* Whether a name that has a record gets a new version when all do; lost: the store may
 * have forgotten something. */
bool sc_change_of_all_renews(const char *name, bool lost);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What steps do, by action and by whether the name has a version.
 */
#include "version/step.h"

#include <string.h>

#include "version/version_name.h"

static const struct {
	enum sc_step_effect there;
	enum sc_step_effect missing;
	/* SC_OK: none */
	enum sc_status refused_there;
	enum sc_status refused_missing;
} effects[] = {
	[SC_MAKE] = { .there = SC_STEP_NOTHING, .missing = SC_STEP_RENEWS },
	[SC_RENEW] = { .there = SC_STEP_RENEWS,
		       .missing = SC_STEP_RENEWS,
		       .refused_missing = SC_NOT_FOUND },
	[SC_START] = { .missing = SC_STEP_RENEWS, .refused_there = SC_EXISTS },
	[SC_STOP] = { .there = SC_STEP_REMOVES, .refused_missing = SC_NOT_FOUND },
};

static bool is_image_misused(const struct sc_version_step *step)
{
	return sc_version_name_is_image(step->name) &&
	       (step->action == SC_START || step->action == SC_STOP || step->expected);
}

/* Images and reserved names need no start. */
static bool is_free(const struct sc_version_step *step)
{
	return step->action == SC_RENEW &&
	       (step->name[0] == SC_RESERVED || sc_version_name_is_image(step->name));
}

static enum sc_status refuse(const struct sc_version_step *step, const char *now,
			     struct sc_err *err)
{
	bool there = now[0] != '\0';

	if (is_image_misused(step))
		return sc_fail(err, SC_INVALID, "\"%s\" is versioned always", step->name);
	if (step->expected && strcmp(step->expected, now) != 0)
		return sc_fail(err, SC_CHANGED, "\"%s\" was changed by somebody else",
			       step->name);
	if (there && effects[step->action].refused_there != SC_OK)
		return sc_fail(err, SC_EXISTS, "\"%s\" is versioned already", step->name);
	if (!there && effects[step->action].refused_missing != SC_OK && !is_free(step))
		return sc_fail(err, SC_NOT_FOUND, "no versioned cache \"%s\"",
			       step->name);
	return SC_OK;
}

enum sc_status sc_step_judge(const struct sc_version_step *step, const char *now,
			     enum sc_step_effect *out, struct sc_err *err)
{
	*out = now[0] ? effects[step->action].there : effects[step->action].missing;
	return refuse(step, now, err);
}

bool sc_change_only_makes(const struct sc_version_change *change)
{
	for (size_t i = 0; i < change->n; i++)
		if (change->steps[i].action != SC_MAKE)
			return false;
	return !change->all;
}

bool sc_change_of_all_renews(const char *name, bool lost)
{
	return name[0] != SC_RESERVED || (lost && strcmp(name, SC_ORIGIN) == 0);
}

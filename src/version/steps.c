/* SPDX-License-Identifier: MIT */
/*
 * The steps of a change, in the order that stores take them. Pure.
 */
#include <stdlib.h>
#include <string.h>

#include "version/handle.h"

static int compare(const void *a, const void *b)
{
	const struct sc_version_step *x = a;
	const struct sc_version_step *y = b;

	return strcmp(x->name, y->name);
}

void sc_versions_sort(struct sc_version_step *steps, size_t n)
{
	qsort(steps, n, sizeof *steps, compare);
}

size_t sc_versions_steps(const char *const *names, size_t n,
			 enum sc_version_action action, struct sc_version_step *out)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		out[i] = (struct sc_version_step){ names[i], action, NULL };
	sc_versions_sort(out, n);
	for (size_t i = 0; i < n; i++)
		if (at == 0 || strcmp(out[at - 1].name, out[i].name) != 0)
			out[at++] = out[i];
	return at;
}

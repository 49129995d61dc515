/* SPDX-License-Identifier: MIT */
/*
 * The versions of several caches as one part of a key. Pure.
 */
#include "slidecache/version.h"

/* More than there may be are none at all, which no cache takes: a key that lacks one of
 * its versions would outlive that one's change. */
void sc_version_text(const struct sc_version *v, size_t n,
		     char out[SC_VERSION_TEXT_MAX + 1])
{
	size_t at = 0;

	if (n > SC_VERSIONS_IN_KEY)
		n = 0;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < SC_VERSION_LEN && v[i].version[k] != '\0'; k++)
			out[at++] = v[i].version[k];
	out[at] = '\0';
}

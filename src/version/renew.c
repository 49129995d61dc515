/* SPDX-License-Identifier: MIT */
/*
 * Making the next version of a name: the only place where versions come from.
 */
#include "version/renew.h"

#include <string.h>

#include "slidecache/hash.h"

void sc_version_renew(const char *name, const char *old, const char *actor,
		      int64_t now_us, struct sc_version *out)
{
	struct sc_version v = { .changed_at_us = now_us };

	memcpy(v.name, name, strnlen(name, sizeof(v.name) - 1));
	memcpy(v.previous, old, strnlen(old, sizeof(v.previous) - 1));
	memcpy(v.changed_by, actor, strnlen(actor, sizeof(v.changed_by) - 1));
	do
		sc_random_text(v.version, SC_VERSION_LEN);
	while (strcmp(v.version, old) == 0);
	*out = v;
}

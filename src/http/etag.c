/* SPDX-License-Identifier: MIT */
/*
 * If-None-Match (RFC 9110 section 13.1.2): weak comparison against one strong tag. Pure.
 */
#include "slidecache/http.h"

static const char *skip_separators(const char *p)
{
	return p + strspn(p, " \t,");
}

bool sc_etag_matches(const char *if_none_match, const char *etag)
{
	size_t len = strlen(etag);
	const char *p = skip_separators(if_none_match);

	if (strcmp(p, "*") == 0)
		return true;
	while (*p) {
		const char *end = NULL;

		if (strncmp(p, "W/", 2) == 0)
			p += 2;
		if (*p != '"')
			return false; /* not a list of tags: no condition that we know */
		end = strchr(p + 1, '"');
		if (!end)
			return false;
		if ((size_t)(end + 1 - p) == len && strncmp(p, etag, len) == 0)
			return true;
		p = skip_separators(end + 1);
	}
	return false;
}

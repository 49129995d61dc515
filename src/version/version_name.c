/* SPDX-License-Identifier: MIT */
/*
 * The rules for names of versioned caches. Pure.
 */
#include "version/version_name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "slidecache/parse.h"
#include "slidecache/version.h"

#define IMAGE_PREFIX "image/"

const char *const sc_initial_versions[] = { "tiles", "thumbnails", "slides", "acl" };
const size_t sc_initial_versions_n =
	sizeof sc_initial_versions / sizeof sc_initial_versions[0];

enum sc_status sc_version_name_check(const char *name, struct sc_err *err)
{
	size_t len = name ? strlen(name) : 0;

	if (len < 1 || len > SC_VERSION_NAME_MAX)
		return sc_fail(err, SC_INVALID, "a cache name has 1 to %d bytes, not %zu",
			       SC_VERSION_NAME_MAX, len);
	for (size_t i = 0; i < len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_./-", name[i]))
			return sc_fail(
				err, SC_INVALID,
				"cache name \"%s\": only a-z, 0-9, \"_\", \".\", \"/\" "
				"and \"-\" are allowed",
				name);
	return SC_OK;
}

void sc_version_image_name(int64_t id, char out[SC_VERSION_NAME_MAX + 1])
{
	(void)snprintf(out, SC_VERSION_NAME_MAX + 1, IMAGE_PREFIX "%" PRId64, id);
}

static bool is_image_name(const char *name)
{
	size_t prefix = strlen(IMAGE_PREFIX);
	int64_t id = 0;

	return strncmp(name, IMAGE_PREFIX, prefix) == 0 && name[prefix] != '0' &&
	       sc_parse_i64(sc_bytes_str(name + prefix), 1, INT64_MAX, &id);
}

bool sc_version_name_exists(const char *name)
{
	for (size_t i = 0; i < sc_initial_versions_n; i++)
		if (strcmp(name, sc_initial_versions[i]) == 0)
			return true;
	return is_image_name(name);
}

/* SPDX-License-Identifier: MIT */
/*
 * The rules for names of versioned caches. Pure.
 */
#include "version/version_name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "slidecache/parse.h"

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
	(void)snprintf(out, SC_VERSION_NAME_MAX + 1, SC_IMAGE_PREFIX "%" PRId64, id);
}

bool sc_version_name_is_image(const char *name)
{
	return strncmp(name, SC_IMAGE_PREFIX, strlen(SC_IMAGE_PREFIX)) == 0;
}

int64_t sc_version_image_id(const char *name)
{
	const char *digits = name + strlen(SC_IMAGE_PREFIX);
	int64_t id = 0;

	if (!sc_version_name_is_image(name) || digits[0] == '0' ||
	    !sc_parse_i64(sc_bytes_str(digits), 1, INT64_MAX, &id))
		return 0;
	return id;
}

enum sc_status sc_version_name_check_named(const char *name, struct sc_err *err)
{
	if (!sc_version_name_is_image(name))
		return SC_OK;
	return sc_fail(err, SC_INVALID,
		       "cache name \"%s\": images are versioned without being started",
		       name);
}

enum sc_status sc_version_name_check_image(const char *name, struct sc_err *err)
{
	if (!sc_version_name_is_image(name) || sc_version_image_id(name) != 0)
		return SC_OK;
	return sc_version_fail_unknown(name, err);
}

enum sc_status sc_version_fail_unknown(const char *name, struct sc_err *err)
{
	return sc_fail(err, SC_NOT_FOUND, "no versioned cache \"%s\"", name);
}

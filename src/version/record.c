/* SPDX-License-Identifier: MIT */
/*
 * Encoding and decoding of a version's record, described in record.h. Pure. The reader
 * takes nothing that could not be a version: it goes into keys.
 */
#include "version/record.h"

#include <endian.h>
#include <string.h>

#define FORMAT	   1
#define AT_VERSION 1
#define AT_TIME	   (AT_VERSION + SC_VERSION_LEN)
#define AT_ACTOR   (AT_TIME + 8)

size_t sc_version_encode(const struct sc_version *v,
			 unsigned char out[SC_VERSION_RECORD_MAX])
{
	size_t actor = strnlen(v->changed_by, sizeof v->changed_by - 1);
	uint64_t at = htole64((uint64_t)v->changed_at_us);

	out[0] = FORMAT;
	memcpy(out + AT_VERSION, v->version, SC_VERSION_LEN);
	memcpy(out + AT_TIME, &at, sizeof at);
	memcpy(out + AT_ACTOR, v->changed_by, actor);
	return AT_ACTOR + actor;
}

static bool is_version(const unsigned char *s)
{
	for (size_t i = 0; i < SC_VERSION_LEN; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
		      (s[i] >= '0' && s[i] <= '9')))
			return false;
	return true;
}

bool sc_version_decode(struct sc_bytes name, struct sc_bytes record,
		       struct sc_version *out)
{
	struct sc_version v = { .name = "" };
	uint64_t at = 0;

	if (name.len < 1 || name.len > SC_VERSION_NAME_MAX || record.len < AT_ACTOR ||
	    record.len > SC_VERSION_RECORD_MAX || record.data[0] != FORMAT ||
	    !is_version(record.data + AT_VERSION))
		return false;
	memcpy(v.name, name.data, name.len);
	memcpy(v.version, record.data + AT_VERSION, SC_VERSION_LEN);
	memcpy(&at, record.data + AT_TIME, sizeof at);
	v.changed_at_us = (int64_t)le64toh(at);
	memcpy(v.changed_by, record.data + AT_ACTOR, record.len - AT_ACTOR);
	*out = v;
	return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * Encoding and decoding of a version's record, described in record.h. Pure. The reader
 * takes nothing that could not be a version: it goes into keys.
 */
#include "version/record.h"

#include <endian.h>
#include <string.h>

#define FORMAT	    2
#define AT_VERSION  1
#define AT_TIME	    (AT_VERSION + SC_VERSION_LEN)
#define AT_PREVIOUS (AT_TIME + 8)
#define AT_ACTOR    (AT_PREVIOUS + SC_VERSION_LEN)
/* Format 1 had no previous version: who came in its place. */
#define OLD_FORMAT 1
#define ACTOR_MAX  (SC_VERSION_RECORD_MAX - AT_ACTOR)

static const unsigned char none[SC_VERSION_LEN];

size_t sc_version_encode(const struct sc_version *v,
			 unsigned char out[SC_VERSION_RECORD_MAX])
{
	size_t actor = strnlen(v->changed_by, ACTOR_MAX);
	uint64_t at = htole64((uint64_t)v->changed_at_us);

	out[0] = FORMAT;
	memcpy(out + AT_VERSION, v->version, SC_VERSION_LEN);
	memcpy(out + AT_TIME, &at, sizeof at);
	memcpy(out + AT_PREVIOUS, v->previous[0] ? (const void *)v->previous : none,
	       SC_VERSION_LEN);
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

/* Where who begins; 0: it is no record. */
static size_t actor_at(struct sc_bytes record)
{
	size_t at = 0;

	if (record.len > 0)
		at = record.data[0] == FORMAT	    ? AT_ACTOR
		     : record.data[0] == OLD_FORMAT ? AT_PREVIOUS
						    : 0;
	return record.len >= at && record.len - at <= ACTOR_MAX ? at : 0;
}

static bool is_text(struct sc_bytes s)
{
	return s.len == 0 || !memchr(s.data, '\0', s.len);
}

/* False: it is neither a version nor none. */
static bool take_previous(const unsigned char *s, struct sc_version *v)
{
	if (memcmp(s, none, sizeof none) == 0)
		return true;
	memcpy(v->previous, s, SC_VERSION_LEN);
	return is_version(s);
}

bool sc_version_decode(struct sc_bytes name, struct sc_bytes record,
		       struct sc_version *out)
{
	struct sc_version v = { .name = "" };
	size_t actor = actor_at(record);
	uint64_t at = 0;

	if (name.len < 1 || name.len > SC_VERSION_NAME_MAX || !is_text(name) ||
	    actor == 0 || !is_version(record.data + AT_VERSION) ||
	    !is_text(sc_bytes_of(record.data + actor, record.len - actor)))
		return false;
	if (actor == AT_ACTOR && !take_previous(record.data + AT_PREVIOUS, &v))
		return false;
	memcpy(v.name, name.data, name.len);
	memcpy(v.version, record.data + AT_VERSION, SC_VERSION_LEN);
	memcpy(&at, record.data + AT_TIME, sizeof at);
	v.changed_at_us = (int64_t)le64toh(at);
	memcpy(v.changed_by, record.data + actor, record.len - actor);
	*out = v;
	return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * Status names and the one function that fills an error.
 */
#include "slidecache/status.h"

#undef sc_fail /* the analyzer's */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum sc_status sc_fail(struct sc_err *err, enum sc_status status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err->status = status;
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return status;
}

enum sc_status sc_fail_in(struct sc_err *err, const char *prefix)
{
	char old[sizeof(err->text)];

	memcpy(old, err->text, sizeof(old));
	(void)snprintf(err->text, sizeof(err->text), "%.100s: %.150s", prefix, old);
	return err->status;
}

const char *sc_status_name(enum sc_status status)
{
	static const char *const names[] = {
		[SC_OK] = "ok",
		[SC_MISS] = "miss",
		[SC_NOT_FOUND] = "not-found",
		[SC_INVALID] = "invalid",
		[SC_TOO_LARGE] = "too-large",
		[SC_DENIED] = "denied",
		[SC_UNREADABLE] = "unreadable",
		[SC_CHANGED] = "changed",
		[SC_UNAVAILABLE] = "unavailable",
		[SC_TIMEOUT] = "timeout",
		[SC_DAMAGED] = "damaged",
		[SC_METHOD] = "method",
		[SC_ABORTED] = "aborted",
		[SC_EXISTS] = "exists",
		[SC_STRANGER] = "stranger",
		[SC_MEDIA_TYPE] = "media-type",
		[SC_FIELD] = "field",
		[SC_FULL] = "full",
		[SC_THROTTLED] = "throttled",
		[SC_INTERNAL] = "internal",
	};

	return (size_t)status < sizeof(names) / sizeof(names[0]) ? names[status]
								 : "unknown";
}

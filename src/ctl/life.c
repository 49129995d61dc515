/* SPDX-License-Identifier: MIT */
/*
 * Lives: a number and a unit.
 */
#include "ctl/life.h"

#include "slidecache/parse.h"

static const struct {
	char unit;
	int64_t s;
} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', SC_DAY_S } };
#define UNITS (sizeof(units) / sizeof(units[0]))

enum sc_status sc_ctl_parse_life(const char *text, int max_days, int64_t *out_s,
				 struct sc_err *err)
{
	size_t digits = strspn(text, "0123456789");
	int64_t max_s = (int64_t)max_days * SC_DAY_S;
	uint64_t n = 0;

	for (size_t i = 0; i < UNITS; i++)
		if (text[digits] == units[i].unit && !text[digits + 1] &&
		    sc_parse_u64(sc_bytes_of(text, digits),
				 (uint64_t)(max_s / units[i].s), &n) &&
		    n > 0) {
			*out_s = (int64_t)n * units[i].s;
			return SC_OK;
		}
	return sc_fail(err, SC_INVALID,
		       "--expires wants a time like 30s, 15m, 1h or 7d, at most %dd, not "
		       "%.32s",
		       max_days, text);
}

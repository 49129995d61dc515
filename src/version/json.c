/* SPDX-License-Identifier: MIT */
/*
 * A version as people and programs read it, over HTTP and from the command line.
 */
#include "slidecache/version.h"

#include "slidecache/clock.h"
#include "slidecache/json.h"
#include "slidecache/ledger.h"

static void put_count(struct sc_buf *out, const char *key, uint64_t n)
{
	sc_json_key(out, key);
	sc_json_int(out, n < INT64_MAX ? (int64_t)n : INT64_MAX);
}

void sc_version_json(const struct sc_version *v, struct sc_buf *out)
{
	char time[SC_TIME_LEN];
	struct sc_held held = { .entries = 0 };

	if (v->previous[0] != '\0')
		held = sc_ledger_orphaned_by(v->previous);
	sc_time_text(v->changed_at_us, time);
	sc_json_begin(out, '{');
	sc_json_key(out, "version");
	sc_json_str(out, v->version);
	sc_json_key(out, "changed_at");
	sc_json_str(out, time);
	sc_json_key(out, "changed_by");
	sc_json_str(out, v->changed_by);
	put_count(out, "orphaned_entries", held.entries);
	put_count(out, "orphaned_bytes", held.bytes);
	sc_json_end(out, '}');
}

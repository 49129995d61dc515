/* SPDX-License-Identifier: MIT */
/*
 * A version as people and programs read it, over HTTP and from the command line.
 */
#include "slidecache/version.h"

#include <stdlib.h>

#include "slidecache/clock.h"
#include "slidecache/json.h"
#include "slidecache/ledger.h"

static void put_count(struct sc_buf *out, const char *key, uint64_t n)
{
	sc_json_key(out, key);
	sc_json_int(out, n < INT64_MAX ? (int64_t)n : INT64_MAX);
}

static void put_version(const struct sc_version *v, const struct sc_held *held,
			struct sc_buf *out)
{
	char time[SC_TIME_LEN];

	sc_time_text_utc(v->changed_at_us, time);
	sc_json_begin(out, '{');
	sc_json_key(out, "version");
	sc_json_str(out, v->version);
	sc_json_key(out, "changed_at");
	sc_json_str(out, time);
	sc_json_key(out, "changed_by");
	sc_json_str(out, v->changed_by);
	put_count(out, "orphaned_entries", held->entries);
	put_count(out, "orphaned_bytes", held->bytes);
	sc_json_end(out, '}');
}

void sc_version_json(const struct sc_version *v, struct sc_buf *out)
{
	const char *previous = v->previous;
	struct sc_held held;

	sc_ledger_orphaned_by_each(&previous, 1, &held);
	put_version(v, &held, out);
}

void sc_versions_json(const struct sc_version *v, size_t n, struct sc_buf *out)
{
	SC_AUTO_FREE struct sc_held *held = sc_alloc_array(n, sizeof(*held));
	SC_AUTO_FREE const char **previous = sc_alloc_array(n, sizeof(*previous));

	for (size_t i = 0; i < n; i++)
		previous[i] = v[i].previous;
	sc_ledger_orphaned_by_each(previous, n, held);
	sc_json_begin(out, '{');
	for (size_t i = 0; i < n; i++) {
		sc_json_key(out, v[i].name);
		put_version(&v[i], &held[i], out);
	}
	sc_json_end(out, '}');
}

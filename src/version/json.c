/* SPDX-License-Identifier: MIT */
/*
 * A version as people and programs read it, over HTTP and from the command line.
 */
#include "slidecache/version.h"

#include "slidecache/clock.h"
#include "slidecache/json.h"

void sc_version_json(const struct sc_version *v, struct sc_buf *out)
{
	char time[SC_TIME_LEN];

	sc_time_text(v->changed_at_us, time);
	sc_json_begin(out, '{');
	sc_json_key(out, "version");
	sc_json_str(out, v->version);
	sc_json_key(out, "changed_at");
	sc_json_str(out, time);
	sc_json_key(out, "changed_by");
	sc_json_str(out, v->changed_by);
	sc_json_end(out, '}');
}

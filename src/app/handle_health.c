/* SPDX-License-Identifier: MIT */
/*
 * /healthz: this worker answers. Touches no store and no slide.
 */
#include "app/context.h"

enum sc_status sc_handle_health(struct sc_request *rq, struct sc_response *rs,
				struct sc_err *err)
{
	(void)rq;
	(void)err;
	sc_json_response(rs);
	sc_response_header(rs, "Cache-Control", "no-store");
	sc_json_begin(&rs->body, '{');
	sc_json_key(&rs->body, "status");
	sc_json_str(&rs->body, "ok");
	sc_json_end(&rs->body, '}');
	return SC_OK;
}

/* SPDX-License-Identifier: MIT */
/*
 * change: what every request that changes something has to be, once its sender has shown
 * the right to: of no foreign page, and with a body that is an object. Handlers find
 * that in the context and look at its fields only.
 */
#include "app/body.h"
#include "app/context.h"

enum sc_status sc_mw_change(struct sc_request *rq, struct sc_response *rs,
			    struct sc_err *err)
{
	enum sc_status status = SC_OK;

	if (!(rq->method & (SC_POST | SC_PUT | SC_PATCH | SC_DELETE)))
		return sc_next(rq, rs, err);
	status = sc_check_origin(rq, err);
	if (!status)
		status = sc_body_read(rq->header(rq, "CONTENT_TYPE"),
				      rq->ctx->detail->takes_forms, rq->body,
				      &rq->ctx->body, err);
	if (status)
		return status;
	status = sc_next(rq, rs, err);
	json_decref(rq->ctx->body);
	rq->ctx->body = NULL;
	return status;
}

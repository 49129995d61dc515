/* SPDX-License-Identifier: MIT */
/*
 * auth: who asks. While no users are configured everybody is a stranger; credentials that
 * clients send all the same (EXACT's always do) are not looked at.
 */
#include "app/context.h"

enum sc_status sc_mw_auth(struct sc_request *rq, struct sc_response *rs,
			  struct sc_err *err)
{
	rq->ctx->caller.user = "";
	return sc_next(rq, rs, err);
}

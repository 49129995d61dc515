/* SPDX-License-Identifier: MIT */
/*
 * The middleware chain: an array and a position. Pure.
 */
#include "slidecache/http.h"

enum sc_status sc_next(struct sc_request *rq, struct sc_response *rs, struct sc_err *err)
{
	size_t at = rq->chain_at;
	enum sc_status status = SC_OK;

	if (at >= rq->chain->n)
		return sc_fail(err, SC_INTERNAL, "the middleware chain has no end");
	rq->chain_at = at + 1;
	status = rq->chain->fns[at](rq, rs, err);
	rq->chain_at = at;
	return status;
}

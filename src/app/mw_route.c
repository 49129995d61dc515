/* SPDX-License-Identifier: MIT */
/*
 * route: from the raw target to the row of the route table and the image it names.
 */
#include "app/context.h"

#include "slidecache/log.h"

/* SC_UNAVAILABLE: it may well be there, in a catalogue that cannot be read now. */
static enum sc_status find_image(struct sc_request *rq, struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;
	struct sc_err old;
	enum sc_status status = sc_catalogue_refresh(ctx->app->catalogue, &old);

	/* A catalogue that cannot be read anew stays as it is. */
	if (status)
		sc_log_error("%s", old.text);
	ctx->image = NULL;
	if (ctx->detail->names_image)
		ctx->image = sc_catalogue_find(ctx->app->catalogue, rq->args[0].number);
	/* Gone, or taken out of the catalogue: its id stays taken and leads nowhere. */
	if (ctx->image && ctx->image->state == SC_IMAGE_GONE)
		ctx->image = NULL;
	if (status == SC_UNAVAILABLE && ctx->detail->names_image && !ctx->image)
		return sc_fail(err, SC_UNAVAILABLE, "the catalogue cannot be read");
	return SC_OK;
}

enum sc_status sc_resolve(struct sc_request *rq, unsigned *allowed, struct sc_err *err)
{
	enum sc_status status = sc_target_parse(rq, rq->ctx->app->conf->base_path, err);

	if (!status)
		status = sc_route_match(sc_routes, sc_routes_count, rq, allowed, err);
	if (status)
		return status;
	rq->ctx->detail = rq->route->detail;
	return find_image(rq, err);
}

enum sc_status sc_mw_route(struct sc_request *rq, struct sc_response *rs,
			   struct sc_err *err)
{
	unsigned allowed = 0;
	enum sc_status status = sc_resolve(rq, &allowed, err);

	if (status == SC_METHOD)
		sc_response_header(rs, "Allow", sc_methods_text(allowed, rq->arena));
	/* Who may not manage does not learn which managing routes there are. */
	if (status == SC_NOT_FOUND && !(rq->method & (SC_GET | SC_HEAD | SC_OTHER))) {
		struct sc_err denied;

		if (sc_identify(rq, &denied) ||
		    sc_check_right(rq, SC_RIGHT_MANAGE, 0, &denied)) {
			*err = denied;
			return denied.status;
		}
	}
	if (status)
		return status;
	return sc_next(rq, rs, err);
}

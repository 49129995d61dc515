/* SPDX-License-Identifier: MIT */
/*
 * route: from the raw target to the row of the route table and the image it names.
 */
#include "app/context.h"

#include "slidecache/log.h"

enum sc_status sc_fail_no_image(const struct sc_request *rq, int64_t image,
				struct sc_err *err)
{
	if (rq->ctx->catalogue_lost)
		return sc_fail(err, SC_UNAVAILABLE, "the catalogue cannot be read");
	return sc_fail(err, SC_NOT_FOUND, "no image has the id %lld", (long long)image);
}

/* That it is not there is said when it is known who asks. */
static void find_image(struct sc_request *rq)
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
	ctx->catalogue_lost = status == SC_UNAVAILABLE;
}

enum sc_status sc_resolve(struct sc_request *rq, unsigned *allowed, struct sc_err *err)
{
	enum sc_status status = sc_target_parse(rq, rq->ctx->app->conf->base_path, err);

	if (!status)
		status = sc_route_match(sc_routes, sc_routes_count, rq, allowed, err);
	if (status)
		return status;
	rq->ctx->detail = rq->route->detail;
	find_image(rq);
	return SC_OK;
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
		    sc_check_some(rq, SC_RIGHT_MANAGE, &denied)) {
			*err = denied;
			return denied.status;
		}
	}
	if (status)
		return status;
	return sc_next(rq, rs, err);
}

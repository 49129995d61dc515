/* SPDX-License-Identifier: MIT */
/*
 * A slide's associated images (label, macro, thumbnail): the list, and one as PNG. A
 * label may name a patient: they have a right of their own, no route unless
 * slides.associated_images is on, and are kept nowhere, in no cache and no browser.
 */
#include "app/context.h"

#include "slidecache/metrics.h"
#include "slidecache/quarantine.h"

/* To those who may not see them the middlewares have said so before. */
static enum sc_status check_on(const struct sc_app *app, struct sc_err *err)
{
	if (app->conf->slides.associated_images)
		return SC_OK;
	return sc_fail(err, SC_NOT_FOUND,
		       "associated images are not served here: the option "
		       "slides.associated_images is off");
}

/* Of the image's own file; the kind of item does not matter. */
static enum sc_status plan(struct sc_request *rq, struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;
	const struct sc_item item = {
		.kind = SC_KIND_INFO, .image = ctx->image->id, .z = 1, .frame = 1
	};
	const struct sc_plan_versions versions = {
		.text = "",
		.epoch = ctx->cache_versions->epoch,
	};

	if (check_on(ctx->app, err) != SC_OK)
		return err->status;
	if (rq->peer_gone && rq->peer_gone(rq)) {
		sc_count(SC_M_PEER_GONE, 1);
		return sc_fail(err, SC_ABORTED, "the client went away");
	}
	return sc_item_plan(ctx->app->renderer, ctx->image, &item, &versions, &ctx->plan,
			    err);
}

static enum sc_status answer(struct sc_request *rq, struct sc_response *rs,
			     enum sc_status status, const char *mime)
{
	/* What comes now is no deed of the slide's. */
	sc_mark_clear();
	if (status == SC_UNAVAILABLE)
		sc_say_quarantine(rq, rs);
	if (status)
		return status;
	rs->status = 200;
	rs->content_type = mime;
	sc_response_header(rs, "Cache-Control", "private, no-store");
	sc_response_header(rs, "X-Content-Type-Options", "nosniff");
	return SC_OK;
}

static void put_list(const struct sc_associated_list *list, struct sc_buf *out)
{
	sc_json_begin(out, '{');
	sc_json_key(out, "associated");
	sc_json_begin(out, '[');
	for (size_t i = 0; i < list->n; i++) {
		sc_json_begin(out, '{');
		sc_json_key(out, "name");
		sc_json_str(out, list->images[i].name);
		sc_json_key(out, "width");
		sc_json_int(out, list->images[i].width);
		sc_json_key(out, "height");
		sc_json_int(out, list->images[i].height);
		sc_json_end(out, '}');
	}
	sc_json_end(out, ']');
	sc_json_end(out, '}');
}

enum sc_status sc_handle_associated(struct sc_request *rq, struct sc_response *rs,
				    struct sc_err *err)
{
	struct sc_associated_list list = { .n = 0 };
	struct sc_context *ctx = rq->ctx;

	if (plan(rq, err) != SC_OK)
		return err->status;
	enum sc_status status =
		sc_render_associated_list(ctx->app->renderer, &ctx->plan, &list, err);
	if (!status)
		put_list(&list, &rs->body);
	return answer(rq, rs, status, "application/json");
}

enum sc_status sc_handle_associated_image(struct sc_request *rq, struct sc_response *rs,
					  struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;
	enum sc_status status = plan(rq, err);

	if (status)
		return status;
	status = sc_render_associated(ctx->app->renderer, &ctx->plan, rq->args[1].text,
				      &rs->body, err);
	return answer(rq, rs, status, sc_encoder_of(SC_PNG)->mime);
}

/* SPDX-License-Identifier: MIT */
/*
 * auth: who asks. Whoever reads what anybody may read is a stranger, and credentials that
 * clients send all the same (EXACT's always do) are not looked at: wrong ones must not
 * close what is open, and right ones are not hashed for nothing. So who reads an image is
 * found out when a stranger may not, see mw_acl.c; nor is that of whoever comes with a
 * URL that itself lets them read (signed.c). What a list holds depends on who asks.
 */
#include "app/context.h"

#include <strings.h>

static enum sc_asked when_to_ask(const struct sc_context *ctx)
{
	unsigned right = ctx->detail->right;

	if (right == SC_RIGHT_NONE ||
	    (right == SC_RIGHT_READ && !sc_acl_is_set(ctx->app->acl)))
		return SC_ASKED_NEVER;
	return right == SC_RIGHT_READ && ctx->detail->names_image ? SC_ASKED_LATER
								  : SC_ASKED_NOW;
}

enum sc_status sc_mw_auth(struct sc_request *rq, struct sc_response *rs,
			  struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;
	enum sc_status status = SC_OK;

	ctx->caller = (struct sc_caller){ .rights = SC_RIGHT_READ };
	ctx->caller_error = NULL;
	ctx->asked = when_to_ask(ctx);
	if (ctx->asked == SC_ASKED_NOW)
		status = sc_identify(rq, err);
	return status ? status : sc_next(rq, rs, err);
}

enum sc_status sc_identify_once(struct sc_request *rq, struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;

	if (ctx->caller_error) {
		*err = *ctx->caller_error;
		return err->status;
	}
	if (ctx->asked != SC_ASKED_LATER)
		return SC_OK;
	if (sc_identify(rq, err) == SC_OK) {
		ctx->asked = SC_ASKED_NOW;
		return SC_OK;
	}
	ctx->caller_error = sc_arena_alloc(rq->arena, sizeof(*err));
	*ctx->caller_error = *err;
	return err->status;
}

enum sc_status sc_identify(struct sc_request *rq, struct sc_err *err)
{
	const struct sc_credentials who = {
		.authorization = rq->header(rq, "HTTP_AUTHORIZATION"),
		.remote_user = rq->remote_user,
		.address = rq->remote_addr,
	};

	return sc_access_identify(rq->ctx->app->access, &who, &rq->ctx->caller, err);
}

static bool sent_token(const struct sc_request *rq)
{
	const char *authorization = rq->header(rq, "HTTP_AUTHORIZATION");

	return authorization && strncasecmp(authorization, "bearer", 6) == 0 &&
	       (authorization[6] == ' ' || authorization[6] == '\0');
}

/* RFC 9110, 11.6.1; RFC 7617; RFC 6750, 3: who sent no token gets no reason. */
const char *sc_challenge(const struct sc_request *rq)
{
	const struct sc_access *access = rq->ctx->app->access;
	bool tokens = sc_access_takes_tokens(access);
	bool passwords = sc_access_takes_passwords(access) || !tokens;

	return sc_arena_printf(
		rq->arena, "%s%s%s%s",
		passwords ? "Basic realm=\"slidecache\", charset=\"UTF-8\"" : "",
		passwords && tokens ? ", " : "",
		tokens ? "Bearer realm=\"slidecache\"" : "",
		tokens && sent_token(rq) ? ", error=\"invalid_token\"" : "");
}

const char *sc_throttled_text(const struct sc_request *rq)
{
	unsigned left = sc_access_throttled_s(rq->remote_addr);

	/* The minute may just have ended. */
	return sc_arena_printf(rq->arena, "%u", left ? left : 1);
}

/* SPDX-License-Identifier: MIT */
/*
 * auth: who asks. Where anybody may read, readers are strangers, and credentials that
 * clients send all the same (EXACT's always do) are not looked at; nor are those of
 * whoever comes with a URL that itself lets them read (signed.c).
 */
#include "app/context.h"

#include <strings.h>

static bool depends_on_caller(const struct sc_context *ctx)
{
	unsigned right = ctx->detail->right;

	if (right == SC_RIGHT_READ)
		return sc_acl_is_set(ctx->app->acl);
	return right != SC_RIGHT_NONE;
}

enum sc_status sc_mw_auth(struct sc_request *rq, struct sc_response *rs,
			  struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;
	enum sc_status status = SC_OK;

	ctx->caller = (struct sc_caller){ .rights = SC_RIGHT_READ };
	if (depends_on_caller(ctx) && !sc_is_signed(rq, rq->args[0].number))
		status = sc_identify(rq, err);
	return status ? status : sc_next(rq, rs, err);
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

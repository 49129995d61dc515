/* SPDX-License-Identifier: MIT */
/*
 * ?sig=SIGNATURE: a URL that itself lets read the image it names, see signature.h. It
 * only grants: one that is wrong takes nothing away from whoever may read anyway, but
 * says why it did not help when they may not. It never lets anybody see a label or a
 * list, or change anything; on those routes it is a parameter that means nothing.
 */
#include "app/context.h"

#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "slidecache/parse.h"
#include "slidecache/signature.h"

#define NAME	 "sig"
#define QUIET_US (10 * SC_US_PER_S)

/* Every request with a signature would meet it again. */
static void log_key_error(struct sc_app *app, const struct sc_err *err)
{
	int64_t now_us = sc_mono_us();

	if (now_us < app->signer_quiet_until_us)
		return;
	app->signer_quiet_until_us = now_us + QUIET_US;
	sc_log_error("%s; no signed URL is taken meanwhile", err->text);
}

static enum sc_status check(struct sc_app *app, const char *text, int64_t image,
			    struct sc_err *why)
{
	const char *file = app->conf->access.signing_key_file;
	enum sc_status status = SC_OK;

	if (!*file)
		return sc_fail(why, SC_DENIED,
			       "the URL is signed, and this service takes no signed URLs "
			       "(access.signing_key_file)");
	if (!app->signer)
		status = sc_signer_new(file, &app->signer, why);
	if (!status)
		status = sc_signature_check(app->signer, text, image,
					    sc_wall_us() / SC_US_PER_S, why);
	if (status == SC_OK || (status == SC_DENIED && app->signer))
		return status;
	log_key_error(app, why);
	return sc_fail(why, SC_UNAVAILABLE, "signed URLs cannot be checked now");
}

static enum sc_signed look(struct sc_request *rq, struct sc_err *why)
{
	struct sc_context *ctx = rq->ctx;
	const char *text = NULL;

	/* Where anybody may read there is nothing to grant. */
	if (ctx->detail->right != SC_RIGHT_READ || !ctx->detail->names_image ||
	    !*rq->query || !sc_acl_is_set(ctx->app->acl))
		return SC_SIGNED_NOT;
	if (sc_query_get(rq, NAME, &text, why))
		text = "";
	if (!text)
		return SC_SIGNED_NOT;
	return check(ctx->app, text, rq->args[0].number, why) == SC_OK ? SC_SIGNED_GOOD
								       : SC_SIGNED_BAD;
}

static enum sc_signed look_once(struct sc_request *rq)
{
	struct sc_context *ctx = rq->ctx;
	struct sc_err why;

	if (ctx->url_signed != SC_SIGNED_UNKNOWN)
		return ctx->url_signed;
	ctx->url_signed = look(rq, &why);
	if (ctx->url_signed == SC_SIGNED_BAD) {
		ctx->signature_error = sc_arena_alloc(rq->arena, sizeof(why));
		*ctx->signature_error = why;
	}
	return ctx->url_signed;
}

bool sc_is_signed(struct sc_request *rq, int64_t image)
{
	return look_once(rq) == SC_SIGNED_GOOD && rq->args[0].number == image;
}

enum sc_status sc_refuse_signed(struct sc_request *rq, enum sc_status status,
				struct sc_err *err)
{
	bool refused =
		status == SC_STRANGER || status == SC_DENIED || status == SC_NOT_FOUND;

	if (!refused || look_once(rq) != SC_SIGNED_BAD)
		return status;
	*err = *rq->ctx->signature_error;
	return err->status;
}

/* However it is written: "%73ig" is "sig". */
static bool is_signature(const char *parameter, size_t n)
{
	const char *equals = memchr(parameter, '=', n);
	char name[sizeof(NAME)];

	return equals &&
	       sc_percent_decode((struct sc_bytes){ (const unsigned char *)parameter,
						    (size_t)(equals - parameter) },
				 true, name, sizeof(name)) &&
	       strcmp(name, NAME) == 0;
}

const char *sc_uri_for_log(const struct sc_request *rq)
{
	size_t path = strcspn(rq->uri, "?");
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_buf_append(&out, rq->uri, path);
	for (const char *p = rq->uri + path; *p;) {
		size_t n = 1 + strcspn(p + 1, "&");
		bool is_it = is_signature(p + 1, n - 1);

		sc_buf_append(&out, p, is_it ? 2 + strcspn(p + 1, "=") : n);
		sc_buf_str(&out, is_it ? "***" : "");
		p += n;
	}
	return sc_arena_str(rq->arena, sc_buf_bytes(&out));
}

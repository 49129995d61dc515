/* SPDX-License-Identifier: MIT */
/*
 * error: the only place that turns an error into a response, and that writes it to the
 * log. A request whose file was replaced under it starts over from here.
 */
#include "app/audit.h"

#include "slidecache/log.h"

#define TRIES 4 /* a file that changes faster than it can be read is answered 503 */

static const struct {
	enum sc_status status;
	int http;
} codes[] = {
	{ SC_NOT_FOUND, 404 },	 { SC_INVALID, 400 },	 { SC_TOO_LARGE, 414 },
	{ SC_DENIED, 403 },	 { SC_UNREADABLE, 422 }, { SC_CHANGED, 503 },
	{ SC_UNAVAILABLE, 503 }, { SC_TIMEOUT, 503 },	 { SC_METHOD, 405 },
	{ SC_ABORTED, 499 },	 { SC_EXISTS, 409 },	 { SC_STRANGER, 401 },
	{ SC_MEDIA_TYPE, 415 },	 { SC_FIELD, 422 },	 { SC_FULL, 429 },
	{ SC_THROTTLED, 429 },
};

static int http_code(enum sc_status status)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].status == status)
			return codes[i].http;
	return 500;
}

static void write_error(struct sc_request *rq, struct sc_response *rs,
			const struct sc_err *err)
{
	/* Headers that say how to go on outlive the reset. */
	const char *allow = sc_response_find(rs, "Allow");
	const char *location = sc_response_find(rs, "Location");
	const char *retry = sc_response_find(rs, "Retry-After");
	int code = http_code(err->status);

	sc_response_reset(rs);
	rs->status = code;
	rs->content_type = "application/json";
	if (allow)
		sc_response_header(rs, "Allow", allow);
	if (location)
		sc_response_header(rs, "Location", location);
	if (code == 401)
		sc_response_header(rs, "WWW-Authenticate", sc_challenge(rq));
	if (err->status == SC_THROTTLED)
		retry = sc_throttled_text(rq);
	if (code == 503 || code == 429)
		sc_response_header(rs, "Retry-After", retry ? retry : "1");
	sc_response_header(rs, "Cache-Control", "no-store");
	sc_response_header(rs, "X-Content-Type-Options", "nosniff");
	sc_json_begin(&rs->body, '{');
	sc_json_key(&rs->body, "detail");
	sc_json_str(&rs->body,
		    code == 500 ? "internal error; the log has the reason" : err->text);
	sc_json_end(&rs->body, '}');
	if (code >= 500)
		sc_log_error("%.16s %.200s: %s", rq->method_text, sc_uri_for_log(rq),
			     err->text);
	if (rq->method & (SC_POST | SC_PUT | SC_PATCH | SC_DELETE))
		sc_audit_refused(rq, code, err->text);
}

enum sc_status sc_mw_error(struct sc_request *rq, struct sc_response *rs,
			   struct sc_err *err)
{
	enum sc_status status = SC_CHANGED;

	for (int i = 0; i < TRIES && status == SC_CHANGED; i++) {
		sc_response_reset(rs);
		status = sc_next(rq, rs, err);
	}
	if (status)
		write_error(rq, rs, err);
	return SC_OK;
}

/* SPDX-License-Identifier: MIT */
/*
 * Who changed what, from where, see audit.h. The log itself escapes what is no printable
 * ASCII; here it is seen to that a name cannot pass for the words around it.
 */
#include "app/audit.h"

#include <stdio.h>

#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "slidecache/parse.h"

#define NAMES_MAX  1500 /* bytes of names in a line of the log, which has 2048 */
#define TARGET_MAX 400	/* bytes of a refused request's path in it */

/* As many bytes of the name as there is room for, cut between characters. */
void sc_actor(const struct sc_caller *caller, char out[SC_ACTOR_MAX + 1])
{
	const char *how = caller->kind == SC_CALLER_TOKEN ? " (token)" : " (http)";
	size_t n = strnlen(caller->name, SC_ACTOR_MAX - strlen(how));

	while (n > 0 && !sc_utf8_valid(sc_bytes_of(caller->name, n)))
		n--;
	(void)snprintf(out, SC_ACTOR_MAX + 1, "%.*s%s", (int)n, caller->name, how);
}

/* also: a further byte that stays as it is; 0: none. */
static void put_word(struct sc_buf *out, const char *text, char also)
{
	for (; *text; text++) {
		char c = *text;
		bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

		if (letter || (c >= '0' && c <= '9') || strchr("._@+-", c) || c == also)
			sc_buf_append(out, &c, 1);
		else
			sc_buf_printf(out, "%%%02X", (unsigned)(unsigned char)c);
	}
}

static void put_caller(struct sc_buf *out, const struct sc_caller *caller)
{
	if (caller->kind == SC_CALLER_STRANGER) {
		sc_buf_str(out, "(stranger)");
		return;
	}
	sc_buf_str(out, caller->kind == SC_CALLER_TOKEN ? "token:" : "");
	put_word(out, caller->name, 0);
}

/* Who and from where come first: of what was done the end may be left out. */
static void put_head(struct sc_buf *out, const struct sc_request *rq)
{
	sc_buf_str(out, "audit: ");
	put_caller(out, &rq->ctx->caller);
	sc_buf_str(out, " from ");
	put_word(out, *rq->remote_addr ? rq->remote_addr : "?", ':');
	sc_buf_str(out, ": ");
}

void sc_audit(const struct sc_request *rq, const char *done)
{
	SC_AUTO_BUF line = SC_BUF_INIT;

	put_head(&line, rq);
	sc_log_info("%s%s", (const char *)line.data, done);
}

void sc_audit_names(const struct sc_request *rq, const char *done,
		    const char *const *names, size_t n)
{
	SC_AUTO_BUF list = SC_BUF_INIT;
	size_t i = 0;

	sc_buf_printf(&list, "%s%s", done, n > 0 ? "" : " all versioned caches");
	for (; i < n && list.len < NAMES_MAX; i++)
		sc_buf_printf(&list, "%s %s", i > 0 ? "," : "", names[i]);
	if (i < n)
		sc_buf_printf(&list, " and %zu more", n - i);
	sc_audit(rq, (const char *)list.data);
}

/* A second after one line of a stranger's the next one has its turn. */
static bool is_quiet(const struct sc_request *rq)
{
	struct sc_app *app = rq->ctx->app;
	int64_t now = sc_mono_us();

	if (rq->ctx->caller.kind != SC_CALLER_STRANGER)
		return false;
	if (now < app->strangers_quiet_until_us)
		return true;
	app->strangers_quiet_until_us = now + SC_US_PER_S;
	return false;
}

/* Without the query, which may hold a signature. */
void sc_audit_refused(const struct sc_request *rq, int http, const char *sentence)
{
	SC_AUTO_BUF line = SC_BUF_INIT;
	size_t path = strcspn(rq->uri, "?#");

	if (is_quiet(rq))
		return;
	put_head(&line, rq);
	sc_log_warning("%srefused %d: %.16s %.*s: %s", (const char *)line.data, http,
		       rq->method_text, (int)(path < TARGET_MAX ? path : TARGET_MAX),
		       rq->uri, sentence);
}

/* SPDX-License-Identifier: MIT */
/*
 * A tiny application in place of src/app, and the few calls that the server makes of the
 * layers below it. Defined here, they win over the archive's. Paths say what is to
 * happen: /hold, /gone, /abort, /none, /pid, /big, /slow, /grow, /read-abort, /read-hold;
 * any other one is echoed.
 */
#ifndef SC_TESTS_FAKE_APP_H
#define SC_TESTS_FAKE_APP_H

#include "folder.h"
#include "slidecache/app.h"
#include "slidecache/catalogue.h"
#include "slidecache/quarantine.h"

#define BIG_BODY   4000000
#define SLOW_US	   (3 * SC_US_PER_S / 10)
#define GROW_BYTES ((size_t)64 << 20)

/* It has one of the stores open, so that a stop finds something to sync. */
struct sc_app {
	struct sc_cache *cache;
};

enum sc_status sc_app_open(const struct sc_conf *conf, enum sc_app_use use,
			   struct sc_app **out, struct sc_err *err)
{
	struct sc_cache_options o = sc_app_cache_options(conf, SC_CACHE_DEFAULT);
	struct sc_cache *cache = NULL;

	(void)use;
	if (access(path_in("refuse"), F_OK) == 0)
		return sc_fail(err, SC_UNAVAILABLE, "the test wants no application");
	if (sc_cache_open(&o, &cache, err) != SC_OK)
		return err->status;
	*out = sc_alloc(sizeof(**out));
	(*out)->cache = cache;
	return SC_OK;
}

void sc_app_close(struct sc_app *a)
{
	if (a)
		sc_cache_close(a->cache);
	free(a);
}

void sc_app_after(struct sc_app *a)
{
	(void)a;
}

void sc_app_idle(struct sc_app *a)
{
	(void)a;
	mark("idle");
}

/* /gone: waits until the client is gone, and leaves a mark. */
static void wait_gone(const struct sc_request *rq)
{
	int64_t end = sc_mono_us() + DEADLINE_US;

	mark("gone-began");
	while (sc_mono_us() < end && !rq->peer_gone(rq))
		sc_sleep_us(1000);
	if (rq->peer_gone(rq))
		mark("gone");
}

/* /hold: is busy until the test lays down "release". */
static void hold(void)
{
	mark("held");
	while (access(path_in("release"), F_OK) != 0)
		sc_sleep_us(1000);
}

/* /grow: memory that is never given back. */
static void grow(void)
{
	static char *kept[64];
	static size_t n;

	kept[n] = sc_alloc(GROW_BYTES);
	memset(kept[n], 1, GROW_BYTES);
	n = (n + 1) % 64;
}

/* /read-...: as a source does before it reads a slide. False: it is in quarantine. */
static bool read_slide(struct sc_response *rs)
{
	static const struct sc_identity id = { .inode = 7 };
	struct sc_quarantine *q = sc_quarantine_new(path_in("state/quarantine.json"));
	struct sc_err err;
	bool admitted = sc_quarantine_admit(q, "a/b.svs", &id, &err) == SC_OK;

	sc_quarantine_free(q);
	if (!admitted)
		rs->status = 503;
	return admitted;
}

static void answer_echo(const struct sc_request *rq, struct sc_response *rs)
{
	const char *x = rq->header(rq, "HTTP_X_TEST");

	sc_buf_printf(&rs->body, "%s %s x=%s body=%zu:", rq->method_text, rq->uri,
		      x ? x : "NULL", rq->body.len);
	sc_buf_append(&rs->body, rq->body.data, rq->body.len < 20 ? rq->body.len : 20);
}

static void answer_big(struct sc_response *rs)
{
	for (int i = 0; i < BIG_BODY / 4; i++) {
		unsigned char word[4] = { (unsigned char)(i >> 24),
					  (unsigned char)(i >> 16),
					  (unsigned char)(i >> 8), (unsigned char)i };

		sc_buf_append(&rs->body, word, 4);
	}
}

void sc_app_handle(struct sc_app *a, struct sc_request *rq, struct sc_response *rs)
{
	(void)a;
	rs->status = 200;
	rs->content_type = "text/plain";
	if (strcmp(rq->uri, "/hold") == 0)
		hold();
	else if (strcmp(rq->uri, "/gone") == 0)
		wait_gone(rq);
	else if (strcmp(rq->uri, "/abort") == 0)
		abort();
	else if (strcmp(rq->uri, "/none") == 0)
		rs->status = 204;
	else if (strcmp(rq->uri, "/slow") == 0)
		sc_sleep_us(SLOW_US);
	else if (strcmp(rq->uri, "/grow") == 0)
		grow();
	else if (strcmp(rq->uri, "/read-abort") == 0 && read_slide(rs))
		abort();
	else if (strcmp(rq->uri, "/read-hold") == 0 && read_slide(rs))
		hold();
	if (strcmp(rq->uri, "/pid") == 0)
		sc_buf_printf(&rs->body, "%d", (int)getpid());
	else if (strcmp(rq->uri, "/big") == 0)
		answer_big(rs);
	else
		answer_echo(rq, rs);
}

enum sc_status sc_catalogue_scan_found(const char *path, const char *root,
				       sc_scan_found_fn found, void *arg,
				       struct sc_scan_result *out, struct sc_err *err)
{
	(void)path, (void)root, (void)found, (void)arg, (void)err;
	mark("scan-began");
	while (access(path_in("slow-scan"), F_OK) == 0)
		sc_sleep_us(1000);
	mark("scanned");
	*out = (struct sc_scan_result){ .added = 1, .total = 1 };
	return SC_OK;
}

enum sc_status sc_catalogue_scan(const char *path, const char *root,
				 struct sc_scan_result *out, struct sc_err *err)
{
	return sc_catalogue_scan_found(path, root, NULL, NULL, out, err);
}

#endif

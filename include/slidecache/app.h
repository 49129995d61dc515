/* SPDX-License-Identifier: MIT */
/*
 * The application: one request in, one response out.
 *
 * What a worker opens after fork (version store, caches, catalogue, slides) and the chain
 * log -> error -> auth -> cache_versions -> acl -> conditional -> cache -> handler.
 * One handle a process, one request at a time.
 */
#ifndef SLIDECACHE_APP_H
#define SLIDECACHE_APP_H

#include "slidecache/conf.h"
#include "slidecache/http.h"

struct sc_app;

/* conf must outlive the handle. */
SC_MUST enum sc_status sc_app_open(const struct sc_conf *conf, struct sc_app **out,
				   struct sc_err *err);
void sc_app_close(struct sc_app *a);
/* Always leaves a complete response: errors become a status and {"detail": "..."}. */
void sc_app_handle(struct sc_app *a, struct sc_request *rq, struct sc_response *rs);
/* Once in a while, between two requests: closes idle slides, looks for dead readers. */
void sc_app_idle(struct sc_app *a);

#endif

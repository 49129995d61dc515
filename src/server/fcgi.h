/* SPDX-License-Identifier: MIT */
/*
 * FastCGI: one request from an accepted connection, one response back.
 *
 * The only place that knows libfcgi. A connection carries one request and is closed
 * after it, whatever the web server asked for. It reads and writes as patience.h says,
 * and what a web server may send is intake.h's. Signals must be blocked from sc_fcgi_read
 * to sc_fcgi_end.
 */
#ifndef SC_SERVER_FCGI_H
#define SC_SERVER_FCGI_H

#include "intake.h"
#include "slidecache/http.h"

struct sc_fcgi;

/* Installs libfcgi's process-wide state, signal handlers too: set your own afterwards. */
SC_MUST enum sc_status sc_fcgi_open(struct sc_fcgi **out, struct sc_err *err);
void sc_fcgi_close(struct sc_fcgi *f);
/* Where those that wait for a worker queue: patience with a slow peer is shorter when
 * there is one. Without it nobody waits. */
void sc_fcgi_watch(struct sc_fcgi *f, int listener);

/*
 * Reads a request from fd, which now belongs to f. SC_OK: rq is complete. SC_UNAVAILABLE:
 * no request came; nobody is to be answered. Otherwise the request is refused and rs
 * holds the answer. Always call sc_fcgi_end afterwards.
 */
SC_MUST enum sc_status sc_fcgi_read(struct sc_fcgi *f, int fd, struct sc_request *rq,
				    struct sc_response *rs, struct sc_err *err);
/* SC_UNAVAILABLE: the web server has gone. SC_TIMEOUT: it takes it too slowly, which is
 * counted and logged here. */
SC_MUST enum sc_status sc_fcgi_write(struct sc_fcgi *f, const struct sc_request *rq,
				     const struct sc_response *rs, struct sc_err *err);
/* Closes the connection; what rq pointed to is gone. */
void sc_fcgi_end(struct sc_fcgi *f);

#endif

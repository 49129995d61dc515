/* SPDX-License-Identifier: MIT */
/*
 * Metrics: counters that all processes of the service share.
 *
 * One table (SC_METRICS) names each counter and says what it counts. The block is a
 * file below state_dir, mapped by the master before fork and read by slidecachectl.
 * A process that never called sc_metrics_map counts into private memory: counting
 * always works. Counters only grow; relaxed atomic adds, any process, any thread.
 *
 * A program with libslidecache reads sc_cache_metric_value(slot, SC_CM_HITS), with the
 * slot that it gave to sc_cache_open(); what SC_METRICS counts is the service's.
 */
#ifndef SLIDECACHE_METRICS_H
#define SLIDECACHE_METRICS_H

#include <stdint.h>

#include "slidecache/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SC_METRICS(X)                                                                    \
	X(REQUESTS, "requests", "requests answered")                                     \
	X(RENDERED, "rendered", "tiles, thumbnails and patches rendered")                \
	X(SHARED, "shared", "requests that took what another worker rendered")           \
	X(CHANGED, "changed", "renders dropped because the file was replaced")           \
	X(SLIDE_OPENS, "slide_opens", "slides opened")                                   \
	X(SLIDE_ERRORS, "slide_errors", "slides or regions that could not be read")      \
	X(PEER_GONE, "peer_gone", "requests dropped because the client had gone")        \
	X(PEER_REFUSED, "peer_refused", "connections refused: not an allowed user")      \
	X(CONN_ERRORS, "connection_errors", "connections without a complete request")    \
	X(WORKER_STARTS, "worker_starts", "workers forked")                              \
	X(WORKER_DEATHS, "worker_deaths", "workers that ended abnormally")               \
	X(DEADLINE_KILLS, "deadline_kills", "workers killed over the request deadline")  \
	X(WORKERS_RETIRED, "workers_retired", "workers replaced in order")               \
	X(SLOW_PEERS, "slow_peers",                                                      \
	  "connections ended because the web server sent or took too slowly")            \
	X(SHED, "shed", "connections answered 503 because too many waited")              \
	X(STARVED, "starved", "pauses for want of descriptors or memory")                \
	X(RELOADS, "reloads", "configurations taken over while running")                 \
	X(RELOAD_ERRORS, "reload_errors", "configurations refused while running")        \
	X(STRIKES, "strikes", "slides that a worker died of, each time")                 \
	X(QUARANTINED, "quarantined", "slides put into quarantine")                      \
	X(BAD_CREDENTIALS, "bad_credentials", "requests whose credentials were wrong")   \
	X(PASSWORDS_CHECKED, "passwords_checked",                                        \
	  "passwords hashed to check them, as none of them was remembered")              \
	X(THROTTLED, "throttled",                                                        \
	  "requests whose credentials were not looked at, after too many wrong ones")    \
	X(FORBIDDEN, "forbidden", "requests for what the caller has no right to")        \
	X(INVALIDATIONS, "invalidations",                                                \
	  "names that got a new version through the service")                            \
	X(VERSION_ERRORS, "version_errors", "version store out of reach")                \
	X(TILES_DECODED, "tiles_decoded",                                                \
	  "stored tiles decoded by slidecache itself, once each while they are kept")

enum sc_metric {
#define SC_METRIC_ENUM(id, name, help) SC_M_##id,
	SC_METRICS(SC_METRIC_ENUM)
#undef SC_METRIC_ENUM
		SC_METRIC_COUNT
};

/* What is now, where counters say what has been. Set by the one process that knows. */
#define SC_GAUGES(X)                                                                     \
	X(WORKERS, "workers", "workers that take requests")                              \
	X(WORKERS_BUSY, "workers_busy", "workers that have a request")                   \
	X(WAITING, "waiting", "connections that wait for a worker")

enum sc_gauge {
#define SC_METRIC_ENUM(id, name, help) SC_G_##id,
	SC_GAUGES(SC_METRIC_ENUM)
#undef SC_METRIC_ENUM
		SC_GAUGE_COUNT
};

/* Counters of one named cache; SC_CACHE_SLOTS caches at most, by their slot number. */
#define SC_CACHE_METRICS(X)                                                              \
	X(HITS, "hits", "entries found and valid")                                       \
	X(MISSES, "misses", "entries not found")                                         \
	X(STORES, "stores", "entries stored")                                            \
	X(ERRORS, "errors",                                                              \
	  "calls that the backend could not do, of any of these kinds:")                 \
	X(REFUSED, "errors_refused", "no connection to the server")                      \
	X(TIMEOUTS, "errors_timeout", "no answer before the deadline")                   \
	X(CLOSED, "errors_closed", "the server ended the connection")                    \
	X(PROTOCOL, "errors_protocol", "answers that no such server gives")              \
	X(FULL, "errors_full", "the server or the disk takes nothing more")              \
	X(READ_ONLY, "errors_read_only", "the server takes no writes")                   \
	X(LATER, "errors_busy", "the server is loading or busy")                         \
	X(DENIED, "errors_denied", "password or rights are missing")                     \
	X(OTHER, "errors_other", "anything else")                                        \
	X(AWAY, "skipped", "calls not made while the server does not answer")            \
	X(REJECTS, "rejects", "entries found that did not verify")                       \
	X(TOO_LARGE, "too_large", "values over the limit, not stored")                   \
	X(BUSY, "busy", "stores skipped because the store was busy")                     \
	X(EVICTIONS, "evictions", "entries evicted, those that were reclaimed included") \
	X(RECLAIMED, "reclaimed", "entries evicted that no current version could reach")

enum sc_cache_metric {
#define SC_METRIC_ENUM(id, name, help) SC_CM_##id,
	SC_CACHE_METRICS(SC_METRIC_ENUM)
#undef SC_METRIC_ENUM
		SC_CACHE_METRIC_COUNT
};
#define SC_CACHE_SLOTS 8

/* Maps the shared block at path. create: the master's call, which makes or empties it;
 * otherwise it must exist, and is only read: what this process counts stays
 * its own. */
SC_MUST enum sc_status sc_metrics_map(const char *path, int create, struct sc_err *err);
void sc_count(enum sc_metric m, uint64_t n);
void sc_count_cache(unsigned slot, enum sc_cache_metric m, uint64_t n);
uint64_t sc_metric_value(enum sc_metric m);
void sc_gauge_set(enum sc_gauge g, uint64_t value);
uint64_t sc_gauge_value(enum sc_gauge g);
const char *sc_gauge_name(enum sc_gauge g);
uint64_t sc_cache_metric_value(unsigned slot, enum sc_cache_metric m);
const char *sc_metric_name(enum sc_metric m);
const char *sc_cache_metric_name(enum sc_cache_metric m);

#ifdef __cplusplus
}
#endif

#endif

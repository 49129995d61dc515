/* SPDX-License-Identifier: MIT */
/*
 * Log: one line an event, to stderr (the journal) or a file.
 *
 * "2026-01-02T03:04:05.678Z level [pid] text". A line has at most 2048 bytes; every byte
 * outside 0x20..0x7e, and '\', is written as \xHH, so nothing that a client or a slide
 * sends can forge a line. One write(2) a line. Any process may call; not from a signal
 * handler.
 *
 * libslidecache says little: a store that was damaged, a server that answers no more, or
 * again. Those lines go to stderr, "info" and worse, unless told otherwise by
 *
 *   sc_log_open("stderr", SC_LOG_ERROR, &err)    errors only
 *   sc_log_open("/dev/null", SC_LOG_ERROR, &err) nothing
 *   sc_log_to(my_function, my_data)              to the program's own log
 */
#ifndef SLIDECACHE_LOG_H
#define SLIDECACHE_LOG_H

#include "slidecache/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum sc_log_level { SC_LOG_ERROR, SC_LOG_WARNING, SC_LOG_INFO, SC_LOG_DEBUG };

/* target: "stderr" or a file's path, opened for appending. */
SC_MUST enum sc_status sc_log_open(const char *target, enum sc_log_level level,
				   struct sc_err *err);
/* Lines of the level of sc_log_open or worse go to say, until it is NULL again. text: the
 * line without its head and end, escaped; valid during the call. say may not log. */
typedef void (*sc_log_fn)(void *arg, enum sc_log_level level, const char *text);
void sc_log_to(sc_log_fn say, void *arg);
int sc_log_enabled(enum sc_log_level level);
void sc_log(enum sc_log_level level, const char *fmt, ...) SC_PRINTF(2, 3);

#define sc_log_error(...)   sc_log(SC_LOG_ERROR, __VA_ARGS__)
#define sc_log_warning(...) sc_log(SC_LOG_WARNING, __VA_ARGS__)
#define sc_log_info(...)    sc_log(SC_LOG_INFO, __VA_ARGS__)
#define sc_log_debug(...)   sc_log(SC_LOG_DEBUG, __VA_ARGS__)

#ifdef __cplusplus
}
#endif

#endif

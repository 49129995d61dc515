/* SPDX-License-Identifier: MIT */
/*
 * Log: one line an event, to stderr (the journal) or a file.
 *
 * "2026-01-02T03:04:05.678Z level [pid] text". A line has at most 2048 bytes; every byte
 * outside 0x20..0x7e, and '\', is written as \xHH, so nothing that a client or a slide
 * sends can forge a line. One write(2) a line. Any process may call; not from a signal
 * handler.
 *
 * To stderr while that is the journal (JOURNAL_STREAM, see systemd.exec(5)):
 * "<N>level [pid] text". N is syslog's number of the level: "journalctl -p warning" shows
 * warnings and errors. The journal has times of its own.
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

#include <sys/types.h>

#include "slidecache/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum sc_log_level { SC_LOG_ERROR, SC_LOG_WARNING, SC_LOG_INFO, SC_LOG_DEBUG };

/* target: "stderr", or the path of a file, a character device or a FIFO that somebody
 * reads, opened for appending. */
SC_MUST enum sc_status sc_log_open(const char *target, enum sc_log_level level,
				   struct sc_err *err);
/* Makes the file another user's, who is to open it again; one of ours that has no other
 * name. */
void sc_log_give(uid_t uid, gid_t gid);
/*
 * Another target and level, opened and kept for sc_log_switch; sc_log_drop forgets them.
 * Between processes that share: who was forked in between switches as well, and writes
 * to the old target until then. A target that is in use and cannot be opened a second
 * time stays as it is open.
 */
SC_MUST enum sc_status sc_log_prepare(const char *target, enum sc_log_level level,
				      struct sc_err *err);
void sc_log_switch(void);
void sc_log_drop(void);
/*
 * Opens the target anew, after its file was renamed: what is written from now on is in
 * the new one. A file that cannot be opened is a line in the old one, which stays.
 * Between processes: once one has called sc_log_share, it and all that it forks then do
 * so as soon as any of them calls sc_log_reopen, each before its next line or at
 * sc_log_follow.
 */
void sc_log_share(void);
void sc_log_reopen(void);
void sc_log_follow(void);
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

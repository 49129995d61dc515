/* SPDX-License-Identifier: MIT */
/*
 * Status and error text: how every call of slidecache says how it went.
 *
 * A function that can fail returns enum sc_status and takes a struct sc_err last.
 * SC_OK is 0. SC_MISS is an answer ("not stored"), not an error. On failure the
 * out parameters are untouched and err holds the same status and one lower-case
 * sentence, subject first ("slide 7: level 3 cannot be read"). A function either
 * reports (sc_log) or returns an error, never both. err may not be NULL.
 * No allocation happens on the error path; there is no global error state.
 * Any process and any thread may call.
 */
#ifndef SLIDECACHE_STATUS_H
#define SLIDECACHE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

enum sc_status {
	SC_OK = 0,
	SC_MISS,	/* the cache does not hold it */
	SC_NOT_FOUND,	/* no such image, plane, tile, name, route */
	SC_INVALID,	/* the caller's input is wrong; the text says which and how */
	SC_TOO_LARGE,	/* over a limit; nothing was done */
	SC_DENIED,	/* the caller lacks the right */
	SC_UNREADABLE,	/* the slide is damaged, hostile or of no known format */
	SC_CHANGED,	/* the file was replaced meanwhile: derive everything again */
	SC_UNAVAILABLE, /* a store, or a resource, is out of reach now; later may work */
	SC_TIMEOUT,	/* a deadline passed */
	SC_DAMAGED,	/* a store's own data is damaged */
	SC_METHOD,	/* the resource exists, the method is not for it */
	SC_ABORTED,	/* the client went away; nobody waits for the answer */
	SC_EXISTS,	/* it is there already; nothing was done */
	SC_STRANGER,	/* nobody knows who asks: credentials are missing or wrong */
	SC_MEDIA_TYPE,	/* a request's body is of a type that its route does not take */
	SC_FIELD,	/* a field of a request's body is unknown or wrong; says which */
	SC_FULL,	/* a queue has no room for it; later it may */
	SC_THROTTLED,	/* too many wrong credentials from there; later may work */
	SC_INTERNAL,	/* memory, a system call, a bug */
};

#define SC_MUST		__attribute__((warn_unused_result))
#define SC_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Drops a result on purpose; a comment beside it says why that is right. */
#define SC_IGNORE(call)                                                                  \
	do {                                                                             \
		if (call) {                                                              \
			/* dropped */                                                    \
		}                                                                        \
	} while (0)

struct sc_err {
	enum sc_status status;
	char text[256];
};

/* Fills err and returns status, so that "return sc_fail(...)" is one line. */
enum sc_status sc_fail(struct sc_err *err, enum sc_status status, const char *fmt, ...)
	SC_PRINTF(3, 4);
#ifdef __clang_analyzer__
/* What the analyzer cannot see from here: the status given is the one returned. */
#define sc_fail(err, status, ...) (sc_fail((err), (status), __VA_ARGS__), (status))
#endif

/* Puts "prefix: " before the text that err already has; returns err->status. */
enum sc_status sc_fail_in(struct sc_err *err, const char *prefix);

/* A short constant name for logs and tests: "ok", "miss", "not-found", ... */
const char *sc_status_name(enum sc_status status);

#ifdef __cplusplus
}
#endif

#endif

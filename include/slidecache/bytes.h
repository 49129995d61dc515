/* SPDX-License-Identifier: MIT */
/*
 * Borrowed bytes (struct sc_bytes) and owned, growing bytes (struct sc_buf).
 *
 * sc_bytes is never NUL-terminated by contract and is valid until its owner's next
 * non-const call. sc_buf owns data (malloc); data[len] is always a NUL that len does
 * not count, once anything was appended. Growing aborts when memory is exhausted, so
 * sizes that a request or a slide decides must be checked before (sc_buf_reserve_max).
 */
#ifndef SLIDECACHE_BYTES_H
#define SLIDECACHE_BYTES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "slidecache/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sc_bytes {
	const unsigned char *data;
	size_t len;
};

struct sc_buf {
	unsigned char *data;
	size_t len;
	size_t cap;
};

#define SC_BUF_INIT                                                                      \
	{                                                                                \
		NULL, 0, 0                                                               \
	}
/* Declares a buffer that is released when the scope ends: SC_AUTO_BUF body = SC_BUF_INIT;
 */
#define SC_AUTO_BUF __attribute__((cleanup(sc_buf_release))) struct sc_buf

static inline struct sc_bytes sc_bytes_of(const void *data, size_t len)
{
	struct sc_bytes b = { (const unsigned char *)data, len };

	return b;
}

static inline struct sc_bytes sc_bytes_str(const char *s)
{
	return sc_bytes_of(s, s ? strlen(s) : 0);
}

static inline struct sc_bytes sc_buf_bytes(const struct sc_buf *b)
{
	return sc_bytes_of(b->data, b->len);
}

bool sc_bytes_equal(struct sc_bytes a, struct sc_bytes b);
bool sc_bytes_is(struct sc_bytes a, const char *s);

/* Makes room for extra more bytes. Aborts when there is no memory. */
void sc_buf_reserve(struct sc_buf *b, size_t extra);
/* The same for sizes that input decides: over max is SC_TOO_LARGE, no memory SC_INTERNAL.
 */
SC_MUST enum sc_status sc_buf_reserve_max(struct sc_buf *b, size_t extra, size_t max,
					  struct sc_err *err);
void sc_buf_append(struct sc_buf *b, const void *data, size_t len);
void sc_buf_str(struct sc_buf *b, const char *s);
/* Decimal digits; what hot paths use instead of a format. */
void sc_buf_int(struct sc_buf *b, int64_t v);
void sc_buf_printf(struct sc_buf *b, const char *fmt, ...) SC_PRINTF(2, 3);
void sc_buf_vprintf(struct sc_buf *b, const char *fmt, va_list ap) SC_PRINTF(2, 0);
/* Empties; keeps the memory unless it grew above 4 MiB, which it gives back. */
void sc_buf_reset(struct sc_buf *b);
void sc_buf_release(struct sc_buf *b);
/* Moves the contents to the caller; b is empty afterwards. */
struct sc_buf sc_buf_take(struct sc_buf *b);

/* malloc family for small things: aborts with a log line when memory is exhausted. */
void *sc_alloc(size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1)));
void *sc_alloc_array(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *sc_realloc_array(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *sc_strdup(const char *s) __attribute__((malloc, returns_nonnull));
/* free() of *(void **)p, for cleanup attributes: SC_AUTO_FREE char *path = NULL; */
void sc_free_ptr(void *p);
#define SC_AUTO_FREE __attribute__((cleanup(sc_free_ptr)))
void sc_close_fd(int *fd);
#define SC_AUTO_FD __attribute__((cleanup(sc_close_fd))) int

#ifdef __cplusplus
}
#endif

#endif

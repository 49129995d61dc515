/* SPDX-License-Identifier: MIT */
/*
 * Growing buffers, and the malloc family that aborts. The one place that decides what
 * happens when memory is exhausted: a line on stderr and abort, because a worker is
 * cheap to replace and a half-done request is not worth a recovery path.
 */
#include "slidecache/bytes.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KEEP_MAX ((size_t)4 << 20)

bool sc_bytes_equal(struct sc_bytes a, struct sc_bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool sc_bytes_is(struct sc_bytes a, const char *s)
{
	return sc_bytes_equal(a, sc_bytes_str(s));
}

static void *check_memory(void *p)
{
	static const char text[] = "slidecache: out of memory\n";

	if (!p) {
		if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
			_exit(134); /* nobody to tell */
		abort();
	}
	return p;
}

static size_t multiply(size_t n, size_t size)
{
	size_t total = 0;

	if (__builtin_mul_overflow(n, size, &total))
		(void)check_memory(NULL);
	return total;
}

void *sc_alloc(size_t size)
{
	return check_memory(calloc(1, size ? size : 1));
}

void *sc_alloc_array(size_t n, size_t size)
{
	return sc_alloc(multiply(n, size));
}

void *sc_realloc_array(void *p, size_t n, size_t size)
{
	size_t total = multiply(n, size);

	return check_memory(realloc(p, total ? total : 1));
}

char *sc_strdup(const char *s)
{
	return check_memory(strdup(s));
}

void sc_free_ptr(void *p)
{
	void **pp = p;

	free(*pp);
	*pp = NULL;
}

void sc_close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* The capacity that holds need bytes and a NUL: doubled, so that appending is linear. */
static size_t grown(size_t cap, size_t need)
{
	size_t want = cap < 64 ? 64 : cap;

	while (want < need + 1)
		want = want > SIZE_MAX / 2 ? need + 1 : want * 2;
	return want;
}

void sc_buf_reserve(struct sc_buf *b, size_t extra)
{
	size_t need = 0;

	if (__builtin_add_overflow(b->len, extra, &need) || need == SIZE_MAX)
		(void)check_memory(NULL);
	if (need + 1 <= b->cap)
		return;
	b->cap = grown(b->cap, need);
	b->data = check_memory(realloc(b->data, b->cap));
}

enum sc_status sc_buf_reserve_max(struct sc_buf *b, size_t extra, size_t max,
				  struct sc_err *err)
{
	unsigned char *data = NULL;
	size_t cap = 0;

	if (extra > max || b->len > max - extra)
		return sc_fail(err, SC_TOO_LARGE, "more than %zu bytes", max);
	if (b->len + extra + 1 <= b->cap)
		return SC_OK;
	cap = b->len + extra + 1;
	data = realloc(b->data, cap);
	if (!data)
		return sc_fail(err, SC_INTERNAL, "no memory for %zu bytes", cap);
	b->data = data;
	b->cap = cap;
	return SC_OK;
}

void sc_buf_append(struct sc_buf *b, const void *data, size_t len)
{
	sc_buf_reserve(b, len);
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = 0;
}

void sc_buf_str(struct sc_buf *b, const char *s)
{
	sc_buf_append(b, s, strlen(s));
}

void sc_buf_int(struct sc_buf *b, int64_t v)
{
	char text[24];
	size_t at = sizeof(text);
	uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do {
		text[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	if (v < 0)
		text[--at] = '-';
	sc_buf_append(b, text + at, sizeof(text) - at);
}

/* Formats once when what is free is enough, which it nearly always is. */
void sc_buf_vprintf(struct sc_buf *b, const char *fmt, va_list ap)
{
	size_t room = 0;
	va_list again;
	int n = 0;

	sc_buf_reserve(b, 63);
	room = b->cap - b->len;
	va_copy(again, ap);
	n = vsnprintf((char *)b->data + b->len, room, fmt, again);
	va_end(again);
	if (n < 0) {
		b->data[b->len] = 0;
		return;
	}
	if ((size_t)n >= room) {
		sc_buf_reserve(b, (size_t)n);
		(void)vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	}
	b->len += (size_t)n;
}

void sc_buf_printf(struct sc_buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	sc_buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void sc_buf_reset(struct sc_buf *b)
{
	if (b->cap > KEEP_MAX)
		sc_buf_release(b);
	b->len = 0;
	if (b->data)
		b->data[0] = 0;
}

void sc_buf_release(struct sc_buf *b)
{
	free(b->data);
	*b = (struct sc_buf)SC_BUF_INIT;
}

struct sc_buf sc_buf_take(struct sc_buf *b)
{
	struct sc_buf taken = *b;

	*b = (struct sc_buf)SC_BUF_INIT;
	return taken;
}

/* SPDX-License-Identifier: MIT */
/*
 * The JSON writer. The last byte written tells whether a comma is due, so there is no
 * state beside the buffer.
 */
#include "slidecache/json.h"

#include <math.h>
#include <stdio.h>

#include "slidecache/parse.h"

static void put_comma(struct sc_buf *b)
{
	if (b->len && !strchr("{[:,", b->data[b->len - 1]))
		sc_buf_append(b, ",", 1);
}

void sc_json_begin(struct sc_buf *b, char bracket)
{
	put_comma(b);
	sc_buf_append(b, &bracket, 1);
}

void sc_json_end(struct sc_buf *b, char bracket)
{
	sc_buf_append(b, &bracket, 1);
}

/* Bytes of the UTF-8 character at p; 0 when there is none. */
static size_t character_at(const char *p)
{
	size_t left = strnlen(p, 4);

	for (size_t n = 1; n <= left; n++)
		if (sc_utf8_valid(sc_bytes_of(p, n)))
			return n;
	return 0;
}

/* What steers a terminal is escaped, too: documents are looked at there. */
static void put_text(struct sc_buf *b, const char *s)
{
	while (*s) {
		size_t n = character_at(s);
		unsigned code = 0;

		if (*s == '"' || *s == '\\')
			sc_buf_printf(b, "\\%c", *s);
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			sc_buf_printf(b, "\\u%04x", (unsigned)*s);
		else if (n == 0)
			sc_buf_str(b, "\xef\xbf\xbd");
		else if (n > 1 && sc_utf8_steering(s, &code))
			sc_buf_printf(b, "\\u%04x", code);
		else
			sc_buf_append(b, s, n);
		s += n ? n : 1;
	}
}

static void put_quoted(struct sc_buf *b, const char *s)
{
	put_comma(b);
	sc_buf_append(b, "\"", 1);
	put_text(b, s);
	sc_buf_append(b, "\"", 1);
}

void sc_json_key(struct sc_buf *b, const char *key)
{
	put_quoted(b, key);
	sc_buf_append(b, ":", 1);
}

void sc_json_str(struct sc_buf *b, const char *s)
{
	put_quoted(b, s);
}

void sc_json_int(struct sc_buf *b, int64_t v)
{
	put_comma(b);
	sc_buf_printf(b, "%lld", (long long)v);
}

/* The fewest significant digits that read back to the same double. */
static int shortest_digits(double v)
{
	char text[40];
	double back = 0;

	for (int digits = 1; digits < 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*e", digits - 1, v);
		if (sc_parse_double(sc_bytes_str(text), &back) && !(back < v || back > v))
			return digits;
	}
	return 17;
}

/* As Python's repr: an exponent below 1e-4 and from 1e16 on, a point otherwise. */
static void put_finite(struct sc_buf *b, double v)
{
	int digits = shortest_digits(v);
	char text[40];
	int64_t exponent = 0;
	const char *e = NULL;

	(void)snprintf(text, sizeof(text), "%.*e", digits - 1, v);
	e = text + strcspn(text, "e") + 1;
	/* "+07" or "-07": the parser takes no plus sign. */
	(void)sc_parse_i64(sc_bytes_str(e + (*e == '+')), INT16_MIN, INT16_MAX,
			   &exponent);
	if (exponent < -4 || exponent >= 16)
		sc_buf_str(b, text);
	else if (digits - 1 > exponent)
		sc_buf_printf(b, "%.*f", (int)(digits - 1 - exponent), v);
	else
		sc_buf_printf(b, "%.1f", v);
}

void sc_json_double(struct sc_buf *b, double v)
{
	put_comma(b);
	if (isfinite(v))
		put_finite(b, v);
	else
		sc_buf_str(b, "null");
}

void sc_json_bool(struct sc_buf *b, bool v)
{
	put_comma(b);
	sc_buf_str(b, v ? "true" : "false");
}

void sc_json_null(struct sc_buf *b)
{
	put_comma(b);
	sc_buf_str(b, "null");
}

/* SPDX-License-Identifier: MIT */
/*
 * The FastCGI records of one request, see intake.h.
 */
#include "intake.h"

/* What the lengths of names and values add to the parameters' own bytes at most. */
#define PARAMS_RAW_MAX (SC_FCGI_PARAMS_BYTES_MAX + 8 * SC_FCGI_PARAMS_MAX)

void sc_intake_reset(struct sc_intake *in)
{
	struct sc_buf params = in->params;
	struct sc_buf body = in->body;

	*in = (struct sc_intake){ .params = params, .body = body };
	sc_buf_reset(&in->params);
	sc_buf_reset(&in->body);
}

void sc_intake_release(struct sc_intake *in)
{
	sc_buf_release(&in->params);
	sc_buf_release(&in->body);
}

/* Each stage has one type of record; a request may be taken back in any but the first. */
static enum sc_intake_state check_type(const struct sc_intake *in)
{
	static const int wanted[] = { [SC_INTAKE_BEGIN] = SC_FCGI_BEGIN,
				      [SC_INTAKE_PARAMS] = SC_FCGI_PARAMS,
				      [SC_INTAKE_BODY] = SC_FCGI_STDIN };

	if (in->head[1] == wanted[in->state])
		return in->state;
	return in->head[1] == SC_FCGI_ABORT && in->state != SC_INTAKE_BEGIN
		       ? SC_INTAKE_ABORTED
		       : SC_INTAKE_BROKEN;
}

/* As early as can be: a client that says one wrong byte and waits is sent away. */
static enum sc_intake_state check_head(const struct sc_intake *in)
{
	int id = in->head[2] << 8 | in->head[3];

	if (in->head[0] != SC_FCGI_VERSION)
		return SC_INTAKE_BROKEN;
	if (in->head_len < SC_FCGI_HEADER_BYTES)
		return in->head_len > 1 && check_type(in) == SC_INTAKE_BROKEN
			       ? SC_INTAKE_BROKEN
			       : in->state;
	if (in->state == SC_INTAKE_BEGIN ? id == 0 : id != in->id)
		return SC_INTAKE_BROKEN;
	return check_type(in);
}

static enum sc_intake_state end_begin(struct sc_intake *in)
{
	bool responder = in->begin[0] == 0 && in->begin[1] == SC_FCGI_RESPONDER;

	in->id = in->head[2] << 8 | in->head[3];
	return responder && in->begin_len == sizeof(in->begin) ? SC_INTAKE_PARAMS
							       : SC_INTAKE_BROKEN;
}

/* The record is complete: an empty one ends its stream. */
static enum sc_intake_state end_record(struct sc_intake *in)
{
	bool empty = in->head[4] == 0 && in->head[5] == 0;

	in->head_len = 0;
	if (in->state == SC_INTAKE_BEGIN)
		return end_begin(in);
	return empty ? in->state + 1 : in->state;
}

static size_t take_head(struct sc_intake *in, struct sc_bytes bytes)
{
	size_t n = 0;

	while (n < bytes.len && in->head_len < SC_FCGI_HEADER_BYTES &&
	       in->state <= SC_INTAKE_BODY) {
		in->head[in->head_len++] = bytes.data[n++];
		in->state = check_head(in);
	}
	if (in->head_len == SC_FCGI_HEADER_BYTES) {
		in->content = (size_t)in->head[4] << 8 | in->head[5];
		in->padding = in->head[6];
		if (in->state == SC_INTAKE_BEGIN && in->content != sizeof(in->begin))
			in->state = SC_INTAKE_BROKEN;
	}
	return n;
}

static void keep(struct sc_buf *b, struct sc_bytes piece, size_t max,
		 enum sc_intake_state over, enum sc_intake_state *state)
{
	if (b->len + piece.len > max)
		*state = over;
	else
		sc_buf_append(b, piece.data, piece.len);
}

static size_t take_content(struct sc_intake *in, struct sc_bytes bytes)
{
	size_t n = bytes.len < in->content ? bytes.len : in->content;
	struct sc_bytes piece = sc_bytes_of(bytes.data, n);

	in->content -= n;
	if (in->state == SC_INTAKE_BEGIN) {
		memcpy(in->begin + in->begin_len, piece.data, n);
		in->begin_len += n;
	} else if (in->state == SC_INTAKE_PARAMS) {
		keep(&in->params, piece, PARAMS_RAW_MAX, SC_INTAKE_LARGE, &in->state);
	} else {
		keep(&in->body, piece, SC_FCGI_BODY_MAX, SC_INTAKE_OVERFULL, &in->state);
	}
	return n;
}

static size_t take_padding(struct sc_intake *in, struct sc_bytes bytes)
{
	size_t n = bytes.len < in->padding ? bytes.len : in->padding;

	in->padding -= n;
	return n;
}

size_t sc_intake_take(struct sc_intake *in, struct sc_bytes bytes)
{
	size_t at = 0;

	while (at < bytes.len && in->state <= SC_INTAKE_BODY) {
		struct sc_bytes rest = sc_bytes_of(bytes.data + at, bytes.len - at);

		if (in->head_len < SC_FCGI_HEADER_BYTES)
			at += take_head(in, rest);
		else if (in->content > 0)
			at += take_content(in, rest);
		else
			at += take_padding(in, rest);
		if (in->head_len == SC_FCGI_HEADER_BYTES && in->content == 0 &&
		    in->padding == 0 && in->state <= SC_INTAKE_BODY)
			in->state = end_record(in);
	}
	return at;
}

/* A length of one byte, or of four whose first bit is set; false when it is cut off. */
static bool take_length(struct sc_bytes *from, size_t *out)
{
	const unsigned char *b = from->data;
	size_t n = from->len > 0 && b[0] & 0x80 ? 4 : 1;

	if (from->len < n)
		return false;
	*out = n == 1 ? b[0]
		      : (size_t)(b[0] & 0x7f) << 24 | (size_t)b[1] << 16 |
				(size_t)b[2] << 8 | b[3];
	*from = sc_bytes_of(b + n, from->len - n);
	return true;
}

static bool has_byte(struct sc_bytes b, int byte)
{
	return b.len > 0 && memchr(b.data, byte, b.len) != NULL;
}

/* libfcgi makes "NAME=value" of it, a string: no NUL, and the first "=" ends the name. */
static bool take_param(struct sc_bytes *from)
{
	size_t name = 0;
	size_t value = 0;

	if (!take_length(from, &name) || !take_length(from, &value) ||
	    name + value > from->len)
		return false;
	if (name == 0 || has_byte(sc_bytes_of(from->data, name), '=') ||
	    has_byte(sc_bytes_of(from->data, name + value), 0))
		return false;
	*from = sc_bytes_of(from->data + name + value, from->len - name - value);
	return true;
}

enum sc_params_check sc_intake_check(const struct sc_intake *in)
{
	struct sc_bytes left = sc_buf_bytes(&in->params);
	int n = 0;

	if (in->state == SC_INTAKE_LARGE)
		return SC_PARAMS_MANY;
	while (left.len > 0) {
		if (n++ == SC_FCGI_PARAMS_MAX)
			return SC_PARAMS_MANY;
		if (!take_param(&left))
			return SC_PARAMS_WRONG;
	}
	return SC_PARAMS_GOOD;
}

void sc_fcgi_put_header(unsigned char at[SC_FCGI_HEADER_BYTES], int type, int id,
			size_t length)
{
	at[0] = SC_FCGI_VERSION;
	at[1] = (unsigned char)type;
	at[2] = (unsigned char)(id >> 8);
	at[3] = (unsigned char)id;
	at[4] = (unsigned char)(length >> 8);
	at[5] = (unsigned char)length;
	at[6] = at[7] = 0;
}

void sc_fcgi_put_record(struct sc_buf *out, int type, int id, struct sc_bytes content)
{
	unsigned char head[SC_FCGI_HEADER_BYTES];

	sc_fcgi_put_header(head, type, id, content.len);
	sc_buf_append(out, head, sizeof(head));
	sc_buf_append(out, content.data, content.len);
}

void sc_intake_write(const struct sc_intake *in, struct sc_buf *out)
{
	struct sc_bytes left = sc_buf_bytes(&in->params);

	sc_fcgi_put_record(out, SC_FCGI_BEGIN, in->id,
			   sc_bytes_of(in->begin, sizeof(in->begin)));
	while (left.len > 0) {
		size_t n = left.len < SC_FCGI_RECORD_MAX ? left.len : SC_FCGI_RECORD_MAX;

		sc_fcgi_put_record(out, SC_FCGI_PARAMS, in->id,
				   sc_bytes_of(left.data, n));
		left = sc_bytes_of(left.data + n, left.len - n);
	}
	sc_fcgi_put_record(out, SC_FCGI_PARAMS, in->id, sc_bytes_of(NULL, 0));
}

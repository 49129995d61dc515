/* SPDX-License-Identifier: MIT */
/*
 * FastCGI records as a web server, or somebody at the socket, sends them: bounded, the
 * same whatever pieces they come in, and a request that was taken is taken again when it
 * is written anew.
 * Input: a byte for the size of pieces, the bytes of a connection.
 */
#include <stdlib.h>

#include "server/intake.h"
#include "tests/fuzz/fuzz.h"

static size_t take_in_pieces(struct sc_intake *in, struct sc_bytes bytes, size_t piece)
{
	size_t at = 0;

	while (at < bytes.len && in->state <= SC_INTAKE_BODY) {
		size_t n = bytes.len - at < piece ? bytes.len - at : piece;
		SC_AUTO_FREE unsigned char *copy =
			fuzz_copy(sc_bytes_of(bytes.data + at, n));
		size_t used = sc_intake_take(in, sc_bytes_of(copy, n));

		FUZZ_MUST(used <= n);
		FUZZ_MUST(used == n || in->state > SC_INTAKE_BODY);
		at += used;
	}
	return at;
}

static void check_bounds(const struct sc_intake *in)
{
	FUZZ_MUST(in->state <= SC_INTAKE_BROKEN);
	FUZZ_MUST(in->params.len <= SC_FCGI_PARAMS_BYTES_MAX + 8 * SC_FCGI_PARAMS_MAX);
	FUZZ_MUST(in->body.len <= SC_FCGI_BODY_MAX);
	FUZZ_MUST(in->id >= 0 && in->id <= 0xffff);
}

static bool same(const struct sc_intake *a, const struct sc_intake *b)
{
	return a->state == b->state && a->id == b->id &&
	       sc_bytes_equal(sc_buf_bytes(&a->params), sc_buf_bytes(&b->params)) &&
	       sc_bytes_equal(sc_buf_bytes(&a->body), sc_buf_bytes(&b->body));
}

static size_t take_length(struct sc_bytes *from)
{
	unsigned b = fuzz_byte(from);
	size_t n = b;

	for (int i = 0; i < 3 && b & 0x80; i++)
		n = n << 8 | fuzz_byte(from);
	return b & 0x80 ? n & 0x7fffffff : n;
}

/* Names and values as libfcgi is going to read them. */
static void check_params(struct sc_bytes left)
{
	size_t n = 0;

	for (; left.len > 0; n++) {
		size_t name = take_length(&left);
		size_t value = take_length(&left);
		struct sc_bytes text = fuzz_take(&left, name + value);

		FUZZ_MUST(name > 0 && text.len == name + value);
		FUZZ_MUST(!memchr(text.data, '=', name));
		FUZZ_MUST(!memchr(text.data, '\0', text.len));
	}
	FUZZ_MUST(n <= SC_FCGI_PARAMS_MAX);
}

static void check_written(const struct sc_intake *in)
{
	struct sc_intake again = { .state = SC_INTAKE_BEGIN };
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_intake_write(in, &out);
	FUZZ_MUST(sc_intake_take(&again, sc_buf_bytes(&out)) == out.len);
	FUZZ_MUST(again.state == SC_INTAKE_BODY && again.id == in->id);
	FUZZ_MUST(sc_bytes_equal(sc_buf_bytes(&again.params), sc_buf_bytes(&in->params)));
	sc_intake_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sc_bytes in = sc_bytes_of(data, size);
	size_t piece = 1 + (size_t)fuzz_byte(&in) % 64;
	struct sc_intake whole = { .state = SC_INTAKE_BEGIN };
	struct sc_intake parts = { .state = SC_INTAKE_BEGIN };
	size_t used = in.len > 0 ? sc_intake_take(&whole, in) : 0;

	FUZZ_MUST(used <= in.len);
	FUZZ_MUST(take_in_pieces(&parts, in, piece) == used);
	check_bounds(&whole);
	FUZZ_MUST(same(&whole, &parts));
	if (whole.state == SC_INTAKE_BODY || whole.state == SC_INTAKE_DONE)
		check_written(&whole);
	if (sc_intake_check(&whole) == SC_PARAMS_GOOD)
		check_params(sc_buf_bytes(&whole.params));
	sc_intake_reset(&whole);
	FUZZ_MUST(whole.state == SC_INTAKE_BEGIN && whole.params.len == 0);
	sc_intake_release(&whole);
	sc_intake_release(&parts);
	return 0;
}

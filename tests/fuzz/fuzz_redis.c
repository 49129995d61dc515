/* SPDX-License-Identifier: MIT */
/*
 * Replies of a Redis server, or of what answers in its place: the same whatever pieces
 * they come in, as long as what was sent, and never out of step.
 * Input: a byte for the size of pieces, what the server sends.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cache/redis_reader.h"
#include "tests/fuzz/fuzz.h"

static size_t strings_of(const struct sc_redis_reply *r)
{
	size_t n = r->text.len;

	FUZZ_MUST(r->type <= SC_REDIS_ERROR);
	FUZZ_MUST((r->n > 0) <= (r->type == SC_REDIS_ARRAY));
	for (size_t i = 0; i < r->n; i++)
		n += strings_of(&r->items[i]);
	return n;
}

/* Another text for another reply. */
static void describe(const struct sc_redis_reply *r, struct sc_buf *out)
{
	sc_buf_printf(out, "%d:%lld:%zu:", (int)r->type, (long long)r->integer,
		      r->text.len);
	sc_buf_append(out, r->text.data, r->text.len);
	for (size_t i = 0; i < r->n; i++)
		describe(&r->items[i], out);
	sc_buf_str(out, ";");
}

/* All that are complete; what is no reply any more ends it. */
static enum sc_status read_replies(struct sc_redis_reader *r, struct sc_buf *out,
				   size_t *strings)
{
	struct sc_redis_reply reply = { .type = SC_REDIS_NIL };
	struct sc_err err;
	enum sc_status status = SC_OK;

	while ((status = sc_redis_reader_next(r, &reply, &err)) == SC_OK) {
		*strings += strings_of(&reply);
		describe(&reply, out);
		sc_redis_reply_release(&reply);
	}
	if (status == SC_MISS)
		return SC_OK;
	fuzz_check_error(status, &err);
	FUZZ_MUST(status == SC_INVALID || status == SC_TOO_LARGE);
	return status;
}

static enum sc_status read_in_pieces(struct sc_bytes in, size_t piece, struct sc_buf *out)
{
	struct sc_redis_reader *r = sc_redis_reader_new();
	enum sc_status status = SC_OK;
	size_t strings = 0;
	struct sc_err err;

	for (size_t at = 0; at < in.len && status == SC_OK; at += piece) {
		size_t n = in.len - at < piece ? in.len - at : piece;
		SC_AUTO_FREE unsigned char *copy =
			fuzz_copy(sc_bytes_of(in.data + at, n));

		FUZZ_MUST(sc_redis_reader_feed(r, sc_bytes_of(copy, n), &err) == SC_OK);
		status = read_replies(r, out, &strings);
	}
	FUZZ_MUST(strings <= in.len);
	sc_redis_reader_free(r);
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sc_bytes in = sc_bytes_of(data, size);
	size_t piece = 1 + (size_t)fuzz_byte(&in) % 32;
	SC_AUTO_BUF whole = SC_BUF_INIT;
	SC_AUTO_BUF parts = SC_BUF_INIT;
	enum sc_status a = read_in_pieces(in, in.len ? in.len : 1, &whole);
	enum sc_status b = read_in_pieces(in, piece, &parts);

	/* What is no reply may be found out before the rest of it comes, or after. */
	FUZZ_MUST((a == SC_OK) == (b == SC_OK));
	FUZZ_MUST(sc_bytes_equal(sc_buf_bytes(&whole), sc_buf_bytes(&parts)));
	return 0;
}

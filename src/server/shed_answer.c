/* SPDX-License-Identifier: MIT */
/*
 * The answer to a connection that is shed, see shed_answer.h.
 */
#include "shed_answer.h"

#include "slidecache/http.h"

/* Of the FastCGI specification. */
enum {
	FCGI_VERSION = 1,
	FCGI_BEGIN = 1,
	FCGI_END = 3,
	FCGI_STDOUT = 6,
	FCGI_HEADER_BYTES = 8,
	FCGI_END_BYTES = 8,
	FCGI_FIRST_ID = 1,
};

unsigned sc_shed_request_id(struct sc_bytes first)
{
	unsigned id = 0;

	if (first.len >= 4 && first.data[0] == FCGI_VERSION &&
	    first.data[1] == FCGI_BEGIN)
		id = (unsigned)first.data[2] << 8 | first.data[3];
	return id ? id : FCGI_FIRST_ID;
}

static void put_record(struct sc_buf *out, int type, unsigned id, struct sc_bytes content)
{
	unsigned char head[FCGI_HEADER_BYTES] = {
		FCGI_VERSION,
		(unsigned char)type,
		(unsigned char)(id >> 8),
		(unsigned char)id,
		(unsigned char)(content.len >> 8),
		(unsigned char)content.len,
	};

	sc_buf_append(out, head, sizeof(head));
	sc_buf_append(out, content.data, content.len);
}

static void put_response(struct sc_buf *out)
{
	struct sc_response rs;

	sc_response_init(&rs);
	rs.status = 503;
	rs.content_type = "application/json";
	sc_response_header(&rs, "Retry-After", "1");
	sc_response_header(&rs, "Cache-Control", "no-store");
	sc_response_header(&rs, "X-Content-Type-Options", "nosniff");
	sc_buf_str(&rs.body, "{\"detail\": \"Too many requests wait for an answer; try "
			     "again in a moment.\"}");
	sc_response_head(&rs, out);
	sc_buf_append(out, rs.body.data, rs.body.len);
	sc_response_release(&rs);
}

void sc_shed_answer(unsigned request_id, struct sc_buf *out)
{
	static const unsigned char complete[FCGI_END_BYTES];
	SC_AUTO_BUF response = SC_BUF_INIT;

	put_response(&response);
	put_record(out, FCGI_STDOUT, request_id, sc_buf_bytes(&response));
	put_record(out, FCGI_STDOUT, request_id, sc_bytes_of("", 0));
	put_record(out, FCGI_END, request_id, sc_bytes_of(complete, sizeof(complete)));
}

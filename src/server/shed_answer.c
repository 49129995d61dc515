/* SPDX-License-Identifier: MIT */
/*
 * The answer to a connection that is shed, see shed_answer.h.
 */
#include "shed_answer.h"

#include "intake.h"
#include "slidecache/http.h"

#define FIRST_ID 1 /* what web servers give, which carry one request at a time */

unsigned sc_shed_request_id(struct sc_bytes first)
{
	unsigned id = 0;

	if (first.len >= 4 && first.data[0] == SC_FCGI_VERSION &&
	    first.data[1] == SC_FCGI_BEGIN)
		id = (unsigned)first.data[2] << 8 | first.data[3];
	return id ? id : FIRST_ID;
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
	static const unsigned char complete[SC_FCGI_END_BYTES];
	SC_AUTO_BUF response = SC_BUF_INIT;

	put_response(&response);
	sc_fcgi_put_record(out, SC_FCGI_STDOUT, (int)request_id, sc_buf_bytes(&response));
	sc_fcgi_put_record(out, SC_FCGI_STDOUT, (int)request_id, sc_bytes_of("", 0));
	sc_fcgi_put_record(out, SC_FCGI_END, (int)request_id,
			   sc_bytes_of(complete, sizeof(complete)));
}

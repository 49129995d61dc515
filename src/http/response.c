/* SPDX-License-Identifier: MIT */
/*
 * The response as a value, and its head as CGI text. Pure.
 */
#include "slidecache/http.h"

#include <strings.h>

void sc_response_init(struct sc_response *rs)
{
	*rs = (struct sc_response){ .body = SC_BUF_INIT };
}

void sc_response_release(struct sc_response *rs)
{
	sc_buf_release(&rs->body);
}

void sc_response_reset(struct sc_response *rs)
{
	rs->status = 0;
	rs->nheaders = 0;
	rs->content_type = NULL;
	sc_buf_reset(&rs->body);
}

/* A control byte in a header would let a client write headers of its own. */
static bool printable(const char *s)
{
	for (; *s; s++)
		if (*s < 0x20 || *s > 0x7e)
			return false;
	return true;
}

static int find_header(const struct sc_response *rs, const char *name)
{
	for (int i = 0; i < rs->nheaders; i++)
		if (strcasecmp(rs->headers[i].name, name) == 0)
			return i;
	return -1;
}

void sc_response_header(struct sc_response *rs, const char *name, const char *value)
{
	int i = find_header(rs, name);

	if (i < 0 && rs->nheaders == SC_HEADERS_MAX)
		return; /* more than the program has; sc_response_find shows it in tests
			 */
	if (i < 0) {
		i = rs->nheaders++;
		rs->headers[i].name = name;
	}
	rs->headers[i].value = printable(value) ? value : "";
}

const char *sc_response_find(const struct sc_response *rs, const char *name)
{
	int i = find_header(rs, name);

	return i < 0 ? NULL : rs->headers[i].value;
}

const char *sc_reason_phrase(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} rows[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 409, "Conflict" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 499, "Client Closed Request" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].status == status)
			return rows[i].phrase;
	return "Status";
}

/* Plain appends: this runs for every hit, and formatting costs more than the rest of it.
 */
static void put_line(struct sc_buf *out, const char *name, const char *value)
{
	sc_buf_str(out, name);
	sc_buf_append(out, ": ", 2);
	sc_buf_str(out, value);
	sc_buf_append(out, "\r\n", 2);
}

static void put_length(struct sc_buf *out, size_t length)
{
	sc_buf_str(out, "Content-Length: ");
	sc_buf_int(out, (int64_t)length);
	sc_buf_append(out, "\r\n", 2);
}

void sc_response_head(const struct sc_response *rs, struct sc_buf *out)
{
	sc_buf_str(out, "Status: ");
	sc_buf_int(out, rs->status);
	sc_buf_append(out, " ", 1);
	sc_buf_str(out, sc_reason_phrase(rs->status));
	sc_buf_append(out, "\r\n", 2);
	if (rs->content_type)
		put_line(out, "Content-Type", rs->content_type);
	for (int i = 0; i < rs->nheaders; i++)
		put_line(out, rs->headers[i].name, rs->headers[i].value);
	if (rs->status != 204 && rs->status != 304)
		put_length(out, rs->body.len);
	sc_buf_append(out, "\r\n", 2);
}

/* SPDX-License-Identifier: MIT */
/*
 * Headers that are read without anybody's rights: If-None-Match, Prefer, the method.
 * Input: an entity tag, a line end, the header.
 */
#include <stdlib.h>
#include <strings.h>

#include "app/body.h"
#include "app/prefer.h"
#include "slidecache/http.h"
#include "tests/fuzz/fuzz.h"

/* Printable, in quotes, without quotes: what the program makes itself. */
static bool is_tag(const char *etag)
{
	size_t n = strlen(etag);

	return n > 0 && fuzz_is_printable(etag) && !strchr(etag, '"');
}

static bool matches_in(const char *before, const char *tag, const char *after)
{
	SC_AUTO_BUF list = SC_BUF_INIT;

	sc_buf_printf(&list, "%s%s%s", before, tag, after);
	return sc_etag_matches((const char *)list.data, tag);
}

static void check_etag(const char *header, const char *name)
{
	SC_AUTO_BUF tag = SC_BUF_INIT;

	sc_buf_printf(&tag, "\"%s\"", name);
	const char *etag = (const char *)tag.data;
	if (sc_etag_matches(header, etag))
		FUZZ_MUST(strstr(header, etag) || strchr(header, '*'));
	FUZZ_MUST(matches_in("", etag, ""));
	FUZZ_MUST(matches_in(", W/", etag, ","));
	FUZZ_MUST(matches_in("\"other\", ", etag, header));
	FUZZ_MUST(matches_in("", etag, header));
}

static void check_prefer(const char *header)
{
	SC_AUTO_BUF list = SC_BUF_INIT;
	bool async = sc_prefers_async(header);

	if (async)
		FUZZ_MUST(strcasestr(header, "respond-async"));
	sc_buf_printf(&list, "wait=5;a, ,%s", header);
	FUZZ_MUST(sc_prefers_async((const char *)list.data) == async);
}

static void check_method(const char *header)
{
	enum sc_method m = sc_method_parse(header);

	FUZZ_MUST(m && !(m & (m - 1)) && m <= SC_OTHER);
	if (m != SC_OTHER)
		FUZZ_MUST(strlen(header) <= 6 && fuzz_is_printable(header));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sc_bytes in = sc_bytes_of(data, size);
	SC_AUTO_FREE char *etag = fuzz_text(fuzz_until(&in, '\n'));
	SC_AUTO_FREE char *header = fuzz_text(in);

	if (is_tag(etag))
		check_etag(header, etag);
	check_prefer(header);
	check_method(header);
	if (sc_is_json_type(header))
		FUZZ_MUST(strncasecmp(header, "application/json", 16) == 0);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * The image list, a page at a time (Django REST framework's LimitOffsetPagination), and
 * one image. Images whose file is gone are not listed; their ids stay taken.
 */
#include "app/image_fields.h"

#include <stdlib.h>

#include "slidecache/parse.h"

#define LIMIT_DEFAULT 50

struct page {
	int64_t limit, offset, count;
};

/* EXACT takes the default for what is no number, instead of an error. */
static enum sc_status page_number(const struct sc_request *rq, const char *name,
				  int64_t min, int64_t *value, struct sc_err *err)
{
	const char *text = NULL;
	enum sc_status status = sc_query_get(rq, name, &text, err);

	if (!status && text)
		(void)sc_parse_i64(sc_bytes_str(text), min, INT32_MAX, value);
	return status;
}

static int compare_parameters(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_page_parameter(const char *p, size_t n)
{
	size_t key = strcspn(p, "=&");

	return n == 0 || sc_bytes_is(sc_bytes_of(p, key), "limit") ||
	       sc_bytes_is(sc_bytes_of(p, key), "offset");
}

#define PARAMETERS_MAX 64

/* The request's parameters without limit and offset, which the page adds. */
static size_t other_parameters(const struct sc_request *rq,
			       const char *out[PARAMETERS_MAX])
{
	size_t count = 0;

	for (const char *p = rq->query; *p && count < PARAMETERS_MAX - 2;) {
		size_t n = strcspn(p, "&");

		if (!is_page_parameter(p, n))
			out[count++] = sc_arena_str(rq->arena, sc_bytes_of(p, n));
		p += p[n] ? n + 1 : n;
	}
	return count;
}

static const char *header_or(const struct sc_request *rq, const char *name,
			     const char *other)
{
	const char *value = rq->header(rq, name);

	return value ? value : other;
}

/* The absolute URL of another page, all parameters sorted, as EXACT's client parses it.
 */
static void put_page_url(const struct sc_request *rq, const struct page *page,
			 int64_t offset, struct sc_buf *out)
{
	const char *parameters[PARAMETERS_MAX];
	size_t n = other_parameters(rq, parameters);
	bool secure = strcmp(header_or(rq, "HTTPS", ""), "on") == 0;
	SC_AUTO_BUF url = SC_BUF_INIT;

	parameters[n++] =
		sc_arena_printf(rq->arena, "limit=%lld", (long long)page->limit);
	if (offset > 0)
		parameters[n++] =
			sc_arena_printf(rq->arena, "offset=%lld", (long long)offset);
	qsort(parameters, n, sizeof(parameters[0]), compare_parameters);
	sc_buf_printf(&url, "%s://%s%.*s", secure ? "https" : "http",
		      header_or(rq, "HTTP_HOST", "localhost"),
		      (int)strcspn(rq->uri, "?#"), rq->uri);
	for (size_t i = 0; i < n; i++)
		sc_buf_printf(&url, "%c%s", i ? '&' : '?', parameters[i]);
	sc_json_str(out, (const char *)url.data);
}

static void put_page_head(const struct sc_request *rq, const struct page *page,
			  struct sc_buf *out)
{
	int64_t back = page->offset > page->limit ? page->offset - page->limit : 0;

	sc_json_key(out, "count");
	sc_json_int(out, page->count);
	sc_json_key(out, "next");
	if (page->offset + page->limit < page->count)
		put_page_url(rq, page, page->offset + page->limit, out);
	else
		sc_json_null(out);
	sc_json_key(out, "previous");
	if (page->offset > 0)
		put_page_url(rq, page, back, out);
	else
		sc_json_null(out);
}

static enum sc_status is_listed(const struct sc_request *rq, const struct sc_image *im,
				bool *listed, struct sc_err *err)
{
	*listed = false;
	if (im->state == SC_IMAGE_GONE)
		return SC_OK;
	return sc_image_filter(rq, im, listed, err);
}

/* Writes the images of the page, and counts all that pass. */
static enum sc_status put_results(struct sc_request *rq, struct page *page,
				  struct sc_buf *out, struct sc_err *err)
{
	const struct sc_catalogue *c = rq->ctx->app->catalogue;

	for (size_t i = 0; i < sc_catalogue_count(c); i++) {
		const struct sc_image *im = sc_catalogue_at(c, i);
		bool listed = false;
		enum sc_status status = is_listed(rq, im, &listed, err);

		if (!status && listed && page->count >= page->offset &&
		    page->count - page->offset < page->limit)
			status = sc_image_json(rq, im, out, err);
		if (status)
			return status;
		page->count += listed;
	}
	return SC_OK;
}

enum sc_status sc_handle_images(struct sc_request *rq, struct sc_response *rs,
				struct sc_err *err)
{
	struct page page = { .limit = LIMIT_DEFAULT };
	SC_AUTO_BUF results = SC_BUF_INIT;
	enum sc_status status = page_number(rq, "limit", 1, &page.limit, err);

	if (!status)
		status = page_number(rq, "offset", 0, &page.offset, err);
	if (!status)
		status = put_results(rq, &page, &results, err);
	if (status)
		return status;
	sc_json_response(rs);
	sc_json_begin(&rs->body, '{');
	put_page_head(rq, &page, &rs->body);
	sc_json_key(&rs->body, "results");
	sc_json_begin(&rs->body, '[');
	sc_buf_append(&rs->body, results.data, results.len);
	sc_json_end(&rs->body, ']');
	sc_json_end(&rs->body, '}');
	return SC_OK;
}

enum sc_status sc_handle_image(struct sc_request *rq, struct sc_response *rs,
			       struct sc_err *err)
{
	sc_json_response(rs);
	return sc_image_json(rq, rq->ctx->image, &rs->body, err);
}

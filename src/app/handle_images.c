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
	int64_t limit, offset; /* asked for */
	int64_t count;	       /* images that pass */
	int64_t listed;	       /* of them on this page */
	const char *host;      /* of the addresses of other pages */
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

/* The absolute URL of another page, all parameters sorted, as EXACT's client parses it.
 */
static void put_page_url(const struct sc_request *rq, const struct page *page,
			 int64_t offset, struct sc_buf *out)
{
	const char *parameters[PARAMETERS_MAX];
	size_t n = other_parameters(rq, parameters);
	SC_AUTO_BUF url = SC_BUF_INIT;

	parameters[n++] =
		sc_arena_printf(rq->arena, "limit=%lld", (long long)page->limit);
	if (offset > 0)
		parameters[n++] =
			sc_arena_printf(rq->arena, "offset=%lld", (long long)offset);
	qsort(parameters, n, sizeof(parameters[0]), compare_parameters);
	sc_buf_printf(&url, "%s://%s%.*s", sc_is_secure(rq) ? "https" : "http",
		      page->host, (int)strcspn(rq->uri, "?#"), rq->uri);
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

/* Of images that the caller may read: the others are not there. */
static bool passes(struct sc_request *rq, const struct sc_grants *grants,
		   const struct sc_image_filters *filters, const struct sc_image *im)
{
	return im->state != SC_IMAGE_GONE &&
	       (sc_grants_on(grants, im->id) & SC_RIGHT_READ) &&
	       sc_image_filters_pass(filters, im, rq->arena);
}

/* The images of the page, and how many there are in all. */
static enum sc_status find_page(struct sc_request *rq, struct page *page,
				const struct sc_image **out, struct sc_err *err)
{
	const struct sc_catalogue *c = rq->ctx->app->catalogue;
	const struct sc_grants *grants = NULL;
	struct sc_image_filters filters;
	enum sc_status status = sc_image_filters_parse(rq, &filters, err);

	if (!status)
		status = sc_caller_grants(rq, &grants, err);
	if (status)
		return status;
	for (size_t i = 0; i < sc_catalogue_count(c); i++) {
		const struct sc_image *im = sc_catalogue_at(c, i);

		if (!passes(rq, grants, &filters, im))
			continue;
		if (page->count >= page->offset && page->listed < page->limit)
			out[page->listed++] = im;
		page->count++;
	}
	return SC_OK;
}

/* Some images, whose versions are read together. */
static void put_group(struct sc_request *rq, const struct sc_image_view *view,
		      const struct sc_image *const *images, size_t n, struct sc_buf *out)
{
	struct sc_version of_images[SC_IMAGES_AT_ONCE];
	struct sc_cache_versions versions = *rq->ctx->cache_versions;

	versions.known = versions.known &&
			 sc_read_image_versions(rq->ctx->app, images, n, of_images);
	for (size_t i = 0; i < n; i++) {
		if (versions.known)
			sc_add_image_version(&versions, &of_images[i]);
		sc_image_json(rq, view, images[i], &versions, out);
	}
}

static void put_results(struct sc_request *rq, const struct sc_image_view *view,
			const struct sc_image *const *images, int64_t n,
			struct sc_buf *out)
{
	sc_json_key(out, "results");
	sc_json_begin(out, '[');
	for (int64_t i = 0; i < n; i += SC_IMAGES_AT_ONCE) {
		int64_t left = n - i;

		put_group(rq, view, images + i,
			  (size_t)(left < SC_IMAGES_AT_ONCE ? left : SC_IMAGES_AT_ONCE),
			  out);
	}
	sc_json_end(out, ']');
}

enum sc_status sc_handle_images(struct sc_request *rq, struct sc_response *rs,
				struct sc_err *err)
{
	struct page page = { .limit = LIMIT_DEFAULT };
	struct sc_image_view view;
	SC_AUTO_FREE const struct sc_image **images =
		sc_alloc_array(sc_catalogue_count(rq->ctx->app->catalogue) + 1,
			       sizeof(struct sc_image *));
	enum sc_status status = sc_host_of(rq, &page.host, err);

	if (!status)
		status = page_number(rq, "limit", 1, &page.limit, err);
	if (!status)
		status = page_number(rq, "offset", 0, &page.offset, err);
	if (!status)
		status = sc_image_view_of(rq, &view, err);
	if (!status)
		status = find_page(rq, &page, images, err);
	if (status)
		return status;
	sc_json_response(rs);
	sc_json_begin(&rs->body, '{');
	put_page_head(rq, &page, &rs->body);
	put_results(rq, &view, images, page.listed, &rs->body);
	sc_json_end(&rs->body, '}');
	return SC_OK;
}

enum sc_status sc_handle_image(struct sc_request *rq, struct sc_response *rs,
			       struct sc_err *err)
{
	struct sc_image_view view;
	enum sc_status status = sc_image_view_of(rq, &view, err);

	if (status)
		return status;
	sc_json_response(rs);
	sc_image_json(rq, &view, rq->ctx->image, rq->ctx->cache_versions, &rs->body);
	return SC_OK;
}

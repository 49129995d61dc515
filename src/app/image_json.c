/* SPDX-License-Identifier: MIT */
/*
 * One image as JSON: the fields of the table that the request asks for, and "version",
 * the token of the image's versioned URLs.
 */
#include "app/image_fields.h"

/* Whether name stands in a comma list. */
static bool listed(const char *list, const char *name)
{
	for (const char *p = list; p;) {
		size_t n = strcspn(p, ",");

		if (sc_bytes_is(sc_bytes_of(p, n), name))
			return true;
		p = p[n] ? p + n + 1 : NULL;
	}
	return false;
}

static bool wanted(const char *fields, const char *omit, const char *name)
{
	if (fields && *fields && !listed(fields, name))
		return false;
	return !omit || !listed(omit, name);
}

static void put_value(const struct sc_image_field *f, const struct sc_image *im,
		      struct sc_arena *a, struct sc_buf *out)
{
	struct sc_field_value v = { 0 };

	if (f->value)
		v = f->value(im, a);
	sc_json_key(out, f->name);
	switch (f->type) {
	case SC_FIELD_INT:
		sc_json_int(out, v.number);
		return;
	case SC_FIELD_DOUBLE:
		sc_json_double(out, v.real);
		return;
	case SC_FIELD_TEXT:
		sc_json_str(out, v.text);
		return;
	case SC_FIELD_EMPTY_LIST:
		sc_json_begin(out, '[');
		sc_json_end(out, ']');
		return;
	}
}

enum sc_status sc_image_view_of(const struct sc_request *rq, struct sc_image_view *out,
				struct sc_err *err)
{
	enum sc_status status = sc_query_get(rq, "fields", &out->fields, err);

	return status ? status : sc_query_get(rq, "omit", &out->omit, err);
}

static void put_token(struct sc_request *rq, const struct sc_image *im,
		      const struct sc_cache_versions *versions, struct sc_buf *out)
{
	char token[SC_URL_TOKEN_LEN] = "";
	struct sc_identity identity;
	struct sc_err ignored; /* a file that is not there now has no token */

	if (sc_slide_identity(rq->ctx->app->root, im->file, &identity, &ignored) == SC_OK)
		sc_url_token(rq->ctx->app, versions, im, &identity, token);
	sc_json_key(out, "version");
	sc_json_str(out, token);
}

/* In quarantine it has that for its reason. */
static const struct sc_image *as_shown(struct sc_request *rq, const struct sc_image *im)
{
	struct sc_image *copy = NULL;
	struct sc_err why;

	if (!sc_image_quarantined(rq->ctx->app->renderer, im, &why))
		return im;
	copy = sc_arena_alloc(rq->arena, sizeof(*copy));
	*copy = *im;
	copy->reason = sc_arena_str(rq->arena, sc_bytes_str(why.text));
	return copy;
}

void sc_image_json(struct sc_request *rq, const struct sc_image_view *view,
		   const struct sc_image *im, const struct sc_cache_versions *versions,
		   struct sc_buf *out)
{
	im = as_shown(rq, im);
	sc_json_begin(out, '{');
	for (size_t i = 0; i < sc_image_fields_count; i++)
		if (wanted(view->fields, view->omit, sc_image_fields[i].name))
			put_value(&sc_image_fields[i], im, rq->arena, out);
	if (wanted(view->fields, view->omit, "version"))
		put_token(rq, im, versions, out);
	sc_json_end(out, '}');
}

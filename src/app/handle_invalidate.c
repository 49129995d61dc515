/* SPDX-License-Identifier: MIT */
/*
 * /api/v1/cache/invalidate/: several caches and images at once, all or nothing, or all
 * there are.
 */
#include "app/manage.h"

#include <stdlib.h>

#include "app/body.h"

#define NAMES_MAX 1000

struct names {
	const char **items; /* of the arena, and of the body */
	size_t n;
};

/* The field's array, NULL when there is none. */
static enum sc_status find_array(json_t *body, const char *field, json_t **out,
				 struct sc_err *err)
{
	*out = json_object_get(body, field);
	if (*out && !json_is_array(*out))
		return sc_fail(err, SC_FIELD, "%s: wants an array", field);
	return SC_OK;
}

/* Before any is looked at. */
static enum sc_status count(json_t *body, struct sc_err *err)
{
	size_t n = json_array_size(json_object_get(body, "caches")) +
		   json_array_size(json_object_get(body, "images"));

	if (n > NAMES_MAX)
		return sc_fail(err, SC_FIELD, "caches, images: %zu at once, at most %d",
			       n, NAMES_MAX);
	return SC_OK;
}

static enum sc_status add_caches(json_t *body, struct names *out, struct sc_err *err)
{
	json_t *array = NULL;
	enum sc_status status = find_array(body, "caches", &array, err);

	for (size_t i = 0; i < json_array_size(array) && !status; i++) {
		const char *name = json_string_value(json_array_get(array, i));

		if (!name)
			return sc_fail(err, SC_FIELD, "caches: wants names, as strings");
		out->items[out->n++] = name;
	}
	return status;
}

static enum sc_status add_images(struct sc_request *rq, struct names *out,
				 struct sc_err *err)
{
	json_t *array = NULL;
	enum sc_status status = find_array(rq->ctx->body, "images", &array, err);

	for (size_t i = 0; i < json_array_size(array) && !status; i++) {
		int64_t id = json_integer_value(json_array_get(array, i));
		char *name = sc_arena_alloc(rq->arena, SC_VERSION_NAME_MAX + 1);

		if (id < 1) /* also what is no integer */
			return sc_fail(err, SC_FIELD, "images: wants ids, as numbers");
		sc_version_image_name(id, name);
		out->items[out->n++] = name;
	}
	return status;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Each once: who is named twice is answered once. */
static void make_set(struct names *names)
{
	size_t n = 0;

	qsort(names->items, names->n, sizeof(names->items[0]), compare);
	for (size_t i = 0; i < names->n; i++)
		if (n == 0 || strcmp(names->items[n - 1], names->items[i]) != 0)
			names->items[n++] = names->items[i];
	names->n = n;
}

/* Whoever names a cache or all of them needs it to all images. */
static enum sc_status check_right(struct sc_request *rq, const char *name,
				  struct sc_err *err)
{
	return sc_check_right(rq, SC_RIGHT_MANAGE, sc_version_image_id(name), err);
}

static enum sc_status collect(struct sc_request *rq, struct names *out,
			      struct sc_err *err)
{
	enum sc_status status = count(rq->ctx->body, err);

	out->items = sc_arena_alloc(rq->arena, NAMES_MAX * sizeof(out->items[0]));
	if (!status)
		status = add_caches(rq->ctx->body, out, err);
	if (!status)
		status = add_images(rq, out, err);
	if (!status && out->n == 0)
		return sc_fail(err, SC_FIELD,
			       "nothing to invalidate: caches, images or all says what");
	make_set(out);
	for (size_t i = 0; i < out->n && !status; i++)
		status = check_right(rq, out->items[i], err);
	for (size_t i = 0; i < out->n && !status; i++)
		status = sc_version_name_known(rq->ctx->app, out->items[i], err);
	return status;
}

static size_t drop_images(struct sc_version *v, size_t n)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++)
		if (!sc_is_image_name(v[i].name))
			v[left++] = v[i];
	return left;
}

static void put_versions(const struct sc_version *v, size_t n, struct sc_response *rs)
{
	sc_json_response(rs);
	sc_json_begin(&rs->body, '{');
	sc_json_key(&rs->body, "versions");
	sc_versions_json(v, n, &rs->body);
	sc_json_end(&rs->body, '}');
}

static enum sc_status invalidate_some(struct sc_request *rq, struct sc_response *rs,
				      struct sc_err *err)
{
	SC_AUTO_FREE struct sc_version *now = NULL;
	struct names names = { NULL, 0 };
	enum sc_status status = collect(rq, &names, err);

	if (!status)
		status = sc_change_versions(rq, &sc_change_invalidate, names.items,
					    names.n, err);
	if (status)
		return status;
	now = sc_alloc_array(names.n, sizeof(*now));
	status = sc_read_named_versions(rq->ctx->app, names.items, names.n, now, err);
	if (status)
		return sc_fail_after_change(err);
	put_versions(now, names.n, rs);
	return SC_OK;
}

/* Of images there may be any number. */
static enum sc_status invalidate_all(struct sc_request *rq, struct sc_response *rs,
				     struct sc_err *err)
{
	SC_AUTO_FREE struct sc_version *now = NULL;
	size_t n = 0;
	json_t *all = json_object_get(rq->ctx->body, "all");
	enum sc_status status = SC_OK;

	if (!json_is_true(all) || json_object_size(rq->ctx->body) > 1)
		return sc_fail(err, SC_FIELD, "all: wants to be true, and alone");
	status = sc_check_right(rq, SC_RIGHT_MANAGE, 0, err);
	if (!status)
		status = sc_change_versions(rq, &sc_change_invalidate, NULL, 0, err);
	if (status)
		return status;
	if (sc_read_all_versions(rq->ctx->app, &now, &n, err) != SC_OK)
		return sc_fail_after_change(err);
	put_versions(now, drop_images(now, n), rs);
	return SC_OK;
}

enum sc_status sc_handle_invalidate(struct sc_request *rq, struct sc_response *rs,
				    struct sc_err *err)
{
	static const char *const known[] = { "caches", "images", "all", NULL };
	enum sc_status status = sc_body_fields(rq->ctx->body, known, err);

	if (status)
		return status;
	return json_object_get(rq->ctx->body, "all") ? invalidate_all(rq, rs, err)
						     : invalidate_some(rq, rs, err);
}

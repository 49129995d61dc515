/* SPDX-License-Identifier: MIT */
/*
 * Associated images: which there are, by names that can stand in a path, and the pixels
 * of one, within limits that are checked before anything is decoded.
 */
#include "slide/source.h"
#include "slidecache/parse.h"

#define WHITE 0xffffff

/* U+0080 to U+009F steer terminals as the others do. */
static bool is_name(const char *name)
{
	for (const unsigned char *p = (const unsigned char *)name; *p; p++)
		if (*p < 0x20 || *p == 0x7f || *p == '/' || *p == '\\' ||
		    (*p == 0xc2 && p[1] < 0xa0))
			return false;
	return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       sc_utf8_valid(sc_bytes_str(name));
}

void sc_associated_add(struct sc_associated_list *list, const struct sc_associated *one)
{
	size_t at = list->n;

	if (list->n == SC_ASSOCIATED_MAX || !is_name(one->name) || one->width < 1 ||
	    one->height < 1)
		return;
	while (at > 0 && strcmp(list->images[at - 1].name, one->name) > 0)
		at--;
	memmove(&list->images[at + 1], &list->images[at],
		(list->n - at) * sizeof(*list->images));
	list->images[at] = *one;
	list->n++;
}

static enum sc_status call_list(const struct sc_source_ops *ops, void *state, void *arg,
				struct sc_err *err)
{
	return ops->associated(state, arg, err);
}

enum sc_status sc_slide_associated(struct sc_slide *s, struct sc_associated_list *out,
				   struct sc_err *err)
{
	out->n = 0;
	return sc_slide_call(s, call_list, out, err);
}

struct reading {
	const struct sc_associated *which;
	struct sc_pixels pixels;
};

static enum sc_status call_read(const struct sc_source_ops *ops, void *state, void *arg,
				struct sc_err *err)
{
	struct reading *r = arg;

	return ops->read_associated(state, r->which, (uint32_t *)(void *)r->pixels.rgbx,
				    err);
}

static const struct sc_associated *find(const struct sc_associated_list *list,
					const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->images[i].name, name) == 0)
			return &list->images[i];
	return NULL;
}

/* Fails with the size as the file has it, whatever that is. */
static enum sc_status make_room(const struct sc_associated *one, struct sc_pixels *p,
				struct sc_err *err)
{
	int64_t pixels = 0;

	if (one->width <= UINT32_MAX && one->height <= UINT32_MAX &&
	    !__builtin_mul_overflow(one->width, one->height, &pixels) &&
	    pixels <= SC_ASSOCIATED_PIXELS_MAX &&
	    sc_pixels_new(p, (uint32_t)one->width, (uint32_t)one->height, err) == SC_OK)
		return SC_OK;
	return sc_fail(err, SC_TOO_LARGE,
		       "the slide's image %s has %lld x %lld pixels, over the limit",
		       one->name, (long long)one->width, (long long)one->height);
}

enum sc_status sc_slide_read_associated(struct sc_slide *s, const char *name,
					struct sc_pixels *out, struct sc_err *err)
{
	struct sc_associated_list list;
	struct reading r = { .pixels = SC_PIXELS_INIT };
	enum sc_status status = sc_slide_associated(s, &list, err);

	if (status)
		return status;
	r.which = find(&list, name);
	if (!r.which)
		return sc_fail(err, SC_NOT_FOUND,
			       "the slide has no associated image of that name");
	status = make_room(r.which, &r.pixels, err);
	if (!status)
		status = sc_slide_call(s, call_read, &r, err);
	if (!status) {
		sc_pixels_from_argb(&r.pixels, WHITE);
		*out = sc_pixels_take(&r.pixels);
	}
	sc_pixels_release(&r.pixels);
	return status;
}

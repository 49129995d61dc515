/* SPDX-License-Identifier: MIT */
/*
 * images list | scan | add FILE | remove ID: the catalogue from the command line. The
 * service sees a change with its next request.
 */
#include "ctl/images.h"

#include <stdio.h>
#include <stdlib.h>

#include "slidecache/catalogue.h"
#include "slidecache/json.h"
#include "slidecache/parse.h"

/* What an image's quarantine is looked up in; nothing while the slides are away. */
struct view {
	struct sc_quarantine *quarantine;
	struct sc_slide_root *root;
};

static void open_view(const struct sc_ctl *ctl, struct view *v)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	struct sc_err err;

	*v = (struct view){ NULL, NULL };
	if (sc_slide_root_open(ctl->conf->slides.root, &v->root, &err) != SC_OK)
		return;
	sc_ctl_quarantine_path(ctl, &path);
	v->quarantine = sc_quarantine_new((const char *)path.data);
}

static void close_view(struct view *v)
{
	sc_quarantine_free(v->quarantine);
	sc_slide_root_close(v->root);
}

/* In quarantine it has that for its reason; text: where that is written. */
static struct sc_image as_shown(const struct view *v, const struct sc_image *im,
				struct sc_err *text)
{
	struct sc_image shown = *im;

	if (v->root && sc_quarantine_of_image(v->quarantine, v->root, im, text))
		shown.reason = text->text;
	return shown;
}

static void put_image(struct sc_buf *out, const struct sc_image *im)
{
	sc_json_begin(out, '{');
	sc_json_key(out, "id");
	sc_json_int(out, im->id);
	sc_json_key(out, "file");
	sc_json_str(out, im->file);
	sc_json_key(out, "state");
	sc_json_str(out, sc_image_state_name(im->state));
	sc_json_key(out, "reason");
	sc_json_str(out, im->reason);
	sc_json_key(out, "width");
	sc_json_int(out, im->width);
	sc_json_key(out, "height");
	sc_json_int(out, im->height);
	sc_json_end(out, '}');
}

static void print_line(const struct sc_image *im)
{
	SC_AUTO_BUF text = SC_BUF_INIT;

	/* A name may hold what a terminal takes for a command. */
	sc_ctl_put_printable(&text, im->file);
	sc_buf_printf(&text, "%s", *im->reason ? ": " : "");
	sc_ctl_put_printable(&text, im->reason);
	printf("%6lld  %-10s %7lld x %-7lld %.*s\n", (long long)im->id,
	       sc_image_state_name(im->state), (long long)im->width,
	       (long long)im->height, (int)text.len, (const char *)text.data);
}

static void print_images(const struct sc_ctl *ctl, const struct sc_catalogue *c)
{
	SC_AUTO_BUF out = SC_BUF_INIT;
	struct view view;

	open_view(ctl, &view);
	sc_json_begin(&out, '[');
	for (size_t i = 0; i < sc_catalogue_count(c); i++) {
		struct sc_err text;
		struct sc_image im = as_shown(&view, sc_catalogue_at(c, i), &text);

		put_image(&out, &im);
		if (!ctl->json)
			print_line(&im);
	}
	sc_json_end(&out, ']');
	close_view(&view);
	if (ctl->json)
		sc_ctl_print(&out);
}

static enum sc_status list_images(const struct sc_ctl *ctl, struct sc_err *err)
{
	struct sc_catalogue *c = NULL;
	enum sc_status status = sc_ctl_arguments(ctl, 1, 1, err);

	if (!status)
		status = sc_catalogue_open(ctl->conf->slides.catalogue, &c, err);
	if (status)
		return status;
	print_images(ctl, c);
	sc_catalogue_close(c);
	return SC_OK;
}

static enum sc_status scan_images(const struct sc_ctl *ctl, struct sc_err *err)
{
	struct sc_scan_result r;
	enum sc_status status = sc_ctl_arguments(ctl, 1, 1, err);

	if (!status)
		status = sc_catalogue_scan(ctl->conf->slides.catalogue,
					   ctl->conf->slides.root, &r, err);
	if (status)
		return status;
	(void)printf(
		ctl->json ? "{\"total\":%d,\"added\":%d,\"changed\":%d,\"gone\":%d,"
			    "\"unreadable\":%d}\n"
			  : "%d images: %d added, %d changed, %d gone, %d unreadable\n",
		r.total, r.added, r.changed, r.gone, r.unreadable);
	return SC_OK;
}

const char *sc_ctl_below_root(const struct sc_ctl *ctl, const char *file)
{
	SC_AUTO_FREE char *root = realpath(ctl->conf->slides.root, NULL);
	size_t n = root ? strlen(root) : 0;

	while (strncmp(file, "./", 2) == 0)
		file += 2;
	if (root && strncmp(file, root, n) == 0 && file[n] == '/')
		file += n + 1;
	return file;
}

static enum sc_status add_image(const struct sc_ctl *ctl, struct sc_err *err)
{
	int64_t id = 0;
	enum sc_status status = sc_ctl_arguments(ctl, 2, 2, err);

	if (!status)
		status = sc_catalogue_add(ctl->conf->slides.catalogue,
					  ctl->conf->slides.root,
					  sc_ctl_below_root(ctl, ctl->argv[1]), &id, err);
	if (status)
		return status;
	(void)printf(ctl->json ? "{\"id\":%lld}\n" : "%lld\n", (long long)id);
	return SC_OK;
}

static enum sc_status remove_image(const struct sc_ctl *ctl, struct sc_err *err)
{
	uint64_t id = 0;
	enum sc_status status = sc_ctl_arguments(ctl, 2, 2, err);

	if (status)
		return status;
	if (!sc_parse_u64(sc_bytes_str(ctl->argv[1]), INT64_MAX, &id))
		return sc_fail(err, SC_INVALID, "images remove wants an id");
	return sc_catalogue_remove(ctl->conf->slides.catalogue, (int64_t)id, err);
}

enum sc_status sc_cmd_images(const struct sc_ctl *ctl, struct sc_err *err)
{
	static const struct {
		const char *name;
		enum sc_status (*run)(const struct sc_ctl *ctl, struct sc_err *err);
	} rows[] = {
		{ "list", list_images },
		{ "scan", scan_images },
		{ "add", add_image },
		{ "remove", remove_image },
		{ "quarantine", sc_ctl_images_quarantine },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (ctl->argc > 0 && strcmp(ctl->argv[0], rows[i].name) == 0)
			return rows[i].run(ctl, err);
	return sc_fail(err, SC_INVALID,
		       "images wants list, scan, add, remove or quarantine");
}

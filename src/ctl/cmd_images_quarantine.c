/* SPDX-License-Identifier: MIT */
/*
 * images quarantine [release FILE|ID... | --all]: slides that processes died of. The
 * service sees a release with its next request.
 */
#include "ctl/images.h"

#include <stdio.h>
#include <stdlib.h>

#include "slidecache/catalogue.h"
#include "slidecache/clock.h"
#include "slidecache/json.h"
#include "slidecache/parse.h"

/* What a command works with. */
struct call {
	const struct sc_ctl *ctl;
	struct sc_buf path;
	struct sc_quarantine_list list;
	struct sc_catalogue *catalogue; /* NULL while it cannot be read */
	bool *chosen;			/* of the list */
};

void sc_ctl_quarantine_path(const struct sc_ctl *ctl, struct sc_buf *out)
{
	sc_buf_printf(out, "%s/" SC_QUARANTINE_FILE, ctl->conf->state_dir);
}

/* The image that the file belongs to; NULL: none that is known. */
static const struct sc_image *image_of(const struct call *c,
				       const struct sc_quarantined *item)
{
	for (size_t i = 0; c->catalogue && i < sc_catalogue_count(c->catalogue); i++) {
		const struct sc_image *im = sc_catalogue_at(c->catalogue, i);

		if (sc_quarantined_is_image(item, im))
			return im;
	}
	return NULL;
}

/* ----- list ----- */

/* A file that has changed since is not in quarantine any more. */
static bool is_still_there(struct sc_slide_root *root, const struct sc_quarantined *item)
{
	struct sc_identity now;
	struct sc_err ignored;

	return !root || sc_slide_identity(root, item->file, &now, &ignored) != SC_OK ||
	       sc_quarantine_key(item->file, &now) == item->key;
}

static void put_time(int64_t s, struct sc_buf *out)
{
	char text[SC_TIME_LEN];

	sc_time_text_utc(s * SC_US_PER_S, text);
	sc_buf_printf(out, "%.19sZ", text);
}

static void put_row(const struct call *c, const struct sc_quarantined *item,
		    struct sc_buf *out)
{
	const struct sc_image *im = image_of(c, item);
	SC_AUTO_BUF until = SC_BUF_INIT;

	if (item->until_s)
		put_time(item->until_s, &until);
	else
		sc_buf_str(&until, "-");
	if (im)
		sc_buf_printf(out, "%6lld", (long long)im->id);
	else
		sc_buf_printf(out, "%6s", "-");
	sc_buf_printf(out, "  %7d  %-20s  ", item->strikes, (const char *)until.data);
	sc_ctl_put_printable(out, item->file);
	sc_buf_str(out, ": ");
	sc_ctl_put_printable(out, item->reason);
	sc_buf_str(out, "\n");
}

static void put_json_time(struct sc_buf *out, const char *key, int64_t s)
{
	SC_AUTO_BUF text = SC_BUF_INIT;

	sc_json_key(out, key);
	if (s == 0) {
		sc_json_null(out);
		return;
	}
	put_time(s, &text);
	sc_json_str(out, (const char *)text.data);
}

static void put_item(const struct call *c, const struct sc_quarantined *item,
		     struct sc_buf *out)
{
	const struct sc_image *im = image_of(c, item);

	sc_json_begin(out, '{');
	sc_json_key(out, "image");
	if (im)
		sc_json_int(out, im->id);
	else
		sc_json_null(out);
	sc_json_key(out, "file");
	sc_json_str(out, item->file);
	sc_json_key(out, "strikes");
	sc_json_int(out, item->strikes);
	sc_json_key(out, "reason");
	sc_json_str(out, item->reason);
	put_json_time(out, "last", item->last_s);
	put_json_time(out, "until", item->until_s);
	sc_json_end(out, '}');
}

static enum sc_status list(struct call *c, struct sc_err *err)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	SC_AUTO_BUF json = SC_BUF_INIT;
	struct sc_slide_root *root = NULL;

	/* Without the slides nobody can say which of them have changed. */
	SC_IGNORE(sc_slide_root_open(c->ctl->conf->slides.root, &root, err));
	sc_buf_printf(&text, "%6s  %7s  %-20s  %s\n", "image", "strikes", "until",
		      "file");
	sc_json_begin(&json, '[');
	for (size_t i = 0; i < c->list.n; i++) {
		if (!is_still_there(root, &c->list.items[i]))
			continue;
		put_row(c, &c->list.items[i], &text);
		put_item(c, &c->list.items[i], &json);
	}
	sc_json_end(&json, ']');
	sc_slide_root_close(root);
	if (c->ctl->json)
		sc_ctl_print(&json);
	else
		(void)fputs((const char *)text.data, stdout);
	return SC_OK;
}

/* ----- release ----- */

static enum sc_status choose_image(struct call *c, int64_t id, struct sc_err *err)
{
	const struct sc_image *im =
		c->catalogue ? sc_catalogue_find(c->catalogue, id) : NULL;
	bool any = false;

	if (!im)
		return sc_fail(err, SC_NOT_FOUND, "there is no image %lld",
			       (long long)id);
	for (size_t i = 0; i < c->list.n; i++)
		if (sc_quarantined_is_image(&c->list.items[i], im))
			any = c->chosen[i] = true;
	return any ? SC_OK
		   : sc_fail(err, SC_NOT_FOUND, "no process died of image %lld lately",
			     (long long)id);
}

static enum sc_status choose_file(struct call *c, const char *file, struct sc_err *err)
{
	bool any = false;

	for (size_t i = 0; i < c->list.n; i++)
		if (sc_quarantined_is_file(&c->list.items[i], file))
			any = c->chosen[i] = true;
	return any ? SC_OK
		   : sc_fail(err, SC_NOT_FOUND, "no process died of %.150s lately", file);
}

/* A file whose name is a number is "./7". */
static enum sc_status choose(struct call *c, const char *word, struct sc_err *err)
{
	uint64_t id = 0;

	if (sc_parse_u64(sc_bytes_str(word), INT64_MAX, &id))
		return choose_image(c, (int64_t)id, err);
	return choose_file(c, sc_ctl_below_root(c->ctl, word), err);
}

static enum sc_status choose_all(struct call *c, struct sc_err *err)
{
	const struct sc_ctl *ctl = c->ctl;

	if (ctl->argc == 3 && strcmp(ctl->argv[2], "--all") == 0) {
		memset(c->chosen, true, c->list.n);
		return SC_OK;
	}
	for (int i = 2; i < ctl->argc; i++) {
		enum sc_status status =
			ctl->argv[i][0] == '-'
				? sc_fail(err, SC_INVALID,
					  "images quarantine release wants files, ids or "
					  "only --all, not %.64s",
					  ctl->argv[i])
				: choose(c, ctl->argv[i], err);

		if (status)
			return status;
	}
	return SC_OK;
}

/* Two records may be of one file. */
static bool is_new(const struct call *c, size_t item)
{
	for (size_t i = 0; i < item; i++)
		if (c->chosen[i] &&
		    strcmp(c->list.items[i].file, c->list.items[item].file) == 0)
			return false;
	return true;
}

static enum sc_status release_one(const struct call *c, const char *file,
				  struct sc_buf *json, struct sc_err *err)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	int n = 0;
	enum sc_status status =
		sc_quarantine_release((const char *)c->path.data, file, &n, err);

	if (status)
		return sc_ctl_fail_foreign(c->ctl->conf, err);
	sc_json_str(json, file);
	sc_ctl_put_printable(&text, file);
	if (!c->ctl->json)
		printf("%s: released\n", (const char *)text.data);
	return SC_OK;
}

/* None, unless there are all of them. */
static enum sc_status release(struct call *c, struct sc_err *err)
{
	SC_AUTO_BUF json = SC_BUF_INIT;
	enum sc_status status = choose_all(c, err);

	sc_json_begin(&json, '[');
	for (size_t i = 0; i < c->list.n && !status; i++)
		if (c->chosen[i] && is_new(c, i))
			status = release_one(c, c->list.items[i].file, &json, err);
	sc_json_end(&json, ']');
	if (!status && c->ctl->json)
		sc_ctl_print(&json);
	return status;
}

/* ----- which of them ----- */

static enum sc_status open_call(struct call *c, struct sc_err *err)
{
	struct sc_err ignored; /* ids are unknown then */
	enum sc_status status;

	sc_ctl_quarantine_path(c->ctl, &c->path);
	status = sc_quarantine_read((const char *)c->path.data, &c->list, err);
	if (status)
		return sc_ctl_fail_foreign(c->ctl->conf, err);
	c->chosen = sc_alloc_array(c->list.n + 1, sizeof(*c->chosen));
	memset(c->chosen, false, c->list.n);
	SC_IGNORE(sc_catalogue_open(c->ctl->conf->slides.catalogue, &c->catalogue,
				    &ignored));
	return SC_OK;
}

static void close_call(struct call *c)
{
	sc_catalogue_close(c->catalogue);
	sc_quarantine_list_release(&c->list);
	sc_buf_release(&c->path);
	free(c->chosen);
}

enum sc_status sc_ctl_images_quarantine(const struct sc_ctl *ctl, struct sc_err *err)
{
	struct call c = { .ctl = ctl, .path = SC_BUF_INIT };
	bool releases = ctl->argc > 1 && strcmp(ctl->argv[1], "release") == 0;
	enum sc_status status = SC_OK;

	if (ctl->argc > 1 && !releases)
		return sc_fail(err, SC_INVALID,
			       "images quarantine wants nothing more, or release");
	if (releases && ctl->argc < 3)
		return sc_fail(err, SC_INVALID,
			       "images quarantine release wants files, ids or --all");
	status = open_call(&c, err);
	if (!status)
		status = releases ? release(&c, err) : list(&c, err);
	close_call(&c);
	return status;
}

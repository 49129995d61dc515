/* SPDX-License-Identifier: MIT */
/*
 * acl check [FILE] | show WHO: access lists from the command line, by the very functions
 * that the service decides with.
 */
#include "ctl/ctl.h"

#include <stdio.h>

#include "slidecache/acl.h"
#include "slidecache/json.h"
#include "slidecache/tokens.h"

/* What is wrong is in a file, not in how this command is used. */
static enum sc_status status_of(const struct sc_err *err)
{
	return err->status == SC_INVALID ? SC_UNREADABLE : err->status;
}

/* ----- check ----- */

static enum sc_status check(const struct sc_ctl *ctl, struct sc_err *err)
{
	const char *file = ctl->argc > 1 ? ctl->argv[1] : ctl->conf->access.acl_file;
	SC_AUTO_BUF out = SC_BUF_INIT;

	if (!*file)
		return sc_fail(err, SC_NOT_FOUND,
			       "access.acl_file is not set: anybody may read");
	if (sc_acl_check(file, err) != SC_OK)
		return status_of(err);
	sc_json_begin(&out, '{');
	sc_json_key(&out, "file");
	sc_json_str(&out, file);
	sc_json_end(&out, '}');
	if (ctl->json) {
		sc_ctl_print(&out);
		return SC_OK;
	}
	sc_buf_reset(&out);
	sc_ctl_put_printable(&out, file);
	printf("%s is right\n", (const char *)out.data);
	return SC_OK;
}

/* ----- show ----- */

struct view {
	struct sc_caller caller;
	struct sc_catalogue *catalogue;
	const struct sc_grants *grants;
};

static const unsigned rights[] = { SC_RIGHT_READ, SC_RIGHT_MANAGE, SC_RIGHT_LABEL };
#define RIGHTS (sizeof(rights) / sizeof(rights[0]))

static const char *after(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

static enum sc_status set_name(struct sc_caller *c, const char *name, struct sc_err *err)
{
	size_t n = strlen(name);

	if (n == 0 || n > SC_USER_MAX)
		return sc_fail(err, SC_INVALID, "acl show: a name has 1 to %d bytes",
			       SC_USER_MAX);
	memcpy(c->name, name, n + 1);
	return SC_OK;
}

/* Which may be less than the lists grant it. */
static enum sc_status find_token(const struct sc_conf *conf, struct sc_caller *c,
				 struct sc_err *err)
{
	SC_AUTO_TOKENS all = SC_TOKENS_INIT;
	const struct sc_token *found = NULL;

	if (*conf->access.tokens_file &&
	    sc_tokens_load(conf->access.tokens_file, &all, err) != SC_OK)
		return status_of(err);
	found = sc_tokens_named(&all, c->name);
	if (!found)
		return sc_fail(err, SC_NOT_FOUND, "no token is called %s", c->name);
	c->rights = found->rights;
	return SC_OK;
}

static enum sc_status find_caller(const struct sc_ctl *ctl, struct sc_caller *out,
				  struct sc_err *err)
{
	const char *who = ctl->argv[1];
	const char *token = after(who, "token:");
	const char *user = after(who, "user:");

	*out = (struct sc_caller){ .kind = SC_CALLER_STRANGER, .rights = SC_RIGHT_READ };
	if (strcmp(who, "strangers") == 0)
		return SC_OK;
	out->kind = token ? SC_CALLER_TOKEN : SC_CALLER_USER;
	out->rights = SC_RIGHTS_ALL;
	if (set_name(out, token ? token : user ? user : who, err) != SC_OK)
		return err->status;
	return token ? find_token(ctl->conf, out, err) : SC_OK;
}

static void put_rights_json(struct sc_buf *out, unsigned set)
{
	sc_json_begin(out, '[');
	for (size_t i = 0; i < RIGHTS; i++)
		if (set & rights[i])
			sc_json_str(out, sc_right_name(rights[i]));
	sc_json_end(out, ']');
}

static void put_rights_text(struct sc_buf *out, unsigned set)
{
	const char *comma = "";

	for (size_t i = 0; i < RIGHTS; i++)
		if (set & rights[i]) {
			sc_buf_printf(out, "%s%s", comma, sc_right_name(rights[i]));
			comma = ",";
		}
	if (!*comma)
		sc_buf_str(out, "nothing");
}

/* Of the images that are there. */
static unsigned on(const struct view *v, const struct sc_image *im)
{
	return im->state == SC_IMAGE_GONE ? 0 : sc_grants_on(v->grants, im->id);
}

static int64_t count(const struct view *v, unsigned right)
{
	int64_t n = 0;

	for (size_t i = 0; i < sc_catalogue_count(v->catalogue); i++)
		n += (on(v, sc_catalogue_at(v->catalogue, i)) & right) != 0;
	return n;
}

static void put_image_json(struct sc_buf *out, const struct sc_image *im, unsigned set)
{
	sc_json_begin(out, '{');
	sc_json_key(out, "id");
	sc_json_int(out, im->id);
	sc_json_key(out, "name");
	sc_json_str(out, im->name);
	sc_json_key(out, "rights");
	put_rights_json(out, set);
	sc_json_end(out, '}');
}

static void put_images_json(struct sc_buf *out, const struct view *v)
{
	sc_json_key(out, "images");
	sc_json_begin(out, '[');
	for (size_t i = 0; i < sc_catalogue_count(v->catalogue); i++) {
		const struct sc_image *im = sc_catalogue_at(v->catalogue, i);

		if (on(v, im))
			put_image_json(out, im, on(v, im));
	}
	sc_json_end(out, ']');
}

static void print_json(const struct sc_ctl *ctl, const struct view *v)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_json_begin(&out, '{');
	sc_json_key(&out, "who");
	sc_json_str(&out, ctl->argv[1]);
	sc_json_key(&out, "all");
	put_rights_json(&out, sc_grants_on(v->grants, 0));
	sc_json_key(&out, "counts");
	sc_json_begin(&out, '{');
	for (size_t i = 0; i < RIGHTS; i++) {
		sc_json_key(&out, sc_right_name(rights[i]));
		sc_json_int(&out, count(v, rights[i]));
	}
	sc_json_end(&out, '}');
	put_images_json(&out, v);
	sc_json_end(&out, '}');
	sc_ctl_print(&out);
}

static void print_image(const struct sc_image *im, unsigned set)
{
	SC_AUTO_BUF may = SC_BUF_INIT;
	SC_AUTO_BUF name = SC_BUF_INIT;

	put_rights_text(&may, set);
	sc_ctl_put_printable(&name, im->name);
	printf("%6lld  %-17s  %s\n", (long long)im->id, (const char *)may.data,
	       (const char *)name.data);
}

static void print_text(const struct sc_ctl *ctl, const struct view *v)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_ctl_put_printable(&out, ctl->argv[1]);
	sc_buf_str(&out, " may on all images, those to come too: ");
	put_rights_text(&out, sc_grants_on(v->grants, 0));
	for (size_t i = 0; i < RIGHTS; i++)
		sc_buf_printf(&out, "%s%s %lld",
			      i ? ", " : "\nof images now: ", sc_right_name(rights[i]),
			      (long long)count(v, rights[i]));
	printf("%s\n", (const char *)out.data);
	for (size_t i = 0; i < sc_catalogue_count(v->catalogue); i++) {
		const struct sc_image *im = sc_catalogue_at(v->catalogue, i);

		if (on(v, im))
			print_image(im, on(v, im));
	}
}

static enum sc_status show_view(const struct sc_ctl *ctl, struct sc_acl *acl,
				struct view *v, struct sc_err *err)
{
	/* Any version will do for one process: then each image is looked at once. */
	enum sc_status status =
		sc_acl_grants(acl, &v->caller, "show", v->catalogue, &v->grants, err);

	if (status)
		return status;
	if (ctl->json)
		print_json(ctl, v);
	else
		print_text(ctl, v);
	return SC_OK;
}

static enum sc_status show(const struct sc_ctl *ctl, struct sc_err *err)
{
	const char *file = ctl->conf->access.acl_file;
	struct view v = { .grants = NULL };
	struct sc_acl *acl = NULL;
	enum sc_status status = find_caller(ctl, &v.caller, err);

	/* With the place of what is wrong. */
	if (!status && *file && sc_acl_check(file, err) != SC_OK)
		return status_of(err);
	if (!status)
		status =
			sc_catalogue_open(ctl->conf->slides.catalogue, &v.catalogue, err);
	if (status)
		return status;
	acl = sc_acl_new(file);
	status = show_view(ctl, acl, &v, err);
	sc_acl_free(acl);
	sc_catalogue_close(v.catalogue);
	return status;
}

enum sc_status sc_cmd_acl(const struct sc_ctl *ctl, struct sc_err *err)
{
	bool is_check = strcmp(ctl->argv[0], "check") == 0;
	enum sc_status status = SC_OK;

	if (!is_check && strcmp(ctl->argv[0], "show") != 0)
		return sc_fail(err, SC_INVALID, "acl wants check or show");
	status = sc_ctl_arguments(ctl, is_check ? 1 : 2, 2, err);
	if (status)
		return status;
	return is_check ? check(ctl, err) : show(ctl, err);
}

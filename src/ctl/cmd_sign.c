/* SPDX-License-Identifier: MIT */
/*
 * sign IMAGE: addresses that let whoever has them read one image for a while.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/images.h"
#include "ctl/life.h"
#include "slidecache/catalogue.h"
#include "slidecache/clock.h"
#include "slidecache/json.h"
#include "slidecache/parse.h"
#include "slidecache/signature.h"

#define HOUR_S	      3600
#define LIFE_MAX_DAYS (SC_SIGNATURE_LIFE_MAX_S / SC_DAY_S)
/* Where the packages have it. */
#define KEY_FILE "/etc/slidecache/signing.key"

/* What is wanted, and what comes of it. */
struct signing {
	const char *image; /* as it was written */
	int64_t life_s;
	int64_t id;
	char *name;
	int64_t expires_s;
	char signature[SC_SIGNATURE_MAX];
};

/* ----- arguments ----- */

static const struct option long_options[] = {
	{ "expires", required_argument, NULL, 'e' },
	{ NULL, 0, NULL, 0 },
};

/* The word before the arguments, the command, is getopt's program. */
static enum sc_status read_arguments(const struct sc_ctl *ctl, struct signing *s,
				     struct sc_err *err)
{
	char **argv = ctl->argv - 1;
	int argc = ctl->argc + 1;

	optind = 0; /* anew: main has read its own */
	opterr = 0;
	for (int opt = 0; (opt = getopt_long(argc, argv, "", long_options, NULL)) != -1;)
		if (opt != 'e')
			return sc_fail(err, SC_INVALID,
				       "sign: an option is unknown or lacks its value; "
				       "see --help");
		else if (sc_ctl_parse_life(optarg, LIFE_MAX_DAYS, &s->life_s, err) !=
			 SC_OK)
			return err->status;
	if (argc - optind != 1)
		return sc_fail(err, SC_INVALID, "sign wants one image: its id or file");
	s->image = argv[optind];
	return SC_OK;
}

/* ----- the image ----- */

/* By its file below the root, or by a name that no other one has. */
static enum sc_status find_file(const struct sc_catalogue *c, const char *file,
				const struct sc_image **out, struct sc_err *err)
{
	size_t named = 0;

	for (size_t i = 0; i < sc_catalogue_count(c); i++) {
		const struct sc_image *im = sc_catalogue_at(c, i);

		if (im->state == SC_IMAGE_GONE)
			continue;
		if (strcmp(im->file, file) == 0) {
			*out = im;
			return SC_OK;
		}
		if (strcmp(im->name, file) == 0 && named++ == 0)
			*out = im;
	}
	if (named > 1)
		return sc_fail(err, SC_NOT_FOUND,
			       "%zu images are called %.100s: use an id or a path", named,
			       file);
	if (named == 0)
		return sc_fail(err, SC_NOT_FOUND, "no image is called %.100s", file);
	return SC_OK;
}

/* A file whose name is a number is "./7". */
static enum sc_status find_image(const struct sc_ctl *ctl, const struct sc_catalogue *c,
				 struct signing *s, struct sc_err *err)
{
	const struct sc_image *im = NULL;
	uint64_t id = 0;
	enum sc_status status = SC_OK;

	if (!sc_parse_u64(sc_bytes_str(s->image), INT64_MAX, &id))
		status = find_file(c, sc_ctl_below_root(ctl, s->image), &im, err);
	else if (!(im = sc_catalogue_find(c, (int64_t)id)))
		status = sc_fail(err, SC_NOT_FOUND, "no image has the id %lld",
				 (long long)id);
	else if (im->state == SC_IMAGE_GONE)
		status = sc_fail(err, SC_NOT_FOUND, "image %lld is gone", (long long)id);
	if (status)
		return status;
	s->id = im->id;
	s->name = sc_strdup(im->name);
	return SC_OK;
}

static enum sc_status look_up(const struct sc_ctl *ctl, struct signing *s,
			      struct sc_err *err)
{
	struct sc_catalogue *c = NULL;
	enum sc_status status = sc_catalogue_open(ctl->conf->slides.catalogue, &c, err);

	if (status)
		return status;
	status = find_image(ctl, c, s, err);
	sc_catalogue_close(c);
	return status;
}

/* ----- signing ----- */

static enum sc_status fail_without_key(const struct sc_conf *conf, struct sc_err *err)
{
	SC_AUTO_BUF owner = SC_BUF_INIT;

	if (*conf->user)
		sc_buf_printf(&owner, "-o %.32s ", conf->user);
	return sc_fail(err, SC_NOT_FOUND,
		       "access.signing_key_file is not set: it names a key, which these "
		       "make: install -m 600 %s/dev/null " KEY_FILE
		       " && head -c 32 /dev/urandom >" KEY_FILE,
		       owner.data ? (const char *)owner.data : "");
}

static enum sc_status sign(const struct sc_ctl *ctl, struct signing *s,
			   struct sc_err *err)
{
	const char *file = ctl->conf->access.signing_key_file;
	struct sc_signer *signer = NULL;
	enum sc_status status = SC_OK;

	if (!*file)
		return fail_without_key(ctl->conf, err);
	s->expires_s = sc_wall_us() / SC_US_PER_S + s->life_s;
	status = sc_signer_new(file, &signer, err);
	if (!status)
		status = sc_sign_image(signer, s->id, s->expires_s, s->signature, err);
	sc_signer_free(signer);
	/* The file's fault, not the command line's. */
	return status == SC_INVALID ? SC_UNAVAILABLE : status;
}

/* ----- printing ----- */

#define ADDRESSES 3
static const struct address {
	const char *name, *before, *after; /* the id is between them */
	bool in_text;
} addresses[ADDRESSES] = {
	{ "viewer", "/viewer/", "/", true },
	{ "dzi", "/images/image/", "/1/1/tile.dzi", true },
	{ "thumbnail", "/api/v1/images/images/", "/thumbnail/", false },
};

static void put_address(const struct sc_ctl *ctl, const struct signing *s,
			const struct address *a, struct sc_buf *out)
{
	sc_buf_printf(out, "%s%s%lld%s?sig=%s", ctl->conf->base_path, a->before,
		      (long long)s->id, a->after, s->signature);
}

static void print_text(const struct sc_ctl *ctl, const struct signing *s)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	for (size_t i = 0; i < ADDRESSES; i++)
		if (addresses[i].in_text) {
			put_address(ctl, s, &addresses[i], &out);
			sc_buf_str(&out, "\n");
		}
	(void)fputs((const char *)out.data, stdout);
	if (!*ctl->conf->access.acl_file)
		(void)fputs("slidecachectl: without access.acl_file anybody may read, "
			    "and needs no signature\n",
			    stderr);
}

static void put_text(struct sc_buf *out, const char *key, const char *text)
{
	sc_json_key(out, key);
	sc_json_str(out, text);
}

static void print_json(const struct sc_ctl *ctl, const struct signing *s)
{
	SC_AUTO_BUF out = SC_BUF_INIT;
	char time[SC_TIME_LEN];

	sc_time_text_utc(s->expires_s * SC_US_PER_S, time);
	sc_json_begin(&out, '{');
	sc_json_key(&out, "image");
	sc_json_int(&out, s->id);
	put_text(&out, "name", s->name);
	put_text(&out, "expires_at", time);
	put_text(&out, "signature", s->signature);
	for (size_t i = 0; i < ADDRESSES; i++) {
		SC_AUTO_BUF address = SC_BUF_INIT;

		put_address(ctl, s, &addresses[i], &address);
		put_text(&out, addresses[i].name, (const char *)address.data);
	}
	sc_json_end(&out, '}');
	sc_ctl_print(&out);
}

enum sc_status sc_cmd_sign(const struct sc_ctl *ctl, struct sc_err *err)
{
	struct signing s = { .life_s = HOUR_S };
	enum sc_status status = read_arguments(ctl, &s, err);

	if (!status)
		status = look_up(ctl, &s, err);
	if (!status)
		status = sign(ctl, &s, err);
	if (!status && ctl->json)
		print_json(ctl, &s);
	else if (!status)
		print_text(ctl, &s);
	free(s.name);
	return status;
}

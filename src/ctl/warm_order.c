/* SPDX-License-Identifier: MIT */
/*
 * warm: its arguments, and the slides that they name. Everything that can be known to be
 * wrong is found here, before any work.
 */
#include <getopt.h>
#include <stdlib.h>

#include "ctl/warming.h"
#include "slidecache/catalogue.h"
#include "slidecache/parse.h"

#define DEFAULT_MB  5 /* EXACT's */
#define MIB	    1048576.0
#define THREADS_MAX 256

enum { OPT_ALL = 256, OPT_MB, OPT_Z, OPT_FRAME, OPT_THREADS, OPT_JOBS, OPT_BACKGROUND };

static const struct option long_options[] = {
	{ "all", no_argument, NULL, OPT_ALL },
	{ "mem-size-mb", required_argument, NULL, OPT_MB },
	{ "z-dimension", required_argument, NULL, OPT_Z },
	{ "frame", required_argument, NULL, OPT_FRAME },
	{ "threads", required_argument, NULL, OPT_THREADS },
	{ "jobs", required_argument, NULL, OPT_JOBS },
	{ "background", no_argument, NULL, OPT_BACKGROUND },
	{ NULL, 0, NULL, 0 },
};

static enum sc_status take_size(struct sc_warming *w, struct sc_err *err)
{
	int64_t most = w->ctl->conf->warm.max_mem_size_mb;
	double mb = 0;

	if (!sc_parse_double(sc_bytes_str(optarg), &mb) || !(mb > 0))
		return sc_fail(err, SC_INVALID,
			       "--mem-size-mb wants a positive number, not %.32s",
			       optarg);
	if (mb > (double)most)
		return sc_fail(err, SC_INVALID,
			       "--mem-size-mb is at most %lld (warm.max_mem_size_mb)",
			       (long long)most);
	w->want.budget_bytes = mb * MIB < 1 ? 1 : (uint64_t)(mb * MIB);
	return SC_OK;
}

static enum sc_status take_number(const char *name, int64_t least, int64_t most,
				  int64_t *out, struct sc_err *err)
{
	if (sc_parse_i64(sc_bytes_str(optarg), least, most, out))
		return SC_OK;
	return sc_fail(err, SC_INVALID,
		       "--%s wants a number from %lld to %lld, not %.32s", name,
		       (long long)least, (long long)most, optarg);
}

static enum sc_status take_option(struct sc_warming *w, int opt, struct sc_err *err)
{
	switch (opt) {
	case OPT_ALL:
		w->all = true;
		return SC_OK;
	case OPT_BACKGROUND:
		w->background = true;
		return SC_OK;
	case OPT_MB:
		return take_size(w, err);
	case OPT_Z:
		return take_number("z-dimension", 1, INT32_MAX, &w->want.z, err);
	case OPT_FRAME:
		return take_number("frame", 1, INT32_MAX, &w->want.frame, err);
	case OPT_THREADS:
		return take_number("threads", 0, THREADS_MAX, &w->threads, err);
	case OPT_JOBS:
		return take_number("jobs", 1, SC_WARMING_JOBS_MAX, &w->jobs, err);
	default:
		return sc_fail(err, SC_INVALID,
			       "warm: an option is unknown or lacks its value; see "
			       "--help");
	}
}

static bool has(const struct sc_warming *w, int64_t id)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->slides[i].id == id)
			return true;
	return false;
}

static void add(struct sc_warming *w, int64_t id)
{
	if (has(w, id))
		return;
	w->slides = sc_realloc_array(w->slides, w->n + 1, sizeof(*w->slides));
	w->slides[w->n++] = (struct sc_warming_slide){ .id = id, .fd = -1 };
}

static enum sc_status take_ids(struct sc_warming *w, char *const *ids, struct sc_err *err)
{
	uint64_t id = 0;

	for (; *ids; ids++) {
		if (!sc_parse_u64(sc_bytes_str(*ids), INT64_MAX, &id) || id == 0)
			return sc_fail(err, SC_INVALID,
				       "warm wants ids of images, not %.32s", *ids);
		add(w, (int64_t)id);
	}
	return SC_OK;
}

/* What does not go together. threads and jobs are -1 unless they were given. */
static enum sc_status check(struct sc_warming *w, struct sc_err *err)
{
	if (w->all && w->n > 0)
		return sc_fail(err, SC_INVALID, "--all takes no ids");
	if (!w->all && w->n == 0)
		return sc_fail(err, SC_INVALID, "warm wants ids of images, or --all");
	if (w->background && (w->threads >= 0 || w->jobs >= 0))
		return sc_fail(err, SC_INVALID,
			       "--threads and --jobs are not for --background: the "
			       "options warm.threads and warmers are the service's");
	if (w->threads < 0)
		w->threads = w->ctl->conf->warm.threads;
	if (w->jobs < 0)
		w->jobs = 1;
	return SC_OK;
}

/* The word before the arguments, the command, is getopt's program. */
static enum sc_status read_arguments(struct sc_warming *w, struct sc_err *err)
{
	char **argv = w->ctl->argv - 1;
	int argc = w->ctl->argc + 1;
	enum sc_status status = SC_OK;

	optind = 0; /* anew: main has read its own */
	opterr = 0;
	for (int opt = 0; !status;) {
		opt = getopt_long(argc, argv, "", long_options, NULL);
		if (opt == -1)
			break;
		status = take_option(w, opt, err);
	}
	if (!status)
		status = take_ids(w, argv + optind, err);
	return status ? status : check(w, err);
}

/* ----- the slides ----- */

static void leave_out(struct sc_warming *w, const struct sc_image *im, const char *why)
{
	w->left_out =
		sc_realloc_array(w->left_out, w->nleft_out + 1, sizeof(*w->left_out));
	w->left_out[w->nleft_out++] = (struct sc_warming_left_out){
		.id = im->id, .name = sc_strdup(im->name), .reason = sc_strdup(why)
	};
}

static void say_left_out(const struct sc_warming *w)
{
	if (w->nleft_out > 0 && !w->ctl->json)
		(void)fprintf(stderr,
			      "slidecachectl: left out: %zu image%s that cannot be "
			      "warmed; --json names them\n",
			      w->nleft_out, w->nleft_out == 1 ? "" : "s");
}

/* Nobody asked for one of these by its name: what cannot be warmed is no failure. */
static void choose_all(struct sc_warming *w, const struct sc_catalogue *c)
{
	char file[SC_IMAGE_FILE_MAX];
	struct sc_err err;

	for (size_t i = 0; i < sc_catalogue_count(c); i++) {
		const struct sc_image *im = sc_catalogue_at(c, i);

		if (im->state == SC_IMAGE_UNREADABLE)
			leave_out(w, im, *im->reason ? im->reason : "it is unreadable");
		else if (im->state == SC_IMAGE_OK &&
			 sc_image_plane_file(im, w->want.z, w->want.frame, file, &err) !=
				 SC_OK)
			leave_out(w, im, err.text);
		else if (im->state == SC_IMAGE_OK)
			add(w, im->id);
	}
	say_left_out(w);
}

static enum sc_status name_slide(struct sc_warming_slide *s, const struct sc_image *im)
{
	SC_AUTO_BUF label = SC_BUF_INIT;

	sc_buf_printf(&label, "%lld ", (long long)im->id);
	sc_ctl_put_printable(&label, im->name);
	s->label = (char *)sc_buf_take(&label).data;
	s->name = sc_strdup(im->name);
	return SC_OK;
}

static enum sc_status find_slide(const struct sc_warming *w, const struct sc_catalogue *c,
				 struct sc_warming_slide *s, struct sc_err *err)
{
	const struct sc_image *im = sc_catalogue_find(c, s->id);
	char file[SC_IMAGE_FILE_MAX];

	if (!im)
		return sc_fail(err, SC_NOT_FOUND, "no image has the id %lld",
			       (long long)s->id);
	if (im->state == SC_IMAGE_GONE)
		return sc_fail(err, SC_NOT_FOUND, "image %lld is gone", (long long)s->id);
	/* As over HTTP; whoever waits for it may have it tried again. */
	if (im->state == SC_IMAGE_UNREADABLE && w->background)
		return sc_fail(err, SC_UNREADABLE, "image %lld cannot be read: %s",
			       (long long)s->id, im->reason);
	if (sc_image_plane_file(im, w->want.z, w->want.frame, file, err) != SC_OK)
		return err->status;
	return name_slide(s, im);
}

static enum sc_status find_slides(struct sc_warming *w, struct sc_err *err)
{
	struct sc_catalogue *c = NULL;
	enum sc_status status =
		sc_catalogue_open(w->ctl->conf->slides.catalogue, &c, err);

	if (status)
		return status;
	if (w->all)
		choose_all(w, c);
	for (size_t i = 0; i < w->n && !status; i++)
		status = find_slide(w, c, &w->slides[i], err);
	sc_catalogue_close(c);
	return status;
}

enum sc_status sc_warming_open(const struct sc_ctl *ctl, struct sc_warming *out,
			       struct sc_err *err)
{
	struct sc_warming w = { .ctl = ctl, .threads = -1, .jobs = -1 };
	enum sc_status status = SC_OK;

	w.want = (struct sc_warm_request){ .z = 1,
					   .frame = 1,
					   .budget_bytes = DEFAULT_MB * (uint64_t)MIB };
	status = read_arguments(&w, err);
	if (!status)
		status = find_slides(&w, err);
	if (status)
		sc_warming_release(&w);
	else
		*out = w;
	return status;
}

void sc_warming_release(struct sc_warming *w)
{
	for (size_t i = 0; i < w->n; i++) {
		free(w->slides[i].name);
		free(w->slides[i].label);
	}
	for (size_t i = 0; i < w->nleft_out; i++) {
		free(w->left_out[i].name);
		free(w->left_out[i].reason);
	}
	free(w->left_out);
	free(w->slides);
	w->slides = NULL;
	w->left_out = NULL;
	w->n = w->nleft_out = 0;
}

bool sc_warming_is_right(const struct sc_warming_slide *s)
{
	return s->state == SC_JOB_DONE && s->progress.failed_tiles == 0;
}

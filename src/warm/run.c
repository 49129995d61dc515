/* SPDX-License-Identifier: MIT */
/*
 * A run from its beginning to its end: what is to be known before the first walk, when
 * everything begins again, and when it is enough.
 */
#include <stdio.h>
#include <stdlib.h>

#include "slidecache/clock.h"
#include "slidecache/hash.h"
#include "warm/again.h"
#include "warm/run.h"

#define WALKS_CLEAN_MAX 3   /* and each found that what the one before stored is gone */
#define WALKS_MAX	100 /* also when stores come and go */
#define TILES_MAX	(1 << 25) /* of a plane: what the order of a level takes memory for */
#define OPEN_WAIT_MS	50

static enum sc_status plane_file(const struct sc_image *im,
				 const struct sc_warm_request *want,
				 char out[SC_IMAGE_FILE_MAX], struct sc_err *err)
{
	if (im->state == SC_IMAGE_GONE)
		return sc_fail(err, SC_NOT_FOUND, "image %lld is gone",
			       (long long)im->id);
	return sc_image_plane_file(im, want->z, want->frame, out, err);
}

static enum sc_status find_file(const struct sc_conf *conf, const char *file,
				struct sc_err *err)
{
	struct sc_slide_root *root = NULL;
	struct sc_identity identity;
	enum sc_status status = sc_slide_root_open(conf->slides.root, &root, err);

	if (!status)
		status = sc_slide_identity(root, file, &identity, err);
	sc_slide_root_close(root);
	return status;
}

static enum sc_status check_cache(const struct sc_warm_tools *t, struct sc_err *err)
{
	if (sc_cache_stores(t->cache))
		return SC_OK;
	return sc_fail(err, SC_UNAVAILABLE,
		       "tiles_cache keeps nothing, so there is nothing to warm");
}

enum sc_status sc_warm_check(const struct sc_warm_tools *t, const struct sc_image *im,
			     const struct sc_warm_request *want, struct sc_err *err)
{
	char file[SC_IMAGE_FILE_MAX];
	enum sc_status status = plane_file(im, want, file, err);

	if (!status)
		status = find_file(t->conf, file, err);
	return status ? status : check_cache(t, err);
}

static enum sc_status take_opened(struct sc_warm_run *r, const struct sc_warm_opening *o,
				  struct sc_err *err)
{
	if (o->status) {
		*err = o->err;
		return sc_warm_as_changed(o->status, err);
	}
	r->dz = o->dz;
	r->middle = o->middle;
	if (sc_warm_total(&r->dz) > TILES_MAX)
		return sc_fail(err, SC_UNREADABLE,
			       "the slide has %lld tiles; at most %d can be warmed",
			       (long long)sc_warm_total(&r->dz), TILES_MAX);
	return SC_OK;
}

/* By one of the threads, so that the caller hears of the run meanwhile. */
static enum sc_status open_plane(struct sc_warm_run *r, const struct sc_plan *plan,
				 struct sc_err *err)
{
	struct sc_warm_batch *b = sc_warm_batch_new(0);
	enum sc_status status = SC_OK;

	b->opening = sc_alloc(sizeof(*b->opening));
	b->opening->plan = *plan;
	sc_warm_pool_give(r->pool, b);
	for (b = NULL; !b && !status;) {
		b = sc_warm_pool_take(r->pool, OPEN_WAIT_MS);
		status = sc_warm_tick(r, err);
	}
	if (!status)
		status = take_opened(r, b->opening, err);
	sc_warm_batch_free(b);
	return status;
}

/* What the progress is the progress of. The middle decides the order, and so what the
 * first so many tiles are. */
static uint64_t epoch_of(const struct sc_warm_run *r)
{
	struct {
		char version[SC_PLAN_VERSION_MAX];
		struct sc_identity identity;
		uint64_t content;
		struct sc_warm_middle middle;
	} all;

	memset(&all, 0, sizeof(all));
	memcpy(all.version, r->version, SC_PLAN_VERSION_MAX);
	all.identity = r->identity;
	all.content = sc_content_hash(r->tools->conf, &r->identity);
	all.middle = r->middle;
	return sc_hash64(sc_bytes_of(&all, sizeof(all)));
}

static enum sc_status begin(struct sc_warm_run *r, struct sc_err *err)
{
	SC_AUTO_FREE struct sc_plan *plan = sc_alloc(sizeof(*plan));
	enum sc_status status = sc_warm_versions(r, r->version, err);

	if (!status)
		status = sc_warm_plan(r, 0, 0, 0, plan, err);
	if (status)
		return status;
	r->identity = plan->identity;
	/* Not waited for as a folder that is away: it takes an hour. */
	if (sc_render_quarantine_s(r->renderer, plan, err) > 0)
		return err->status;
	status = open_plane(r, plan, err);
	if (status)
		return status;
	sc_warm_begin(r, epoch_of(r));
	return sc_warm_tell(r, err);
}

static enum sc_status conclude(struct sc_warm_run *r, struct sc_err *err)
{
	const struct sc_warm_progress *p = r->p;

	sc_warm_finish(r);
	if (p->tiles == 0 && p->skipped_tiles == 0 && r->unreadable > 0)
		return sc_fail(err, SC_UNREADABLE, "no tile of the slide can be had: %s",
			       p->failure);
	return SC_OK;
}

static enum sc_status give_up(struct sc_warm_run *r)
{
	struct sc_warm_progress *p = r->p;

	p->failed_tiles += r->stored;
	(void)snprintf(p->failure, sizeof(p->failure),
		       "the cache does not keep them: %lld of %lld tiles were evicted "
		       "meanwhile",
		       (long long)r->stored, (long long)p->tiles);
	sc_warm_finish(r);
	return SC_OK;
}

/* Until all is there that the budget reaches. SC_CHANGED: all begins again. */
static enum sc_status attempt(struct sc_warm_run *r, struct sc_err *err)
{
	enum sc_status status = begin(r, err);
	int clean = 0;

	for (int walks = 0; !status && walks < WALKS_MAX; walks++) {
		status = sc_warm_walk(r, err);
		if (!status && r->stored == 0)
			return conclude(r, err);
		clean += !r->disturbed;
		if (clean == WALKS_CLEAN_MAX)
			break;
	}
	return status ? status : give_up(r);
}

static enum sc_status begin_again(struct sc_warm_run *r, struct sc_warm_again *again,
				  int64_t begun_us, struct sc_err *err)
{
	int64_t ms = sc_warm_again(again, begun_us, sc_mono_us());
	struct sc_err why = *err;

	if (ms < 0)
		return sc_fail(err, SC_CHANGED,
			       "the file or its versions keep changing: %s", why.text);
	return sc_warm_pause(r, ms, err);
}

static enum sc_status attempts(struct sc_warm_run *r, struct sc_err *err)
{
	struct sc_warm_again again = { 0, 0 };

	for (;;) {
		int64_t begun_us = sc_mono_us();
		enum sc_status status = attempt(r, err);

		if (status != SC_CHANGED)
			return status;
		status = begin_again(r, &again, begun_us, err);
		if (status)
			return status;
	}
}

/* Before any store is asked: a file that is not there needs none. One that is being
 * written is what attempts are for. */
static enum sc_status look_first(struct sc_warm_run *r, struct sc_err *err)
{
	SC_AUTO_FREE struct sc_plan *plan = sc_alloc(sizeof(*plan));
	enum sc_status status = sc_warm_plan(r, 0, 0, 0, plan, err);

	return status == SC_CHANGED ? SC_OK : status;
}

enum sc_status sc_warm_run(const struct sc_warm_tools *t, const struct sc_image *im,
			   const struct sc_warm_request *want,
			   struct sc_warm_progress *out, sc_warm_report_fn report,
			   void *arg, struct sc_err *err)
{
	SC_AUTO_FREE struct sc_warm_run *r = sc_alloc(sizeof(*r));
	char file[SC_IMAGE_FILE_MAX];
	enum sc_status status = plane_file(im, want, file, err);

	if (!status)
		status = check_cache(t, err);
	if (status)
		return status;
	r->tools = t;
	r->im = im;
	r->want = want;
	r->p = out;
	r->report = report;
	r->arg = arg;
	r->budget.limit = want->budget_bytes;
	sc_warm_begin_time(r);
	status = sc_warm_open_slides(r, err);
	if (!status)
		status = look_first(r, err);
	if (!status)
		status = attempts(r, err);
	sc_warm_close_slides(r);
	free(r->bad);
	return status;
}

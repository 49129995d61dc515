/* SPDX-License-Identifier: MIT */
/*
 * The slides a run reads. Their folder may be out of reach, which is waited for as for a
 * store; the file may be absent for a moment, when another one is put in its place.
 */
#include <sched.h>
#include <stdlib.h>

#include "warm/run.h"

#define END_WAIT_MS 300 /* for threads; less than a second in which a run stops */
#define THREADS_MAX 256

/* The cores that this process may use, which a container may have cut. */
static int threads_of(const struct sc_warm_tools *t)
{
	cpu_set_t set;
	int n = t->threads;

	CPU_ZERO(&set);
	if (n <= 0 && sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	n = n < THREADS_MAX ? n : THREADS_MAX;
	return n > 1 ? n : 1;
}

static enum sc_status open_slides(struct sc_warm_run *r, struct sc_err *err)
{
	const struct sc_conf *conf = r->tools->conf;
	enum sc_status status = sc_slide_root_open(conf->slides.root, &r->root, err);

	if (!status)
		status = sc_renderer_new(conf, r->root, &r->renderer, err);
	if (!status)
		status = sc_warm_pool_new(conf, threads_of(r->tools), &r->pool, err);
	return status;
}

void sc_warm_close_slides(struct sc_warm_run *r)
{
	sc_warm_pool_end(r->pool, END_WAIT_MS);
	sc_renderer_free(r->renderer);
	sc_slide_root_close(r->root);
	r->pool = NULL;
	r->renderer = NULL;
	r->root = NULL;
}

enum sc_status sc_warm_open_slides(struct sc_warm_run *r, struct sc_err *err)
{
	struct sc_warm_wait w = { 0, 0 };
	enum sc_status status = open_slides(r, err);

	while (status == SC_UNAVAILABLE) {
		sc_warm_close_slides(r);
		status = sc_warm_wait(r, &w, err);
		if (status)
			return status;
		status = open_slides(r, err);
	}
	sc_warm_answered(r, &w);
	return status;
}

static enum sc_status plan(struct sc_warm_run *r, const struct sc_item *item,
			   struct sc_plan *out, struct sc_err *err)
{
	const struct sc_plan_versions versions = {
		.text = r->version,
		.epoch = sc_hash64(sc_bytes_str(r->version)),
	};

	return sc_item_plan(r->renderer, r->im, item, &versions, out, err);
}

enum sc_status sc_warm_plan(struct sc_warm_run *r, int64_t level, int64_t col,
			    int64_t row, struct sc_plan *out, struct sc_err *err)
{
	const struct sc_item item = { .kind = SC_KIND_TILE,
				      .image = r->im->id,
				      .z = r->want->z,
				      .frame = r->want->frame,
				      .level = level,
				      .col = col,
				      .row = row,
				      .format = SC_JPEG };
	struct sc_warm_wait folder = { 0, 0 }, file = { 0, 0 };
	enum sc_status status = plan(r, &item, out, err);

	/* A file that was never there in this run is not waited for. */
	while (status == SC_UNAVAILABLE || (status == SC_NOT_FOUND && r->was_there)) {
		status = status == SC_UNAVAILABLE ? sc_warm_wait(r, &folder, err)
						  : sc_warm_wait_for_file(r, &file, err);
		if (status)
			return status;
		status = plan(r, &item, out, err);
	}
	sc_warm_answered(r, &folder);
	r->was_there = r->was_there || status == SC_OK;
	return status;
}

enum sc_status sc_warm_as_changed(enum sc_status status, struct sc_err *err)
{
	struct sc_err why = *err;

	if (status != SC_NOT_FOUND && status != SC_UNAVAILABLE)
		return status;
	return sc_fail(err, SC_CHANGED, "%s", why.text);
}

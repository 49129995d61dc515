/* SPDX-License-Identifier: MIT */
/*
 * The renderer's life, the table of kinds, and rendering a plan: open the slide that the
 * plan names, and let its kind make the bytes. Whatever went wrong with the file while it
 * was read wins over whatever the maker said.
 */
#include "render/renderer.h"

#include <stdlib.h>

#include "slidecache/clock.h"
#include "slidecache/filelock.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"

/* Plain appends: tiles' keys are made for every hit. */
static void tile_suffix(const struct sc_item *item, struct sc_buf *out)
{
	sc_buf_append(out, "/", 1);
	sc_buf_int(out, item->level);
	sc_buf_append(out, "/", 1);
	sc_buf_int(out, item->col);
	sc_buf_append(out, "_", 1);
	sc_buf_int(out, item->row);
	sc_buf_append(out, ".", 1);
	sc_buf_str(out, sc_encoder_of(item->format)->name);
}

static void patch_suffix(const struct sc_item *item, struct sc_buf *out)
{
	sc_buf_printf(out, "/%lld/%lld_%lld_%lldx%lld", (long long)item->level,
		      (long long)item->x, (long long)item->y, (long long)item->width,
		      (long long)item->height);
}

static void no_suffix(const struct sc_item *item, struct sc_buf *out)
{
	(void)item;
	(void)out;
}

static const struct sc_kind_ops kinds[SC_KIND_COUNT] = {
	[SC_KIND_TILE] = { "tile", true, tile_suffix, sc_make_tile },
	[SC_KIND_THUMBNAIL] = { "thumbnail", false, no_suffix, sc_make_thumbnail },
	[SC_KIND_DZI] = { "dzi", true, no_suffix, sc_make_dzi },
	[SC_KIND_INFO] = { "info", false, no_suffix, sc_make_slide_info },
	[SC_KIND_PATCH] = { "patch", false, patch_suffix, sc_make_patch },
};

const struct sc_kind_ops *sc_kind_of(enum sc_kind kind)
{
	return &kinds[kind];
}

struct sc_dz_options sc_dz_options_of(const struct sc_conf *conf)
{
	return (struct sc_dz_options){
		.tile_size = (uint32_t)conf->deepzoom.tile_size,
		.overlap = (uint32_t)conf->deepzoom.overlap,
		.limit_bounds = conf->deepzoom.limit_bounds,
	};
}

static enum sc_status open_pool(struct sc_renderer *r, struct sc_err *err)
{
	SC_AUTO_BUF records = SC_BUF_INIT;
	enum sc_status status =
		sc_slide_pool_new(r->root, (int)r->conf->slides.max_open, &r->pool, err);

	if (status)
		return status;
	sc_buf_printf(&records, "%s/" SC_QUARANTINE_FILE, r->conf->state_dir);
	r->quarantine = sc_quarantine_new((const char *)records.data);
	sc_slide_pool_admit(r->pool, sc_quarantine_admit, r->quarantine);
	return SC_OK;
}

enum sc_status sc_renderer_new(const struct sc_conf *conf, struct sc_slide_root *root,
			       struct sc_renderer **out, struct sc_err *err)
{
	struct sc_renderer *r = sc_alloc(sizeof(*r));
	SC_AUTO_BUF lock = SC_BUF_INIT;
	enum sc_status status = SC_OK;

	r->conf = conf;
	r->root = root;
	r->filters = sc_filters_new();
	r->flight_fd = -1;
	sc_buf_printf(&lock, "%s/flight.lock", conf->cache_dir);
	/* Without the lock file each worker renders for itself: slower, not wrong. */
	if (sc_filelock_open((const char *)lock.data, &r->flight_fd, err))
		sc_log_warning("%s", err->text);
	status = open_pool(r, err);
	if (status) {
		sc_renderer_free(r);
		return status;
	}
	*out = r;
	return SC_OK;
}

void sc_renderer_free(struct sc_renderer *r)
{
	if (!r)
		return;
	sc_overview_release(&r->overview);
	sc_blanks_release(&r->blanks);
	sc_filters_free(r->filters);
	sc_slide_pool_free(r->pool);
	sc_quarantine_free(r->quarantine);
	sc_close_fd(&r->flight_fd);
	free(r);
}

#define SLIDE_IDLE_US (60 * SC_US_PER_S)

void sc_renderer_idle(struct sc_renderer *r)
{
	sc_slide_pool_trim(r->pool, SLIDE_IDLE_US);
	if (sc_slide_pool_open_count(r->pool) == 0)
		sc_overview_release(&r->overview);
}

/* A file that was replaced explains any error better than the error itself does. */
static enum sc_status prefer_changed(struct sc_renderer *r, const struct sc_plan *plan,
				     enum sc_status status, struct sc_err *err)
{
	struct sc_identity now;
	struct sc_err ignored;

	if (status == SC_OK || status == SC_CHANGED)
		return status;
	if (sc_slide_identity(r->root, plan->file, &now, &ignored) == SC_OK &&
	    sc_identity_equal(&now, &plan->identity))
		return status;
	return sc_fail(err, SC_CHANGED, "the file was replaced");
}

enum sc_status sc_render_begin(struct sc_renderer *r, const struct sc_plan *plan,
			       struct sc_render_job *out, struct sc_err *err)
{
	struct sc_render_job job = { .renderer = r, .plan = plan };
	enum sc_status status = sc_slide_get(r->pool, plan->file, &plan->identity,
					     plan->epoch, &job.slide, err);

	if (status)
		return status;
	job.info = sc_slide_info(job.slide);
	*out = job;
	return SC_OK;
}

enum sc_status sc_render_end(struct sc_renderer *r, const struct sc_plan *plan,
			     enum sc_status status, struct sc_err *err)
{
	/* The caller's sizes were checked; what is still too large is the slide's doing.
	 */
	if (status == SC_TOO_LARGE)
		status = err->status = SC_UNREADABLE;
	status = prefer_changed(r, plan, status, err);
	if (status == SC_CHANGED)
		sc_count(SC_M_CHANGED, 1);
	else if (status == SC_UNREADABLE)
		sc_count(SC_M_SLIDE_ERRORS, 1);
	return status;
}

void sc_rendered_release(struct sc_rendered *r)
{
	sc_buf_release(&r->bytes);
}

int64_t sc_render_quarantine_s(struct sc_renderer *r, const struct sc_plan *plan,
			       struct sc_err *why)
{
	return sc_quarantine_left(r->quarantine, plan->file, &plan->identity, why);
}

bool sc_image_quarantined(struct sc_renderer *r, const struct sc_image *im,
			  struct sc_err *why)
{
	return sc_quarantine_of_image(r->quarantine, r->root, im, why);
}

enum sc_status sc_render(struct sc_renderer *r, const struct sc_plan *plan,
			 struct sc_rendered *out, struct sc_err *err)
{
	struct sc_render_job job;
	enum sc_status status = sc_render_begin(r, plan, &job, err);

	sc_buf_reset(&out->bytes);
	out->reference[0] = '\0';
	if (!status)
		status = sc_kind_of(plan->item.kind)->make(&job, out, err);
	status = sc_render_end(r, plan, status, err);
	if (status) {
		sc_buf_reset(&out->bytes);
		out->reference[0] = '\0';
		return status;
	}
	sc_count(SC_M_RENDERED, 1);
	return SC_OK;
}

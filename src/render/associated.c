/* SPDX-License-Identifier: MIT */
/*
 * A slide's associated images: the list of them, and one as PNG. They show what is
 * written on the glass, so nothing here remembers any of it.
 */
#include "render/renderer.h"

enum sc_status sc_render_associated_list(struct sc_renderer *r,
					 const struct sc_plan *plan,
					 struct sc_associated_list *out,
					 struct sc_err *err)
{
	struct sc_render_job job;
	enum sc_status status = sc_render_begin(r, plan, &job, err);

	if (!status)
		status = sc_slide_associated(job.slide, out, err);
	return sc_render_end(r, plan, status, err);
}

enum sc_status sc_render_associated(struct sc_renderer *r, const struct sc_plan *plan,
				    const char *name, struct sc_buf *out,
				    struct sc_err *err)
{
	SC_AUTO_PIXELS pixels = SC_PIXELS_INIT;
	struct sc_render_job job;
	enum sc_status status = sc_render_begin(r, plan, &job, err);

	if (!status)
		status = sc_slide_read_associated(job.slide, name, &pixels, err);
	if (!status)
		status = sc_encode_as(r->conf, SC_PNG, &pixels, out, err);
	return sc_render_end(r, plan, status, err);
}

/* SPDX-License-Identifier: MIT */
/*
 * Opens a plane: its pyramid, and where its tissue is.
 */
#include "warm/opening.h"

#define MAP_SIDE 256 /* pixels */

/* A slide without an overview is warmed from its middle, if any tile of it can be had. */
static enum sc_status find_tissue(struct sc_renderer *r, struct sc_warm_opening *o)
{
	SC_AUTO_PIXELS map = SC_PIXELS_INIT;
	uint32_t background = 0;
	enum sc_status status =
		sc_render_map(r, &o->plan, MAP_SIDE, &map, &background, &o->err);

	o->middle = (struct sc_warm_middle){ 0.5, 0.5 };
	if (status == SC_UNREADABLE)
		return SC_OK;
	if (!status)
		o->middle = sc_warm_tissue(&map, background);
	return status;
}

void sc_warm_open(struct sc_renderer *r, struct sc_warm_opening *o)
{
	o->status = sc_render_pyramid(r, &o->plan, &o->dz, &o->err);
	if (!o->status)
		o->status = find_tissue(r, o);
}

/* SPDX-License-Identifier: MIT */
/*
 * Private to src/warm: what a run has to know of a plane before it renders tiles. It may
 * take as long as rendering some, so it is done where they are rendered.
 */
#ifndef SLIDECACHE_WARM_OPENING_H
#define SLIDECACHE_WARM_OPENING_H

#include "slidecache/render.h"
#include "warm/tissue.h"

struct sc_warm_opening {
	struct sc_plan plan; /* of any tile of the plane */
	struct sc_dz dz;
	struct sc_warm_middle middle;
	enum sc_status status; /* of sc_render_pyramid */
	struct sc_err err;
};

void sc_warm_open(struct sc_renderer *r, struct sc_warm_opening *o);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The table of slide sources, in the order in which a file is offered to them.
 * A new source is one file and one row here.
 */
#include "slide/source.h"

const struct sc_source_ops *const sc_sources[] = {
	&sc_source_openslide,
	NULL,
};

/* SPDX-License-Identifier: MIT */
/*
 * Private to src/app: what a request asks to be warmed, and whether that can be done.
 */
#ifndef SRC_APP_WARM_REQUEST_H
#define SRC_APP_WARM_REQUEST_H

#include "app/context.h"

#define SC_WARM_MEM_DEFAULT 5 /* MiB; EXACT's */

/* The fields that every route of warming takes. */
#define SC_WARM_FIELDS "mem_size_mb", "z_dimension", "frame"
/*
 * Fills all but the image from the fields of a body; what is not there has EXACT's
 * default. Numbers may be texts, as forms have them. SC_FIELD: one is no number, or none
 * that it may be; says which. Pure.
 */
SC_MUST enum sc_status sc_warm_fields_read(const struct json_t *body, int64_t max_mb,
					   struct sc_warm_request *out,
					   struct sc_err *err);
/*
 * Before any work: SC_NOT_FOUND for an image or a plane that is not there, SC_UNREADABLE
 * for an image that cannot be read, SC_UNAVAILABLE when what is rendered is not kept.
 */
SC_MUST enum sc_status sc_warm_can(struct sc_app *app, const struct sc_warm_request *want,
				   struct sc_err *err);
bool sc_warm_same(const struct sc_warm_request *a, const struct sc_warm_request *b);

#endif

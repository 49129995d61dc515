/* SPDX-License-Identifier: MIT */
/*
 * Private to src/app: the fields of EXACT's image object as one table, which the JSON
 * writer, "fields", "omit" and the filters of the list all go by.
 */
#ifndef SLIDECACHE_IMAGE_FIELDS_H
#define SLIDECACHE_IMAGE_FIELDS_H

#include "app/context.h"

enum sc_field_type { SC_FIELD_INT, SC_FIELD_DOUBLE, SC_FIELD_TEXT, SC_FIELD_EMPTY_LIST };

struct sc_field_value {
	int64_t number;
	double real;
	const char *text; /* of the arena or the catalogue */
};

struct sc_image_field {
	const char *name;
	enum sc_field_type type;
	struct sc_field_value (*value)(const struct sc_image *im, struct sc_arena *a);
};

extern const struct sc_image_field sc_image_fields[];
extern const size_t sc_image_fields_count;

/* NULL for a name that is no field. */
const struct sc_image_field *sc_image_field_find(struct sc_bytes name);

/*
 * Whether the image passes every filter of the query: FIELD, FIELD__contains, FIELD__in,
 * FIELD__range. Parameters that are no filter are ignored, as EXACT ignores them.
 * SC_INVALID for a number that is none.
 */
enum sc_status sc_image_filter(const struct sc_request *rq, const struct sc_image *im,
			       bool *passes, struct sc_err *err);

#endif

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

enum sc_filter_op { SC_FILTER_EXACT, SC_FILTER_CONTAINS, SC_FILTER_IN, SC_FILTER_RANGE };

#define SC_FILTERS_MAX	     32
#define SC_FILTER_VALUES_MAX 1024

struct sc_image_filter {
	const struct sc_image_field *field;
	enum sc_filter_op op;
	const char *text; /* of text fields: the value, or a comma list */
	double *numbers;  /* of number fields, in the arena */
	size_t n;
};

struct sc_image_filters {
	size_t n;
	struct sc_image_filter items[SC_FILTERS_MAX];
};

/*
 * The filters of the query: FIELD, FIELD__contains, FIELD__in, FIELD__range. Parameters
 * that are no filter, and empty ones, are ignored, as EXACT ignores them. SC_INVALID for
 * a number that is none, and for more than the limits above.
 */
enum sc_status sc_image_filters_parse(const struct sc_request *rq,
				      struct sc_image_filters *out, struct sc_err *err);
/* a: for texts that fields make. */
bool sc_image_filters_pass(const struct sc_image_filters *filters,
			   const struct sc_image *im, struct sc_arena *a);

#endif

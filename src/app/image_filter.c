/* SPDX-License-Identifier: MIT */
/*
 * The filters of the image list, as django-filter names them: FIELD, FIELD__contains,
 * FIELD__in (a comma list), FIELD__range (two comma values). Parsed once a request, so
 * that an image costs no memory and no parsing.
 */
#include "app/image_fields.h"

#include "slidecache/parse.h"

static const struct {
	const char *suffix;
	enum sc_filter_op op;
} ops[] = {
	{ "", SC_FILTER_EXACT },
	{ "__contains", SC_FILTER_CONTAINS },
	{ "__in", SC_FILTER_IN },
	{ "__range", SC_FILTER_RANGE },
};

/* Contains is for texts, range for numbers. */
static bool makes_sense(const struct sc_image_field *field, enum sc_filter_op op)
{
	if (field->type == SC_FIELD_EMPTY_LIST)
		return false;
	if (op == SC_FILTER_CONTAINS)
		return field->type == SC_FIELD_TEXT;
	return op != SC_FILTER_RANGE || field->type != SC_FIELD_TEXT;
}

static enum sc_status parse_numbers(const struct sc_request *rq, const char *name,
				    struct sc_image_filter *f, struct sc_err *err)
{
	const char *p = f->text;

	f->numbers =
		sc_arena_alloc(rq->arena, SC_FILTER_VALUES_MAX * sizeof(*f->numbers));
	while (p) {
		size_t len = f->op == SC_FILTER_EXACT ? strlen(p) : strcspn(p, ",");

		if (f->n == SC_FILTER_VALUES_MAX)
			return sc_fail(err, SC_INVALID, "%s has more than %d values",
				       name, SC_FILTER_VALUES_MAX);
		if (!sc_parse_double(sc_bytes_of(p, len), &f->numbers[f->n++]))
			return sc_fail(err, SC_INVALID, "%s must be %s", name,
				       f->op == SC_FILTER_EXACT ? "a number"
								: "numbers with commas");
		p = p[len] ? p + len + 1 : NULL;
	}
	if (f->op == SC_FILTER_RANGE && f->n != 2)
		return sc_fail(err, SC_INVALID, "%s must be two numbers", name);
	return SC_OK;
}

static enum sc_status parse_filter(const struct sc_request *rq,
				   const struct sc_image_field *field, size_t op,
				   struct sc_image_filters *out, struct sc_err *err)
{
	const char *name =
		sc_arena_printf(rq->arena, "%s%s", field->name, ops[op].suffix);
	struct sc_image_filter f = { .field = field, .op = ops[op].op };
	enum sc_status status = sc_query_get(rq, name, &f.text, err);

	if (status || !f.text || !*f.text)
		return status;
	if (out->n == SC_FILTERS_MAX)
		return sc_fail(err, SC_INVALID, "more than %d filters", SC_FILTERS_MAX);
	if (field->type != SC_FIELD_TEXT)
		status = parse_numbers(rq, name, &f, err);
	if (!status)
		out->items[out->n++] = f;
	return status;
}

enum sc_status sc_image_filters_parse(const struct sc_request *rq,
				      struct sc_image_filters *out, struct sc_err *err)
{
	out->n = 0;
	for (size_t i = 0; i < sc_image_fields_count && *rq->query; i++)
		for (size_t op = 0; op < sizeof(ops) / sizeof(ops[0]); op++) {
			enum sc_status status = SC_OK;

			if (makes_sense(&sc_image_fields[i], ops[op].op))
				status = parse_filter(rq, &sc_image_fields[i], op, out,
						      err);
			if (status)
				return status;
		}
	return SC_OK;
}

static bool text_passes(const struct sc_image_filter *f, const char *have)
{
	if (f->op == SC_FILTER_CONTAINS)
		return strcasestr(have, f->text) != NULL;
	if (f->op == SC_FILTER_EXACT)
		return strcmp(have, f->text) == 0;
	for (const char *p = f->text; p;) {
		size_t n = strcspn(p, ",");

		if (sc_bytes_is(sc_bytes_of(p, n), have))
			return true;
		p = p[n] ? p + n + 1 : NULL;
	}
	return false;
}

static bool number_passes(const struct sc_image_filter *f, double have)
{
	if (f->op == SC_FILTER_RANGE)
		return have >= f->numbers[0] && have <= f->numbers[1];
	for (size_t i = 0; i < f->n; i++)
		if (!(have < f->numbers[i]) && !(have > f->numbers[i]))
			return true;
	return false;
}

bool sc_image_filters_pass(const struct sc_image_filters *filters,
			   const struct sc_image *im, struct sc_arena *a)
{
	for (size_t i = 0; i < filters->n; i++) {
		const struct sc_image_filter *f = &filters->items[i];
		struct sc_field_value v = f->field->value(im, a);
		bool passes = false;

		if (f->field->type == SC_FIELD_TEXT)
			passes = text_passes(f, v.text);
		else
			passes = number_passes(f, f->field->type == SC_FIELD_INT
							  ? (double)v.number
							  : v.real);
		if (!passes)
			return false;
	}
	return true;
}

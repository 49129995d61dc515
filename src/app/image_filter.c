/* SPDX-License-Identifier: MIT */
/*
 * The filters of the image list, as django-filter names them: FIELD, FIELD__contains,
 * FIELD__in (a comma list), FIELD__range (two comma values).
 */
#include "app/image_fields.h"

#include "slidecache/parse.h"

enum op { OP_EXACT, OP_CONTAINS, OP_IN, OP_RANGE };

static const struct {
	const char *suffix;
	enum op op;
} ops[] = { { "", OP_EXACT },
	    { "__contains", OP_CONTAINS },
	    { "__in", OP_IN },
	    { "__range", OP_RANGE } };

struct filter {
	const struct sc_image_field *field;
	struct sc_field_value have;
	enum op op;
	const char *name; /* of the query parameter */
};

static double as_real(const struct filter *f)
{
	return f->field->type == SC_FIELD_INT ? (double)f->have.number : f->have.real;
}

static enum sc_status parse_real(const struct filter *f, struct sc_bytes text,
				 double *out, struct sc_err *err)
{
	if (!sc_parse_double(text, out))
		return sc_fail(err, SC_INVALID, "%s must be a number", f->name);
	return SC_OK;
}

static enum sc_status equals(const struct filter *f, struct sc_bytes want, bool *out,
			     struct sc_err *err)
{
	double number = 0;
	enum sc_status status = SC_OK;

	if (f->field->type == SC_FIELD_TEXT) {
		*out = sc_bytes_is(want, f->have.text);
		return SC_OK;
	}
	status = parse_real(f, want, &number, err);
	if (!status)
		*out = !(number < as_real(f)) && !(number > as_real(f));
	return status;
}

static enum sc_status is_in(const struct filter *f, const char *list, bool *out,
			    struct sc_err *err)
{
	bool found = false;

	for (const char *p = list; p && !found;) {
		size_t n = strcspn(p, ",");
		enum sc_status status = equals(f, sc_bytes_of(p, n), &found, err);

		if (status)
			return status;
		p = p[n] ? p + n + 1 : NULL;
	}
	*out = found;
	return SC_OK;
}

static enum sc_status in_range(const struct filter *f, const char *range, bool *out,
			       struct sc_err *err)
{
	size_t n = strcspn(range, ",");
	double low = 0;
	double high = 0;
	enum sc_status status = SC_OK;

	if (!range[n])
		return sc_fail(err, SC_INVALID, "%s must be two numbers", f->name);
	status = parse_real(f, sc_bytes_of(range, n), &low, err);
	if (!status)
		status = parse_real(f, sc_bytes_str(range + n + 1), &high, err);
	if (!status)
		*out = as_real(f) >= low && as_real(f) <= high;
	return status;
}

static enum sc_status apply(const struct filter *f, const char *want, bool *out,
			    struct sc_err *err)
{
	switch (f->op) {
	case OP_CONTAINS:
		*out = strcasestr(f->have.text, want) != NULL;
		return SC_OK;
	case OP_IN:
		return is_in(f, want, out, err);
	case OP_RANGE:
		return in_range(f, want, out, err);
	case OP_EXACT:
		break;
	}
	return equals(f, sc_bytes_str(want), out, err);
}

/* Contains is for texts, range for numbers. */
static bool makes_sense(const struct sc_image_field *field, enum op op)
{
	if (field->type == SC_FIELD_EMPTY_LIST)
		return false;
	if (op == OP_CONTAINS)
		return field->type == SC_FIELD_TEXT;
	return op != OP_RANGE || field->type != SC_FIELD_TEXT;
}

static enum sc_status filter_field(const struct sc_request *rq, const struct sc_image *im,
				   struct filter *f, bool *passes, struct sc_err *err)
{
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]) && *passes; i++) {
		const char *want = NULL;
		enum sc_status status = SC_OK;

		f->op = ops[i].op;
		if (!makes_sense(f->field, f->op))
			continue;
		f->name =
			sc_arena_printf(rq->arena, "%s%s", f->field->name, ops[i].suffix);
		status = sc_query_get(rq, f->name, &want, err);
		if (!status && want && *want) {
			f->have = f->field->value(im, rq->arena);
			status = apply(f, want, passes, err);
		}
		if (status)
			return status;
	}
	return SC_OK;
}

enum sc_status sc_image_filter(const struct sc_request *rq, const struct sc_image *im,
			       bool *passes, struct sc_err *err)
{
	*passes = true;
	for (size_t i = 0; i < sc_image_fields_count && *passes && *rq->query; i++) {
		struct filter f = { .field = &sc_image_fields[i] };
		enum sc_status status = filter_field(rq, im, &f, passes, err);

		if (status)
			return status;
	}
	return SC_OK;
}

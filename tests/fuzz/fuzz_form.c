/* SPDX-License-Identifier: MIT */
/*
 * Forms: what comes out is an object of few texts, and the same form again, written as
 * simply as can be, comes out the same.
 * Input: a byte (even: urlencoded); for multipart the Content-Type and a line end; the
 * body.
 */
#include <stdlib.h>

#include "app/form.h"
#include "slidecache/parse.h"
#include "tests/fuzz/fuzz.h"

static void put_escaped(struct sc_buf *out, const char *s)
{
	for (; *s; s++)
		sc_buf_printf(out, "%%%02x", (unsigned)(unsigned char)*s);
}

static void check_same(json_t *form)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	const char *name = NULL;
	json_t *value = NULL;
	json_t *again = NULL;
	struct sc_err err;

	json_object_foreach(form, name, value)
	{
		sc_buf_str(&text, text.len ? "&" : "");
		put_escaped(&text, name);
		sc_buf_str(&text, "=");
		put_escaped(&text, json_string_value(value));
	}
	FUZZ_MUST(sc_form_parse(sc_buf_bytes(&text), &again, &err) == SC_OK);
	FUZZ_MUST(json_equal(form, again));
	json_decref(again);
}

static void check_form(json_t *form)
{
	const char *name = NULL;
	json_t *value = NULL;

	FUZZ_MUST(json_is_object(form));
	FUZZ_MUST(json_object_size(form) <= SC_FORM_FIELDS_MAX);
	json_object_foreach(form, name, value)
	{
		FUZZ_MUST(*name && strlen(name) <= SC_FORM_NAME_MAX);
		FUZZ_MUST(sc_utf8_valid(sc_bytes_str(name)) &&
			  !strpbrk(name, "\"\\\r\n"));
		FUZZ_MUST(json_is_string(value));
		FUZZ_MUST(strlen(json_string_value(value)) == json_string_length(value));
		FUZZ_MUST(sc_utf8_valid(sc_bytes_str(json_string_value(value))));
	}
	check_same(form);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sc_bytes in = sc_bytes_of(data, size);
	bool encoded = fuzz_byte(&in) % 2 == 0;
	SC_AUTO_FREE char *type =
		encoded ? sc_strdup("") : fuzz_text(fuzz_until(&in, '\n'));
	SC_AUTO_FREE unsigned char *body = fuzz_copy(in);
	struct sc_bytes text = sc_bytes_of(body, in.len);
	json_t *form = NULL;
	struct sc_err err;

	enum sc_status status = encoded ? sc_form_parse(text, &form, &err)
					: sc_multipart_parse(type, text, &form, &err);
	if (status == SC_OK) {
		check_form(form);
	} else {
		fuzz_check_error(status, &err);
		FUZZ_MUST(status == SC_INVALID && !form);
	}
	json_decref(form);
	return 0;
}

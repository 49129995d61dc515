/* SPDX-License-Identifier: MIT */
/*
 * Forms as bodies: what they mean, and that whatever is odd, cut short or garbled is
 * refused with a sentence.
 */
#include "tests/lib/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/form.h"

#define TYPE "multipart/form-data; boundary=x-y"

/* The object as JSON text with its keys sorted, or the sentence; to be freed. */
static char *show(enum sc_status status, json_t *found, const struct sc_err *err)
{
	char *text = NULL;

	assert_true((status == SC_OK) == (found != NULL));
	if (status) {
		assert_int_equal(status, SC_INVALID);
		assert_int_equal(err->status, SC_INVALID);
		assert_true(strlen(err->text) > 8);
		return sc_strdup(err->text);
	}
	text = json_dumps(found, JSON_SORT_KEYS | JSON_COMPACT);
	json_decref(found);
	return text;
}

static char *form(struct sc_bytes text)
{
	json_t *found = NULL;
	struct sc_err err = { SC_OK, "" };
	enum sc_status status = sc_form_parse(text, &found, &err);

	return show(status, found, &err);
}

static char *multipart(const char *type, struct sc_bytes text)
{
	json_t *found = NULL;
	struct sc_err err = { SC_OK, "" };
	enum sc_status status = sc_multipart_parse(type, text, &found, &err);

	return show(status, found, &err);
}

static void expect(char *shown, const char *wanted, const char *of)
{
	if (strcmp(shown, wanted) != 0)
		fail_msg("%s: %s instead of %s", of, shown, wanted);
	free(shown);
}

/* A sentence, which never begins like an object. */
static void expect_refused(char *shown, const char *of)
{
	if (shown[0] == '{')
		fail_msg("taken: %s as %s", of, shown);
	free(shown);
}

static void encoded_forms(void **state)
{
	static const struct {
		const char *text, *wanted;
	} good[] = {
		{ "", "{}" },
		{ "a=1", "{\"a\":\"1\"}" },
		{ "a=1&b=2", "{\"a\":\"1\",\"b\":\"2\"}" },
		{ "mem_size_mb=5&z_dimension=1&frame=1",
		  "{\"frame\":\"1\",\"mem_size_mb\":\"5\",\"z_dimension\":\"1\"}" },
		{ "a=", "{\"a\":\"\"}" },
		{ "a=b=c", "{\"a\":\"b=c\"}" },
		{ "a=1+2%2b3", "{\"a\":\"1 2+3\"}" },
		{ "%61%5f=%c3%a9", "{\"a_\":\"\xc3\xa9\"}" },
		{ "a=%26%3d", "{\"a\":\"&=\"}" },
		{ "a=1;b=2", "{\"a\":\"1;b=2\"}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		expect(form(sc_bytes_str(good[i].text)), good[i].wanted, good[i].text);
}

static void odd_encoded_forms(void **state)
{
	static const char *const bad[] = {
		"a",	     "&",     "a=1&",	  "&a=1",    "a=1&&b=2",  "=1",
		"=",	     "a=%",   "a=%2",	  "a=%zz",   "a=%00",	  "%00=1",
		"a=%ff",     "%ff=1", "a=%c0%af", "a=1&a=2", "a=1&%61=2", "a=\xff",
		"{\"a\":1}", "a\r\n", "a%22=1",	  "a%5c=1",  "a%0a=1",	  "a=%ed%a0%80",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		expect_refused(form(sc_bytes_str(bad[i])), bad[i]);
	expect_refused(form(sc_bytes_of("a=1\0", 4)), "a NUL in a value");
	expect_refused(form(sc_bytes_of("a\0=1", 4)), "a NUL in a name");
}

static void fields_are_few_and_named_briefly(void **state)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	char *shown = NULL;

	(void)state;
	for (int i = 0; i < SC_FORM_FIELDS_MAX; i++)
		sc_buf_printf(&text, "%sf%d=%d", i ? "&" : "", i, i);
	shown = form(sc_buf_bytes(&text));
	assert_true(shown[0] == '{');
	free(shown);
	sc_buf_str(&text, "&g=1");
	expect_refused(form(sc_buf_bytes(&text)), "one field more");
	for (size_t n = SC_FORM_NAME_MAX - 1; n < 65536; n += n / 2 + 1) {
		sc_buf_reset(&text);
		sc_buf_printf(&text, "%0*d=1", (int)n, 0);
		shown = form(sc_buf_bytes(&text));
		assert_int_equal(shown[0] == '{', n <= SC_FORM_NAME_MAX);
		free(shown);
	}
	sc_buf_reset(&text);
	sc_buf_printf(&text, "a=%060000d", 0);
	shown = form(sc_buf_bytes(&text));
	assert_int_equal(strlen(shown), 60000 + strlen("{'a':''}"));
	free(shown);
}

/* A part of one field; then the end. */
#define PART(name, value)                                                                \
	"--x-y\r\nContent-Disposition: form-data; name=" name "\r\n\r\n" value "\r\n"
#define END "--x-y--\r\n"

static void parts(void **state)
{
	static const struct {
		const char *text, *wanted;
	} good[] = {
		{ END, "{}" },
		{ "--x-y--", "{}" },
		{ "", "{}" },
		{ PART("\"a\"", "1") END, "{\"a\":\"1\"}" },
		{ PART("\"a\"", "1") "--x-y--", "{\"a\":\"1\"}" },
		{ PART("a", "1") END, "{\"a\":\"1\"}" },
		{ PART("\"a\"", "") END, "{\"a\":\"\"}" },
		{ PART("\"a b;c\"", "1") END, "{\"a b;c\":\"1\"}" },
		{ PART("\"a\"", "\r\n") END, "{\"a\":\"\\r\\n\"}" },
		{ PART("\"a\"", "--x-y") END, "{\"a\":\"--x-y\"}" },
		{ PART("\"a\"", "1") PART("\"b\"", "--2") END,
		  "{\"a\":\"1\",\"b\":\"--2\"}" },
		{ "--x-y\r\ncontent-disposition:FORM-DATA ; NAME=\"a\"\r\n"
		  "Content-Type: text/plain; charset=utf-8\r\n"
		  "Content-Transfer-Encoding: 8bit\r\n\r\n1\r\n" END,
		  "{\"a\":\"1\"}" },
		{ "--x-y\r\nContent-Type: text/plain\r\n"
		  "Content-Disposition: form-data; "
		  "name=\"\xc3\xa9\"\r\n\r\n\xc3\xa9\r\n" END,
		  "{\"\xc3\xa9\":\"\xc3\xa9\"}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		expect(multipart(TYPE, sc_bytes_str(good[i].text)), good[i].wanted,
		       good[i].text);
}

/* A part with these header lines. */
#define HEAD(lines) "--x-y\r\n" lines "\r\n\r\n1\r\n" END
#define FORM_DATA   "Content-Disposition: form-data; "

static void odd_parts(void **state)
{
	static const char *const bad[] = {
		"x",
		"--",
		"--x-y",
		"--x-y\r\n",
		"--x-y-",
		"--x-y--x",
		"--x-y--\r\nx",
		"--x-y--\r\n\r\n",
		"\r\n" END,
		"preamble\r\n" END,
		"--X-Y--\r\n",
		"--x-y \r\n" FORM_DATA "name=a\r\n\r\n1\r\n" END,
		"--x-yz\r\n" FORM_DATA "name=a\r\n\r\n1\r\n" END,
		"--x-y\n" FORM_DATA "name=a\n\n1\n--x-y--\n",
		PART("\"a\"", "1"),
		PART("\"a\"", "1") "--x-y-",
		PART("\"a\"", "\r\n--x-yz") END,
		PART("\"a\"", "1") PART("\"a\"", "2") END,
		PART("\"a\"", "1") PART("a", "1") END,
		PART("\"a\"", "\xff") END,
		PART("\"\xff\"", "1") END,
		PART("\"\"", "1") END,
		PART("", "1") END,
		PART("\"a", "1") END,
		PART("a\"", "1") END,
		PART("\"a\\\"b\"", "1") END,
		PART("\"a\"x", "1") END,
		PART("\"a\";", "1") END,
		PART("\"a\"; filename=\"f.txt\"", "1") END,
		PART("\"a\"; filename*=utf-8''f", "1") END,
		PART("\"a\"; name=\"b\"", "1") END,
		PART("\"a\"; size=1", "1") END,
		PART("a b", "1") END,
		HEAD(FORM_DATA "filename=\"f\""),
		HEAD("Content-Disposition: form-data"),
		HEAD("Content-Disposition: attachment; name=a"),
		HEAD("Content-Disposition: form-datax; name=a"),
		HEAD("Content-Disposition:"),
		HEAD("Content-Disposition"),
		HEAD("Content-Type: text/plain"),
		HEAD(": x"),
		HEAD(FORM_DATA "name=a\r\n" FORM_DATA "name=b"),
		HEAD(FORM_DATA "name=a\r\nContent-Type: application/octet-stream"),
		HEAD(FORM_DATA "name=a\r\nContent-Type: multipart/mixed; boundary=z"),
		HEAD(FORM_DATA "name=a\r\nContent-Type: text/plainx"),
		HEAD(FORM_DATA "name=a\r\nContent-Transfer-Encoding: base64"),
		HEAD(FORM_DATA "name=a\r\nX-Other: 1"),
		HEAD(FORM_DATA "\r\n name=a"),
		HEAD(FORM_DATA "name=a\n"),
		"--x-y\r\n\r\n1\r\n" END,
		"--x-y\r\n" FORM_DATA "name=a\r\n1\r\n" END,
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		expect_refused(multipart(TYPE, sc_bytes_str(bad[i])), bad[i]);
	expect_refused(multipart(TYPE, sc_bytes_of(PART("a", "1\0002") END,
						   sizeof(PART("a", "1\0002") END) - 1)),
		       "a NUL in a value");
	expect_refused(multipart(TYPE, sc_bytes_of(PART("a\0b", "1") END,
						   sizeof(PART("a\0b", "1") END) - 1)),
		       "a NUL in a head");
}

#define NESTED                                                                           \
	"--x-y\r\nContent-Disposition: form-data; name=a\r\n"                            \
	"Content-Type: multipart/mixed; boundary=z\r\n\r\n"                              \
	"--z\r\n\r\n1\r\n--z--\r\n\r\n" END

static void boundaries(void **state)
{
	static const char *const good[] = {
		"multipart/form-data; boundary=x-y",
		"multipart/form-data; boundary=\"x-y\"",
		"Multipart/Form-Data;BOUNDARY=x-y",
		"multipart/form-data ; charset=utf-8 ; boundary=x-y",
		"multipart/form-data;boundary=x-y;charset=\"utf-8; boundary=z\"",
		"multipart/form-data; boundary=x-y ",
	};
	static const char *const bad[] = {
		"multipart/form-data",
		"multipart/form-data;",
		"multipart/form-data; boundary",
		"multipart/form-data; boundary=",
		"multipart/form-data; boundary=\"\"",
		"multipart/form-data; boundary=\"x-y",
		"multipart/form-data; boundary=\"x-y\"z",
		"multipart/form-data; boundary=x-y; boundary=x-y",
		"multipart/form-data; boundary=x\ty",
		"multipart/form-data; boundary=\"x-y \"",
		"multipart/form-data; boundary=\"x\\-y\"",
		"multipart/form-data; boundary=x-y;",
		"multipart/form-data; boundary=z",
		"multipart/form-data boundary=x-y",
		"multipart/mixed; boundary=x-y",
	};
	char longest[128] = "multipart/form-data; boundary=";

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		expect(multipart(good[i], sc_bytes_str(PART("a", "1") END)),
		       "{\"a\":\"1\"}", good[i]);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		expect_refused(multipart(bad[i], sc_bytes_str(PART("a", "1") END)),
			       bad[i]);
	expect_refused(multipart(TYPE, sc_bytes_str(NESTED)), "a part within a part");
	memset(longest + strlen(longest), 'b', SC_FORM_BOUNDARY_MAX + 1);
	expect_refused(multipart(longest, sc_bytes_str("")), "a long boundary");
}

static void boundaries_with_all_they_may_have(void **state)
{
	static const char text[] = "--a 0'()+_,-./:=?z\r\n" FORM_DATA
				   "name=a\r\n\r\n1\r\n--a 0'()+_,-./:=?z--";

	(void)state;
	expect(multipart("multipart/form-data; boundary=\"a 0'()+_,-./:=?z\"",
			 sc_bytes_str(text)),
	       "{\"a\":\"1\"}", text);
}

static void parts_are_few(void **state)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	char *shown = NULL;

	(void)state;
	for (int i = 0; i <= SC_FORM_FIELDS_MAX; i++) {
		SC_AUTO_BUF all = SC_BUF_INIT;

		sc_buf_append(&all, text.data, text.len);
		sc_buf_str(&all, END);
		shown = multipart(TYPE, sc_buf_bytes(&all));
		assert_true(shown[0] == '{');
		free(shown);
		sc_buf_printf(&text, "--x-y\r\n" FORM_DATA "name=f%d\r\n\r\n%d\r\n", i,
			      i);
	}
	sc_buf_str(&text, END);
	expect_refused(multipart(TYPE, sc_buf_bytes(&text)), "one part more");
	sc_buf_reset(&text);
	sc_buf_printf(&text, "--x-y\r\n" FORM_DATA "name=%060000d\r\n\r\n1\r\n" END, 0);
	expect_refused(multipart(TYPE, sc_buf_bytes(&text)), "a huge name");
}

/* In memory that ends where the text does: whoever reads on is seen by the sanitizer. */
static char *multipart_of(const char *text, size_t n)
{
	char *own = sc_alloc(n + 1);
	char *shown = NULL;

	memcpy(own, text, n);
	own = sc_realloc_array(own, n ? n : 1, 1);
	shown = multipart(TYPE, sc_bytes_of(own, n));
	free(own);
	return shown;
}

#define WHOLE                                                                            \
	PART("\"mem_size_mb\"", "20")                                                    \
	PART("z_dimension", "1") PART("\"frame\"", "1") END

static void every_cut_is_refused(void **state)
{
	static const char encoded[] = "mem_size_mb=2%30&z_dimension=1&frame=1";
	size_t n = strlen(WHOLE);

	(void)state;
	for (size_t i = 1; i + 2 < n; i++)
		expect_refused(multipart_of(WHOLE, i), "a form cut short");
	/* Of the end only the line end may be missing, or all of it. */
	expect_refused(multipart_of(WHOLE, n - 1), "half a line end");
	expect(multipart_of(WHOLE, n - 2),
	       "{\"frame\":\"1\",\"mem_size_mb\":\"20\",\"z_dimension\":\"1\"}", WHOLE);
	for (size_t i = 0; i < strlen(encoded); i++)
		free(form(sc_bytes_of(encoded, i)));
}

/* Deterministic: which bytes change, and to what. */
static unsigned next(unsigned *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void garbled_forms(void **state)
{
	static const char pool[] = "-x\r\n;=\" &%:0a\0\xff";
	unsigned seed = 7;
	char text[sizeof(WHOLE)];

	(void)state;
	for (int i = 0; i < 2000; i++) {
		memcpy(text, WHOLE, sizeof(WHOLE));
		for (unsigned k = next(&seed) % 4 + 1; k > 0; k--)
			text[next(&seed) % (sizeof(WHOLE) - 1)] =
				pool[next(&seed) % (sizeof(pool) - 1)];
		free(multipart_of(text, sizeof(WHOLE) - 1));
		free(form(sc_bytes_of(text, sizeof(WHOLE) - 1)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encoded_forms),
		cmocka_unit_test(odd_encoded_forms),
		cmocka_unit_test(fields_are_few_and_named_briefly),
		cmocka_unit_test(parts),
		cmocka_unit_test(odd_parts),
		cmocka_unit_test(boundaries),
		cmocka_unit_test(boundaries_with_all_they_may_have),
		cmocka_unit_test(parts_are_few),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(garbled_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

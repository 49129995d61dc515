/* SPDX-License-Identifier: MIT */
/*
 * What is remembered of a version store: from records, to text and back, and nothing else
 * than what was written.
 */
#include "tests/lib/check.h"

#include <string.h>

#include "slidecache/hash.h"
#include "version/memory.h"

static const struct sc_version records[] = {
	{ .name = "#migrations", .version = "mmmmmmm1" },
	{ .name = "#origin", .version = "aZ09bY18" },
	{ .name = "#site/0001_first", .version = "rrrrrrr1" },
	{ .name = "acl", .version = "aaaaaaa1" },
	{ .name = "image/7", .version = "iiiiiii1" },
	{ .name = "tiles", .version = "ttttttt1" },
};

static const char body[] = "slidecache versions 1 aZ09bY18\n"
			   "#migrations\n"
			   "#site/0001_first\n"
			   "acl\n"
			   "tiles\n";

static void put_end(struct sc_buf *text)
{
	char hex[SC_HEX64_LEN];

	sc_hex64(sc_hash64(sc_buf_bytes(text)), hex);
	sc_buf_printf(text, "end %s\n", hex);
}

static struct sc_memory sample(void)
{
	struct sc_memory m = { .n = 0 };

	sc_memory_take(&m, records, COUNT_OF(records));
	return m;
}

static void check_sample(const struct sc_memory *m)
{
	assert_string_equal(m->origin, "aZ09bY18");
	assert_int_equal(m->n, 4);
	assert_string_equal(m->names[0], "#migrations");
	assert_string_equal(m->names[1], "#site/0001_first");
	assert_string_equal(m->names[2], "acl");
	assert_string_equal(m->names[3], "tiles");
}

static void test_take(void **state)
{
	struct sc_memory m = sample();
	struct sc_version other[] = { { .name = "#origin", .version = "other001" } };

	(void)state;
	check_sample(&m);
	/* A store without an origin is in no state that is to be remembered. */
	sc_memory_take(&m, records + 2, 2);
	sc_memory_take(&m, NULL, 0);
	check_sample(&m);
	sc_memory_take(&m, other, 1);
	assert_string_equal(m.origin, "other001");
	assert_int_equal(m.n, 0);
	sc_memory_release(&m);
	assert_string_equal(m.origin, "");
}

static void test_text(void **state)
{
	SC_AUTO_BUF expected = SC_BUF_INIT;
	SC_AUTO_BUF text = SC_BUF_INIT;
	struct sc_memory m = sample();
	struct sc_memory back = { .n = 0 };

	(void)state;
	sc_buf_str(&expected, body);
	put_end(&expected);
	sc_memory_print(&m, &text);
	assert_string_equal((const char *)text.data, (const char *)expected.data);
	assert_true(sc_memory_parse(sc_buf_bytes(&text), &back));
	check_sample(&back);
	sc_memory_release(&m);
	sc_memory_release(&back);
}

static void test_no_names(void **state)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	struct sc_memory m = { .origin = "aZ09bY18" };
	struct sc_memory back = { .n = 7 };

	(void)state;
	sc_memory_print(&m, &text);
	assert_true(sc_memory_parse(sc_buf_bytes(&text), &back));
	assert_int_equal(back.n, 0);
	sc_memory_release(&back);
}

static void assert_refused(struct sc_bytes text)
{
	struct sc_memory m = { .origin = "untouch", .n = 0 };

	assert_false(sc_memory_parse(text, &m));
	assert_string_equal(m.origin, "untouch");
	assert_null(m.names);
}

/* Any byte that is changed, missing or too many. */
static void test_damaged(void **state)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	struct sc_memory m = sample();

	(void)state;
	sc_memory_print(&m, &text);
	sc_memory_release(&m);
	for (size_t cut = 0; cut < text.len; cut++)
		assert_refused(sc_bytes_of(text.data, cut));
	for (size_t at = 0; at < text.len; at++) {
		text.data[at] ^= 1;
		assert_refused(sc_buf_bytes(&text));
		text.data[at] ^= 1;
	}
	sc_buf_str(&text, "\n");
	assert_refused(sc_buf_bytes(&text));
	assert_refused(sc_bytes_of(NULL, 0));
}

/* Whole, and still not ours. */
static void test_foreign(void **state)
{
	static const char *const heads[] = { "slidecache versions 2 aZ09bY18\n",
					     "slidecache versions 1 aZ09bY1\n",
					     "slidecache versions 1 aZ09bY18x\n",
					     "slidecache versions 1 \n",
					     "acl\n",
					     "" };
	static const char *const names[] = {
		"\n",	"Tiles\n", "a b\n",  "#origin\n", "#\n",    "##a\n", "image/7\n",
		"a:\n", "b\na\n",  "a\na\n", "tiles",	  "\x7f\n", "a\r\n", "#A/0001\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		SC_AUTO_BUF text = SC_BUF_INIT;

		sc_buf_str(&text, heads[i]);
		put_end(&text);
		assert_refused(sc_buf_bytes(&text));
	}
	SC_AUTO_BUF cut = SC_BUF_INIT;
	sc_buf_append(&cut, "slidecache versions 1 aZ09\0Y18\n", 31);
	put_end(&cut);
	assert_refused(sc_buf_bytes(&cut));
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		SC_AUTO_BUF text = SC_BUF_INIT;

		sc_buf_printf(&text, "slidecache versions 1 aZ09bY18\n%s", names[i]);
		put_end(&text);
		assert_refused(sc_buf_bytes(&text));
	}
}

static void test_lengths(void **state)
{
	char name[SC_VERSION_NAME_MAX + 2];
	struct sc_memory m = { .n = 0 };

	(void)state;
	memset(name, 'a', sizeof name);
	name[sizeof name - 1] = '\0';
	for (size_t len = SC_VERSION_NAME_MAX; len <= SC_VERSION_NAME_MAX + 1; len++) {
		SC_AUTO_BUF text = SC_BUF_INIT;

		sc_buf_printf(&text, "slidecache versions 1 aZ09bY18\n%.*s\n", (int)len,
			      name);
		put_end(&text);
		if (len > SC_VERSION_NAME_MAX) {
			assert_refused(sc_buf_bytes(&text));
			continue;
		}
		assert_true(sc_memory_parse(sc_buf_bytes(&text), &m));
		assert_int_equal(strlen(m.names[0]), SC_VERSION_NAME_MAX);
		sc_memory_release(&m);
	}
	static const unsigned char zero[] = "slidecache versions 1 aZ09bY18\na\0b\n";
	SC_AUTO_BUF text = SC_BUF_INIT;
	sc_buf_append(&text, zero, sizeof zero - 1);
	put_end(&text);
	assert_refused(sc_buf_bytes(&text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take),	 cmocka_unit_test(test_text),
		cmocka_unit_test(test_no_names), cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_foreign),	 cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

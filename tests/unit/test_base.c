/* SPDX-License-Identifier: MIT */
/*
 * src/base: buffers, arena, parsing, JSON writing, random texts, locks, files, metrics,
 * log lines.
 */
#include "tests/lib/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slidecache/arena.h"
#include "slidecache/clock.h"
#include "slidecache/file.h"
#include "slidecache/filelock.h"
#include "slidecache/hash.h"
#include "slidecache/json.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"
#include "slidecache/parse.h"
#include "slidecache/process.h"
#include "tests/lib/child.h"

static void buffer_grows_and_ends_with_nul(void **state)
{
	SC_AUTO_BUF b = SC_BUF_INIT;

	(void)state;
	for (int i = 0; i < 1000; i++)
		sc_buf_printf(&b, "%03d", i);
	assert_int_equal(b.len, 3000);
	assert_int_equal(b.data[3000], 0);
	assert_memory_equal(b.data + 2997, "999", 3);
	sc_buf_reset(&b);
	sc_buf_int(&b, INT64_MIN);
	sc_buf_int(&b, 0);
	sc_buf_int(&b, INT64_MAX);
	assert_string_equal((char *)b.data, "-922337203685477580809223372036854775807");
	sc_buf_reset(&b);
	sc_buf_printf(&b, "%2000d", 7);
	assert_int_equal(b.len, 2000);
}

static void buffer_refuses_what_input_makes_too_large(void **state)
{
	SC_AUTO_BUF b = SC_BUF_INIT;
	struct sc_err err;

	(void)state;
	sc_buf_str(&b, "abc");
	assert_int_equal(sc_buf_reserve_max(&b, 98, 100, &err), SC_TOO_LARGE);
	assert_int_equal(sc_buf_reserve_max(&b, SIZE_MAX, 100, &err), SC_TOO_LARGE);
	assert_int_equal(sc_buf_reserve_max(&b, 97, 100, &err), SC_OK);
	assert_true(b.cap >= 101);
	assert_string_equal((char *)b.data, "abc");
}

static void buffer_reset_gives_back_large_memory(void **state)
{
	SC_AUTO_BUF b = SC_BUF_INIT;

	(void)state;
	sc_buf_reserve(&b, (size_t)5 << 20);
	sc_buf_reset(&b);
	assert_int_equal(b.cap, 0);
	sc_buf_str(&b, "x");
	sc_buf_reset(&b);
	assert_true(b.cap > 0);
}

static void arena_is_zeroed_again_after_reset(void **state)
{
	struct sc_arena *a = sc_arena_new();

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t size = 1; size < 40000; size = size * 3 + 1) {
			unsigned char *p = sc_arena_alloc(a, size);

			assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
			for (size_t i = 0; i < size; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0xa5, size);
		}
		sc_arena_reset(a);
	}
	assert_string_equal(sc_arena_printf(a, "%d-%s", 7, "x"), "7-x");
	sc_arena_free(a);
}

static void numbers_take_the_whole_text(void **state)
{
	static const char *const bad[] = { "",	  " 1",	     "1 ",
					   "+1",  "0x1",     "1.0",
					   "-",	  "--1",     "18446744073709551616",
					   "1e3", "\xd9\xa1" };
	uint64_t u = 7;
	int64_t i = 7;

	(void)state;
	for (size_t k = 0; k < COUNT_OF(bad); k++) {
		assert_false(sc_parse_u64(sc_bytes_str(bad[k]), UINT64_MAX, &u));
		assert_false(
			sc_parse_i64(sc_bytes_str(bad[k]), INT64_MIN, INT64_MAX, &i));
	}
	assert_int_equal(u, 7);
	assert_true(sc_parse_u64(sc_bytes_str("18446744073709551615"), UINT64_MAX, &u));
	assert_true(u == UINT64_MAX);
	assert_false(sc_parse_u64(sc_bytes_str("11"), 10, &u));
	assert_true(sc_parse_i64(sc_bytes_str("-12"), -12, 0, &i));
	assert_int_equal(i, -12);
	assert_false(sc_parse_i64(sc_bytes_str("-13"), -12, 0, &i));
	assert_true(sc_parse_i64(sc_bytes_str("-9223372036854775808"), INT64_MIN, 0, &i));
	assert_true(i == INT64_MIN);
	i = 7;
	assert_false(sc_parse_i64(sc_bytes_str("9223372036854775808"), INT64_MIN,
				  INT64_MAX, &i));
	assert_int_equal(i, 7);
}

static void doubles_are_decimal_and_finite(void **state)
{
	static const char *const bad[] = { "",	    "inf", "nan", "0x1p3",
					   "1e999", "1,5", " 1",  "e5" };
	double d = 0;

	(void)state;
	for (size_t k = 0; k < COUNT_OF(bad); k++)
		assert_false(sc_parse_double(sc_bytes_str(bad[k]), &d));
	assert_true(sc_parse_double(sc_bytes_str("-0.25e1"), &d));
	assert_true(d > -2.51 && d < -2.49);
}

static void escapes_decode_once(void **state)
{
	static const char *const bad[] = { "%", "%2", "%zz", "%00", "a%0", "%-1" };
	char out[16];

	(void)state;
	for (size_t k = 0; k < COUNT_OF(bad); k++)
		assert_false(
			sc_percent_decode(sc_bytes_str(bad[k]), false, out, sizeof(out)));
	assert_true(sc_percent_decode(sc_bytes_str("a%2520+b"), false, out, sizeof(out)));
	assert_string_equal(out, "a%20+b");
	assert_true(sc_percent_decode(sc_bytes_str("a+b%2B"), true, out, sizeof(out)));
	assert_string_equal(out, "a b+");
	assert_false(sc_percent_decode(sc_bytes_str("abcd"), false, out, 4));
	assert_true(sc_percent_decode(sc_bytes_str("abc"), false, out, 4));
}

static void utf8_is_strict(void **state)
{
	static const char *const good[] = { "", "a", "\xc3\xa4", "\xe2\x82\xac",
					    "\xf0\x9f\x94\xac" };
	static const char *const bad[] = { "\xc0\xaf",	   "\xe0\x80\xaf",
					   "\xed\xa0\x80", "\xf4\x90\x80\x80",
					   "\xff",	   "\xc3",
					   "\xe2\x82",	   "a\x80" };

	(void)state;
	for (size_t k = 0; k < COUNT_OF(good); k++)
		assert_true(sc_utf8_valid(sc_bytes_str(good[k])));
	for (size_t k = 0; k < COUNT_OF(bad); k++)
		assert_false(sc_utf8_valid(sc_bytes_str(bad[k])));
}

static void json_numbers_are_python_s(void **state)
{
	static const struct {
		double v;
		const char *text;
	} rows[] = {
		{ 1.0, "1.0" },
		{ 4.000121536217793, "4.000121536217793" },
		{ 16.00048614487117, "16.00048614487117" },
		{ 0.2513, "0.2513" },
		{ 0.1, "0.1" },
		{ 1e22, "1e+22" },
		{ 20, "20.0" },
		{ 1e15, "1000000000000000.0" },
		{ 123456.5, "123456.5" },
		{ 1e16, "1e+16" },
		{ 0.0001, "0.0001" },
		{ 1.5e-7, "1.5e-07" },
		{ -40, "-40.0" },
		{ 0, "0.0" },
	};

	(void)state;
	for (size_t k = 0; k < COUNT_OF(rows); k++) {
		SC_AUTO_BUF b = SC_BUF_INIT;

		sc_json_double(&b, rows[k].v);
		assert_string_equal((char *)b.data, rows[k].text);
	}
}

static void json_places_commas_and_escapes(void **state)
{
	SC_AUTO_BUF b = SC_BUF_INIT;

	(void)state;
	sc_json_begin(&b, '{');
	sc_json_key(&b, "a{");
	sc_json_begin(&b, '[');
	sc_json_int(&b, 1);
	sc_json_str(&b, "q\"\\\n\xff\xc3\xa4,");
	sc_json_null(&b);
	sc_json_end(&b, ']');
	sc_json_key(&b, "b");
	sc_json_bool(&b, true);
	sc_json_end(&b, '}');
	assert_string_equal((char *)b.data,
			    "{\"a{\":[1,\"q\\\"\\\\\\u000a\xef\xbf\xbd\xc3\xa4,\","
			    "null],\"b\":true}");
}

/* Shown as they are they would steer the terminal that a document is looked at on. */
static void what_steers_terminals_is_found(void **state)
{
	static const struct {
		const char *text, *json;
		size_t bytes;
	} rows[] = {
		{ "\xc2\x80", "\"\\u0080\"", 2 },
		{ "\xc2\x9b", "\"\\u009b\"", 2 },
		{ "\xc2\x9f", "\"\\u009f\"", 2 },
		{ "\xd8\x9c", "\"\\u061c\"", 2 },
		{ "\xe2\x80\xa8", "\"\\u2028\"", 3 },
		{ "\xe2\x80\xae", "\"\\u202e\"", 3 },
		{ "\xe2\x80\x8f", "\"\\u200f\"", 3 },
		{ "\xe2\x81\xa6", "\"\\u2066\"", 3 },
	};
	static const char *const plain[] = {
		"a",
		"\xc2\xa0",
		"\xc3\xa9",
		"\xe2\x80\x90",
		"\xe2\x82\xac",
		"\xf0\x9f\x94\xac",
		"",
	};
	unsigned code = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		SC_AUTO_BUF b = SC_BUF_INIT;

		assert_int_equal(sc_utf8_steering(rows[i].text, &code), rows[i].bytes);
		sc_json_str(&b, rows[i].text);
		assert_string_equal((char *)b.data, rows[i].json);
	}
	for (size_t i = 0; i < COUNT_OF(plain); i++)
		assert_int_equal(sc_utf8_steering(plain[i], &code), 0);
}

static void random_texts_are_of_the_alphabet_and_differ(void **state)
{
	char seen[200][9];

	(void)state;
	for (int i = 0; i < 200; i++) {
		sc_random_text(seen[i], 8);
		assert_int_equal(strlen(seen[i]), 8);
		assert_int_equal(strspn(seen[i],
					"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
					"uvwxyz0123456789"),
				 8);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(seen[i], seen[k]);
	}
}

static void lock_excludes_and_dies_with_its_holder(void **state)
{
	char *dir = check_mkdir();
	char *path = check_path(dir, "lock");
	struct sc_err err;
	int a = -1;
	int waited = 0;
	int ready[2];
	char byte = 0;
	pid_t child = 0;

	(void)state;
	assert_int_equal(sc_filelock_open(path, &a, &err), SC_OK);
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		int b = -1;

		if (sc_filelock_open(path, &b, &err) ||
		    sc_filelock_take(b, 7, 0, NULL, &err) || write(ready[1], "x", 1) != 1)
			_exit(1);
		(void)pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(sc_filelock_take(a, 7, 5, NULL, &err), SC_TIMEOUT);
	assert_int_equal(sc_filelock_take(a, 8, 0, &waited, &err), SC_OK);
	assert_int_equal(waited, 0);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(sc_filelock_take(a, 7, 5000, NULL, &err), SC_OK);
	assert_int_equal(waitpid(child, NULL, 0), child);
	(void)close(a);
	(void)close(ready[0]);
	(void)close(ready[1]);
	free(path);
	check_rmdir(dir);
}

static void metrics_are_shared_by_file(void **state)
{
	char *dir = check_mkdir();
	char *path = check_path(dir, "metrics");
	struct sc_err err;
	int status = -1;
	pid_t child = 0;

	(void)state;
	assert_int_equal(sc_metrics_map(path, 0, &err), SC_UNAVAILABLE);
	assert_int_equal(sc_metrics_map(path, 1, &err), SC_OK);
	child = fork();
	if (child == 0) {
		sc_count(SC_M_REQUESTS, 3);
		sc_count_cache(1, SC_CM_HITS, 4);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(sc_metric_value(SC_M_REQUESTS), 3);
	assert_int_equal(sc_cache_metric_value(1, SC_CM_HITS), 4);
	assert_int_equal(sc_metrics_map(path, 0, &err), SC_OK);
	sc_count(SC_M_REQUESTS, 1); /* a reader's own */
	assert_int_equal(sc_metrics_map(path, 0, &err), SC_OK);
	assert_int_equal(sc_metric_value(SC_M_REQUESTS), 3);
	assert_string_equal(sc_metric_name(SC_M_RENDERED), "rendered");
	free(path);
	check_rmdir(dir);
}

static void log_lines_cannot_be_forged(void **state)
{
	char *dir = check_mkdir();
	char *path = check_path(dir, "log");
	char text[4096] = "";
	struct sc_err err;
	int fd = -1;

	(void)state;
	assert_int_equal(sc_log_open(path, SC_LOG_INFO, &err), SC_OK);
	sc_log_info("a\nb\\ \x1b[31m \xc3");
	sc_log_debug("not shown");
	sc_log_info("%5000s", "x");
	assert_int_equal(sc_log_open("stderr", SC_LOG_INFO, &err), SC_OK);
	fd = open(path, O_RDONLY);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	(void)close(fd);
	assert_non_null(strstr(text, "] a\\x0ab\\x5c \\x1b[31m \\xc3\n"));
	assert_null(strstr(text, "not shown"));
	assert_true(strlen(strchr(text, '\n') + 1) <= 2048);
	free(path);
	check_rmdir(dir);
}

struct heard {
	int lines;
	enum sc_log_level level;
	char text[2048];
};

static void hear(void *arg, enum sc_log_level level, const char *text)
{
	struct heard *h = arg;

	h->lines++;
	h->level = level;
	(void)snprintf(h->text, sizeof h->text, "%s", text);
}

static void log_lines_go_to_a_function(void **state)
{
	struct heard h = { .lines = 0 };

	(void)state;
	sc_log_to(hear, &h);
	sc_log_warning("a\nb");
	assert_int_equal(h.level, SC_LOG_WARNING);
	assert_string_equal(h.text, "a\\x0ab");
	sc_log_debug("not heard");
	sc_log_error("%5000s", "x");
	assert_int_equal(h.lines, 2);
	assert_int_equal(h.level, SC_LOG_ERROR);
	assert_true(strlen(h.text) > 2000 && strlen(h.text) < 2048);
	sc_log_to(NULL, NULL);
	sc_log_info("to standard error again");
	assert_int_equal(h.lines, 2);
}

static void times_are_utc_with_and_without_zone(void **state)
{
	char text[SC_TIME_LEN];

	(void)state;
	sc_time_text(INT64_C(1767323045678901), text);
	assert_string_equal(text, "2026-01-02T03:04:05.678901");
	sc_time_text_utc(INT64_C(1767323045678901), text);
	assert_string_equal(text, "2026-01-02T03:04:05.678901Z");
	/* What somebody may write into a catalogue is read again. */
	sc_time_text(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59.999999");
	sc_time_text(-INT64_C(86400000000), text);
	assert_string_equal(text, "1969-12-31T00:00:00.000000");
}

static bool is_itself(void *arg)
{
	return sc_process_id() == getpid() && sc_process_id() != *(pid_t *)arg;
}

static void process_id_is_right_after_a_fork(void **state)
{
	pid_t own = sc_process_id();

	(void)state;
	assert_int_equal(own, getpid());
	assert_true(child_run(is_itself, &own));
	/* A child that no fork handler hears of. */
	pid_t child = _Fork();
	if (child == 0)
		_exit(is_itself(&own) ? 0 : 1);
	assert_true(child_ok(child));
	assert_int_equal(sc_process_id(), own);
}

#define FILE_MAX 1000

/* The file's descriptor, at its beginning. */
static int open_file_of(size_t len, const char *path)
{
	SC_AUTO_BUF text = SC_BUF_INIT;

	for (size_t i = 0; i < len; i++)
		sc_buf_str(&text, "x");
	check_write(path, text.data, text.len);
	return open(path, O_RDWR | O_APPEND | O_CLOEXEC);
}

static void files_are_read_whole_or_not_at_all(void **state)
{
	static const size_t sizes[] = { 0, 1, FILE_MAX, FILE_MAX + 1, 5 * FILE_MAX };
	char *dir = check_mkdir();
	SC_AUTO_FREE char *path = check_path(dir, "file");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		bool fits = sizes[i] <= FILE_MAX;
		SC_AUTO_FD fd = open_file_of(sizes[i], path);
		SC_AUTO_BUF text = SC_BUF_INIT;
		struct sc_err err;

		sc_buf_str(&text, "before");
		assert_int_equal(sc_file_read(fd, FILE_MAX, &text, &err),
				 fits ? SC_OK : SC_TOO_LARGE);
		assert_int_equal(text.len, 6 + (fits ? sizes[i] : 0));
		assert_memory_equal(text.data, "before", 6);
		assert_int_equal(text.data[text.len], 0);
		assert_int_equal(strspn((char *)text.data + 6, "x"), text.len - 6);
	}
	check_rmdir(dir);
}

/* What is refused may be a secret. */
static void what_of_a_file_is_refused_is_wiped(void **state)
{
	char *dir = check_mkdir();
	SC_AUTO_FREE char *path = check_path(dir, "file");
	SC_AUTO_FD fd = open_file_of(FILE_MAX + 1, path);
	SC_AUTO_BUF text = SC_BUF_INIT;
	struct sc_err err;

	(void)state;
	assert_int_equal(sc_file_read(fd, FILE_MAX, &text, &err), SC_TOO_LARGE);
	assert_null(memchr(text.data, 'x', FILE_MAX + 1));
	check_rmdir(dir);
}

struct growing {
	int fd, steps;
};

/* A pipe's writer: its size says nothing, and it grows while it is read. */
static bool grow(void *arg)
{
	const struct growing *g = arg;

	for (int i = 0; i < g->steps; i++) {
		if (write(g->fd, "xxxxxxxxxx", 10) != 10)
			return false;
		sc_sleep_us(1000);
	}
	return true;
}

static enum sc_status read_growing(int steps, struct sc_buf *out)
{
	struct growing g = { .steps = steps };
	struct sc_err err;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	g.fd = ends[1];
	pid_t child = fork();
	if (child == 0)
		_exit(grow(&g) ? 0 : 1);
	(void)close(ends[1]);
	enum sc_status status = sc_file_read(ends[0], FILE_MAX, out, &err);
	assert_true(child_ok(child));
	(void)close(ends[0]);
	return status;
}

static void a_file_that_grows_is_read_to_its_end(void **state)
{
	SC_AUTO_BUF text = SC_BUF_INIT;

	(void)state;
	assert_int_equal(read_growing(FILE_MAX / 10, &text), SC_OK);
	assert_int_equal(text.len, FILE_MAX);
	sc_buf_reset(&text);
	assert_int_equal(read_growing(FILE_MAX / 10 + 1, &text), SC_TOO_LARGE);
	assert_int_equal(text.len, 0);
}

static void a_file_that_cannot_be_read_says_why(void **state)
{
	SC_AUTO_FD folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	SC_AUTO_BUF text = SC_BUF_INIT;
	struct sc_err err;

	(void)state;
	assert_int_equal(sc_file_read(folder, FILE_MAX, &text, &err), SC_UNAVAILABLE);
	assert_string_equal(err.text, strerror(EISDIR));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffer_grows_and_ends_with_nul),
		cmocka_unit_test(buffer_refuses_what_input_makes_too_large),
		cmocka_unit_test(buffer_reset_gives_back_large_memory),
		cmocka_unit_test(arena_is_zeroed_again_after_reset),
		cmocka_unit_test(numbers_take_the_whole_text),
		cmocka_unit_test(doubles_are_decimal_and_finite),
		cmocka_unit_test(escapes_decode_once),
		cmocka_unit_test(utf8_is_strict),
		cmocka_unit_test(json_numbers_are_python_s),
		cmocka_unit_test(json_places_commas_and_escapes),
		cmocka_unit_test(what_steers_terminals_is_found),
		cmocka_unit_test(random_texts_are_of_the_alphabet_and_differ),
		cmocka_unit_test(lock_excludes_and_dies_with_its_holder),
		cmocka_unit_test(metrics_are_shared_by_file),
		cmocka_unit_test(log_lines_cannot_be_forged),
		cmocka_unit_test(log_lines_go_to_a_function),
		cmocka_unit_test(process_id_is_right_after_a_fork),
		cmocka_unit_test(times_are_utc_with_and_without_zone),
		cmocka_unit_test(files_are_read_whole_or_not_at_all),
		cmocka_unit_test(what_of_a_file_is_refused_is_wiped),
		cmocka_unit_test(a_file_that_grows_is_read_to_its_end),
		cmocka_unit_test(a_file_that_cannot_be_read_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

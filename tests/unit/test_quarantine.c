/* SPDX-License-Identifier: MIT */
/*
 * The records of the quarantine: which strikes count and what they lead to, beside a
 * naive model; their JSON, whatever is in it.
 */
#include "tests/lib/check.h"

#include <stdio.h>

#include "slide/quarantine_records.h"

#define NOON INT64_C(1800000000)

/* ----- the records ----- */

static struct sc_quarantine_record who(uint64_t key, const char *file)
{
	struct sc_quarantine_record rec = { .key = key, .reason = "worker 1 died" };

	sc_mark_name(file, rec.file);
	return rec;
}

static bool strike(struct sc_quarantine_records *r, uint64_t key, int64_t at_s)
{
	char file[32];

	(void)snprintf(file, sizeof(file), "%llu.svs", (unsigned long long)key);
	struct sc_quarantine_record rec = who(key, file);
	sc_records_prune(r, at_s);
	return sc_records_strike(r, &rec, at_s);
}

static bool is_shut(struct sc_quarantine_records *r, uint64_t key, int64_t at_s)
{
	return sc_records_shut(r, key, at_s) != NULL;
}

static void two_strikes_in_the_window_shut_a_file(void **state)
{
	struct sc_quarantine_records r = { .n = 0 };

	(void)state;
	assert_false(strike(&r, 1, NOON));
	assert_false(is_shut(&r, 1, NOON));
	assert_false(strike(&r, 2, NOON + 1));
	assert_true(strike(&r, 1, NOON + SC_STRIKE_WINDOW_S));
	assert_true(is_shut(&r, 1, NOON + SC_STRIKE_WINDOW_S));
	assert_false(is_shut(&r, 2, NOON + SC_STRIKE_WINDOW_S));
	assert_int_equal(r.items[0].until_s, NOON + SC_STRIKE_WINDOW_S + SC_QUARANTINE_S);
}

static void strikes_outside_the_window_do_not_meet(void **state)
{
	struct sc_quarantine_records r = { .n = 0 };

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_false(strike(&r, 1, NOON + i * (SC_STRIKE_WINDOW_S + 1)));
	assert_int_equal(r.n, 1);
	assert_int_equal(r.items[0].n, 1);
}

static void a_quarantine_ends_and_its_strikes_with_it(void **state)
{
	struct sc_quarantine_records r = { .n = 0 };

	(void)state;
	(void)strike(&r, 1, NOON);
	assert_true(strike(&r, 1, NOON));
	assert_true(is_shut(&r, 1, NOON + SC_QUARANTINE_S - 1));
	assert_false(is_shut(&r, 1, NOON + SC_QUARANTINE_S));
	assert_false(strike(&r, 1, NOON + SC_QUARANTINE_S));
	assert_int_equal(r.items[0].n, 1);
	assert_true(strike(&r, 1, NOON + SC_QUARANTINE_S));
}

static void a_strike_in_quarantine_makes_it_longer_and_is_no_news(void **state)
{
	struct sc_quarantine_records r = { .n = 0 };

	(void)state;
	(void)strike(&r, 1, NOON);
	assert_true(strike(&r, 1, NOON));
	assert_false(strike(&r, 1, NOON + 1000));
	assert_int_equal(r.items[0].n, 3);
	assert_true(is_shut(&r, 1, NOON + 1000 + SC_QUARANTINE_S - 1));
	for (int i = 0; i < 3 * SC_STRIKES_KEPT; i++)
		(void)strike(&r, 1, NOON + 2000 + i);
	assert_int_equal(r.items[0].n, SC_STRIKES_KEPT);
	assert_int_equal(sc_record_last(&r.items[0]),
			 NOON + 2000 + 3 * SC_STRIKES_KEPT - 1);
}

static void a_clock_that_jumps_ends_what_it_makes_doubtful(void **state)
{
	struct sc_quarantine_records r = { .n = 0 };

	(void)state;
	(void)strike(&r, 1, NOON);
	(void)strike(&r, 1, NOON);
	(void)strike(&r, 2, NOON);
	assert_false(is_shut(&r, 1, NOON - 3600));
	assert_false(is_shut(&r, 1, NOON + 3600));
	/* The strike of the future is dropped: one alone is left, twice. */
	assert_false(strike(&r, 2, NOON - 3600));
	assert_int_equal(r.n, 1);
	assert_false(strike(&r, 2, NOON));
}

static void the_oldest_strike_makes_room(void **state)
{
	struct sc_quarantine_records r = { .n = 0 };

	(void)state;
	for (unsigned i = 0; i < SC_QUARANTINE_FILES; i++)
		(void)strike(&r, 100 + i, NOON + i);
	assert_true(strike(&r, 100, NOON + 65)); /* the first is not the oldest now */
	assert_int_equal(r.n, SC_QUARANTINE_FILES);
	(void)strike(&r, 7, NOON + 70);
	assert_int_equal(r.n, SC_QUARANTINE_FILES);
	for (size_t i = 0; i < r.n; i++)
		assert_true(r.items[i].key != 101);
	(void)strike(&r, 8, NOON + 71);
	for (size_t i = 0; i < r.n; i++)
		assert_true(r.items[i].key != 102);
	assert_true(is_shut(&r, 100, NOON + 71));
}

static void release_takes_all_identities_of_a_file(void **state)
{
	struct sc_quarantine_records r = { .n = 0 };
	struct sc_quarantine_record a = who(1, "a.svs"), again = who(2, "a.svs"),
				    b = who(3, "b.svs");

	(void)state;
	(void)sc_records_strike(&r, &a, NOON);
	(void)sc_records_strike(&r, &b, NOON);
	(void)sc_records_strike(&r, &again, NOON);
	assert_int_equal(sc_records_release(&r, "c.svs"), 0);
	assert_int_equal(sc_records_release(&r, "a.svs"), 1);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.items[0].key, 3);
	(void)sc_records_strike(&r, &a, NOON);
	(void)sc_records_strike(&r, &again, NOON);
	assert_int_equal(sc_records_release(&r, NULL), 2);
	assert_int_equal(r.n, 0);
}

/* ----- beside a naive model: all strikes there were, looked through each time ----- */

#define MODEL_MAX  4000
#define MODEL_KEYS 90

static struct model {
	struct {
		uint64_t key;
		int64_t at_s;
	} strikes[MODEL_MAX];
	int n;
	int64_t until_s[MODEL_KEYS + 1];
} model;

static void model_forget(uint64_t key)
{
	int kept = 0;

	for (int i = 0; i < model.n; i++)
		if (model.strikes[i].key != key)
			model.strikes[kept++] = model.strikes[i];
	model.n = kept;
	model.until_s[key] = 0;
}

static bool model_shut(uint64_t key, int64_t now_s)
{
	return now_s < model.until_s[key] &&
	       model.until_s[key] <= now_s + SC_QUARANTINE_S;
}

static void model_age(int64_t now_s)
{
	int kept = 0;

	for (uint64_t key = 1; key <= MODEL_KEYS; key++)
		if (model.until_s[key] && !model_shut(key, now_s))
			model_forget(key);
	for (int i = 0; i < model.n; i++)
		if (model_shut(model.strikes[i].key, now_s) ||
		    (model.strikes[i].at_s <= now_s &&
		     model.strikes[i].at_s >= now_s - SC_STRIKE_WINDOW_S))
			model.strikes[kept++] = model.strikes[i];
	model.n = kept;
}

static int model_count(uint64_t key, int64_t *last_s)
{
	int n = 0;

	*last_s = 0;
	for (int i = 0; i < model.n; i++)
		if (model.strikes[i].key == key) {
			n++;
			if (model.strikes[i].at_s > *last_s)
				*last_s = model.strikes[i].at_s;
		}
	return n;
}

/* Of those with the oldest last strike the one that came first, as the records have it.
 */
static uint64_t model_oldest(const struct sc_quarantine_records *r)
{
	int64_t best = INT64_MAX;
	uint64_t oldest = 0;

	for (size_t i = 0; i < r->n; i++) {
		int64_t last_s;

		(void)model_count(r->items[i].key, &last_s);
		if (last_s < best) {
			best = last_s;
			oldest = r->items[i].key;
		}
	}
	return oldest;
}

static bool model_strike(const struct sc_quarantine_records *before, uint64_t key,
			 int64_t now_s)
{
	int64_t last_s;
	bool was_shut = model_shut(key, now_s);

	if (model_count(key, &last_s) == 0 && before->n == SC_QUARANTINE_FILES)
		model_forget(model_oldest(before));
	model.strikes[model.n].key = key;
	model.strikes[model.n++].at_s = now_s;
	if (model_count(key, &last_s) < SC_STRIKES)
		return false;
	model.until_s[key] = now_s + SC_QUARANTINE_S;
	return !was_shut;
}

static void compare(const struct sc_quarantine_records *r, int64_t now_s)
{
	size_t n = 0;

	for (uint64_t key = 1; key <= MODEL_KEYS; key++) {
		int64_t last_s;
		int strikes = model_count(key, &last_s);
		const struct sc_quarantine_record *rec = NULL;

		for (size_t i = 0; i < r->n; i++)
			if (r->items[i].key == key)
				rec = &r->items[i];
		assert_int_equal(rec != NULL, strikes > 0);
		n += rec != NULL;
		assert_int_equal(sc_records_shut(r, key, now_s) != NULL,
				 model_shut(key, now_s));
		if (rec && strikes <= SC_STRIKES_KEPT) {
			assert_int_equal(rec->n, strikes);
			assert_int_equal(sc_record_last(rec), last_s);
		}
	}
	assert_int_equal(r->n, n);
}

static uint32_t random_state;
static int random_below(int n)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (int)((random_state >> 8) % (uint32_t)n);
}

static void random_strikes_are_as_in_the_model(void **state)
{
	static struct sc_quarantine_records r;
	int64_t now_s = NOON;

	(void)state;
	random_state = 7;
	memset(&model, 0, sizeof(model));
	for (int step = 0; step < 20000 && model.n < MODEL_MAX; step++) {
		int dice = random_below(1000);
		uint64_t key = 1 + (uint64_t)(random_below(MODEL_KEYS));
		bool crowd = step / 2000 % 2;

		now_s += random_below(crowd ? 5 : 120);
		if (dice < 3)
			now_s += (random_below(3) - 1) * (int64_t)3600;
		sc_records_prune(&r, now_s);
		model_age(now_s);
		compare(&r, now_s);
		if (dice >= 990) {
			char file[32];

			(void)snprintf(file, sizeof(file), "%d.svs", (int)key);
			int64_t last_s;
			assert_int_equal(sc_records_release(&r, file),
					 model_count(key, &last_s) > 0);
			model_forget(key);
		} else {
			bool expected = model_strike(&r, key, now_s);

			assert_int_equal(strike(&r, key, now_s), expected);
		}
		compare(&r, now_s);
	}
	assert_true(model.n < MODEL_MAX);
}

/* ----- JSON ----- */

static void records_come_back_from_their_json(void **state)
{
	struct sc_quarantine_records r = { .n = 0 };
	SC_AUTO_FREE struct sc_quarantine_records *back = sc_alloc(sizeof(*back));
	SC_AUTO_BUF text = SC_BUF_INIT;
	struct sc_quarantine_record odd = who(UINT64_MAX, "f\xc3\xa4lle/\"\\\n\x01.svs");

	(void)state;
	sc_records_print(&r, &text);
	assert_true(sc_records_parse(sc_buf_bytes(&text), back));
	assert_int_equal(back->n, 0);
	for (unsigned i = 1; i < SC_QUARANTINE_FILES; i++)
		(void)strike(&r, i, NOON + i / 10);
	(void)strike(&r, 5, NOON + 20);
	(void)sc_records_strike(&r, &odd, NOON + 21);
	sc_buf_reset(&text);
	sc_records_print(&r, &text);
	assert_true(sc_records_parse(sc_buf_bytes(&text), back));
	assert_int_equal(back->n, SC_QUARANTINE_FILES);
	assert_memory_equal(back, &r, sizeof(r));
}

#define REC(key, file, reason, strikes, until)                                           \
	"{\"quarantine\":[{\"key\":" key ",\"file\":" file ",\"reason\":" reason         \
	",\"strikes\":" strikes ",\"until\":" until "}]}"
#define KEY "\"00000000000000ff\""

static const char *const hostile[] = {
	"",
	"{",
	"[]",
	"null",
	"{}",
	"{\"quarantine\":{}}",
	"{\"quarantine\":[1]}",
	"{\"quarantine\":[{}]}",
	"{\"quarantine\":[],\"quarantine\":[]}",
	REC("\"0000000000000000\"", "\"a\"", "\"\"", "[1]", "0"),
	REC("\"00000000000000FF\"", "\"a\"", "\"\"", "[1]", "0"),
	REC("\"ff\"", "\"a\"", "\"\"", "[1]", "0"),
	REC("255", "\"a\"", "\"\"", "[1]", "0"),
	REC(KEY, "\"\"", "\"\"", "[1]", "0"),
	REC(KEY, "\"a\\u0000b\"", "\"\"", "[1]", "0"),
	REC(KEY, "\"\xff\"", "\"\"", "[1]", "0"),
	REC(KEY, "7", "\"\"", "[1]", "0"),
	REC(KEY, "\"a\"", "null", "[1]", "0"),
	REC(KEY, "\"a\"", "\"\"", "[]", "0"),
	REC(KEY, "\"a\"", "\"\"", "1", "0"),
	REC(KEY, "\"a\"", "\"\"", "[-1]", "0"),
	REC(KEY, "\"a\"", "\"\"", "[1.5]", "0"),
	REC(KEY, "\"a\"", "\"\"", "[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7]", "0"),
	REC(KEY, "\"a\"", "\"\"", "[1]", "-1"),
	REC(KEY, "\"a\"", "\"\"", "[1]", "9223372036854775807"),
	REC(KEY, "\"a\"", "\"\"", "[1]", "92233720368547758070"),
	REC(KEY, "\"a\"", "\"\"", "[1]", "\"1\""),
};

static void hostile_json_is_refused_as_a_whole(void **state)
{
	SC_AUTO_FREE struct sc_quarantine_records *r = sc_alloc(sizeof(*r));
	struct sc_bytes good = sc_bytes_str(REC(KEY, "\"a\"", "\"\"", "[1]", "0"));
	SC_AUTO_BUF twice = SC_BUF_INIT;
	SC_AUTO_BUF deep = SC_BUF_INIT;

	(void)state;
	assert_true(sc_records_parse(good, r));
	assert_int_equal(r->n, 1);
	for (size_t i = 0; i < COUNT_OF(hostile); i++) {
		assert_false(sc_records_parse(sc_bytes_str(hostile[i]), r));
		assert_int_equal(r->n, 0);
	}
	sc_buf_append(&twice, good.data, good.len - 2);
	sc_buf_printf(&twice, ",%s", REC(KEY, "\"b\"", "\"\"", "[1]", "0") + 15);
	assert_false(sc_records_parse(sc_buf_bytes(&twice), r));
	for (int i = 0; i < 100000; i++)
		sc_buf_str(&deep, "[");
	assert_false(sc_records_parse(sc_buf_bytes(&deep), r));
	for (size_t cut = 0; cut < good.len; cut++)
		assert_false(sc_records_parse(sc_bytes_of(good.data, cut), r));
}

static void too_many_and_too_long_are_refused(void **state)
{
	SC_AUTO_FREE struct sc_quarantine_records *r = sc_alloc(sizeof(*r));
	SC_AUTO_BUF text = SC_BUF_INIT;

	(void)state;
	for (int n = SC_MARK_FILE_MAX - 1; n <= SC_MARK_FILE_MAX; n++) {
		sc_buf_reset(&text);
		sc_buf_printf(&text, REC(KEY, "\"%0*d\"", "\"\"", "[1]", "0"), n, 7);
		assert_int_equal(sc_records_parse(sc_buf_bytes(&text), r),
				 n < SC_MARK_FILE_MAX);
	}
	for (int n = SC_QUARANTINE_FILES; n <= SC_QUARANTINE_FILES + 1; n++) {
		sc_buf_reset(&text);
		sc_buf_str(&text, "{\"quarantine\":[");
		for (int i = 1; i <= n; i++)
			sc_buf_printf(&text,
				      "%s{\"key\":\"%016x\",\"file\":\"a\",\"reason\":"
				      "\"\",\"strikes\":[1],\"until\":0}",
				      i > 1 ? "," : "", (unsigned)i);
		sc_buf_str(&text, "]}");
		assert_int_equal(sc_records_parse(sc_buf_bytes(&text), r),
				 n == SC_QUARANTINE_FILES);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_strikes_in_the_window_shut_a_file),
		cmocka_unit_test(strikes_outside_the_window_do_not_meet),
		cmocka_unit_test(a_quarantine_ends_and_its_strikes_with_it),
		cmocka_unit_test(a_strike_in_quarantine_makes_it_longer_and_is_no_news),
		cmocka_unit_test(a_clock_that_jumps_ends_what_it_makes_doubtful),
		cmocka_unit_test(the_oldest_strike_makes_room),
		cmocka_unit_test(release_takes_all_identities_of_a_file),
		cmocka_unit_test(random_strikes_are_as_in_the_model),
		cmocka_unit_test(records_come_back_from_their_json),
		cmocka_unit_test(hostile_json_is_refused_as_a_whole),
		cmocka_unit_test(too_many_and_too_long_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * How calls fail and are counted, with a backend that fails as it is told: every kind of
 * fault has its counter, a call counts once, and no call goes on for ever.
 */
#include "tests/lib/check.h"

#include <stdio.h>
#include <string.h>

#include "cache/cache_private.h"
#include "slidecache/clock.h"

#define SLOT 3

/* What the fake does: with each call, or only with some items. */
static struct {
	enum sc_status status;
	enum sc_fault fault;
	size_t every; /* only items whose number divides by it */
	enum sc_status swap;
	unsigned calls;
	unsigned asked; /* by get: items, all in all */
	int64_t spend_us;
	struct sc_buf stored; /* what get answers */
} fake;

static enum sc_status fail_items(struct sc_call *call, struct sc_backend_item *items,
				 size_t n, struct sc_err *err)
{
	enum sc_status result = SC_OK;

	fake.calls++;
	fake.asked += (unsigned)n;
	if (fake.spend_us > 0)
		sc_sleep_us(fake.spend_us);
	for (size_t i = 0; i < n; i++) {
		bool fails = fake.every == 0 || i % fake.every == 0;

		items[i].status = fails ? fake.status : SC_OK;
		if (items[i].status == SC_UNAVAILABLE || items[i].status == SC_TIMEOUT)
			result = items[i].status;
	}
	call->fault = fake.fault;
	return result == SC_OK ? SC_OK : sc_fail(err, result, "the fake fails");
}

static enum sc_status fake_get(void *backend, struct sc_call *call,
			       struct sc_backend_item *items, size_t n,
			       struct sc_err *err)
{
	enum sc_status status = fail_items(call, items, n, err);

	(void)backend;
	for (size_t i = 0; i < n; i++)
		if (items[i].status == SC_OK)
			sc_buf_append(&items[i].out, fake.stored.data, fake.stored.len);
	return status;
}

static enum sc_status fake_set(void *backend, struct sc_call *call,
			       enum sc_backend_mode mode, struct sc_backend_item *items,
			       size_t n, struct sc_err *err)
{
	(void)backend;
	(void)mode;
	return fail_items(call, items, n, err);
}

static enum sc_status fake_swap(void *backend, struct sc_call *call,
				struct sc_backend_item *item, struct sc_bytes old,
				struct sc_err *err)
{
	(void)backend;
	(void)call;
	(void)item;
	(void)old;
	(void)err;
	fake.calls++;
	return fake.swap;
}

static enum sc_status fake_del(void *backend, struct sc_call *call,
			       struct sc_backend_item *items, size_t n,
			       struct sc_err *err)
{
	(void)backend;
	return fail_items(call, items, n, err);
}

static enum sc_status fake_stats(void *backend, struct sc_call *call,
				 struct sc_cache_stats *out, struct sc_err *err)
{
	struct sc_backend_item it = { .forget_s = 0 };

	(void)backend;
	(void)out;
	return fail_items(call, &it, 1, err);
}

static void fake_close(void *backend)
{
	(void)backend;
}

static const struct sc_backend_ops fake_ops = {
	.name = "fake",
	.remote = true,
	.close = fake_close,
	.get = fake_get,
	.set = fake_set,
	.swap = fake_swap,
	.del = fake_del,
	.stats = fake_stats,
};

static struct sc_err err;
static const struct sc_bytes item = { (const unsigned char *)"i", 1 };

static struct sc_cache *open_fake(int timeout_ms)
{
	struct sc_cache_options o = { .name = "tiles",
				      .slot = SLOT,
				      .backend = "null",
				      .key_prefix = "p",
				      .timeout_ms = timeout_ms };
	struct sc_cache *c = NULL;

	assert_int_equal(sc_cache_open(&o, &c, &err), SC_OK);
	c->ops = &fake_ops;
	memset(&fake, 0, sizeof fake);
	return c;
}

static void close_fake(struct sc_cache *c)
{
	sc_buf_release(&fake.stored);
	sc_cache_close(c);
}

/* What grew since it was last asked, as one line: "errors 1, errors_timeout 1". */
static const char *grown(void)
{
	static uint64_t before[SC_CACHE_METRIC_COUNT];
	static char text[256];
	size_t at = 0;

	text[0] = '\0';
	for (unsigned m = 0; m < SC_CACHE_METRIC_COUNT; m++) {
		uint64_t now = sc_cache_metric_value(SLOT, (enum sc_cache_metric)m);

		if (now != before[m])
			at += (size_t)snprintf(
				text + at, sizeof text - at, "%s%s %llu", at ? ", " : "",
				sc_cache_metric_name((enum sc_cache_metric)m),
				(unsigned long long)(now - before[m]));
		before[m] = now;
	}
	return text;
}

static void test_kinds(void **state)
{
	static const struct {
		enum sc_fault fault;
		const char *counted;
	} kinds[] = {
		{ SC_FAULT_NONE, "errors 1, errors_other 1" },
		{ SC_FAULT_REFUSED, "errors 1, errors_refused 1" },
		{ SC_FAULT_TIMEOUT, "errors 1, errors_timeout 1" },
		{ SC_FAULT_CLOSED, "errors 1, errors_closed 1" },
		{ SC_FAULT_PROTOCOL, "errors 1, errors_protocol 1" },
		{ SC_FAULT_FULL, "errors 1, errors_full 1" },
		{ SC_FAULT_READ_ONLY, "errors 1, errors_read_only 1" },
		{ SC_FAULT_BUSY, "errors 1, errors_busy 1" },
		{ SC_FAULT_DENIED, "errors 1, errors_denied 1" },
		{ SC_FAULT_AWAY, "skipped 1" },
		{ SC_FAULT_OTHER, "errors 1, errors_other 1" },
	};
	struct sc_cache *c = open_fake(1000);
	struct sc_bytes v = sc_bytes_str("v");
	struct sc_cache_stats st;
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	int64_t n = 0;

	(void)state;
	assert_int_equal(COUNT_OF(kinds), SC_FAULT_COUNT);
	(void)grown();
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		fake.status = SC_UNAVAILABLE;
		fake.fault = kinds[i].fault;
		assert_int_equal(sc_cache_get(c, "v", item, &e, &err), SC_UNAVAILABLE);
		assert_string_equal(err.text, "tiles: the fake fails");
		assert_string_equal(grown(), kinds[i].counted);
		assert_int_equal(sc_cache_peek(c, "v", item, &e, &err), SC_UNAVAILABLE);
		assert_string_equal(grown(), kinds[i].counted);
		assert_int_equal(sc_cache_set(c, "v", item, "a/b", v, &err),
				 SC_UNAVAILABLE);
		assert_string_equal(grown(), kinds[i].counted);
		assert_int_equal(sc_cache_add(c, "v", item, "a/b", v, &err),
				 SC_UNAVAILABLE);
		assert_string_equal(grown(), kinds[i].counted);
		assert_int_equal(sc_cache_touch(c, "v", item, &err), SC_UNAVAILABLE);
		assert_string_equal(grown(), kinds[i].counted);
		assert_int_equal(sc_cache_incr(c, "v", item, 1, &n, &err),
				 SC_UNAVAILABLE);
		assert_string_equal(grown(), kinds[i].counted);
		assert_int_equal(sc_cache_delete(c, "v", item, &err), SC_UNAVAILABLE);
		assert_string_equal(grown(), kinds[i].counted);
		assert_int_equal(sc_cache_stats(c, &st, &err), SC_UNAVAILABLE);
		assert_string_equal(grown(), kinds[i].counted);
	}
	close_fake(c);
}

/* The embedded store, when it is locked: sets say so, gets say what all gets say. */
static void test_busy(void **state)
{
	struct sc_cache *c = open_fake(1000);
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;

	(void)state;
	(void)grown();
	fake.status = SC_TIMEOUT;
	fake.fault = SC_FAULT_BUSY;
	assert_int_equal(sc_cache_set(c, "v", item, "a/b", sc_bytes_str("v"), &err),
			 SC_TIMEOUT);
	assert_string_equal(grown(), "busy 1");
	assert_int_equal(sc_cache_delete(c, "v", item, &err), SC_TIMEOUT);
	assert_string_equal(grown(), "busy 1");
	assert_int_equal(sc_cache_get(c, "v", item, &e, &err), SC_UNAVAILABLE);
	assert_string_equal(grown(), "errors 1, errors_busy 1");
	close_fake(c);
}

static void test_answers(void **state)
{
	struct sc_cache *c = open_fake(1000);
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;

	(void)state;
	(void)grown();
	fake.status = SC_MISS;
	assert_int_equal(sc_cache_get(c, "v", item, &e, &err), SC_MISS);
	assert_string_equal(grown(), "misses 1");
	assert_int_equal(sc_cache_peek(c, "v", item, &e, &err), SC_MISS);
	assert_string_equal(grown(), "");
	fake.status = SC_DAMAGED;
	fake.calls = 0;
	assert_int_equal(sc_cache_get(c, "v", item, &e, &err), SC_MISS);
	assert_string_equal(grown(), "misses 1, rejects 1");
	assert_int_equal(fake.calls, 2); /* it was removed */
	fake.status = SC_TOO_LARGE;
	assert_int_equal(sc_cache_set(c, "v", item, "a/b", sc_bytes_str("v"), &err),
			 SC_TOO_LARGE);
	assert_string_equal(grown(), "too_large 1");
	fake.status = SC_OK;
	assert_int_equal(sc_cache_set(c, "v", item, "a/b", sc_bytes_str("v"), &err),
			 SC_OK);
	assert_string_equal(grown(), "stores 1");
	close_fake(c);
}

#define MANY 300

struct arguments {
	struct sc_bytes items[MANY];
	struct sc_cache_value values[MANY];
	struct sc_entry entries[MANY];
	enum sc_status each[MANY];
};

static struct arguments *new_arguments(void)
{
	struct arguments *a = sc_alloc(sizeof *a);

	for (size_t i = 0; i < MANY; i++) {
		a->items[i] = item;
		a->values[i] = (struct sc_cache_value){ item, "a/b", sc_bytes_str("v") };
	}
	return a;
}

/* Five slices, all of which fail: one failed call. */
static void test_many_fail(void **state)
{
	struct sc_cache *c = open_fake(1000);
	SC_AUTO_FREE struct arguments *a = new_arguments();

	(void)state;
	(void)grown();
	fake.status = SC_UNAVAILABLE;
	fake.fault = SC_FAULT_CLOSED;
	assert_int_equal(
		sc_cache_get_many(c, "v", a->items, MANY, a->entries, a->each, &err),
		SC_UNAVAILABLE);
	assert_string_equal(grown(), "errors 1, errors_closed 1");
	assert_string_equal(err.text, "tiles: the fake fails");
	assert_int_equal(fake.calls, 5);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(a->each[i], SC_UNAVAILABLE);
	assert_int_equal(sc_cache_set_many(c, "v", a->values, MANY, a->each, &err),
			 SC_UNAVAILABLE);
	assert_string_equal(grown(), "errors 1, errors_closed 1");
	assert_int_equal(sc_cache_delete_many(c, "v", a->items, MANY, a->each, &err),
			 SC_UNAVAILABLE);
	assert_string_equal(grown(), "errors 1, errors_closed 1");
	close_fake(c);
}

/* Of three servers one is away: the others' entries have their answers. */
static void test_some_fail(void **state)
{
	struct sc_cache *c = open_fake(1000);
	SC_AUTO_FREE struct arguments *a = new_arguments();

	(void)state;
	(void)grown();
	fake.status = SC_UNAVAILABLE;
	fake.fault = SC_FAULT_AWAY;
	fake.every = 3;
	assert_int_equal(sc_cache_set_many(c, "v", a->values, MANY, a->each, &err),
			 SC_UNAVAILABLE);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(a->each[i], i % 64 % 3 == 0 ? SC_UNAVAILABLE : SC_OK);
	assert_string_equal(grown(), "stores 197, skipped 1");
	close_fake(c);
}

/* The deadline is that of the call, not of each slice. */
static void test_many_too_late(void **state)
{
	struct sc_cache *c = open_fake(30);
	SC_AUTO_FREE struct arguments *a = new_arguments();

	(void)state;
	(void)grown();
	fake.status = SC_MISS;
	fake.spend_us = 20000;
	assert_int_equal(
		sc_cache_get_many(c, "v", a->items, MANY, a->entries, a->each, &err),
		SC_UNAVAILABLE);
	assert_in_range(fake.calls, 1, 2);
	assert_int_equal(a->each[0], SC_MISS);
	assert_int_equal(a->each[MANY - 1], SC_UNAVAILABLE);
	assert_non_null(strstr(grown(), "errors 1, errors_timeout 1"));
	fake.calls = 0;
	fake.status = SC_OK;
	assert_int_equal(sc_cache_set_many(c, "v", a->values, MANY, a->each, &err),
			 SC_UNAVAILABLE);
	assert_in_range(fake.calls, 1, 2);
	assert_int_equal(a->each[0], SC_OK);
	assert_int_equal(a->each[MANY - 1], SC_UNAVAILABLE);
	close_fake(c);
}

static void store_number(struct sc_cache *c, const char *text)
{
	struct sc_entry_meta meta = { sc_bytes_str("p:v:i"), sc_bytes_str("a/b"), 1, 0, 0,
				      strlen(text) };

	sc_buf_reset(&fake.stored);
	assert_int_equal(
		sc_entry_encode(&meta, sc_bytes_str(text), c->secret, &fake.stored, &err),
		SC_OK);
}

/* Somebody else is always faster: until the deadline, no longer, and counted once. */
static void test_changed_for_ever(void **state)
{
	struct sc_cache *c = open_fake(20);
	int64_t n = 77;

	(void)state;
	(void)grown();
	store_number(c, "5");
	fake.swap = SC_CHANGED;
	assert_int_equal(sc_cache_incr(c, "v", item, 1, &n, &err), SC_TIMEOUT);
	assert_int_equal(n, 77);
	assert_true(fake.calls >= 2);
	assert_string_equal(grown(), "busy 1");
	assert_int_equal(sc_cache_touch(c, "v", item, &err), SC_TIMEOUT);
	assert_string_equal(grown(), "busy 1");
	/* Something is there when it is to be added, and nothing when it is looked at. */
	fake.status = SC_EXISTS;
	assert_int_equal(sc_cache_add(c, "v", item, "a/b", sc_bytes_str("v"), &err),
			 SC_TIMEOUT);
	assert_string_equal(grown(), "busy 1");
	close_fake(c);
}

static void test_gone_meanwhile(void **state)
{
	struct sc_cache *c = open_fake(1000);
	int64_t n = 77;

	(void)state;
	(void)grown();
	store_number(c, "5");
	fake.swap = SC_MISS;
	assert_int_equal(sc_cache_incr(c, "v", item, 1, &n, &err), SC_MISS);
	assert_int_equal(sc_cache_touch(c, "v", item, &err), SC_MISS);
	assert_int_equal(err.status, SC_MISS);
	assert_string_equal(grown(), "");
	fake.swap = SC_OK;
	assert_int_equal(sc_cache_incr(c, "v", item, 1, &n, &err), SC_OK);
	assert_int_equal(n, 6);
	assert_string_equal(grown(), "stores 1");
	close_fake(c);
}

/* A failure while parts are fetched is a failure, not a miss. */
static void test_parts_fail(void **state)
{
	struct sc_cache *c = open_fake(1000);
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;

	(void)state;
	c->value_max = 10;
	fake.status = SC_UNAVAILABLE;
	fake.fault = SC_FAULT_FULL;
	(void)grown();
	assert_int_equal(sc_cache_set(c, "v", item, "a/b",
				      sc_bytes_str("longer than ten bytes"), &err),
			 SC_TOO_LARGE);
	assert_string_equal(grown(), "too_large 1");
	c->o.split = true;
	fake.calls = 0;
	assert_int_equal(sc_cache_set(c, "v", item, "a/b",
				      sc_bytes_str("longer than ten bytes"), &err),
			 SC_UNAVAILABLE);
	assert_string_equal(grown(), "errors 1, errors_full 1");
	assert_int_equal(fake.calls, 1);
	assert_int_equal(sc_cache_get(c, "v", item, &e, &err), SC_UNAVAILABLE);
	close_fake(c);
}

/* No time-out given: not for ever, and not at once. */
static void test_default_timeout(void **state)
{
	struct sc_cache *c = open_fake(0);

	(void)state;
	assert_int_equal(c->o.timeout_ms, 100);
	close_fake(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_many_fail),
		cmocka_unit_test(test_some_fail),
		cmocka_unit_test(test_many_too_late),
		cmocka_unit_test(test_changed_for_ever),
		cmocka_unit_test(test_gone_meanwhile),
		cmocka_unit_test(test_parts_fail),
		cmocka_unit_test(test_default_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

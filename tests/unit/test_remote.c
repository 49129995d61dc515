/* SPDX-License-Identifier: MIT */
/*
 * What connections to cache servers share (src/cache/remote.h): the breaker's pauses, the
 * probe that never waits, the list of a process's servers, and names of hosts. The
 * servers are sockets of the test's own, and so is the resolver.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "slidecache/bytes.h"
#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "src/cache/remote.h"
#include "tests/lib/check.h"
#include "tests/lib/child.h"

#define MS INT64_C(1000)

static const char *const bad[] = { "-LOADING", NULL };

struct listener {
	char dir[32];
	struct sc_address address;
	struct sc_target target;
	int fd;
};

static void start_listening(struct listener *l)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%.60s", l->address.host);
	assert_int_equal(bind(l->fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(l->fd, 8), 0);
}

static void new_listener(struct listener *l)
{
	*l = (struct listener){ .dir = "/tmp/sc-remote-XXXXXX", .fd = -1 };
	assert_non_null(mkdtemp(l->dir));
	(void)snprintf(l->address.host, sizeof(l->address.host), "%s/s", l->dir);
	l->target.address = l->address;
}

static void stop_listening(struct listener *l)
{
	sc_close_fd(&l->fd);
	(void)unlink(l->address.host);
}

static void end_listener(struct listener *l)
{
	stop_listening(l);
	assert_int_equal(rmdir(l->dir), 0);
}

/* Takes the probe's connection and question, and answers. */
static void answer(const struct listener *l, const char *text)
{
	char question[64] = "";
	int fd = accept(l->fd, NULL, NULL);

	assert_true(fd >= 0);
	assert_true(read(fd, question, sizeof(question) - 1) > 0);
	assert_string_equal(question, "PING\r\n");
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static enum sc_probe_result step(struct sc_probe *p, struct listener *l)
{
	return sc_probe_step(p, &l->target, "PING\r\n", bad);
}

static void test_pauses_grow(void **state)
{
	static const int64_t nominal_ms[] = { 300, 600, 1000, 1000, 1000 };
	struct sc_breaker b = { .state = SC_BREAKER_CLOSED };
	int64_t now = 5000 * MS;

	(void)state;
	assert_false(sc_breaker_wants_probe(&b, now));
	for (size_t i = 0; i < COUNT_OF(nominal_ms); i++) {
		sc_breaker_fail(&b, now);
		assert_int_equal(b.state, SC_BREAKER_OPEN);
		assert_in_range(b.until_us - now, nominal_ms[i] * MS * 3 / 4,
				nominal_ms[i] * MS * 5 / 4);
		assert_false(sc_breaker_wants_probe(&b, b.until_us - 1));
		assert_true(sc_breaker_wants_probe(&b, b.until_us));
		now = b.until_us;
	}
}

/* One success does not make a server good that answers only now and then. */
static void test_pauses_shrink_with_time(void **state)
{
	struct sc_breaker b = { .state = SC_BREAKER_CLOSED };
	int64_t now = 5000 * MS;

	(void)state;
	for (int i = 0; i < 5; i++) {
		sc_breaker_fail(&b, now += 1000 * MS);
		sc_breaker_succeed(&b);
		assert_int_equal(b.state, SC_BREAKER_CLOSED);
	}
	sc_breaker_fail(&b, now += 9999 * MS);
	assert_in_range(b.until_us - now, 750 * MS, 1250 * MS);
	sc_breaker_succeed(&b);
	sc_breaker_fail(&b, now += 10000 * MS);
	assert_in_range(b.until_us - now, 225 * MS, 375 * MS);
}

static void test_pauses_differ(void **state)
{
	struct sc_breaker a = { .state = SC_BREAKER_CLOSED };
	int64_t first = 0;
	int differ = 0;

	(void)state;
	for (int64_t now = 0; now < 20; now++) {
		a = (struct sc_breaker){ .state = SC_BREAKER_CLOSED };
		sc_breaker_fail(&a, now);
		first = now == 0 ? a.until_us : first;
		differ += a.until_us - now != first;
	}
	assert_true(differ >= 15);
}

static void test_probe_alive(void **state)
{
	struct sc_probe p = { .fd = -1, .patience_us = SC_US_PER_S };
	struct listener l;
	enum sc_probe_result result = SC_PROBE_WAITING;

	(void)state;
	new_listener(&l);
	start_listening(&l);
	assert_int_equal(step(&p, &l), SC_PROBE_WAITING);
	answer(&l, "-NOAUTH Authentication required.\r\n");
	result = step(&p, &l);
	assert_int_equal(result, SC_PROBE_ALIVE);
	assert_int_equal(p.fd, -1);
	end_listener(&l);
}

static void test_probe_loading(void **state)
{
	struct sc_probe p = { .fd = -1, .patience_us = SC_US_PER_S };
	struct listener l;

	(void)state;
	new_listener(&l);
	start_listening(&l);
	assert_int_equal(step(&p, &l), SC_PROBE_WAITING);
	answer(&l, "-LOADING Redis is loading the dataset in memory\r\n");
	assert_int_equal(step(&p, &l), SC_PROBE_DEAD);
	end_listener(&l);
}

static void test_probe_pieces(void **state)
{
	struct sc_probe p = { .fd = -1, .patience_us = SC_US_PER_S };
	struct listener l;

	(void)state;
	new_listener(&l);
	start_listening(&l);
	assert_int_equal(step(&p, &l), SC_PROBE_WAITING);
	answer(&l, "+PO");
	assert_int_equal(step(&p, &l), SC_PROBE_DEAD);
	end_listener(&l);
}

static void test_probe_nobody(void **state)
{
	struct sc_probe p = { .fd = -1, .patience_us = SC_US_PER_S };
	struct listener l;

	(void)state;
	new_listener(&l);
	assert_int_equal(step(&p, &l), SC_PROBE_DEAD);
	start_listening(&l);
	assert_int_equal(step(&p, &l), SC_PROBE_WAITING);
	stop_listening(&l); /* resets the connection that nobody accepted */
	assert_int_equal(step(&p, &l), SC_PROBE_DEAD);
	assert_int_equal(p.fd, -1);
	end_listener(&l);
}

/* A stopped server takes connections and says nothing. */
static void test_probe_gives_up(void **state)
{
	struct sc_probe p = { .fd = -1, .patience_us = SC_US_PER_S };
	struct listener l;
	enum sc_probe_result result = SC_PROBE_WAITING;
	int64_t end_us = sc_mono_us() + 30 * SC_US_PER_S;

	(void)state;
	new_listener(&l);
	start_listening(&l);
	result = step(&p, &l);
	assert_int_equal(result, SC_PROBE_WAITING);
	while (result == SC_PROBE_WAITING && sc_mono_us() < end_us)
		result = step(&p, &l);
	assert_int_equal(result, SC_PROBE_DEAD);
	end_listener(&l);
}

static unsigned freed;

static void free_remote(struct sc_remote *r)
{
	freed++;
	free(r);
}

static const struct sc_remote_kind kind = { "test", "PING\r\n", bad, free_remote };

static struct sc_remote *add(const char *location, const struct sc_address *a)
{
	struct sc_remote *r = sc_alloc(sizeof(*r));

	sc_remote_add(r, &kind, location, a);
	return r;
}

static void test_sharing(void **state)
{
	static const struct sc_address a = { "127.0.0.1", 1 };
	struct sc_remote *one = add("one", &a);
	struct sc_remote *two = add("two", &a);

	(void)state;
	freed = 0;
	assert_ptr_equal(sc_remote_find(&kind, "one"), one);
	assert_ptr_equal(sc_remote_find(&kind, "two"), two);
	assert_null(sc_remote_find(&kind, "three"));
	sc_remote_drop(one);
	assert_int_equal(freed, 0);
	sc_remote_drop(one);
	assert_int_equal(freed, 1);
	assert_null(sc_remote_find(&kind, "one"));
	sc_remote_drop(two);
	sc_remote_drop(two);
	assert_int_equal(freed, 2);
}

static bool leave_alone(void *arg)
{
	struct sc_remote *r = arg;

	freed = 0;
	sc_remote_drop(r);
	return freed == 0 && !sc_remote_find(&kind, "shared");
}

static void test_child_leaves_it_alone(void **state)
{
	static const struct sc_address a = { "127.0.0.1", 1 };
	struct sc_remote *r = add("shared", &a);

	(void)state;
	assert_true(child_run(leave_alone, r));
	sc_remote_drop(r);
}

static enum sc_status begin(struct sc_remote *r, struct sc_call *call, struct sc_err *err)
{
	*call = sc_call_begin(100);
	return sc_remote_begin(r, call, err);
}

/* Until the breaker lets one call through, as a worker would meet it. */
static void wait_for_trial(struct sc_remote *r, const struct listener *l)
{
	int64_t end_us = sc_mono_us() + 30 * SC_US_PER_S;
	struct sc_call call;
	struct sc_err err;

	while (r->probe.fd < 0 && sc_mono_us() < end_us)
		assert_int_equal(begin(r, &call, &err), SC_UNAVAILABLE);
	answer(l, "+PONG\r\n");
	assert_int_equal(begin(r, &call, &err), SC_OK);
	assert_int_equal(r->breaker.state, SC_BREAKER_HALF_OPEN);
}

static void test_calls(void **state)
{
	struct sc_remote *r = NULL;
	struct listener l;
	struct sc_call call;
	struct sc_err err;

	(void)state;
	new_listener(&l);
	start_listening(&l);
	r = add("calls", &l.address);
	assert_int_equal(begin(r, &call, &err), SC_OK);
	(void)sc_fail(&err, SC_INTERNAL, "no answer");
	assert_int_equal(sc_remote_failed(r, &call, SC_FAULT_TIMEOUT, &err, err.text),
			 SC_UNAVAILABLE);
	assert_int_equal(call.fault, SC_FAULT_TIMEOUT);
	assert_int_equal(err.status, SC_UNAVAILABLE);
	assert_non_null(strstr(err.text, "no answer"));
	assert_non_null(strstr(err.text, l.address.host));
	assert_int_equal(begin(r, &call, &err), SC_UNAVAILABLE);
	assert_int_equal(call.fault, SC_FAULT_AWAY);
	/* A trial that fails opens it again; one that does not closes it. */
	wait_for_trial(r, &l);
	assert_int_equal(sc_remote_failed(r, &call, SC_FAULT_CLOSED, &err, "gone"),
			 SC_UNAVAILABLE);
	assert_int_equal(r->breaker.state, SC_BREAKER_OPEN);
	wait_for_trial(r, &l);
	sc_remote_answered(r);
	assert_int_equal(r->breaker.state, SC_BREAKER_CLOSED);
	assert_int_equal(begin(r, &call, &err), SC_OK);
	sc_remote_drop(r);
	end_listener(&l);
}

struct heard {
	int away, back;
	char last[256];
};

static void hear(void *arg, enum sc_log_level level, const char *text)
{
	struct heard *h = arg;

	(void)level;
	h->away += strstr(text, "not asked until it answers") != NULL;
	h->back += strstr(text, "answers again") != NULL;
	(void)snprintf(h->last, sizeof(h->last), "%s", text);
}

static void come_and_go(struct sc_remote *r)
{
	struct sc_call call = sc_call_begin(100);
	struct sc_err err;

	assert_int_equal(sc_remote_failed(r, &call, SC_FAULT_CLOSED, &err, "gone"),
			 SC_UNAVAILABLE);
	sc_remote_answered(r);
}

/* A pair of lines at most in ten seconds; then how often there would have been one. */
static void test_log_is_short(void **state)
{
	static const struct sc_address a = { "127.0.0.1", 1 };
	struct sc_remote *r = add("log", &a);
	struct heard h = { .away = 0 };
	struct sc_call call = sc_call_begin(100);
	struct sc_err err;

	(void)state;
	sc_log_to(hear, &h);
	for (int i = 0; i < 8; i++)
		come_and_go(r);
	assert_int_equal(h.away, 1);
	assert_int_equal(h.back, 1);
	r->quiet_until_us = 0; /* later */
	come_and_go(r);
	assert_int_equal(h.away, 2);
	assert_int_equal(h.back, 2);
	/* Away, and nobody was told: after a while one is, once. */
	for (int i = 0; i < 3; i++) {
		SC_IGNORE(sc_remote_failed(r, &call, SC_FAULT_CLOSED, &err, "gone"));
		assert_int_equal(h.away, 2);
	}
	r->away_us = 0;
	for (int i = 0; i < 3; i++)
		SC_IGNORE(sc_remote_failed(r, &call, SC_FAULT_CLOSED, &err, "gone"));
	assert_int_equal(h.away, 3);
	sc_log_to(NULL, NULL);
	sc_remote_drop(r);
}

static void test_log_counts(void **state)
{
	static const struct sc_address a = { "127.0.0.1", 1 };
	struct sc_remote *r = add("count", &a);
	struct heard h = { .away = 0 };
	struct sc_call call = sc_call_begin(100);
	struct sc_err err;

	(void)state;
	sc_log_to(hear, &h);
	for (int i = 0; i < 4; i++)
		come_and_go(r);
	r->quiet_until_us = 0;
	SC_IGNORE(sc_remote_failed(r, &call, SC_FAULT_CLOSED, &err, "gone"));
	assert_non_null(strstr(h.last, "4 times"));
	sc_log_to(NULL, NULL);
	sc_remote_drop(r);
}

static void *share_nothing(void *arg)
{
	static const struct sc_address a = { "127.0.0.1", 1 };
	struct sc_remote *mine = NULL;

	if (sc_remote_find(&kind, "threads"))
		return arg;
	for (int i = 0; i < 1000; i++) {
		mine = add("threads", &a);
		if (sc_remote_find(&kind, "threads") != mine)
			return arg;
		sc_remote_drop(mine);
		sc_remote_drop(mine);
	}
	return NULL;
}

static void test_threads_share_nothing(void **state)
{
	static const struct sc_address a = { "127.0.0.1", 1 };
	struct sc_remote *r = add("threads", &a);
	pthread_t threads[4];
	void *failed = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, share_nothing, r), 0);
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_ptr_equal(sc_remote_find(&kind, "threads"), r);
	sc_remote_drop(r);
	sc_remote_drop(r);
}

static void test_address_errors(void **state)
{
	struct sc_target t = { .address = { "/nowhere/s", 0 } };

	(void)state;
	assert_int_equal(sc_target_connect(&t, 0), -1);
	assert_int_equal(sc_target_connect_next(&t, ENOENT), -1);
	assert_int_equal(errno, ENOENT);
	memset(t.address.host, 'x', sizeof(t.address.host) - 1);
	assert_int_equal(sc_target_connect(&t, 0), -1);
}

static void test_deadlines(void **state)
{
	struct sc_call call = sc_call_begin(0);

	(void)state;
	assert_int_equal(sc_call_left_ms(&call), 0);
	call = sc_call_begin(INT64_C(86400000));
	assert_in_range(sc_call_left_ms(&call), 86300000, 86400000);
	call.deadline_us = INT64_MAX;
	assert_int_equal(sc_call_left_ms(&call), INT32_MAX);
	for (int f = 0; f < SC_FAULT_COUNT; f++)
		assert_string_not_equal(sc_fault_name((enum sc_fault)f), "unknown");
	assert_string_equal(sc_fault_name(SC_FAULT_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pauses_grow),
		cmocka_unit_test(test_pauses_shrink_with_time),
		cmocka_unit_test(test_pauses_differ),
		cmocka_unit_test(test_probe_alive),
		cmocka_unit_test(test_probe_loading),
		cmocka_unit_test(test_probe_pieces),
		cmocka_unit_test(test_probe_nobody),
		cmocka_unit_test(test_probe_gives_up),
		cmocka_unit_test(test_sharing),
		cmocka_unit_test(test_child_leaves_it_alone),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_log_is_short),
		cmocka_unit_test(test_log_counts),
		cmocka_unit_test(test_threads_share_nothing),
		cmocka_unit_test(test_address_errors),
		cmocka_unit_test(test_deadlines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

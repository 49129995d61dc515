/* SPDX-License-Identifier: MIT */
/*
 * How long a worker that is to stop serves the queue, whom it turns away, and when it
 * leaves.
 */
#include "tests/lib/check.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/drain.h"
#include "server/plan.h"
#include "slidecache/clock.h"

static struct sc_control control;
static struct sc_worker_args args;
static struct sockaddr_un address;
static socklen_t address_size;

/* A listening socket with a name that the kernel gives. */
static int setup(void **state)
{
	sa_family_t family = AF_UNIX;

	(void)state;
	address_size = sizeof(address);
	args = (struct sc_worker_args){ .control = &control };
	args.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return bind(args.listener, (const struct sockaddr *)&family, sizeof(family)) ||
	       listen(args.listener, 16) ||
	       getsockname(args.listener, (struct sockaddr *)&address, &address_size);
}

static int teardown(void **state)
{
	(void)state;
	return close(args.listener);
}

/* As if the stop had begun so long ago. */
static void stopped_before(int64_t us)
{
	atomic_store(&control.stop_us, us ? sc_mono_us() - us : 0);
	sc_drain_begin(&control);
}

static int ask(void)
{
	static const unsigned char begin[] = { 1, 1, 0, 7, 0, 8, 0, 0,
					       0, 1, 0, 0, 0, 0, 0, 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&address, address_size), 0);
	assert_int_equal(send(fd, begin, sizeof(begin), 0), sizeof(begin));
	return fd;
}

static void test_there_is_time_to_serve(void **state)
{
	(void)state;
	stopped_before(1);
	assert_true(sc_drain_goes_on());
	stopped_before(7 * SC_US_PER_S);
	assert_true(sc_drain_goes_on());
	stopped_before(8 * SC_US_PER_S);
	assert_false(sc_drain_goes_on());
}

/* The others of the pool take the queue; nobody is turned away. */
static void test_a_worker_that_stops_alone(void **state)
{
	int fd = ask();

	(void)state;
	stopped_before(0);
	assert_true(sc_drain_goes_on());
	assert_false(sc_drain_turn_away(&args));
	sc_sleep_us(SC_US_PER_S);
	assert_false(sc_drain_goes_on());
	/* Now it is the whole pool. */
	atomic_store(&control.stop_us, sc_mono_us());
	assert_true(sc_drain_goes_on());
	(void)close(fd);
}

/* A whole answer, to the request that was asked, and an end that is no reset. */
static void test_who_is_left_is_turned_away(void **state)
{
	char reply[1024] = "";
	size_t n = 0;
	int fds[2] = { ask(), ask() };

	(void)state;
	stopped_before(9 * SC_US_PER_S);
	for (size_t i = 0; i < 2; i++) {
		ssize_t got = 0;

		assert_true(sc_drain_turn_away(&args));
		for (n = 0; (got = recv(fds[i], reply + n, sizeof(reply) - n, 0)) > 0;)
			n += (size_t)got;
		assert_int_equal(got, 0);
		assert_int_equal(reply[3], 7);
		assert_non_null(memmem(reply, n, "Status: 503", 11));
		assert_non_null(memmem(reply, n, "Retry-After: ", 13));
		(void)close(fds[i]);
	}
	assert_false(sc_drain_turn_away(&args));
}

/* Before the master kills it. */
static void test_it_leaves_in_time(void **state)
{
	int fd = ask();

	(void)state;
	stopped_before(SC_PLAN_STOP_US - SC_US_PER_S / 4);
	assert_false(sc_drain_turn_away(&args));
	(void)close(fd);
}

static void test_strangers_are_not_answered(void **state)
{
	char byte = 0;
	int fd = ask();

	(void)state;
	args.check_peers = true;
	stopped_before(9 * SC_US_PER_S);
	assert_true(sc_drain_turn_away(&args));
	assert_true(recv(fd, &byte, 1, 0) <= 0);
	(void)close(fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_there_is_time_to_serve, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_worker_that_stops_alone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_who_is_left_is_turned_away, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_it_leaves_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strangers_are_not_answered, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

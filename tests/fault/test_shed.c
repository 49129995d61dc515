/* SPDX-License-Identifier: MIT */
/*
 * The shedder before a queue that no worker takes from: who is too much gets a whole 503,
 * and the rest waits in its order.
 */
#include "shed_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/syscall.h>

static int hiccups; /* so many questions to the kernel cannot be asked */

/* In place of the C library's. */
int socket(int family, int type, int protocol)
{
	if (family == AF_NETLINK && hiccups > 0) {
		hiccups--;
		errno = ENOBUFS;
		return -1;
	}
	return (int)syscall(SYS_socket, family, type, protocol);
}

/* As a worker does: the next of the queue, which asked for /N. */
static void assert_next(int n)
{
	char text[4096] = "";
	char uri[24];
	int fd = accept(args.listener, NULL, NULL);
	ssize_t got = 0;

	if (fd < 0)
		fail_msg("%d is not in the queue\n%s", n, read_text("log"));
	got = recv(fd, text, sizeof(text), 0);
	(void)snprintf(uri, sizeof(uri), "REQUEST_URI/%d", n);
	assert_non_null(memmem(text, (size_t)got, uri, strlen(uri)));
	(void)close(fd);
}

/* ---- who is shed ---- */

/* The first MANY - LIMIT get an answer, the others are in the queue as they came. */
static void check_many(void)
{
	int fds[MANY];

	for (int i = 0; i < MANY; i++)
		fds[i] = ask_for(i);
	for (int i = 0; i < MANY - LIMIT; i++)
		assert_shed(fds[i]);
	stop();
	assert_int_equal(count_shed(), MANY - LIMIT);
	for (int i = MANY - LIMIT; i < MANY; i++)
		assert_next(i);
	assert_int_equal(accept(args.listener, NULL, NULL), -1);
	for (int i = 0; i < MANY; i++)
		(void)close(fds[i]);
}

static void the_surplus_is_answered(void **state)
{
	(void)state;
	start();
	check_many();
	assert_true(sc_gauge_value(SC_G_WAITING) >= LIMIT);
	assert_non_null(strstr(read_text("log"), "may (max_waiting)"));
}

/* All are there before the first look: no more than the surplus goes. */
static void a_long_queue_is_cut(void **state)
{
	int fds[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++)
		fds[i] = ask_for(i);
	start();
	for (int i = 0; i < MANY - LIMIT; i++)
		assert_shed(fds[i]);
	stop();
	assert_next(MANY - LIMIT);
	for (int i = 0; i < MANY; i++)
		(void)close(fds[i]);
}

/* A worker that says it is idle and takes nothing is stopped, or lies. */
static void an_idle_worker_is_not_believed(void **state)
{
	(void)state;
	set_busy(false);
	start();
	check_many();
}

static void a_small_queue_has_a_small_limit(void **state)
{
	int fds[7];

	(void)state;
	assert_int_equal(listen(args.listener, 4), 0);
	for (int i = 0; i < 4; i++)
		fds[i] = ask_for(i);
	start();
	assert_shed(fds[0]);
	stop();
	assert_int_equal(count_shed(), 1);
	assert_next(1);
	for (int i = 0; i < 4; i++)
		(void)close(fds[i]);
}

static void nobody_is_shed_within_the_limit(void **state)
{
	int fds[LIMIT];
	int64_t end_us = sc_mono_us() + DEADLINE_US;

	(void)state;
	for (int i = 0; i < LIMIT; i++)
		fds[i] = ask_for(i);
	sc_gauge_set(SC_G_WAITING, 0);
	start();
	while (sc_gauge_value(SC_G_WAITING) != LIMIT && sc_mono_us() < end_us)
		sc_sleep_us(1000);
	stop();
	assert_int_equal(sc_gauge_value(SC_G_WAITING), LIMIT);
	for (int i = 0; i < LIMIT; i++)
		assert_next(i);
	for (int i = 0; i < LIMIT; i++)
		(void)close(fds[i]);
}

static void tcp_is_shed_too(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(sa);
	int fds[MANY];

	(void)state;
	sc_close_fd(&args.listener);
	args.is_unix = false;
	args.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(args.listener, (struct sockaddr *)&sa, n), 0);
	assert_int_equal(listen(args.listener, BACKLOG), 0);
	assert_int_equal(getsockname(args.listener, (struct sockaddr *)&sa, &n), 0);
	start();
	for (int i = 0; i < MANY; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(fds[i], (struct sockaddr *)&sa, n), 0);
	}
	for (int i = 0; i < MANY - LIMIT; i++)
		assert_shed(fds[i]);
	stop();
	for (int i = 0; i < MANY; i++)
		(void)close(fds[i]);
}

static void assert_stranger_is_closed(int fd)
{
	char c = 0;

	assert_true(recv(fd, &c, 1, 0) <= 0);
	(void)close(fd);
}

/* Connections have the credentials of who made them. */
static void strangers_are_refused(void **state)
{
	uint64_t refused = sc_metric_value(SC_M_PEER_REFUSED);
	const char *line = NULL;
	int fds[MANY];

	(void)state;
	allowed[0] = allowed[1] = geteuid() + 54321;
	for (int i = 0; i < MANY; i++)
		fds[i] = ask_for(i);
	start();
	for (int i = 0; i < MANY - LIMIT; i++)
		assert_stranger_is_closed(fds[i]);
	stop();
	assert_int_equal(count_shed(), 0);
	assert_int_equal(sc_metric_value(SC_M_PEER_REFUSED) - refused, MANY - LIMIT);
	line = strstr(read_text("log"), "is not in peer_users");
	assert_non_null(line);
	assert_null(strstr(line + 1, "is not in peer_users"));
	for (int i = MANY - LIMIT; i < MANY; i++)
		(void)close(fds[i]);
}

/* ---- its life ---- */

/* What cannot be asked is said once, and all stays with the workers. */
static void an_unknown_length_sheds_nobody(void **state)
{
	(void)state;
	sc_close_fd(&args.listener);
	args.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(listen(args.listener, BACKLOG), 0);
	start(); /* which asks for a unix socket */
	wait_log("nobody is answered 503 because too many wait");
	stop();
	assert_int_equal(count_shed(), 0);
}

/* What passes is not taken for what stays. */
static void after_a_hiccup_it_goes_on(void **state)
{
	int64_t began_us = sc_mono_us();

	(void)state;
	hiccups = 3;
	start();
	hiccups = 0;
	check_many();
	assert_true(sc_mono_us() - began_us < DEADLINE_US / 4);
}

static void after_a_stop_nobody_is_shed(void **state)
{
	int fds[MANY];

	(void)state;
	start();
	stop();
	for (int i = 0; i < MANY; i++)
		fds[i] = ask_for(i);
	for (int i = 0; i < MANY; i++)
		assert_next(i);
	close_all(fds, MANY);
}

/* As the pool: forks the shedder, and is killed. The pipe ends with the last of them. */
static void it_ends_with_the_master(void **state)
{
	int pipes[2];
	int fd = -1;
	pid_t master = 0;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	master = fork();
	if (master == 0) {
		args.master = getpid();
		if (fork() == 0)
			sc_shed_run(&args);
		for (;;)
			(void)pause();
	}
	(void)close(pipes[1]);
	shed_before = sc_metric_value(SC_M_SHED);
	fd = ask_for(0);
	for (int i = 0; i < LIMIT; i++)
		(void)ask_for(i);
	assert_shed(fd); /* it runs */
	assert_int_equal(kill(master, SIGKILL), 0);
	assert_int_equal(wait_end(master), 128 + SIGKILL);
	assert_closed_soon(pipes[0]);
	(void)close(pipes[0]);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHED(the_surplus_is_answered),
		SHED(a_long_queue_is_cut),
		SHED(an_idle_worker_is_not_believed),
		SHED(a_small_queue_has_a_small_limit),
		SHED(nobody_is_shed_within_the_limit),
		SHED(tcp_is_shed_too),
		SHED(strangers_are_refused),
		SHED(an_unknown_length_sheds_nobody),
		SHED(after_a_hiccup_it_goes_on),
		SHED(after_a_stop_nobody_is_shed),
		SHED(it_ends_with_the_master),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

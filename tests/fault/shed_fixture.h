/* SPDX-License-Identifier: MIT */
/*
 * A shedder before a queue that no worker takes from, and who asks it.
 */
#ifndef TESTS_FAULT_SHED_FIXTURE_H
#define TESTS_FAULT_SHED_FIXTURE_H

#include "fcgi_client.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "server/shed.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"

#define LIMIT	5
#define MANY	20
#define BACKLOG 4000
#define FILES	2048 /* descriptors that the largest test wants */

static struct sc_conf conf;
static struct sc_slot slots[2];
static uid_t allowed[2];
static struct sc_shed_args args;
static pid_t shedder;
static uint64_t shed_before;
static int listen_unix(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%.90s/s", dir);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, BACKLOG), 0);
	return fd;
}

static void set_busy(bool busy)
{
	for (int i = 0; i < 2; i++) {
		atomic_store(&slots[i].serving, 1);
		atomic_store(&slots[i].busy_since_us, busy);
	}
}

static int setup(void **state)
{
	struct rlimit files = { FILES, FILES };
	struct sc_err err;
	const char *tmp = getenv("TMPDIR");

	(void)state;
	(void)snprintf(dir, sizeof(dir), "%.60s/sc-shed-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir) || sc_metrics_map(path_in("metrics"), 1, &err) != SC_OK ||
	    sc_log_open(path_in("log"), SC_LOG_DEBUG, &err) != SC_OK)
		return -1;
	(void)getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max < FILES ? files.rlim_max : FILES;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	conf.max_waiting = LIMIT;
	allowed[0] = 0;
	allowed[1] = geteuid();
	set_busy(true);
	args = (struct sc_shed_args){ .conf = &conf,
				      .listener = listen_unix(),
				      .is_unix = true,
				      .slots = slots,
				      .nslots = 2,
				      .peers = allowed,
				      .npeers = 2,
				      .master = getpid() };
	return 0;
}

static int teardown(void **state)
{
	struct sc_err err;

	(void)state;
	if (shedder > 0) {
		(void)kill(shedder, SIGKILL);
		(void)waitpid(shedder, NULL, 0);
		shedder = 0;
	}
	sc_close_fd(&args.listener);
	SC_IGNORE(sc_log_open("stderr", SC_LOG_WARNING, &err));
	remove_tree(dir);
	return 0;
}

/* Signals that stop are blocked, as in the master. */
static void start(void)
{
	sigset_t stop;

	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &stop, NULL);
	shed_before = sc_metric_value(SC_M_SHED);
	shedder = fork();
	if (shedder == 0)
		sc_shed_run(&args);
	assert_true(shedder > 0);
}

static int wait_end(pid_t pid)
{
	int64_t end_us = sc_mono_us() + DEADLINE_US;
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		assert_true(sc_mono_us() < end_us);
		sc_sleep_us(1000);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void stop(void)
{
	assert_int_equal(kill(shedder, SIGTERM), 0);
	assert_int_equal(wait_end(shedder), 0);
	shedder = 0;
}

/* Connects and asks for /N. */
static int ask_for(int n)
{
	SC_AUTO_BUF request = SC_BUF_INIT;
	char uri[24];
	int fd = connect_server();

	(void)snprintf(uri, sizeof(uri), "/%d", n);
	put_request(&request, &(struct ask){ .uri = uri });
	send_bytes(fd, request.data, request.len);
	return fd;
}

/* Reads a whole answer and the end of the stream behind it. */
static void assert_shed(int fd)
{
	SC_AUTO_BUF reply = SC_BUF_INIT;

	if (!read_reply(fd, &reply))
		fail_msg("no answer\n%s", read_text("log"));
	sc_buf_append(&reply, "", 1);
	assert_true(has_status(&reply, 503));
	assert_non_null(strstr(text_of(&reply), "\r\nRetry-After: 1\r\n"));
	assert_string_equal(body_of(&reply), "{\"detail\": \"Too many requests wait for "
					     "an answer; try again in a moment.\"}");
	assert_true(is_closed(fd));
}

/* Whether the other end has closed both directions, at last. */
static void assert_closed_soon(int fd)
{
	struct pollfd p = { .fd = fd };

	assert_int_equal(poll(&p, 1, DEADLINE_US / 1000), 1);
	assert_true(p.revents & POLLHUP);
}

static uint64_t count_shed(void)
{
	return sc_metric_value(SC_M_SHED) - shed_before;
}

static void close_all(int *fds, int n)
{
	for (int i = 0; i < n; i++)
		(void)close(fds[i]);
}

#define SHED(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif

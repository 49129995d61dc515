/* SPDX-License-Identifier: MIT */
/*
 * What the master does for workers that are no good, or that are to be replaced: reloads
 * that fail, slides that kill, memory, forks that the system refuses, a long queue at the
 * stop, the service manager.
 */
#include "server_fixture.h"

#include <dlfcn.h>
#include <sys/un.h>

#include "server/plan.h"
#include "server/shed.h"
#include "server/task.h"
#include "server/warmer.h"
#include "server/worker.h"

/* The system refuses to fork as long as the test wants that. */
pid_t fork(void)
{
	pid_t (*real)(void) = NULL;

	*(void **)&real = dlsym(RTLD_NEXT, "fork");
	if (*dir && access(path_in("no-fork"), F_OK) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return real();
}

static bool is_logged_so_often(const void *arg)
{
	const struct {
		const char *text;
		int n;
	} *want = arg;

	return times_logged(want->text) >= want->n;
}

static void wait_logged(const char *text, int n)
{
	const struct {
		const char *text;
		int n;
	} want = { text, n };

	wait_until(is_logged_so_often, &want, text);
}

static bool has_two_workers(const void *arg)
{
	pid_t ignored = 0;

	(void)arg;
	return children_called(SC_WORKER_NAME, &ignored) == 2;
}

/* ---- reloads ---- */

static void write_config(const char *text)
{
	int fd = open(path_in("config"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

static void a_generation_that_cannot_start_replaces_nobody(void **state)
{
	(void)state;
	start_server(NULL, NULL, NULL, NULL);
	mark("refuse");
	assert_int_equal(kill(master, SIGHUP), 0);
	wait_log("configuration not taken: no worker serves with it");
	/* Which says nothing about the stores of those that serve. */
	assert_null(strstr(read_text("log"), "keep dying"));
	unlink(path_in("refuse"));
	assert_serves();
	wait_until(has_two_workers, NULL, "the old workers, and no other");
	assert_int_equal(kill(master, SIGHUP), 0);
	wait_log("configuration taken");
	wait_logged("] ready:", 2);
	assert_serves();
	stop_server();
}

/* Why is said where one looks: in the log that there is, not in the one that was not
 * taken. */
static void a_generation_that_cannot_start_says_so_in_the_old_log(void **state)
{
	char config[256];
	char text[512];

	(void)state;
	(void)snprintf(config, sizeof(config), "%s", path_in("config"));
	write_config("{}");
	start_server("--config", config, NULL, NULL);
	mark("refuse");
	(void)snprintf(text, sizeof(text), "{\"log\": {\"target\": \"%s\"}}",
		       path_in("log-to-come"));
	write_config(text);
	assert_int_equal(kill(master, SIGHUP), 0);
	wait_log("configuration not taken: no worker serves with it");
	assert_non_null(strstr(read_text("log"), "the test wants no application"));
	assert_int_equal(access(path_in("log-to-come"), F_OK), 0);
	assert_string_equal(read_text("log-to-come"), "");
	stop_server();
}

/* A retired worker answers what it has, and takes nothing more. */
static void a_retired_worker_finishes_its_request(void **state)
{
	SC_AUTO_BUF request = SC_BUF_INIT;
	SC_AUTO_BUF reply = SC_BUF_INIT;
	int fd = -1;

	(void)state;
	start_server("--workers", "1", NULL, NULL);
	put_request(&request, &(struct ask){ .uri = "/hold" });
	fd = connect_server();
	send_bytes(fd, request.data, request.len);
	wait_file("held");
	assert_int_equal(kill(master, SIGHUP), 0);
	wait_logged("] ready:", 2);
	assert_serves();
	mark("release");
	assert_true(read_reply(fd, &reply));
	assert_true(has_status(&reply, 200));
	(void)close(fd);
	stop_server();
}

/* ---- slides that kill ---- */

static void a_slide_that_kills_twice_is_read_no_more(void **state)
{
	(void)state;
	start_server(NULL, NULL, NULL, NULL);
	for (int i = 1; i <= 2; i++) {
		SC_AUTO_BUF reply = get("/read-abort");

		assert_string_equal(text_of(&reply), "");
		wait_logged("died of signal 6 (Aborted) while it read slide a/b.svs", i);
		wait_until(is_there, "state/quarantine.json", "the records");
	}
	wait_log("slide a/b.svs: in quarantine");
	SC_AUTO_BUF reply = get("/read-abort");
	assert_true(has_status(&reply, 503));
	stop_server();
}

static void a_slide_that_takes_too_long_gets_a_strike(void **state)
{
	(void)state;
	start_server("--set", "request_timeout_s=1", NULL, NULL);
	SC_AUTO_BUF reply = get("/read-hold");
	assert_string_equal(text_of(&reply), "");
	wait_log("was killed: its request was over request_timeout_s while it read slide "
		 "a/b.svs");
	wait_file("state/quarantine.json");
	stop_server();
}

/* kill -9 by whomever says nothing about the slide. */
static void a_murder_is_nobodys_strike(void **state)
{
	SC_AUTO_BUF request = SC_BUF_INIT;
	pid_t pid = 0;
	int fd = -1;

	(void)state;
	start_server("--workers", "1", NULL, NULL);
	pid = get_pid();
	put_request(&request, &(struct ask){ .uri = "/read-hold" });
	fd = connect_server();
	send_bytes(fd, request.data, request.len);
	wait_file("held");
	assert_int_equal(kill(pid, SIGKILL), 0);
	wait_log("died of signal 9 (Killed)\n");
	(void)close(fd);
	assert_serves();
	assert_int_equal(access(path_in("state/quarantine.json"), F_OK), -1);
	stop_server();
}

/* More than the brake allows of workers that die of themselves. */
static void murders_are_not_braked(void **state)
{
	int64_t start = 0;

	(void)state;
	start_server("--workers", "1", NULL, NULL);
	start = sc_mono_us();
	for (int i = 0; i < 10; i++)
		assert_int_equal(kill(get_pid(), SIGKILL), 0);
	assert_serves();
	assert_in_range(sc_mono_us() - start, 0, 5 * SC_US_PER_S);
	assert_null(strstr(read_text("log"), "keep dying"));
	stop_server();
}

/* ---- memory and processes ---- */

static bool is_another_worker(const void *arg)
{
	const pid_t *pid = arg;

	return get_pid() != *pid;
}

static void a_worker_that_grows_ends_in_order(void **state)
{
	pid_t pid = 0;

	(void)state;
	start_server("--workers", "1", "--set", "max_mem_mb_per_worker=300");
	pid = get_pid();
	for (int i = 0; i < 4; i++) {
		SC_AUTO_BUF reply = get("/grow");

		assert_true(has_status(&reply, 200));
	}
#ifndef __SANITIZE_ADDRESS__ /* no limit there: its shadow memory counts */
	wait_until(is_another_worker, &pid, "another worker");
	wait_log("of 300 MiB (max_mem_mb_per_worker)");
	assert_null(strstr(read_text("log"), "died"));
#else
	assert_false(is_another_worker(&pid));
#endif
	stop_server();
}

/* While one has a request: the kernel may give all to the same one. */
static bool is_another_worker_beside(const void *arg)
{
	SC_AUTO_BUF request = SC_BUF_INIT;
	SC_AUTO_BUF reply = SC_BUF_INIT;
	int fd = connect_server();
	bool is_another = false;

	put_request(&request, &(struct ask){ .uri = "/slow" });
	send_bytes(fd, request.data, request.len);
	is_another = is_another_worker(arg);
	assert_true(read_reply(fd, &reply));
	(void)close(fd);
	return is_another;
}

static void forks_that_are_refused_are_tried_again(void **state)
{
	int64_t start = 0;
	pid_t pid = 0;

	(void)state;
	start_server(NULL, NULL, NULL, NULL);
	pid = get_pid();
	/* Until it serves it forks itself, to look at its stores. */
	wait_until(is_another_worker_beside, &pid, "the other worker");
	mark("no-fork");
	assert_int_equal(kill(pid, SIGKILL), 0);
	wait_log("worker: cannot be forked: Resource temporarily unavailable; tried "
		 "again");
	start = sc_mono_us();
	while (sc_mono_us() < start + SC_PLAN_FORK_US * 3)
		assert_serves();
	assert_int_equal(times_logged("cannot be forked"), 1);
	assert_int_equal(unlink(path_in("no-fork")), 0);
	start = sc_mono_us();
	wait_until(has_two_workers, NULL, "full strength");
	assert_in_range(sc_mono_us() - start, 0, 2 * SC_US_PER_S);
	stop_server();
}

/* ---- the stop ---- */

/* More than a second of work waits, and all of it is done. */
static void a_stop_answers_a_long_queue(void **state)
{
	SC_AUTO_BUF request = SC_BUF_INIT;
	int fds[8];

	(void)state;
	start_server("--workers", "1", NULL, NULL);
	put_request(&request, &(struct ask){ .uri = "/slow" });
	for (size_t i = 0; i < 8; i++) {
		fds[i] = connect_server();
		send_bytes(fds[i], request.data, request.len);
	}
	assert_int_equal(kill(master, SIGTERM), 0);
	for (size_t i = 0; i < 8; i++) {
		SC_AUTO_BUF reply = SC_BUF_INIT;

		assert_true(read_reply(fds[i], &reply));
		assert_true(has_status(&reply, 200));
		(void)close(fds[i]);
	}
	assert_int_equal(wait_exit(master), 0);
	master = 0;
}

static pid_t found;

static bool is_running(const void *name)
{
	return children_called(name, &found) >= 1;
}

static pid_t task_called(const char *name)
{
	wait_until(is_running, name, name);
	return found;
}

static bool is_gone(const void *arg)
{
	const pid_t *pid = arg;

	return kill(*pid, 0) < 0;
}

/* Who does not end when told is killed: by a reload, and by a stop, that begins later. */
static void tasks_that_do_not_end_are_killed(void **state)
{
	pid_t first = 0;
	int64_t start = 0;

	(void)state;
	start_server(NULL, NULL, NULL, NULL);
	first = task_called(SC_SHED_NAME);
	assert_int_equal(kill(first, SIGSTOP), 0);
	assert_int_equal(kill(master, SIGHUP), 0);
	wait_logged("] ready:", 2);
	wait_until(is_gone, &first, "the shedder's end");
	wait_log("shedder: killed: it did not end in time");
	assert_int_equal(kill(task_called(SC_WARMER_NAME), SIGSTOP), 0);
	start = sc_mono_us();
	stop_server();
	assert_in_range(sc_mono_us() - start, SC_TASK_END_US, 3 * SC_TASK_END_US / 2);
	assert_int_equal(times_logged("it did not end in time"), 2);
	assert_null(strstr(read_text("log"), " error ["));
}

/* A scan that runs is told to end, and does: nobody needs to look at it. */
static void a_stop_during_a_scan_is_no_error(void **state)
{
	(void)state;
	mark("slow-scan");
	start_server(NULL, NULL, NULL, NULL);
	wait_file("scan-began");
	stop_server();
	assert_int_equal(times_logged("scan: ended by signal 15"), 1);
	assert_null(strstr(read_text("log"), " error ["));
}

/* ---- the service manager ---- */

static int manager = -1;

static void hear(const char *want)
{
	char text[512] = "";

	do {
		memset(text, 0, sizeof(text));
		assert_true(recv(manager, text, sizeof(text) - 1, 0) > 0);
	} while (strcmp(text, "WATCHDOG=1") == 0 && strcmp(want, text) != 0);
	if (strncmp(text, want, strlen(want)) != 0)
		fail_msg("want: %s\nhave: %s", want, text);
}

static void the_service_manager_hears_of_reloads(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = DEADLINE_US / SC_US_PER_S };

	(void)state;
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%.90s/notify", dir);
	assert_int_equal(bind(manager, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	(void)setsockopt(manager, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	assert_int_equal(setenv("NOTIFY_SOCKET", sa.sun_path, 1), 0);
	assert_int_equal(setenv("WATCHDOG_USEC", "200000", 1), 0);
	write_config("{}");
	start_server("--config", path_in("config"), NULL, NULL);
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	hear("READY=1\nMAINPID=");
	hear("WATCHDOG=1");
	hear("WATCHDOG=1");
	assert_int_equal(kill(master, SIGHUP), 0);
	hear("RELOADING=1\nMONOTONIC_USEC=");
	hear("READY=1\nMAINPID=");
	write_config("{");
	assert_int_equal(kill(master, SIGHUP), 0);
	hear("RELOADING=1\nMONOTONIC_USEC=");
	hear("READY=1\nSTATUS=configuration not taken");
	stop_server();
	hear("STOPPING=1");
	(void)close(manager);
}

#define PLAIN(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAIN(a_generation_that_cannot_start_replaces_nobody),
		PLAIN(a_generation_that_cannot_start_says_so_in_the_old_log),
		PLAIN(a_retired_worker_finishes_its_request),
		PLAIN(a_slide_that_kills_twice_is_read_no_more),
		PLAIN(a_slide_that_takes_too_long_gets_a_strike),
		PLAIN(a_murder_is_nobodys_strike),
		PLAIN(murders_are_not_braked),
		PLAIN(a_worker_that_grows_ends_in_order),
		PLAIN(forks_that_are_refused_are_tried_again),
		PLAIN(a_stop_answers_a_long_queue),
		PLAIN(tasks_that_do_not_end_are_killed),
		PLAIN(a_stop_during_a_scan_is_no_error),
		PLAIN(the_service_manager_hears_of_reloads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * The life of the pool: start, stop, workers that die, hang, starve or are killed, second
 * starts, the scanner.
 */
#include "server_fixture.h"

#include <poll.h>
#include <sys/resource.h>

#include "server/task.h"

static int setup_server(void **state)
{
	if (setup(state))
		return -1;
	start_server(NULL, NULL, NULL, NULL);
	return 0;
}

static int teardown_server(void **state)
{
	stop_server();
	return teardown(state);
}

/* ---- start and stop ---- */

static void the_socket_has_its_mode(void **state)
{
	struct stat st = { 0 };

	(void)state;
	assert_serves();
	assert_int_equal(stat(path_in("s"), &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(access(path_in("s.new"), F_OK), -1);
}

static void a_stop_syncs_the_caches(void **state)
{
	static const char boot[] = "state/cache/default/boot";

	(void)state;
	start_server(NULL, NULL, NULL, NULL);
	assert_non_null(strstr(read_text(boot), " unsynced\n"));
	stop_server();
	assert_non_null(strstr(read_text(boot), " synced\n"));
}

static void a_second_start_refuses(void **state)
{
	char listen[256];
	char other[256];

	(void)state;
	(void)snprintf(listen, sizeof(listen), "unix:%s", path_in("s"));
	(void)snprintf(other, sizeof(other), "unix:%s", path_in("s2"));
	EXPECT_EXIT(1, "already running as process", "--listen", listen, "--state-dir",
		    path_in("state2"), "--slides", path_in("slides"));
	assert_non_null(strstr(read_text("log"), "/s is in use"));
	EXPECT_EXIT(1, "already running as process", "--listen", other, "--state-dir",
		    path_in("state"), "--slides", path_in("slides"));
	assert_non_null(strstr(read_text("log"), "/state is in use"));
	assert_serves();
}

static void another_programs_socket_is_not_stolen(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	SC_AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char listen_at[256];
	struct stat before = { 0 };
	struct stat after = { 0 };

	(void)state;
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%.100s/s", dir);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 100), 0);
	assert_int_equal(stat(path_in("s"), &before), 0);
	(void)snprintf(listen_at, sizeof(listen_at), "unix:%s", path_in("s"));
	EXPECT_EXIT(1, "another program listens at", "--listen", listen_at, "--state-dir",
		    path_in("state"), "--slides", path_in("slides"));
	assert_int_equal(stat(path_in("s"), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static bool nobody_listens(const void *arg)
{
	int fd = try_connect();

	(void)arg;
	if (fd < 0)
		return true;
	(void)close(fd);
	return false;
}

/* The master is killed: its workers end, and what it left is no obstacle. */
static void a_killed_master_leaves_no_workers_and_no_obstacle(void **state)
{
	(void)state;
	start_server(NULL, NULL, NULL, NULL);
	assert_serves();
	assert_int_equal(kill(master, SIGKILL), 0);
	assert_int_equal(wait_exit(master), 128 + SIGKILL);
	wait_until(nobody_listens, NULL, "the workers' end");
	assert_int_equal(access(path_in("s"), F_OK), 0);
	(void)unlink(path_in("log"));
	start_server(NULL, NULL, NULL, NULL);
	assert_serves();
	stop_server();
}

static void a_restart_does_not_wait_for_old_workers_for_long(void **state)
{
	(void)state;
	start_server(NULL, NULL, NULL, NULL);
	assert_int_equal(kill(master, SIGKILL), 0);
	assert_int_equal(wait_exit(master), 128 + SIGKILL);
	(void)unlink(path_in("log"));
	start_server(NULL, NULL, NULL, NULL);
	assert_serves();
	stop_server();
}

/* Nobody is left to kill the worker at the deadline: it ends by its own clock. */
static void a_worker_that_hangs_does_not_outlive_its_master_for_long(void **state)
{
	SC_AUTO_BUF request = SC_BUF_INIT;
	struct pollfd p = { .events = POLLIN };
	pid_t pid = 0;
	int ended = 0;

	(void)state;
	start_server("--workers", "1", "--set", "request_timeout_s=1");
	pid = get_pid();
	put_request(&request, &(struct ask){ .uri = "/hold" });
	p.fd = connect_server();
	send_bytes(p.fd, request.data, request.len);
	wait_file("held");
	assert_int_equal(kill(master, SIGKILL), 0);
	assert_int_equal(wait_exit(master), 128 + SIGKILL);
	master = 0;
	ended = poll(&p, 1, (int)(DEADLINE_US / 1000)); /* its side closes */
	if (ended != 1)
		(void)kill(pid, SIGKILL);
	assert_int_equal(ended, 1);
	wait_until(nobody_listens, NULL, "the worker's end");
	(void)close(p.fd);
}

/* What a worker has in hand when its master is killed is still answered. */
static void a_killed_master_costs_no_request(void **state)
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
	assert_int_equal(kill(master, SIGKILL), 0);
	assert_int_equal(wait_exit(master), 128 + SIGKILL);
	master = 0;
	mark("release");
	assert_true(read_reply(fd, &reply));
	assert_true(has_status(&reply, 200));
	wait_until(nobody_listens, NULL, "the worker's end");
	(void)close(fd);
}

/* A request that runs when the stop comes, and one that waits in the queue. */
static void a_stop_answers_what_was_accepted(void **state)
{
	SC_AUTO_BUF held = SC_BUF_INIT;
	SC_AUTO_BUF big = SC_BUF_INIT;
	SC_AUTO_BUF reply = SC_BUF_INIT;
	int first = -1;
	int second = -1;

	(void)state;
	start_server("--workers", "1", NULL, NULL);
	put_request(&held, &(struct ask){ .uri = "/hold" });
	put_request(&big, &(struct ask){ .uri = "/big" });
	first = connect_server();
	send_bytes(first, held.data, held.len);
	wait_file("held");
	second = connect_server();
	send_bytes(second, big.data, big.len);
	assert_int_equal(kill(master, SIGTERM), 0);
	wait_until(nobody_listens, NULL, "the socket's end");
	mark("release");
	assert_true(read_reply(first, &reply));
	assert_true(has_status(&reply, 200));
	sc_buf_reset(&reply);
	assert_true(read_reply(second, &reply));
	assert_in_range(reply.len, BIG_BODY, BIG_BODY + 200);
	assert_int_equal(wait_exit(master), 0);
	master = 0;
	(void)close(first);
	(void)close(second);
}

/* An idle pool has nothing to wait for; SIGINT is the same as SIGTERM. */
static void an_idle_pool_stops_at_once(void **state)
{
	int64_t start = 0;

	(void)state;
	start_server(NULL, NULL, NULL, NULL);
	assert_serves();
	start = sc_mono_us();
	assert_int_equal(kill(master, SIGINT), 0);
	assert_int_equal(wait_exit(master), 0);
	master = 0;
	assert_in_range(sc_mono_us() - start, 0, SC_US_PER_S);
}

/* ---- workers that die ---- */

static void killed_workers_are_replaced(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		pid_t pid = get_pid();

		assert_true(pid > 0);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_serves();
		assert_int_not_equal(get_pid(), pid);
	}
	wait_log("died of signal 9");
}

static void a_worker_told_to_end_is_replaced(void **state)
{
	pid_t pid = get_pid();

	(void)state;
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_serves();
	assert_null(strstr(read_text("log"), "died"));
}

static void a_request_that_crashes_costs_itself_only(void **state)
{
	SC_AUTO_BUF reply = get("/abort");

	(void)state;
	assert_string_equal(text_of(&reply), "");
	assert_serves();
	wait_log("died of signal 6");
}

static void a_request_over_the_deadline_is_killed(void **state)
{
	int64_t start = 0;
	SC_AUTO_BUF reply = SC_BUF_INIT;

	(void)state;
	start_server("--set", "request_timeout_s=1", NULL, NULL);
	start = sc_mono_us();
	reply = get("/hold");
	assert_string_equal(text_of(&reply), "");
	assert_true(sc_mono_us() - start >= SC_US_PER_S - 1000);
	wait_log("was killed: its request was over request_timeout_s");
	assert_serves();
	stop_server();
}

/* One byte of a lawful request inside each time-out, until the connection is ended. */
static void trickle(void)
{
	SC_AUTO_BUF request = SC_BUF_INIT;
	struct pollfd p = { .fd = connect_server(), .events = POLLIN };

	put_request(&request, &(struct ask){ .uri = "/x" });
	/* poll's own time-out paces the bytes; it ends when the connection does. */
	for (size_t i = 0; i < request.len - 1 && poll(&p, 1, 100) == 0; i++)
		send_bytes(p.fd, request.data + i, 1);
	(void)close(p.fd);
}

/* That happens when its time is nearly over, costs no worker, and does not fill the log.
 */
static void a_trickler_is_cut_off(void **state)
{
	static const char line[] = "its web server is too slow; the connection is ended";
	const char *first = NULL;
	pid_t pid = 0;

	(void)state;
	start_server("--set", "request_timeout_s=2", "--workers", "1");
	pid = get_pid();
	trickle();
	wait_log(line);
	trickle();
	assert_int_equal(get_pid(), pid);
	first = strstr(read_text("log"), line);
	assert_null(strstr(first + 1, line));
	assert_null(strstr(read_text("log"), "killed"));
	stop_server();
}

/* A worker that may open nothing pauses, says so, and serves when it may again. */
static void a_starving_worker_recovers(void **state)
{
	SC_AUTO_BUF request = SC_BUF_INIT;
	SC_AUTO_BUF reply = SC_BUF_INIT;
	struct rlimit none = { 3, 0 };
	struct rlimit before = { 0, 0 };
	pid_t pid = 0;
	int fd = -1;

	(void)state;
	start_server("--workers", "1", NULL, NULL);
	pid = get_pid();
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, NULL, &before), 0);
	none.rlim_max = before.rlim_max;
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &none, NULL), 0);
	put_request(&request, &(struct ask){ .uri = "/pid" });
	fd = connect_server();
	send_bytes(fd, request.data, request.len);
	wait_log("accept: Too many open files; pausing");
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &before, NULL), 0);
	assert_true(read_reply(fd, &reply));
	assert_true(has_status(&reply, 200));
	(void)close(fd);
	stop_server();
}

/* Clients that never pause; runs until it is killed. */
static pid_t start_load(void)
{
	pid_t pid = fork();

	while (pid == 0) {
		SC_AUTO_BUF reply = get("/x");

		if (reply.len == 0 && access(path_in("s"), F_OK) != 0)
			_exit(0);
	}
	return pid;
}

static bool is_gone(const void *arg)
{
	const pid_t *pid = arg;

	return kill(*pid, 0) < 0 && errno == ESRCH;
}

/* The queue is never empty, and yet a worker hears that it is to end. */
static void a_worker_under_load_hears_the_stop(void **state)
{
	pid_t load[4];
	pid_t pid = get_pid();

	(void)state;
	for (size_t i = 0; i < 4; i++)
		load[i] = start_load();
	assert_int_equal(kill(pid, SIGTERM), 0);
	wait_until(is_gone, &pid, "the worker's end");
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(kill(load[i], SIGKILL), 0);
		assert_int_equal(wait_exit(load[i]), 128 + SIGKILL);
	}
}

/* The least there is, and what more open slides add; none where shadow memory counts. */
static void workers_have_a_limit_of_memory(void **state)
{
	static const struct {
		const char *option;
		rlim_t mib;
	} rows[] = { { "slides.max_open=2", 1024 }, { "slides.max_open=16", 1280 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rlimit own = { 0, 0 };
		struct rlimit have = { 0, 0 };
		rlim_t want = rows[i].mib << 20;

		start_server("--set", rows[i].option, NULL, NULL);
		assert_int_equal(prlimit(get_pid(), RLIMIT_DATA, NULL, &have), 0);
		assert_int_equal(getrlimit(RLIMIT_DATA, &own), 0);
#ifdef __SANITIZE_ADDRESS__
		want = own.rlim_cur;
#endif
		assert_true(have.rlim_cur == (want < own.rlim_max ? want : own.rlim_max));
		stop_server();
		(void)unlink(path_in("log"));
	}
}

static void a_pool_that_cannot_start_says_so(void **state)
{
	char listen[256];

	(void)state;
	(void)snprintf(listen, sizeof(listen), "unix:%s", path_in("s"));
	mark("refuse");
	EXPECT_EXIT(1, "no worker could start", "--listen", listen, "--state-dir",
		    path_in("state"), "--slides", path_in("slides"), "--workers", "2");
	assert_non_null(
		strstr(read_text("log"), "worker: the test wants no application"));
	assert_int_equal(access(path_in("s"), F_OK), -1);
}

/* Where descriptor name of a process leads; what the test itself has open came from who
 * runs it, and counts as nothing. */
static const char *target_of(const char *pid, const char *name)
{
	static char target[256];
	char path[64];
	char own[256] = "";
	ssize_t n = 0;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%.8s", name);
	n = readlink(path, own, sizeof(own) - 1);
	own[n > 0 ? n : 0] = '\0';
	(void)snprintf(path, sizeof(path), "/proc/%.8s/fd/%.8s", pid, name);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	return strcmp(own, target) == 0 ? "" : target;
}

/* What a worker has open: its standard streams, the listener and its own (two sockets
 * that lead from itself to libfcgi); nothing of the master's. */
static void workers_inherit_the_listener_only(void **state)
{
	char pid[16];
	char path[64];
	int sockets = 0;
	DIR *d = NULL;
	const struct dirent *e = NULL;

	(void)state;
	(void)snprintf(pid, sizeof(pid), "%d", (int)get_pid());
	(void)snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d))) {
		const char *target = target_of(pid, e->d_name);

		sockets += strncmp(target, "socket:", 7) == 0;
		if (strstr(target, "pipe:") || strstr(target, ".lock") ||
		    strstr(target, ".pid"))
			fail_msg("descriptor %s is %s", e->d_name, target);
	}
	(void)closedir(d);
	assert_int_equal(sockets, 3);
}

/* ---- the scanner ---- */

static bool no_task_runs(const void *arg)
{
	pid_t ignored = 0;

	(void)arg;
	return children_called(SC_TASK_NAME, &ignored) == 0;
}

static bool is_ready_so_often(const void *arg)
{
	const int *n = arg;

	return times_logged("] ready:") >= *n;
}

static void reload(void)
{
	int n = times_logged("] ready:") + 1;

	assert_int_equal(kill(master, SIGHUP), 0);
	wait_until(is_ready_so_often, &n, "the reload's end");
}

static void a_scan_runs_at_the_start_and_when_asked(void **state)
{
	(void)state;
	wait_file("scanned");
	wait_log("scan: 1 slides: 1 new");
	wait_until(no_task_runs, NULL, "the scanner's end");
	assert_int_equal(marks("scanned"), 1);
	reload();
	while (marks("scanned") < 2)
		assert_serves();
}

static bool is_scanned_twice(const void *arg)
{
	(void)arg;
	return marks("scanned") == 2;
}

/* However often it is asked for while one runs: one more, and never two at once. */
static void scans_never_overlap(void **state)
{
	(void)state;
	mark("slow-scan");
	start_server(NULL, NULL, NULL, NULL);
	wait_file("scan-began");
	for (int i = 0; i < 5; i++) {
		reload();
		assert_serves();
	}
	assert_int_equal(marks("scan-began"), 1);
	assert_int_equal(unlink(path_in("slow-scan")), 0);
	wait_until(is_scanned_twice, NULL, "the second scan");
	wait_until(no_task_runs, NULL, "the scanner's end");
	assert_int_equal(marks("scan-began"), 2);
	stop_server();
}

static void a_stop_does_not_wait_for_a_scan(void **state)
{
	(void)state;
	mark("slow-scan");
	start_server(NULL, NULL, NULL, NULL);
	wait_file("scan-began");
	stop_server();
	assert_int_equal(marks("scanned"), 0);
}

#define PLAIN(f)       cmocka_unit_test_setup_teardown(f, setup, teardown)
#define WITH_SERVER(f) cmocka_unit_test_setup_teardown(f, setup_server, teardown_server)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(the_socket_has_its_mode),
		PLAIN(a_stop_syncs_the_caches),
		WITH_SERVER(a_second_start_refuses),
		PLAIN(another_programs_socket_is_not_stolen),
		PLAIN(a_killed_master_leaves_no_workers_and_no_obstacle),
		PLAIN(a_restart_does_not_wait_for_old_workers_for_long),
		PLAIN(a_worker_that_hangs_does_not_outlive_its_master_for_long),
		PLAIN(a_killed_master_costs_no_request),
		PLAIN(a_stop_answers_what_was_accepted),
		PLAIN(an_idle_pool_stops_at_once),
		WITH_SERVER(killed_workers_are_replaced),
		WITH_SERVER(a_worker_told_to_end_is_replaced),
		WITH_SERVER(a_request_that_crashes_costs_itself_only),
		PLAIN(a_request_over_the_deadline_is_killed),
		PLAIN(a_trickler_is_cut_off),
		PLAIN(a_starving_worker_recovers),
		WITH_SERVER(a_worker_under_load_hears_the_stop),
		PLAIN(workers_have_a_limit_of_memory),
		PLAIN(a_pool_that_cannot_start_says_so),
		WITH_SERVER(workers_inherit_the_listener_only),
		WITH_SERVER(a_scan_runs_at_the_start_and_when_asked),
		PLAIN(scans_never_overlap),
		PLAIN(a_stop_does_not_wait_for_a_scan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

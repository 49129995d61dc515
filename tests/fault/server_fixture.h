/* SPDX-License-Identifier: MIT */
/*
 * A whole slidecached (master, workers, scanner) around the fake application.
 *
 * The master runs in a child process, in a folder of its own, with its log in a file that
 * tests wait on. Included by one test program each.
 */
#ifndef SC_TESTS_SERVER_FIXTURE_H
#define SC_TESTS_SERVER_FIXTURE_H

#include <signal.h>
#include <sys/wait.h>

#include "fake_app.h"
#include "fcgi_client.h"
#include "server/server.h"
#include "slidecache/parse.h"

#define NO_SANDBOX "--set", "sandbox=off" /* the application leaves marks */

static pid_t master;

static void log_to_file(void)
{
	int log = open(path_in("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);

	(void)dup2(log, STDOUT_FILENO);
	(void)dup2(log, STDERR_FILENO);
	(void)close(log);
}

/* Runs sc_server_main in a child: argv as after "slidecached"; fd0 becomes its stdin. */
static pid_t start_program(const char *const *argv, int fd0)
{
	char *copy[40] = { NULL };
	char name[] = "slidecached";
	int argc = 1;
	pid_t pid = 0;

	copy[0] = name;
	for (; *argv; argv++)
		copy[argc++] = sc_strdup(*argv);
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		log_to_file();
		if (fd0 >= 0)
			(void)dup2(fd0, STDIN_FILENO);
		exit(sc_server_main(argc, copy)); /* leaks are looked for */
	}
	for (int i = 1; i < argc; i++)
		free(copy[i]);
	assert_true(pid > 0);
	return pid;
}

static MAYBE_UNUSED int wait_exit(pid_t pid)
{
	int64_t end = sc_mono_us() + DEADLINE_US;
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (sc_mono_us() > end) {
			(void)kill(pid, SIGKILL);
			fail_msg("process %d does not end\n%s", (int)pid,
				 read_text("log"));
		}
		sc_sleep_us(1000);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The usual arguments, then up to four of the test. */
static MAYBE_UNUSED void start_server(const char *a, const char *b, const char *c,
				      const char *d)
{
	char listen[256];
	const char *argv[22] = { "--listen",
				 listen,
				 "--slides",
				 path_in("slides"),
				 "--state-dir",
				 path_in("state"),
				 "--workers",
				 "2",
				 "--set",
				 "log.level=debug",
				 NO_SANDBOX,
				 a,
				 b,
				 c,
				 d,
				 NULL };

	(void)snprintf(listen, sizeof(listen), "unix:%s", path_in("s"));
	master = start_program(argv, -1);
	wait_log("ready:");
}

static MAYBE_UNUSED void stop_server(void)
{
	assert_int_equal(kill(master, SIGTERM), 0);
	assert_int_equal(wait_exit(master), 0);
	master = 0;
	assert_int_equal(access(path_in("s"), F_OK), -1);
	assert_int_equal(access(path_in("s.lock"), F_OK), -1);
	assert_int_equal(access(path_in("state/slidecached.pid"), F_OK), -1);
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	(void)snprintf(dir, sizeof(dir), "%.60s/sc-server-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir) || mkdir(path_in("slides"), 0700) < 0)
		return -1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (master) { /* the test failed: no manners needed; workers follow it */
		(void)kill(master, SIGKILL);
		(void)waitpid(master, NULL, 0);
		master = 0;
	}
	remove_tree(dir);
	return 0;
}

static bool is_called(long pid, const char *want)
{
	char path[64];
	char name[32] = "";
	FILE *f = NULL;

	(void)snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(name, sizeof(name), f))
		name[0] = '\0';
	(void)fclose(f);
	name[strcspn(name, "\n")] = '\0';
	return strcmp(name, want) == 0;
}

/* The master's children of this name; *last is one of them. */
static MAYBE_UNUSED int children_called(const char *name, pid_t *last)
{
	char path[64];
	char text[1024] = "";
	int n = 0;
	FILE *f = NULL;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)master,
		       (int)master);
	f = fopen(path, "r");
	assert_non_null(f);
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	(void)fclose(f);
	for (const char *p = text, *end = NULL; (end = strchr(p, ' ')); p = end + 1) {
		int64_t child = 0;

		assert_true(sc_parse_i64(sc_bytes_of(p, (size_t)(end - p)), 1, INT32_MAX,
					 &child));
		if (!is_called((long)child, name))
			continue;
		*last = (pid_t)child;
		n++;
	}
	return n;
}

/* How often the log says it. */
static MAYBE_UNUSED int times_logged(const char *text)
{
	int n = 0;

	for (const char *at = read_text("log"); (at = strstr(at, text)); at++)
		n++;
	return n;
}

/* Everything that a test of the command line needs: argv, the code, what it printed. */
static MAYBE_UNUSED void expect_exit(const char *const *argv, int code, const char *text)
{
	(void)unlink(path_in("log"));
	assert_int_equal(wait_exit(start_program(argv, -1)), code);
	if (!strstr(read_text("log"), text))
		fail_msg("want: %s\nhave: %s", text, read_text("log"));
}
#define EXPECT_EXIT(code, text, ...)                                                     \
	expect_exit((const char *const[]){ __VA_ARGS__, NULL }, code, text)

#endif

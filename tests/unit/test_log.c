/* SPDX-License-Identifier: MIT */
/*
 * What a log may go to, and whose that is; a file that is renamed, another target: who
 * goes on in the old one, who opens a new one, and when.
 */
#include "tests/lib/check.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slidecache/bytes.h"
#include "slidecache/descriptors.h"
#include "slidecache/log.h"
#include "slidecache/log_file.h"

static char dir[64], log_file[80], old_file[80];

static int setup(void **state)
{
	struct sc_err err;

	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/sc-log-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(log_file, sizeof(log_file), "%s/log", dir);
	(void)snprintf(old_file, sizeof(old_file), "%s/log.1", dir);
	return sc_log_open(log_file, SC_LOG_INFO, &err) == SC_OK ? 0 : -1;
}

static int teardown(void **state)
{
	struct sc_err err;

	(void)state;
	(void)unlink(log_file);
	(void)unlink(old_file);
	(void)rmdir(dir);
	return sc_log_open("stderr", SC_LOG_INFO, &err) == SC_OK ? 0 : -1;
}

static int has(const char *path, const char *text)
{
	char buf[4096] = "";
	FILE *f = fopen(path, "r");

	if (!f)
		return 0;
	buf[fread(buf, 1, sizeof(buf) - 1, f)] = '\0';
	(void)fclose(f);
	return strstr(buf, text) != NULL;
}

static void test_a_renamed_file_is_left_when_told(void **state)
{
	(void)state;
	assert_int_equal(rename(log_file, old_file), 0);
	sc_log_info("one");
	assert_true(has(old_file, "one"));
	sc_log_reopen();
	sc_log_info("two");
	assert_true(has(log_file, "two"));
	assert_false(has(old_file, "two"));
}

static void test_a_file_that_cannot_be_opened(void **state)
{
	char away[80];

	(void)state;
	(void)snprintf(away, sizeof(away), "%s-away", dir);
	assert_int_equal(rename(dir, away), 0);
	sc_log_reopen();
	sc_log_info("still");
	assert_int_equal(rename(away, dir), 0);
	assert_true(has(log_file, "not opened again: No such file or directory"));
	assert_true(has(log_file, "still"));
}

/* In a child: the line of the moment when told by the pipe. */
static void say_when_told(int from, const char *text)
{
	char byte = 0;

	if (read(from, &byte, 1) == 1)
		sc_log_info("%s", text);
	_exit(0);
}

/* Whoever tells, all do. */
static void test_processes_that_share(void **state)
{
	int told[2];
	int status = 0;
	pid_t pid = 0;

	(void)state;
	sc_log_share();
	assert_int_equal(pipe(told), 0);
	pid = fork();
	if (pid == 0)
		say_when_told(told[0], "child");
	assert_int_equal(rename(log_file, old_file), 0);
	sc_log_reopen();
	assert_int_equal(write(told[1], "", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	sc_log_info("parent");
	assert_true(has(log_file, "child"));
	assert_true(has(log_file, "parent"));
	assert_false(has(old_file, "child"));
	(void)close(told[0]);
	(void)close(told[1]);
}

/* ---- what a target may be ---- */

static void assert_refused(const char *why)
{
	struct sc_err err = { SC_OK, "" };

	assert_int_equal(sc_log_open(old_file, SC_LOG_INFO, &err), SC_INVALID);
	assert_non_null(strstr(err.text, old_file));
	assert_non_null(strstr(err.text, why));
	sc_log_info("as before");
	assert_true(has(log_file, "as before"));
}

/* Nobody may have to wait for a reader, now or at any line. */
static void test_a_fifo(void **state)
{
	struct sc_err err;
	char text[4096] = "";
	int reader = -1;

	(void)state;
	assert_int_equal(mkfifo(old_file, 0600), 0);
	assert_refused("a FIFO that nobody reads");
	reader = open(old_file, O_RDONLY | O_NONBLOCK);
	assert_int_equal(sc_log_open(old_file, SC_LOG_INFO, &err), SC_OK);
	sc_log_info("hello");
	assert_true(read(reader, text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "hello"));
	for (int i = 0; i < 4000; i++) /* more than it holds */
		sc_log_info("nobody takes line %d", i);
	(void)close(reader);
}

static void test_what_is_no_file(void **state)
{
	(void)state;
	assert_int_equal(symlink(dir, old_file), 0);
	assert_refused("Is a directory");
	assert_int_equal(unlink(old_file), 0);
	assert_int_equal(mknod(old_file, S_IFSOCK | 0600, 0), 0);
	assert_refused("No such device or address");
}

static bool is_blocking(int fd)
{
	return (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

static void test_a_file_is_waited_for(void **state)
{
	int fd = -1;

	(void)state;
	assert_null(sc_log_file_open(log_file, &fd));
	assert_true(is_blocking(fd));
	(void)close(fd);
	assert_null(sc_log_file_open("/dev/null", &fd));
	assert_true(is_blocking(fd));
	(void)close(fd);
}

/* ---- whose it is ---- */

static uid_t owner_after_giving(const char *path)
{
	struct sc_err err;
	struct stat st = { 0 };

	assert_int_equal(sc_log_open(path, SC_LOG_INFO, &err), SC_OK);
	sc_log_give(12345, 12345);
	assert_int_equal(stat(path, &st), 0);
	return st.st_uid;
}

static void test_a_file_is_given(void **state)
{
	uid_t given = geteuid() == 0 ? 12345 : geteuid(); /* only root can */

	(void)state;
	assert_int_equal(owner_after_giving(log_file), given);
}

/* Who may write to the folder could else have any file of root's. */
static void test_what_a_link_leads_to_is_not_given(void **state)
{
	(void)state;
	assert_int_equal(link(log_file, old_file), 0);
	assert_int_equal(owner_after_giving(log_file), geteuid());
	assert_int_equal(unlink(old_file), 0);
	assert_int_equal(symlink(log_file, old_file), 0);
	assert_int_equal(owner_after_giving(old_file), geteuid());
}

/* ---- another target ---- */

static void prepare(const char *target)
{
	struct sc_err err;

	assert_int_equal(sc_log_prepare(target, SC_LOG_DEBUG, &err), SC_OK);
}

static void test_a_target_to_come(void **state)
{
	(void)state;
	prepare(old_file);
	sc_log_info("one");
	sc_log_debug("too much");
	sc_log_switch();
	sc_log_debug("two");
	assert_true(has(log_file, "one"));
	assert_false(has(log_file, "too much"));
	assert_true(has(old_file, "two"));
	assert_false(has(log_file, "two"));
}

static void test_a_target_that_does_not_come(void **state)
{
	(void)state;
	prepare(old_file);
	sc_log_drop();
	sc_log_switch();
	sc_log_info("one");
	assert_true(has(log_file, "one"));
	assert_false(has(old_file, "one"));
}

static void test_to_stderr_and_back(void **state)
{
	(void)state;
	prepare("stderr");
	sc_log_switch();
	prepare(log_file);
	sc_log_switch();
	sc_log_info("back");
	assert_true(has(log_file, "back"));
}

/* The usual case: the files' folder is root's, and the user was changed. */
static void test_the_same_target_out_of_reach(void **state)
{
	char away[80];

	(void)state;
	(void)snprintf(away, sizeof(away), "%s-away", dir);
	assert_int_equal(rename(dir, away), 0);
	prepare(log_file);
	sc_log_switch();
	sc_log_debug("still");
	assert_int_equal(rename(away, dir), 0);
	assert_true(has(log_file, "No such file or directory; goes on in the open one"));
	assert_true(has(log_file, "still"));
}

/* The file that was opened for later is by then the old one. */
static void test_a_renamed_target_to_come(void **state)
{
	(void)state;
	prepare(log_file);
	assert_int_equal(rename(log_file, old_file), 0);
	sc_log_reopen();
	sc_log_switch();
	sc_log_info("one");
	assert_true(has(log_file, "one"));
	assert_false(has(old_file, "one"));
}

/* In a child: a line before it is told, and one after. */
static void say_twice(int from, int to)
{
	char byte = 0;

	sc_log_info("child before");
	if (write(to, "", 1) == 1 && read(from, &byte, 1) == 1)
		sc_log_info("child after");
	_exit(0);
}

static void test_processes_switch_together(void **state)
{
	int down[2];
	int up[2];
	char byte = 0;
	int status = 0;
	pid_t pid = 0;

	(void)state;
	sc_log_share();
	assert_int_equal(pipe(down) + pipe(up), 0);
	prepare(old_file);
	pid = fork();
	if (pid == 0)
		say_twice(down[0], up[1]);
	assert_int_equal(read(up[0], &byte, 1), 1);
	sc_log_switch();
	assert_int_equal(write(down[1], "", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(has(log_file, "child before"));
	assert_true(has(old_file, "child after"));
	assert_false(has(log_file, "child after"));
	for (int i = 0; i < 2; i++) {
		(void)close(down[i]);
		(void)close(up[i]);
	}
}

/* ---- the first descriptors ---- */

static void test_closed_descriptors_are_filled(void **state)
{
	int status = 0;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct sc_err err;
		int fd = -1;

		(void)close(STDIN_FILENO);
		(void)close(STDERR_FILENO);
		if (sc_descriptors_fill(&err) == SC_OK)
			fd = open(log_file, O_RDONLY);
		_exit(fd > STDERR_FILENO ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- the journal ---- */

/* To old_file as stderr, with that file's numbers, changed by so much, as JOURNAL_STREAM.
 */
static void say_to_journal(ino_t other_by, const char *end)
{
	struct sc_err err;
	struct stat st;
	char stream[64];
	int saved = dup(STDERR_FILENO);
	int fd = open(old_file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(fstat(fd, &st), 0);
	(void)snprintf(stream, sizeof(stream), "%llu:%llu%s",
		       (unsigned long long)st.st_dev,
		       (unsigned long long)(st.st_ino + other_by), end);
	assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	assert_int_equal(sc_log_open("stderr", SC_LOG_DEBUG, &err), SC_OK);
	sc_log_error("one");
	sc_log_warning("two");
	sc_log_info("three");
	sc_log_debug("four");
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
	(void)close(saved);
	(void)close(fd);
}

static void test_the_journal_is_told_levels(void **state)
{
	char want[200];
	int pid = (int)getpid();

	(void)state;
	say_to_journal(0, "");
	(void)snprintf(want, sizeof(want),
		       "<3>error [%d] one\n<4>warning [%d] two\n<6>info [%d] three\n"
		       "<7>debug [%d] four\n",
		       pid, pid, pid, pid);
	assert_true(has(old_file, want));
	assert_false(has(old_file, "Z "));
}

/* Whoever started us was connected to it, and our stderr leads elsewhere. */
static void test_what_is_not_the_journal_has_times(void **state)
{
	(void)state;
	say_to_journal(1, "");
	assert_true(has(old_file, "Z error ["));
	assert_false(has(old_file, "<3>"));
	say_to_journal(0, "x");
	assert_true(has(old_file, "Z error ["));
	assert_false(has(old_file, "<3>"));
}

/* A file beside it is no journal. */
static void test_a_file_beside_the_journal_has_times(void **state)
{
	struct sc_err err;
	struct stat st;
	char stream[64];

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	(void)snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino);
	assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
	assert_int_equal(sc_log_open(log_file, SC_LOG_INFO, &err), SC_OK);
	sc_log_error("here");
	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
	assert_true(has(log_file, "Z error ["));
	assert_false(has(log_file, "<3>"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_a_renamed_file_is_left_when_told),
		TEST(test_a_file_that_cannot_be_opened),
		TEST(test_processes_that_share),
		TEST(test_a_fifo),
		TEST(test_what_is_no_file),
		TEST(test_a_file_is_waited_for),
		TEST(test_a_file_is_given),
		TEST(test_what_a_link_leads_to_is_not_given),
		TEST(test_a_target_to_come),
		TEST(test_a_target_that_does_not_come),
		TEST(test_to_stderr_and_back),
		TEST(test_the_same_target_out_of_reach),
		TEST(test_a_renamed_target_to_come),
		TEST(test_processes_switch_together),
		TEST(test_the_journal_is_told_levels),
		TEST(test_what_is_not_the_journal_has_times),
		TEST(test_a_file_beside_the_journal_has_times),
		TEST(test_closed_descriptors_are_filled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

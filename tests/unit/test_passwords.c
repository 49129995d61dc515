/* SPDX-License-Identifier: MIT */
/*
 * src/access: how passwords are looked at: once, one at a time, and not for whoever
 * guesses.
 */
#include "tests/lib/access_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "slidecache/filelock.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"

/* One is looked at, one waits, if no more may; the others are sent away. */
static void one_password_at_a_time(void **state)
{
	char *path = check_path(dir, "lock");
	struct sc_access *a = sc_access_new(
		&(struct sc_access_options){ file, NULL, .lock_file = path });
	struct sc_err err;
	int other = -1;

	(void)state;
	write_users("ann:" SHA_FAST "\n");
	assert_int_equal(try(a, "ann:" FAST_WORD), SC_OK);
	assert_int_equal(sc_filelock_open(path, &other, &err), SC_OK);
	/* Somebody waits already. */
	assert_int_equal(sc_filelock_take(other, 1, 0, NULL, &err), SC_OK);
	assert_int_equal(try(a, "ann:" FAST_WORD "no"), SC_UNAVAILABLE);
	/* What is remembered needs no turn. */
	assert_int_equal(try(a, "ann:" FAST_WORD), SC_OK);
	sc_filelock_drop(other, 1);
	assert_int_equal(try(a, "ann:" FAST_WORD "no"), SC_STRANGER);
	/* Both are free again. */
	for (uint64_t at = 0; at < 2; at++)
		assert_int_equal(sc_filelock_take(other, at, 0, NULL, &err), SC_OK);
	close(other);
	sc_access_free(a);
	free(path);
}

#define USERS 5

static pid_t start_one(struct sc_access *a, int number)
{
	pid_t pid = fork();
	char pair[64];

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	(void)snprintf(pair, sizeof(pair), "u%d:" FAST_WORD, number);
	_exit(try(a, pair) == SC_OK ? 0 : 1);
}

/* Whether somebody has it: they come in their time. */
static void wait_until_taken(int lock, uint64_t at)
{
	struct sc_err err;

	while (sc_filelock_take(lock, at, 0, NULL, &err) == SC_OK) {
		sc_filelock_drop(lock, at);
		sc_sleep_us(1000);
	}
}

/* As many as may wait, one after the other; the next one is sent away, and then nobody.
 */
static void different_users_wait_for_their_turn(void **state)
{
	char *path = check_path(dir, "lock");
	struct sc_access *a = sc_access_new(&(struct sc_access_options){
		.htpasswd_file = file, .lock_file = path, .waiting = USERS });
	pid_t pids[USERS];
	struct sc_err err;
	int turn = -1;
	int how = 0;

	(void)state;
	write_users("u0:" SHA_FAST "\nu1:" SHA_FAST "\nu2:" SHA_FAST "\nu3:" SHA_FAST
		    "\nu4:" SHA_FAST "\nu5:" SHA_FAST "\n");
	assert_int_equal(sc_filelock_open(path, &turn, &err), SC_OK);
	assert_int_equal(sc_filelock_take(turn, 0, 0, NULL, &err), SC_OK);
	for (int i = 0; i < USERS; i++)
		pids[i] = start_one(a, i);
	wait_until_taken(turn, USERS);
	assert_int_equal(try(a, "u5:" FAST_WORD), SC_UNAVAILABLE);
	sc_filelock_drop(turn, 0);
	for (int i = 0; i < USERS; i++) {
		assert_int_equal(waitpid(pids[i], &how, 0), pids[i]);
		assert_int_equal(how, 0);
	}
	assert_int_equal(try(a, "u5:" FAST_WORD), SC_OK);
	close(turn);
	sc_access_free(a);
	free(path);
}

/* ----- what is remembered ----- */

static uint64_t checked(void)
{
	return sc_metric_value(SC_M_PASSWORDS_CHECKED);
}

static void a_password_is_hashed_once(void **state)
{
	struct sc_access *a = open_access(file, false);
	uint64_t before = checked();

	(void)state;
	write_users("anna:" SHA_FAST "\notto:" SHA_FAST "\n");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(try(a, "anna:" FAST_WORD), SC_OK);
		assert_int_equal(try(a, "anna:wrong"), SC_STRANGER);
		assert_int_equal(try(a, "nobody:" FAST_WORD), SC_STRANGER);
	}
	assert_int_equal(checked() - before, 3);
	assert_int_equal(try(a, "otto:" FAST_WORD), SC_OK);
	assert_int_equal(checked() - before, 4);
	sc_access_free(a);
}

/* A changed hash, a user who is gone, one who is new: with the next request. */
static void what_is_remembered_goes_by_the_file(void **state)
{
	struct sc_access *a = open_access(file, false);

	(void)state;
	write_users("anna:" SHA_FAST "\n");
	assert_int_equal(try(a, "anna:" FAST_WORD), SC_OK);
	assert_int_equal(try(a, "otto:" FAST_WORD), SC_STRANGER);
	write_users("otto:" SHA_FAST "\n");
	assert_int_equal(try(a, "anna:" FAST_WORD), SC_STRANGER);
	assert_int_equal(try(a, "otto:" FAST_WORD), SC_OK);
	write_users("otto:" SHA256 "\n");
	assert_int_equal(try(a, "otto:" FAST_WORD), SC_STRANGER);
	write_users("otto:" SHA_FAST "\n");
	assert_int_equal(try(a, "otto:" FAST_WORD), SC_OK);
	sc_access_free(a);
}

static int in_child(struct sc_access *a, const char *pair, enum sc_status wanted)
{
	pid_t pid = fork();
	int how = 0;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(try(a, pair) == wanted ? 0 : 1);
	assert_int_equal(waitpid(pid, &how, 0), pid);
	return how;
}

static void processes_remember_together(void **state)
{
	struct sc_access *a = open_access(file, false);
	uint64_t before = checked();

	(void)state;
	write_users("anna:" SHA_FAST "\n");
	assert_int_equal(in_child(a, "anna:" FAST_WORD, SC_OK), 0);
	assert_int_equal(in_child(a, "anna:wrong", SC_STRANGER), 0);
	assert_int_equal(try(a, "anna:" FAST_WORD), SC_OK);
	assert_int_equal(try(a, "anna:wrong"), SC_STRANGER);
	/* This process's counter: it hashed none. */
	assert_int_equal(checked(), before);
	sc_access_free(a);
}

#define ASKERS 6

/* All at once, while a first one holds the turn for longer than they need to arrive: one
 * looks, nobody is sent away. */
static void the_same_credentials_wait_for_one_look(void **state)
{
	char *path = check_path(dir, "lock");
	struct sc_access *a = sc_access_new(
		&(struct sc_access_options){ file, NULL, .lock_file = path });
	uint64_t *looks = mmap(NULL, sizeof(*looks), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t before = checked();
	pid_t pids[ASKERS];
	struct sc_err err;
	int turn = -1;
	int how = 0;

	(void)state;
	assert_true(looks != MAP_FAILED);
	write_users("anna:" SHA_FAST "\n");
	assert_int_equal(sc_filelock_open(path, &turn, &err), SC_OK);
	assert_int_equal(sc_filelock_take(turn, 0, 0, NULL, &err), SC_OK);
	for (int i = 0; i < ASKERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			enum sc_status status = try(a, "anna:" FAST_WORD);

			__atomic_fetch_add(looks, checked() - before, __ATOMIC_RELAXED);
			_exit(status == SC_OK ? 0 : 1);
		}
	}
	/* Somebody is next: the others wait for them, or come later. */
	while (sc_filelock_take(turn, 1, 0, NULL, &err) == SC_OK) {
		sc_filelock_drop(turn, 1);
		sc_sleep_us(1000);
	}
	sc_filelock_drop(turn, 0);
	for (int i = 0; i < ASKERS; i++) {
		assert_int_equal(waitpid(pids[i], &how, 0), pids[i]);
		assert_int_equal(how, 0);
	}
	assert_int_equal(*looks, 1);
	(void)munmap(looks, sizeof(*looks));
	close(turn);
	sc_access_free(a);
	free(path);
}

/* ----- who guesses ----- */

static const char *wrong(int number)
{
	char pair[64];

	(void)snprintf(pair, sizeof(pair), "anna:wrong %d", number);
	return check_basic(pair);
}

/* A program that goes on with an old password locks out nobody beside it, and whoever is
 * throttled gets the same answer to it as before. */
static void the_same_wrong_one_is_one_guess(void **state)
{
	struct sc_access *a = open_access(file, false);
	uint64_t before = checked();
	struct sc_err err;

	(void)state;
	write_users("anna:" SHA_FAST "\n");
	for (int i = 0; i < 50; i++)
		assert_int_equal(try_from(a, "192.0.2.1", wrong(0), &err), SC_STRANGER);
	assert_int_equal(checked() - before, 1);
	for (int i = 1; i < 10; i++)
		assert_int_equal(try_from(a, "192.0.2.1", wrong(i), &err), SC_STRANGER);
	assert_int_equal(try_from(a, "192.0.2.1", wrong(10), &err), SC_THROTTLED);
	assert_int_equal(try_from(a, "192.0.2.1", wrong(0), &err), SC_STRANGER);
	assert_int_equal(checked() - before, 10);
	sc_access_free(a);
}

static void ten_wrong_ones_are_enough(void **state)
{
	struct sc_access *a = open_access(file, false);
	uint64_t bad = sc_metric_value(SC_M_BAD_CREDENTIALS);
	uint64_t throttled = sc_metric_value(SC_M_THROTTLED);
	uint64_t before = 0;
	struct sc_err err;

	(void)state;
	write_users("anna:" SHA_FAST "\notto:" SHA_FAST "\n");
	assert_int_equal(try_from(a, "192.0.2.1", check_basic("anna:" FAST_WORD), &err),
			 SC_OK);
	before = checked();
	/* What is no HTTP Basic counts, too. */
	for (int i = 0; i < 10; i++)
		assert_int_equal(
			try_from(a, "192.0.2.1", i == 3 ? "basic" : wrong(i), &err),
			SC_STRANGER);
	assert_in_range(sc_access_throttled_s("192.0.2.1"), 1, 60);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(try_from(a, "192.0.2.1", wrong(10), &err), SC_THROTTLED);
		assert_null(strstr(err.text, "anna"));
	}
	assert_int_equal(checked() - before, 9);
	/* Right, but not known to be: not looked at. */
	assert_int_equal(try_from(a, "192.0.2.1", check_basic("otto:" FAST_WORD), &err),
			 SC_THROTTLED);
	assert_int_equal(checked() - before, 9);
	/* Known to be right, from elsewhere, and no credentials at all. */
	assert_int_equal(try_from(a, "192.0.2.1", check_basic("anna:" FAST_WORD), &err),
			 SC_OK);
	assert_int_equal(try_from(a, "192.0.2.2", check_basic("otto:" FAST_WORD), &err),
			 SC_OK);
	assert_int_equal(try_from(a, "192.0.2.1", check_basic("otto:" FAST_WORD), &err),
			 SC_OK);
	assert_int_equal(try_from(a, "192.0.2.1", NULL, &err), SC_OK);
	assert_int_equal(sc_access_throttled_s("192.0.2.2"), 0);
	assert_int_equal(sc_metric_value(SC_M_BAD_CREDENTIALS) - bad, 10);
	assert_int_equal(sc_metric_value(SC_M_THROTTLED) - throttled, 4);
	sc_access_free(a);
}

/* Escaped, without the secret; how many lines, test_access_throttle.c knows. */
static void failures_are_told(void **state)
{
	struct sc_access *a = open_access(file, false);
	struct sc_err err;

	(void)state;
	write_users("anna:" SHA_FAST "\n");
	assert_int_equal(sc_log_open(log_file, SC_LOG_INFO, &err), SC_OK);
	SC_IGNORE(try_from(a, "192.0.2.1", check_basic("b\xc3\xa9\\:SECRET"), &err));
	SC_IGNORE(try_from(a, "2001:db8::1", "Basic SECRET", &err));
	SC_IGNORE(try_from(a, "a\nb", check_basic("anna:SECRET"), &err));
	assert_int_equal(sc_log_open("stderr", SC_LOG_INFO, &err), SC_OK);
	assert_int_equal(logged("access: wrong credentials from 192.0.2.1: user "
				"b\\xc3\\xa9\\x5c"),
			 1);
	assert_int_equal(logged("access: wrong credentials from 2001:db8::1: what is not "
				"HTTP Basic"),
			 1);
	assert_int_equal(logged("access: wrong credentials from a\\x0ab: user anna"), 1);
	assert_int_equal(logged("SECRET"), 0);
	sc_access_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FILE(one_password_at_a_time),
		WITH_FILE(different_users_wait_for_their_turn),
		WITH_FILE(a_password_is_hashed_once),
		WITH_FILE(what_is_remembered_goes_by_the_file),
		WITH_FILE(processes_remember_together),
		WITH_FILE(the_same_credentials_wait_for_one_look),
		WITH_FILE(the_same_wrong_one_is_one_guess),
		WITH_FILE(ten_wrong_ones_are_enough),
		WITH_FILE(failures_are_told),
	};

	return cmocka_run_group_tests_name("passwords", tests, NULL, NULL);
}

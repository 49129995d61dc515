/* SPDX-License-Identifier: MIT */
/*
 * src/access: htpasswd files of every kind, who is known. Hashes are the published test
 * vectors of bcrypt and SHA-crypt, so that nothing here is compared with itself.
 */
#include "tests/lib/check.h"

#include <crypt.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "access/htpasswd.h"
#include "access/password.h"
#include "access/reread.h"
#include "slidecache/access.h"
#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "tests/lib/access_rig.h"

static void hashes_of_published_vectors(void **state)
{
	static const struct {
		const char *hash, *password;
	} rows[] = {
		{ SHA512, SHA_WORD },
		{ SHA256, SHA_WORD },
		{ BCRYPT, BCRYPT_PW },
		{ BCRYPT_Y, BCRYPT_PW },
		{ "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/"
		  "pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1",
		  "a very much longer text to encrypt.  This one even stretches over "
		  "morethan one line." },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_true(sc_hash_is_taken(rows[i].hash));
		assert_true(sc_password_matches(rows[i].password, rows[i].hash));
		assert_false(sc_password_matches("", rows[i].hash));
		assert_false(sc_password_matches("U*V", rows[i].hash));
	}
}

/* Of yescrypt crypt(3) itself is asked: does what it makes match? */
static void yescrypt_is_taken(void **state)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data *data = sc_alloc(sizeof(*data));
	const char *hash = NULL;

	(void)state;
	assert_non_null(crypt_gensalt_rn("$y$", 1, "0123456789abcdef", 16, setting,
					 (int)sizeof(setting)));
	hash = crypt_r("word", setting, data);
	assert_true(sc_hash_is_taken(hash));
	assert_true(sc_password_matches("word", hash));
	assert_false(sc_password_matches("ward", hash));
	free(data);
}

static void other_hashes_are_not_taken(void **state)
{
	static const char *const bad[] = {
		"",    "*",	   "*0",	   "x",	      "plain", DES,
		"$1$", MD5_APACHE, "{SHA}2jmj7l5", "$2$",     "$7$x",  "$5",
		"$",   "$6$a b$c", "$6$\xc3\xa4",  " $6$a$b",
	};
	/* crypt(3) fails, or makes another text. */
	static const char *const broken[] = {
		"$2y$05$",	 "$2y$99$CCCCCCCCCCCCCCCCCCCCC.", "$6$", "$5$x", "$y$",
		"$6$rounds=x$a",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (sc_hash_is_taken(bad[i]))
			fail_msg("taken: %s", bad[i]);
	for (size_t i = 0; i < COUNT_OF(broken); i++)
		assert_false(sc_password_matches("", broken[i]));
}

/* Each dearer than the one before it. */
static void dearer_hashes_are_known_by_their_text(void **state)
{
	static const char *const rows[] = {
		"$1$x",
		"$5$rounds=1000$x",
		"$5$x",
		"$6$rounds=6000$x",
		"$y$j75$x",
		"$2b$06$x",
		"$2y$08$x",
		"$y$j9T$x",
		"$y$jAT$x",
		"$2a$10$x",
		"$6$rounds=900000$x",
		"$2b$12$x",
		"$5$rounds=999999999$x",
		"$2b$31$x",
	};
	static const char *const same[][2] = {
		{ "$5$x", "$6$rounds=5000$x" },
		{ "$5$rounds=1$x", "$5$rounds=1000$x" },
		{ "$5$rounds=999999999999$x", "$5$rounds=999999999$x" },
		{ "", "$apr1$x" },
	};

	(void)state;
	for (size_t i = 1; i < COUNT_OF(rows); i++)
		if (sc_hash_cost(rows[i - 1]) >= sc_hash_cost(rows[i]))
			fail_msg("%s is not dearer than %s", rows[i], rows[i - 1]);
	for (size_t i = 0; i < COUNT_OF(same); i++)
		assert_int_equal(sc_hash_cost(same[i][0]), sc_hash_cost(same[i][1]));
	for (const char *cut = "$y$"; *cut; cut++)
		assert_in_range(sc_hash_cost(cut), 0, 1);
}

#define DEAR "$6$rounds=1000000$saltsalt$"

static int64_t time_of(const struct sc_htpasswd *h, const char *user)
{
	int64_t begun = sc_mono_us();

	assert_false(sc_htpasswd_matches(h, user, "x"));
	return sc_mono_us() - begun;
}

/* By far: what it takes is a thousand times what the first line's takes. */
static void an_unknown_user_takes_as_long_as_the_dearest(void **state)
{
	struct sc_htpasswd *h = sc_htpasswd_new(file);
	struct sc_err err;

	(void)state;
	write_users("cheap:" SHA_FAST "\ndear:" DEAR "x\nlast:" SHA_FAST "\n");
	assert_int_equal(sc_htpasswd_refresh(h, &err), SC_OK);
	assert_true(time_of(h, "nobody") > time_of(h, "dear") / 20);
	sc_htpasswd_free(h);
}

static void nobody_is_known_unless_configured(void **state)
{
	static const char *const none[] = { NULL, "" };
	char user[SC_USER_MAX + 1] = "x";
	struct sc_err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(none); i++) {
		struct sc_access *a = open_access(none[i], false);

		assert_false(sc_access_knows_anybody(a));
		assert_int_equal(ask(a, check_basic("a:b"), "root", user, &err), SC_OK);
		assert_string_equal(user, "");
		sc_access_free(a);
	}
}

static void users_of_the_file_manage(void **state)
{
	struct sc_access *a = open_access(file, false);
	char user[SC_USER_MAX + 1];
	struct sc_err err;

	(void)state;
	write_users("# users\n\nanna:" SHA512 "\nb\xc3\xa9:" BCRYPT "\r\nlast:" SHA256);
	assert_int_equal(ask(a, check_basic("anna:" SHA_WORD), "", user, &err), SC_OK);
	assert_string_equal(user, "anna");
	assert_int_equal(ask(a, check_basic("b\xc3\xa9:" BCRYPT_PW), "", user, &err),
			 SC_OK);
	assert_string_equal(user, "b\xc3\xa9");
	assert_int_equal(try(a, "last:" SHA_WORD), SC_OK);
	assert_int_equal(ask(a, check_basic("anna:" BCRYPT_PW), "", user, &err),
			 SC_STRANGER);
	assert_string_equal(user, "");
	assert_null(strstr(err.text, "anna"));
	assert_null(strstr(err.text, BCRYPT_PW));
	assert_int_equal(try(a, "ann:" SHA_WORD), SC_STRANGER);
	assert_int_equal(try(a, "Anna:" SHA_WORD), SC_STRANGER);
	assert_int_equal(try(a, "# users:" SHA_WORD), SC_STRANGER);
	assert_int_equal(ask(a, NULL, "", user, &err), SC_STRANGER);
	assert_int_equal(ask(a, "Bearer x", "", user, &err), SC_STRANGER);
	/* Not trusted. */
	assert_int_equal(ask(a, NULL, "anna", user, &err), SC_STRANGER);
	sc_access_free(a);
}

static void the_web_servers_user_counts_if_trusted(void **state)
{
	struct sc_access *alone = open_access(NULL, true);
	struct sc_access *both = open_access(file, true);
	char user[SC_USER_MAX + 1];
	char name[SC_USER_MAX + 2];
	struct sc_err err;

	(void)state;
	write_users("anna:" SHA512 "\n");
	assert_int_equal(ask(alone, NULL, "carla", user, &err), SC_OK);
	assert_string_equal(user, "carla");
	assert_int_equal(ask(alone, check_basic("anna:" SHA_WORD), "", user, &err),
			 SC_STRANGER);
	assert_int_equal(ask(both, check_basic("anna:" SHA_WORD), "", user, &err), SC_OK);
	assert_int_equal(ask(both, check_basic("anna:x"), "carla", user, &err), SC_OK);
	assert_string_equal(user, "carla");
	memset(name, 'x', sizeof(name));
	name[SC_USER_MAX + 1] = '\0';
	assert_int_equal(ask(alone, NULL, name, user, &err), SC_STRANGER);
	name[SC_USER_MAX] = '\0';
	assert_int_equal(ask(alone, NULL, name, user, &err), SC_OK);
	/* Nor are the credentials looked at then. */
	assert_int_equal(ask(both, check_basic("anna:" SHA_WORD), "a\nb", user, &err),
			 SC_STRANGER);
	sc_access_free(alone);
	sc_access_free(both);
}

/* An empty one is nobody; these are somebody, but not by any name. */
static void the_web_servers_user_has_a_name(void **state)
{
	static const char *const bad[] = { " ",	  "   ",      "\t",	   "a\tb", "\x7f",
					   "a\n", "\xc2\x85", "x\xc2\x9b", "\xff" };
	static const char *const good[] = { "a b", "\xc3\xa9", "\xc2\xa1",
					    "\xe2\x82\x85" };
	struct sc_access *a = open_access(file, true);
	char user[SC_USER_MAX + 1];
	struct sc_err err;

	(void)state;
	write_users("anna:" SHA512 "\n");
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (ask(a, check_basic("anna:" SHA_WORD), bad[i], user, &err) !=
		    SC_STRANGER)
			fail_msg("taken: name %zu", i);
		assert_string_equal(user, "");
	}
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		assert_int_equal(ask(a, NULL, good[i], user, &err), SC_OK);
		assert_string_equal(user, good[i]);
	}
	sc_access_free(a);
}

/* As "htpasswd" writes it, and as editors do: in place, of the same size, at once, or as
 * another file with the times of the one before. */
static void the_file_is_read_again(void **state)
{
	struct sc_access *a = open_access(file, false);
	char *other = check_path(dir, "other");
	struct timespec times[2] = { { 1000000000, 0 }, { 1000000000, 0 } };

	(void)state;
	/* Quickly: several times within one tick of the files' clock. */
	for (int i = 0; i < 20; i++) {
		write_users("anna:" SHA_FAST "\n");
		assert_int_equal(try(a, "anna:" FAST_WORD), SC_OK);
		write_users("otto:" SHA_FAST "\n");
		assert_int_equal(try(a, "otto:" FAST_WORD), SC_OK);
	}
	write_users("anna:" SHA256 "\n");
	assert_int_equal(utimensat(AT_FDCWD, file, times, 0), 0);
	assert_int_equal(try(a, "anna:" SHA_WORD), SC_OK);
	check_write(other, "otto:" SHA256 "\n", strlen("otto:" SHA256 "\n"));
	assert_int_equal(utimensat(AT_FDCWD, other, times, 0), 0);
	assert_int_equal(rename(other, file), 0);
	assert_int_equal(try(a, "anna:" SHA_WORD), SC_STRANGER);
	assert_int_equal(try(a, "otto:" SHA_WORD), SC_OK);
	free(other);
	sc_access_free(a);
}

static bool is_current(struct stat now)
{
	struct stat st = { .st_dev = 1, .st_ino = 2, .st_size = 3 };

	st.st_mtim = (struct timespec){ 100, 5 };
	st.st_ctim = (struct timespec){ 200, 6 };
	return sc_reread_is_current(&st, 203 * SC_US_PER_S, &now);
}

static void a_file_is_known_by_its_status(void **state)
{
	struct stat st = { .st_dev = 1, .st_ino = 2, .st_size = 3, .st_atim = { 9, 9 } };
	struct stat other[7];

	(void)state;
	st.st_mtim = (struct timespec){ 100, 5 };
	st.st_ctim = (struct timespec){ 200, 6 };
	assert_true(is_current(st));
	for (size_t i = 0; i < COUNT_OF(other); i++)
		other[i] = st;
	other[0].st_dev++;
	other[1].st_ino++;
	other[2].st_size++;
	other[3].st_mtim.tv_sec++;
	other[4].st_mtim.tv_nsec++;
	other[5].st_ctim.tv_sec++;
	other[6].st_ctim.tv_nsec++;
	for (size_t i = 0; i < COUNT_OF(other); i++)
		if (is_current(other[i]))
			fail_msg("change %zu is not seen", i);
	/* Read so soon after a change that another one may bear the same time. */
	assert_false(sc_reread_is_current(&st, 202 * SC_US_PER_S, &st));
	st.st_mtim.tv_sec = 203;
	assert_false(sc_reread_is_current(&st, 203 * SC_US_PER_S, &st));
}

static void a_file_is_quiet_when_its_writer_is_done(void **state)
{
	static const struct {
		int64_t age_us;
		bool quiet;
	} rows[] = {
		{ 0, false },
		{ 1, false },
		{ 9999, false },
		{ 10000, true },
		{ -1, true },
		{ 1000 * SC_US_PER_S, true },
		{ -1000 * SC_US_PER_S, true },
	};
	struct stat st = { .st_ctim = { 5000, 7000 }, .st_mtim = { 1, 1 } };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (sc_reread_is_quiet(&st, 5000 * SC_US_PER_S + 7 + rows[i].age_us) !=
		    rows[i].quiet)
			fail_msg("row %zu", i);
}

/* It may be written still: nothing is said of it before it is quiet. */
static void a_file_that_just_changed_is_waited_for(void **state)
{
	struct sc_access *a = open_access(file, false);

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct stat st;

		write_users(i % 2 ? "" : "anna:" SHA_FAST "\n");
		assert_int_equal(stat(file, &st), 0);
		SC_IGNORE(try(a, "anna:" FAST_WORD));
		assert_true(sc_reread_is_quiet(&st, sc_wall_us()));
	}
	sc_access_free(a);
}

/* Nobody may while it is away, not even those of before; then they may again. */
static void a_file_that_is_away_admits_nobody(void **state)
{
	struct sc_access *a = open_access(file, false);
	char user[SC_USER_MAX + 1];
	struct sc_err err;

	(void)state;
	assert_int_equal(sc_log_open(log_file, SC_LOG_INFO, &err), SC_OK);
	write_users("anna:" SHA512 "\n");
	assert_int_equal(try(a, "anna:" SHA_WORD), SC_OK);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(ask(a, check_basic("anna:" SHA_WORD), "", user, &err),
			 SC_UNAVAILABLE);
	/* Why is not for clients, and told once in a while only. */
	assert_string_equal(err.text, "users cannot be checked now");
	assert_int_equal(try(a, "anna:" SHA_WORD), SC_UNAVAILABLE);
	assert_int_equal(logged("access: users cannot be checked: "
				"access.htpasswd_file: No such file"),
			 1);
	assert_int_equal(logged(dir), 0);
	assert_int_equal(sc_log_open("stderr", SC_LOG_INFO, &err), SC_OK);
	assert_string_equal(user, "");
	/* Who sends no credentials has none that could be right. */
	assert_int_equal(ask(a, NULL, "", user, &err), SC_STRANGER);
	write_users("anna:" SHA512 "\n");
	assert_int_equal(try(a, "anna:" SHA_WORD), SC_OK);
	sc_access_free(a);
}

static void the_first_of_two_lines_counts(void **state)
{
	struct sc_access *a = open_access(file, false);

	(void)state;
	write_users("anna:" SHA512 "\nanna:" BCRYPT "\n");
	assert_int_equal(try(a, "anna:" SHA_WORD), SC_OK);
	assert_int_equal(try(a, "anna:" BCRYPT_PW), SC_STRANGER);
	sc_access_free(a);
}

static void unused_lines_are_told_once(void **state)
{
	struct sc_access *a = open_access(file, false);
	const char *text = "anna:" SHA512 "\n"
			   "des:" DES "\n"
			   "md5:" MD5_APACHE "\n"
			   "plain:SECRET\n"
			   ":" SHA512 "\n"
			   "nocolon\n"
			   "otto:" SHA512 ":0:0\n"
			   "a\tb:" SHA512 "\n"
			   " \n";
	struct sc_err err;

	(void)state;
	assert_int_equal(sc_log_open(log_file, SC_LOG_INFO, &err), SC_OK);
	write_users(text);
	for (int i = 0; i < 3; i++)
		assert_int_equal(try(a, "anna:" SHA_WORD), SC_OK);
	assert_int_equal(try(a, "des:x"), SC_STRANGER);
	assert_int_equal(try(a, "md5:myPassword"), SC_STRANGER);
	assert_int_equal(try(a, "plain:SECRET"), SC_STRANGER);
	assert_int_equal(try(a, "otto:" SHA_WORD), SC_STRANGER);
	assert_int_equal(logged("not used"), 1);
	assert_int_equal(logged("not used: line 2, 3, 4, 5, 6, 7, 8, 9; wanted"), 1);
	assert_int_equal(logged("SECRET") + logged("$apr1$") + logged(DES), 0);
	assert_int_equal(sc_log_open("stderr", SC_LOG_INFO, &err), SC_OK);
	sc_access_free(a);
}

static void hostile_files_cost_nothing_else(void **state)
{
	struct sc_access *a = open_access(file, false);
	SC_AUTO_BUF text = SC_BUF_INIT;
	struct sc_err err;

	(void)state;
	assert_int_equal(sc_log_open(log_file, SC_LOG_INFO, &err), SC_OK);
	/* Bytes of every value, a NUL where it would cut a line, a line of 100 kB. */
	for (int i = 0; i < 4096; i++)
		sc_buf_append(&text, &(char){ (char)(i * 7) }, 1);
	sc_buf_append(&text, "\nanna:" SHA512 "\0\n",
		      sizeof("\nanna:" SHA512 "\0\n") - 1);
	for (int i = 0; i < 100000; i++)
		sc_buf_str(&text, "x");
	sc_buf_str(&text, ":" SHA512 "\notto:" SHA512);
	check_write(file, text.data, text.len);
	assert_int_equal(try(a, "anna:" SHA_WORD), SC_STRANGER);
	assert_int_equal(try(a, "otto:" SHA_WORD), SC_OK);
	assert_int_equal(logged(" and "), 1);
	write_users("");
	assert_int_equal(try(a, "otto:" SHA_WORD), SC_STRANGER);
	write_users("\n\n#\n\r\n");
	assert_int_equal(try(a, "otto:" SHA_WORD), SC_STRANGER);
	assert_int_equal(sc_log_open("stderr", SC_LOG_INFO, &err), SC_OK);
	sc_access_free(a);
}

static enum sc_status check_options(const char *path, struct sc_err *err)
{
	return sc_access_options_check(
		&(struct sc_access_options){ .htpasswd_file = path }, err);
}

static void options_are_checked(void **state)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	char *fifo = check_path(dir, "fifo");
	struct sc_err err;

	(void)state;
	assert_int_equal(check_options(NULL, &err), SC_OK);
	assert_int_equal(check_options("", &err), SC_OK);
	write_users("anna:" SHA512 "\n");
	assert_int_equal(check_options(file, &err), SC_OK);
	assert_int_equal(check_options("/nowhere/at/all", &err), SC_UNAVAILABLE);
	assert_int_equal(strncmp(err.text, "access.htpasswd_file: ", 22), 0);
	assert_int_equal(check_options(dir, &err), SC_INVALID);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(check_options(fifo, &err), SC_INVALID);
	while (text.len < 1 << 20)
		sc_buf_str(&text, "#\n");
	check_write(file, text.data, text.len);
	assert_int_equal(check_options(file, &err), SC_OK);
	sc_buf_str(&text, "#");
	check_write(file, text.data, text.len);
	assert_int_equal(check_options(file, &err), SC_INVALID);
	free(fifo);
}

static double cpu_seconds(struct sc_access *a, const char *user)
{
	struct timespec from, to;
	char pair[64];

	start_afresh();
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (int i = 0; i < 10; i++) {
		(void)snprintf(pair, sizeof(pair), "%s:wrong %d", user, i);
		assert_int_equal(try(a, pair), SC_STRANGER);
	}
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	return (double)(to.tv_sec - from.tv_sec) +
	       (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

/* Hashing takes milliseconds, everything else microseconds: half is far from both. */
static void an_unknown_user_takes_as_long(void **state)
{
	struct sc_access *a = open_access(file, false);
	double known = 0, unknown = 0;

	(void)state;
	write_users("anna:" BCRYPT "\n");
	known = cpu_seconds(a, "anna");
	unknown = cpu_seconds(a, "nobody");
	if (unknown < known / 2 || known < unknown / 2)
		fail_msg("known %.6f s, unknown %.6f s", known, unknown);
	sc_access_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_of_published_vectors),
		cmocka_unit_test(yescrypt_is_taken),
		cmocka_unit_test(other_hashes_are_not_taken),
		cmocka_unit_test(nobody_is_known_unless_configured),
		WITH_FILE(users_of_the_file_manage),
		WITH_FILE(the_web_servers_user_counts_if_trusted),
		WITH_FILE(the_web_servers_user_has_a_name),
		WITH_FILE(the_file_is_read_again),
		cmocka_unit_test(a_file_is_known_by_its_status),
		cmocka_unit_test(a_file_is_quiet_when_its_writer_is_done),
		WITH_FILE(a_file_that_just_changed_is_waited_for),
		cmocka_unit_test(dearer_hashes_are_known_by_their_text),
		WITH_FILE(an_unknown_user_takes_as_long_as_the_dearest),
		WITH_FILE(a_file_that_is_away_admits_nobody),
		WITH_FILE(the_first_of_two_lines_counts),
		WITH_FILE(unused_lines_are_told_once),
		WITH_FILE(hostile_files_cost_nothing_else),
		WITH_FILE(options_are_checked),
		WITH_FILE(an_unknown_user_takes_as_long),
	};

	return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}

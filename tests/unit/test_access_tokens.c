/* SPDX-License-Identifier: MIT */
/*
 * src/access: the file of tokens, good and bad, changed by several at once; requests that
 * send a token.
 */
#include "tests/lib/access_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "slidecache/metrics.h"
#include "slidecache/tokens.h"
#include "tests/lib/child.h"

#define SETTLED_US (7 * SC_US_PER_S / 2)
#define ZEROS	   "0000000000000000000000000000000"
#define HASH(c)	   "\"blake2b-256:" ZEROS ZEROS "0" c "\""
#define REST                                                                             \
	"\"rights\": [\"read\"], \"created\": \"2026-01-02T03:04:05Z\", \"expires\": "   \
	"null"
#define FIRST	"{\"name\": \"a\", \"hash\": " HASH("1") ", " REST "}"
#define WITH(k) "{\"tokens\": [{\"name\": \"a\", \"hash\": " HASH("1") ", " k "}]}"
#define DATES(created, expires)                                                          \
	WITH("\"rights\": [\"read\"], \"created\": " created ", \"expires\": " expires)

static enum sc_status parse(const char *text, struct sc_tokens *out, struct sc_err *err)
{
	return sc_tokens_parse(sc_bytes_str(text), out, err);
}

static void good_files(void **state)
{
	static const struct {
		const char *text;
		size_t n;
	} rows[] = {
		{ "", 0 },
		{ " \n\t\r\n", 0 },
		{ "{\"tokens\": []}", 0 },
		{ "{\"tokens\": [" FIRST "]}", 1 },
		{ "{\"tokens\": [" FIRST ", {\"name\": \"b\", \"hash\": " HASH(
			  "2") ", " REST ", \"created_by\": \"x\"}]}",
		  2 },
		{ DATES("\"2026-01-02T03:04:05.1Z\"", "\"2028-02-29T23:59:59.999999Z\""),
		  1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		SC_AUTO_TOKENS t = SC_TOKENS_INIT;
		struct sc_err err;

		if (parse(rows[i].text, &t, &err) != SC_OK)
			fail_msg("%s: %s", rows[i].text, err.text);
		assert_int_equal(t.n, rows[i].n);
	}
}

static void bad_files_say_where(void **state)
{
	static const struct {
		const char *text, *said;
	} rows[] = {
		{ "x", "line 1, column 1: " },
		{ "{\"tokens\": [\n" FIRST "\n", "line 3, column 0: " },
		{ "[]", "must be an object" },
		{ "{}", "tokens: must be a list" },
		{ "{\"tokens\": {}}", "tokens: must be a list" },
		{ "{\"tokens\": [], \"more\": 1}", "more: is unknown" },
		{ "{\"tokens\": [], \"tokens\": []}", "duplicate object key" },
		{ "{\"tokens\": [" FIRST ", 7]}", "tokens[1]: must be an object" },
		{ "{\"tokens\": [{}]}", "tokens[0].name: is missing" },
		{ "{\"tokens\": [{\"name\": \"a\"}]}", "tokens[0].hash: is missing" },
		{ WITH("\"created\": \"2026-01-02T03:04:05Z\""),
		  "tokens[0].rights: is missing" },
		{ WITH("\"rights\": [\"read\"], \"expires\": null"),
		  "tokens[0].created: is missing" },
		{ WITH("\"rights\": [\"read\"], \"created\": \"2026-01-02T03:04:05Z\""),
		  "tokens[0].expires: is missing" },
		{ WITH(REST ", \"note\": \"\""), "tokens[0].note: is unknown" },
		{ WITH(REST ", \"name\": \"b\""), "duplicate object key" },
		{ WITH(REST ", \"created_by\": 7"), "tokens[0].created_by: must be" },
		{ "{\"tokens\": [{\"name\": \"\"}]}", "tokens[0].name: must be" },
		{ "{\"tokens\": [{\"name\": \" \"}]}", "tokens[0].name: must be" },
		{ "{\"tokens\": [{\"name\": \"a\\nb\"}]}", "tokens[0].name: must be" },
		{ "{\"tokens\": [{\"name\": 7}]}", "tokens[0].name: must be" },
		{ "{\"tokens\": [{\"hash\": 7}]}", "tokens[0].hash: must be" },
		{ "{\"tokens\": [{\"hash\": \"" ZEROS ZEROS "00\"}]}",
		  "tokens[0].hash: must be" },
		{ "{\"tokens\": [{\"hash\": \"blake2b-256:" ZEROS ZEROS "0\"}]}",
		  "tokens[0].hash: must be" },
		{ "{\"tokens\": [{\"hash\": \"blake2b-256:" ZEROS ZEROS "0A\"}]}",
		  "tokens[0].hash: must be" },
		{ "{\"tokens\": [{\"hash\": \"sha2562-256:" ZEROS ZEROS "00\"}]}",
		  "tokens[0].hash: must be" },
		{ WITH("\"rights\": []"), "tokens[0].rights: must be" },
		{ WITH("\"rights\": \"read\""), "tokens[0].rights: must be" },
		{ WITH("\"rights\": [\"write\"]"), "tokens[0].rights: must be" },
		{ WITH("\"rights\": [\"read\", \"read\"]"), "tokens[0].rights: must be" },
		{ WITH("\"rights\": [7]"), "tokens[0].rights: must be" },
		{ DATES("null", "null"), "tokens[0].created: must be" },
		{ DATES("\"2026-01-02\"", "null"), "tokens[0].created: must be" },
		{ DATES("\"2026-01-02T03:04:05Z\"", "\"\""), "tokens[0].expires: must" },
		{ DATES("\"2026-01-02T03:04:05Z\"", "7"), "tokens[0].expires: must be" },
		{ DATES("\"2026-01-02T03:04:05\"", "null"),
		  "tokens[0].created: must be" },
		{ DATES("\"2026-01-02T03:04:05.Z\"", "null"), "tokens[0].created: must" },
		{ DATES("\"2026-01-02T03:04:05+01:00\"", "null"),
		  "tokens[0].created: must be" },
		{ DATES("\"2026-02-29T03:04:05Z\"", "null"), "tokens[0].created: must" },
		{ DATES("\"2026-1-2T03:04:05Z\"", "null"), "tokens[0].created: must be" },
		{ DATES("\" 2026-01-02T03:04:05Z\"", "null"), "tokens[0].created: must" },
		{ DATES("\"2026-01-02T03:04:60Z\"", "null"), "tokens[0].created: must" },
		{ "{\"tokens\": [" FIRST
		  ", {\"name\": \"a\", \"hash\": " HASH("2") ", " REST "}]}",
		  "name: another token has the same" },
		{ "{\"tokens\": [" FIRST
		  ", {\"name\": \"b\", \"hash\": " HASH("1") ", " REST "}]}",
		  "hash: another token has the same" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		SC_AUTO_TOKENS t = SC_TOKENS_INIT;
		struct sc_err err = { SC_OK, "" };

		if (parse(rows[i].text, &t, &err) != SC_INVALID ||
		    !strstr(err.text, rows[i].said))
			fail_msg("%s: %s", rows[i].text, err.text);
		assert_null(strstr(err.text, ZEROS));
	}
}

static void what_is_printed_is_read(void **state)
{
	SC_AUTO_TOKENS t = SC_TOKENS_INIT, again = SC_TOKENS_INIT;
	SC_AUTO_BUF text = SC_BUF_INIT, twice = SC_BUF_INIT;
	struct sc_err err;

	(void)state;
	t.n = 8;
	t.items = sc_alloc_array(t.n, sizeof(*t.items));
	for (size_t i = 0; i < t.n; i++) {
		struct sc_token *one = &t.items[i];

		(void)snprintf(one->name, sizeof(one->name), "\"\\\xc3\xa9 %zu", i);
		memset(one->hash, (int)(17 * i), sizeof(one->hash));
		one->rights = (unsigned)(i % 7 + 1);
		one->created_us = (int64_t)(i + 1) * 86400 * 365 * SC_US_PER_S;
		one->expires_us = i % 2 ? one->created_us * 2 : 0;
		(void)snprintf(one->created_by, sizeof(one->created_by), "ctl (%zu)", i);
	}
	sc_tokens_print(&t, &text);
	assert_int_equal(sc_tokens_parse(sc_buf_bytes(&text), &again, &err), SC_OK);
	assert_int_equal(again.n, t.n);
	assert_memory_equal(again.items, t.items, t.n * sizeof(*t.items));
	sc_tokens_print(&again, &twice);
	assert_string_equal((char *)text.data, (char *)twice.data);
}

/* ----- changes of the file ----- */

static enum sc_status add(const char *name, unsigned rights, int64_t expires_us,
			  char text[SC_TOKEN_TEXT_LEN], struct sc_err *err)
{
	struct sc_token want = { .rights = rights, .expires_us = expires_us };

	(void)snprintf(want.name, sizeof(want.name), "%s", name);
	return sc_tokens_add(file, &want, (gid_t)-1, text, err);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void tokens_come_and_go(void **state)
{
	char one[SC_TOKEN_TEXT_LEN], two[SC_TOKEN_TEXT_LEN];
	unsigned char hash[SC_HASH256_LEN];
	SC_AUTO_TOKENS t = SC_TOKENS_INIT;
	struct sc_err err;

	(void)state;
	assert_int_equal(sc_tokens_load(file, &t, &err), SC_OK);
	assert_int_equal(t.n, 0);
	assert_int_equal(add("one", SC_RIGHT_READ, 0, one, &err), SC_OK);
	assert_int_equal(mode_of(file), 0600);
	assert_int_equal(
		add("two", SC_RIGHT_MANAGE | SC_RIGHT_LABEL, 5 * SC_US_PER_S, two, &err),
		SC_OK);
	assert_int_equal(strlen(one), SC_TOKEN_TEXT_LEN - 1);
	assert_int_equal(SC_TOKEN_TEXT_LEN - 1, 46);
	assert_int_equal(strncmp(one, "sc_", 3), 0);
	assert_int_equal(strspn(one + 3, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
					 "uvwxyz0123456789-_"),
			 43);
	assert_string_not_equal(one, two);
	assert_int_equal(sc_tokens_load(file, &t, &err), SC_OK);
	assert_int_equal(t.n, 2);
	sc_token_hash(two, hash);
	assert_memory_equal(t.items[1].hash, hash, sizeof(hash));
	assert_int_equal(t.items[1].rights, SC_RIGHT_MANAGE | SC_RIGHT_LABEL);
	assert_false(sc_token_expired(&t.items[0], INT64_MAX));
	assert_false(sc_token_expired(&t.items[1], 5 * SC_US_PER_S - 1));
	assert_true(sc_token_expired(&t.items[1], 5 * SC_US_PER_S));
	assert_int_equal(add("one", SC_RIGHT_READ, 0, one, &err), SC_EXISTS);
	assert_int_equal(add("", SC_RIGHT_READ, 0, one, &err), SC_INVALID);
	assert_int_equal(add("three", 0, 0, one, &err), SC_INVALID);
	assert_int_equal(sc_tokens_revoke(file, "three", &err), SC_NOT_FOUND);
	assert_int_equal(sc_tokens_revoke(file, "one", &err), SC_OK);
	sc_tokens_release(&t);
	assert_int_equal(sc_tokens_load(file, &t, &err), SC_OK);
	assert_int_equal(t.n, 1);
	assert_non_null(sc_tokens_named(&t, "two"));
	assert_null(sc_tokens_named(&t, "one"));
}

/* Others never get more than to read it. */
static void the_mode_stays(void **state)
{
	static const struct {
		mode_t before, after;
	} rows[] = { { 0600, 0600 }, { 0640, 0640 }, { 0664, 0640 }, { 0644, 0640 } };
	char *link = check_path(dir, "link");
	char text[SC_TOKEN_TEXT_LEN];
	struct sc_err err;
	struct stat st;

	(void)state;
	check_write(file, "", 0);
	assert_int_equal(symlink(file, link), 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "t%zu", i);
		assert_int_equal(chmod(file, rows[i].before), 0);
		assert_int_equal(add(name, SC_RIGHT_READ, 0, text, &err), SC_OK);
		assert_int_equal(mode_of(file), rows[i].after);
	}
	/* What a link leads to changes; the link stays. */
	assert_int_equal(sc_tokens_revoke(link, "t0", &err), SC_OK);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(sc_tokens_revoke(file, "t0", &err), SC_NOT_FOUND);
	free(link);
}

static void a_bad_file_stays_as_it_is(void **state)
{
	char text[SC_TOKEN_TEXT_LEN] = "none";
	SC_AUTO_TOKENS t = SC_TOKENS_INIT;
	struct sc_err err;

	(void)state;
	check_write(file, "{\"tokens\": 7}", 13);
	assert_int_equal(sc_tokens_load(file, &t, &err), SC_DAMAGED);
	assert_string_equal(err.text, "access.tokens_file: tokens: must be a list");
	assert_int_equal(add("one", SC_RIGHT_READ, 0, text, &err), SC_DAMAGED);
	assert_string_equal(text, "none");
	assert_int_equal(sc_tokens_load(dir, &t, &err), SC_DAMAGED);
	assert_int_equal(sc_tokens_load("/nowhere/at/all", &t, &err), SC_OK);
}

#define ADDERS 4
#define EACH   10

static bool add_some(void *arg)
{
	unsigned number = *(unsigned *)arg;
	char text[SC_TOKEN_TEXT_LEN];
	struct sc_err err;

	for (unsigned i = 0; i < EACH; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "t%u", number * EACH + i);
		if (add(name, SC_RIGHT_READ, 0, text, &err) != SC_OK)
			return false;
	}
	return true;
}

static void several_add_at_once(void **state)
{
	SC_AUTO_TOKENS t = SC_TOKENS_INIT;
	unsigned numbers[ADDERS];
	pid_t pids[ADDERS];
	struct sc_err err;

	(void)state;
	for (unsigned i = 0; i < ADDERS; i++) {
		numbers[i] = i;
		pids[i] = child_start(add_some, &numbers[i]);
	}
	for (unsigned i = 0; i < ADDERS; i++)
		assert_true(child_ok(pids[i]));
	assert_int_equal(sc_tokens_load(file, &t, &err), SC_OK);
	assert_int_equal(t.n, ADDERS * EACH);
}

/* ----- requests ----- */

static struct sc_access *open_tokens(void)
{
	return sc_access_new(&(struct sc_access_options){ .tokens_file = file });
}

static enum sc_status send(struct sc_access *a, const char *scheme, const char *text,
			   struct sc_caller *out, struct sc_err *err)
{
	char header[1024];
	const struct sc_credentials who = { header, "", "192.0.2.1" };

	(void)snprintf(header, sizeof(header), "%s%s", scheme, text);
	return sc_access_identify(a, &who, out, err);
}

static void a_token_says_who_asks(void **state)
{
	struct sc_access *a = open_tokens();
	char text[SC_TOKEN_TEXT_LEN], other[SC_TOKEN_TEXT_LEN];
	struct sc_caller caller;
	struct sc_err err;

	(void)state;
	assert_true(sc_access_knows_anybody(a));
	assert_true(sc_access_takes_tokens(a));
	assert_false(sc_access_takes_passwords(a));
	assert_int_equal(add("nightly", SC_RIGHT_MANAGE, 0, text, &err), SC_OK);
	for (int i = 0; i < 3; i++) {
		static const char *const schemes[] = { "Bearer ", "bearer ",
						       "BEARER   " };

		assert_int_equal(send(a, schemes[i], text, &caller, &err), SC_OK);
		assert_int_equal(caller.kind, SC_CALLER_TOKEN);
		assert_string_equal(caller.name, "nightly");
		assert_int_equal(caller.rights, SC_RIGHT_MANAGE);
	}
	/* Schemes that are not set up. */
	assert_int_equal(send(a, "Basic ", text, &caller, &err), SC_OK);
	assert_int_equal(caller.kind, SC_CALLER_STRANGER);
	assert_int_equal(send(a, "Bearertoken ", text, &caller, &err), SC_OK);
	assert_int_equal(caller.kind, SC_CALLER_STRANGER);
	/* Added and revoked while we have it open. */
	assert_int_equal(add("two", SC_RIGHT_READ, 0, other, &err), SC_OK);
	assert_int_equal(send(a, "Bearer ", other, &caller, &err), SC_OK);
	assert_int_equal(sc_tokens_revoke(file, "nightly", &err), SC_OK);
	assert_int_equal(send(a, "Bearer ", text, &caller, &err), SC_STRANGER);
	assert_int_equal(caller.kind, SC_CALLER_STRANGER);
	assert_string_equal(err.text, "the token is wrong");
	sc_access_free(a);
}

static void wrong_tokens_are_counted(void **state)
{
	static const char *const wrong[] = {
		"Bearer ", "Bearer s", "Bearer sc_", "Bearer x", "Bearer sc_\xff",
	};
	struct sc_access *a = open_tokens();
	char text[SC_TOKEN_TEXT_LEN], near[SC_TOKEN_TEXT_LEN + 1], old[SC_TOKEN_TEXT_LEN];
	struct sc_caller caller;
	struct sc_err err;

	(void)state;
	assert_int_equal(add("one", SC_RIGHTS_ALL, 0, text, &err), SC_OK);
	assert_int_equal(add("old", SC_RIGHTS_ALL, SC_US_PER_S, old, &err), SC_OK);
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		assert_int_equal(send(a, wrong[i], "", &caller, &err), SC_STRANGER);
	/* All but the last character; one more; another one first and last. */
	(void)snprintf(near, sizeof(near), "%.*s", (int)sizeof(text) - 2, text);
	assert_int_equal(send(a, "Bearer ", near, &caller, &err), SC_STRANGER);
	(void)snprintf(near, sizeof(near), "%sx", text);
	assert_int_equal(send(a, "Bearer ", near, &caller, &err), SC_STRANGER);
	for (size_t at = 3; at < 46; at += 42) {
		memcpy(near, text, sizeof(text));
		near[at] = near[at] == 'x' ? 'y' : 'x';
		assert_int_equal(send(a, "Bearer ", near, &caller, &err), SC_STRANGER);
	}
	/* Who has an expired one did not guess. */
	for (int i = 0; i < 20; i++) {
		assert_int_equal(send(a, "Bearer ", old, &caller, &err), SC_STRANGER);
		assert_string_equal(err.text, "the token has expired");
	}
	/* Nor who sends the same one again. */
	for (size_t i = 0; i < 4 * COUNT_OF(wrong); i++)
		assert_int_equal(send(a, wrong[i % COUNT_OF(wrong)], "", &caller, &err),
				 SC_STRANGER);
	assert_int_equal(send(a, "Bearer ", "y", &caller, &err), SC_STRANGER);
	assert_int_equal(send(a, "Bearer ", "z", &caller, &err), SC_THROTTLED);
	assert_int_equal(send(a, "Bearer ", "z", &caller, &err), SC_THROTTLED);
	assert_int_equal(send(a, "Bearer ", "y", &caller, &err), SC_STRANGER);
	assert_int_equal(send(a, "Bearer ", text, &caller, &err), SC_OK);
	assert_int_equal(send(a, "Bearer ", old, &caller, &err), SC_STRANGER);
	sc_access_free(a);
}

static void a_bad_file_admits_no_token(void **state)
{
	struct sc_access *a = open_tokens();
	char text[SC_TOKEN_TEXT_LEN];
	SC_AUTO_BUF good = SC_BUF_INIT;
	SC_AUTO_TOKENS t = SC_TOKENS_INIT;
	struct sc_caller caller;
	struct sc_err err;

	(void)state;
	assert_int_equal(add("one", SC_RIGHTS_ALL, 0, text, &err), SC_OK);
	assert_int_equal(sc_tokens_load(file, &t, &err), SC_OK);
	sc_tokens_print(&t, &good);
	assert_int_equal(send(a, "Bearer ", text, &caller, &err), SC_OK);
	for (int i = 0; i < 2; i++) {
		check_write(file, "{\"tokens\": 7}", 13);
		assert_int_equal(send(a, "Bearer ", text, &caller, &err), SC_UNAVAILABLE);
		assert_int_equal(send(a, "Bearer ", text, &caller, &err), SC_UNAVAILABLE);
		assert_string_equal(err.text, "tokens cannot be checked now");
		check_write(file, good.data, good.len);
		assert_int_equal(send(a, "Bearer ", text, &caller, &err), SC_OK);
	}
	assert_int_equal(unlink(file), 0);
	assert_int_equal(send(a, "Bearer ", text, &caller, &err), SC_UNAVAILABLE);
	assert_null(strstr(err.text, dir));
	/* Nor when it has been the same for so long that it is not read each time. */
	check_write(file, "{", 1);
	for (int64_t end = sc_mono_us() + SETTLED_US; sc_mono_us() < end;) {
		assert_int_equal(send(a, "Bearer ", text, &caller, &err), SC_UNAVAILABLE);
		sc_sleep_us(20000);
	}
	sc_access_free(a);
}

static enum sc_status check(const char *users, const char *tokens, struct sc_err *err)
{
	return sc_access_options_check(
		&(struct sc_access_options){ .htpasswd_file = users,
					     .tokens_file = tokens },
		err);
}

static void both_files_are_checked(void **state)
{
	char *users = check_path(dir, "good users");
	struct sc_err err;

	(void)state;
	check_write(users, "anna:" SHA256 "\n", strlen("anna:" SHA256 "\n"));
	check_write(file, "{\"tokens\": 7}", 13);
	assert_int_equal(check(users, file, &err), SC_INVALID);
	assert_string_equal(err.text, "access.tokens_file: tokens: must be a list");
	assert_int_equal(check(NULL, file, &err), SC_INVALID);
	assert_int_equal(check(dir, file, &err), SC_INVALID);
	assert_non_null(strstr(err.text, "access.htpasswd_file"));
	check_write(file, "", 0);
	assert_int_equal(check(users, file, &err), SC_OK);
	assert_int_equal(check("", "/nowhere/at/all", &err), SC_UNAVAILABLE);
	assert_string_equal(err.text, "access.tokens_file: No such file or directory");
	free(users);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_files),
		cmocka_unit_test(bad_files_say_where),
		cmocka_unit_test(what_is_printed_is_read),
		WITH_FILE(tokens_come_and_go),
		WITH_FILE(the_mode_stays),
		WITH_FILE(a_bad_file_stays_as_it_is),
		WITH_FILE(several_add_at_once),
		WITH_FILE(a_token_says_who_asks),
		WITH_FILE(wrong_tokens_are_counted),
		WITH_FILE(a_bad_file_admits_no_token),
		WITH_FILE(both_files_are_checked),
	};

	return cmocka_run_group_tests_name("tokens", tests, NULL, NULL);
}

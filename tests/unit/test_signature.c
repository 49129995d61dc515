/* SPDX-License-Identifier: MIT */
/*
 * src/access/signature.c: signatures that Python's hashlib made, each bit of one turned,
 * the moment it ends, other images, other keys, files that are no key.
 */
#include "tests/lib/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/signature.h"

#define KEY   "0123456789abcdef0123456789abcdef"
#define IMAGE 7
#define ENDS  1764000000
#define GOOD  "1764000000.ha9_XMb0ohM6DHnr7QRYiA"
#define WRONG "the URL's signature is wrong"

static char *dir, *file;

static void write_key(const void *key, size_t len)
{
	check_write(file, key, len);
	assert_int_equal(chmod(file, 0600), 0);
}

static struct sc_signer *open_signer(void)
{
	struct sc_signer *s = NULL;
	struct sc_err err;

	assert_int_equal(sc_signer_new(file, &s, &err), SC_OK);
	return s;
}

static enum sc_status check(struct sc_signer *s, const char *text, struct sc_err *err)
{
	return sc_signature_check(s, text, IMAGE, ENDS - 1, err);
}

static void must_be_wrong(struct sc_signer *s, const char *text)
{
	struct sc_err err;

	if (check(s, text, &err) != SC_DENIED)
		fail_msg("taken: %s", text);
	assert_string_equal(err.text, WRONG);
}

/* hashlib.blake2b(b"slidecache url 1\n7\n1764000000", digest_size=16,
 *                 key=hashlib.blake2b(KEY, digest_size=32).digest()) */
static void signatures_are_those_of_hashlib(void **state)
{
	static const struct {
		int64_t image, ends;
		const char *text;
	} rows[] = {
		{ 1, 1, "1.ET0J8dfzMFGgvLtHAt6Lxw" },
		{ IMAGE, ENDS, GOOD },
		{ 2, 253402300800, "253402300800.t_5GXfApuo9PgrgMGywDJQ" },
		{ INT64_MAX, INT64_MAX, "9223372036854775807.299FJrr3YtNTeOItVfIN_Q" },
	};
	struct sc_signer *s = open_signer();
	char out[SC_SIGNATURE_MAX];
	struct sc_err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(sc_sign_image(s, rows[i].image, rows[i].ends, out, &err),
				 SC_OK);
		assert_string_equal(out, rows[i].text);
		assert_int_equal(
			sc_signature_check(s, out, rows[i].image, rows[i].ends - 1, &err),
			SC_OK);
	}
	sc_signer_free(s);
}

static void all_of_the_file_is_the_key(void **state)
{
	unsigned char bytes[256];
	char out[SC_SIGNATURE_MAX];
	struct sc_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)i;
	write_key(bytes, sizeof(bytes));
	struct sc_signer *s = open_signer();
	assert_int_equal(sc_sign_image(s, IMAGE, ENDS, out, &err), SC_OK);
	assert_string_equal(out, "1764000000.c0foyQjB6KmtE4gm4udy5A");
	write_key(KEY "\n", sizeof(KEY));
	assert_int_equal(sc_sign_image(s, IMAGE, ENDS, out, &err), SC_OK);
	assert_string_equal(out, "1764000000.GM36WXRyXuTlMqef5qjHxQ");
	sc_signer_free(s);
}

static void each_bit_counts(void **state)
{
	struct sc_signer *s = open_signer();
	char text[] = GOOD;

	(void)state;
	for (size_t bit = 0; bit < 8 * strlen(GOOD); bit++) {
		memcpy(text, GOOD, sizeof(text));
		text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
		must_be_wrong(s, text);
	}
	sc_signer_free(s);
}

static void what_is_no_signature_is_wrong(void **state)
{
	static const char *const bad[] = {
		"",
		".",
		"1764000000",
		"1764000000.",
		".ha9_XMb0ohM6DHnr7QRYiA",
		"ha9_XMb0ohM6DHnr7QRYiA",
		"1764000000.ha9_XMb0ohM6DHnr7QRYi",    /* one too few */
		"1764000000.ha9_XMb0ohM6DHnr7QRYiAA",  /* too many */
		"1764000000.ha9_XMb0ohM6DHnr7QRYiA==", /* padded */
		"1764000000.ha9_XMb0ohM6DHnr7QRYiB", /* the same bytes, bits left over */
		"1764000000.ha9/XMb0ohM6DHnr7QRYiA", /* the other alphabet */
		"01764000000.ha9_XMb0ohM6DHnr7QRYiA",
		"+1764000000.ha9_XMb0ohM6DHnr7QRYiA",
		"-1764000000.ha9_XMb0ohM6DHnr7QRYiA",
		" 1764000000.ha9_XMb0ohM6DHnr7QRYiA",
		"1764000000 .ha9_XMb0ohM6DHnr7QRYiA",
		"1764000000..ha9_XMb0ohM6DHnr7QRYiA",
		"0.ha9_XMb0ohM6DHnr7QRYiA",
		"9223372036854775808.ha9_XMb0ohM6DHnr7QRYiA",
		"99999999999999999999999999.ha9_XMb0ohM6DHnr7QRYiA",
		"1764000000.ha9_XMb0ohM6DHnr7QRYiA\n",
	};
	struct sc_signer *s = open_signer();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		must_be_wrong(s, bad[i]);
	sc_signer_free(s);
}

static void it_ends_at_its_moment(void **state)
{
	struct sc_signer *s = open_signer();
	struct sc_err err;

	(void)state;
	assert_int_equal(sc_signature_check(s, GOOD, IMAGE, 0, &err), SC_OK);
	assert_int_equal(sc_signature_check(s, GOOD, IMAGE, ENDS - 1, &err), SC_OK);
	for (int64_t later = 0; later < 2; later++) {
		assert_int_equal(sc_signature_check(s, GOOD, IMAGE, ENDS + later, &err),
				 SC_DENIED);
		assert_string_equal(err.text, "the URL's signature has expired");
	}
	/* Who made it up does not learn when it would have ended. */
	assert_int_equal(
		sc_signature_check(s, "1.ha9_XMb0ohM6DHnr7QRYiA", IMAGE, ENDS, &err),
		SC_DENIED);
	assert_string_equal(err.text, WRONG);
	sc_signer_free(s);
}

static void of_one_image_only(void **state)
{
	static const int64_t others[] = { 1, IMAGE - 1, IMAGE + 1, 71, 77, 0, -IMAGE };
	struct sc_signer *s = open_signer();
	struct sc_err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(others); i++)
		assert_int_equal(sc_signature_check(s, GOOD, others[i], 0, &err),
				 SC_DENIED);
	sc_signer_free(s);
}

static void another_key_revokes_all(void **state)
{
	struct sc_signer *s = open_signer();
	struct sc_err err;

	(void)state;
	assert_int_equal(check(s, GOOD, &err), SC_OK);
	write_key("another key of at least 32 bytes", SC_SIGNATURE_KEY_MIN);
	must_be_wrong(s, GOOD);
	write_key(KEY, strlen(KEY));
	assert_int_equal(check(s, GOOD, &err), SC_OK);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(check(s, GOOD, &err), SC_UNAVAILABLE);
	write_key(KEY, strlen(KEY));
	assert_int_equal(check(s, GOOD, &err), SC_OK);
	sc_signer_free(s);
}

/* Neither signs nor is anything taken while everybody can read the key. */
static void a_key_that_is_open_is_none(void **state)
{
	struct sc_signer *s = open_signer();
	char out[SC_SIGNATURE_MAX];
	struct sc_err err;

	(void)state;
	assert_int_equal(chmod(file, 0644), 0);
	assert_int_equal(check(s, GOOD, &err), SC_UNAVAILABLE);
	assert_int_equal(sc_sign_image(s, IMAGE, ENDS, out, &err), SC_UNAVAILABLE);
	assert_non_null(
		strstr(err.text, "access.signing_key_file: is open to everybody"));
	assert_null(strstr(err.text, file));
	assert_int_equal(chmod(file, 0640), 0);
	assert_int_equal(check(s, GOOD, &err), SC_OK);
	sc_signer_free(s);
}

static void must_be_no_key(const char *path, enum sc_status status)
{
	struct sc_signer *s = NULL;
	struct sc_err err;

	assert_int_equal(sc_signer_new(path, &s, &err), status);
	assert_null(s);
	assert_memory_equal(err.text, "access.signing_key_file: ", 25);
	assert_null(strstr(err.text, path));
}

static void files_that_are_no_key(void **state)
{
	char *pipe_file = check_path(dir, "pipe");
	char *none = check_path(dir, "none");
	char large[SC_SIGNATURE_KEY_MAX + 1] = "";

	(void)state;
	assert_int_equal(mkfifo(pipe_file, 0600), 0);
	must_be_no_key(pipe_file, SC_INVALID);
	must_be_no_key(dir, SC_INVALID);
	must_be_no_key(none, SC_UNAVAILABLE);
	write_key(KEY, SC_SIGNATURE_KEY_MIN - 1);
	must_be_no_key(file, SC_INVALID);
	write_key(large, sizeof(large));
	must_be_no_key(file, SC_INVALID);
	write_key(large, SC_SIGNATURE_KEY_MAX);
	sc_signer_free(open_signer());
	for (mode_t bit = 1; bit < 8; bit *= 2) {
		assert_int_equal(chmod(file, 0600 | bit), 0);
		must_be_no_key(file, SC_INVALID);
	}
	free(pipe_file);
	free(none);
}

static void what_cannot_be_signed(void **state)
{
	struct sc_signer *s = open_signer();
	char out[SC_SIGNATURE_MAX];
	struct sc_err err;

	(void)state;
	assert_int_equal(sc_sign_image(s, 0, ENDS, out, &err), SC_INVALID);
	assert_int_equal(sc_sign_image(s, -1, ENDS, out, &err), SC_INVALID);
	assert_int_equal(sc_sign_image(s, IMAGE, 0, out, &err), SC_INVALID);
	sc_signer_free(s);
}

static int set_up(void **state)
{
	(void)state;
	dir = check_mkdir();
	file = check_path(dir, "key");
	write_key(KEY, strlen(KEY));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(file);
	check_rmdir(dir);
	return 0;
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FILE(signatures_are_those_of_hashlib),
		WITH_FILE(all_of_the_file_is_the_key),
		WITH_FILE(each_bit_counts),
		WITH_FILE(what_is_no_signature_is_wrong),
		WITH_FILE(it_ends_at_its_moment),
		WITH_FILE(of_one_image_only),
		WITH_FILE(another_key_revokes_all),
		WITH_FILE(a_key_that_is_open_is_none),
		WITH_FILE(files_that_are_no_key),
		WITH_FILE(what_cannot_be_signed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

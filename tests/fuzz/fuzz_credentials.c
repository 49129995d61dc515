/* SPDX-License-Identifier: MIT */
/*
 * Credentials of HTTP Basic have one spelling each, and a user's hash is that of the
 * first good line of an htpasswd file that names the user.
 * Input: a header, a line end, the file.
 */
#include <stdlib.h>

#include "access/basic.h"
#include "access/htpasswd.h"
#include "access/password.h"
#include "tests/fuzz/fuzz.h"

static void put_base64(struct sc_buf *out, const unsigned char *s, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		uint32_t bits = (uint32_t)s[i] << 16;
		char four[] = "====";

		bits |= i + 1 < n ? (uint32_t)s[i + 1] << 8 : 0;
		bits |= i + 2 < n ? s[i + 2] : 0;
		for (unsigned k = 0; k < 4 && k <= n - i; k++)
			four[k] = digits[bits >> (18 - 6 * k) & 63];
		sc_buf_str(out, four);
	}
}

static void check_basic(const char *header)
{
	static const struct sc_basic none;
	SC_AUTO_BUF pair = SC_BUF_INIT;
	SC_AUTO_BUF code = SC_BUF_INIT;
	struct sc_basic basic;

	if (!sc_basic_parse(header, &basic)) {
		FUZZ_MUST(memcmp(&basic, &none, sizeof(none)) == 0);
		return;
	}
	FUZZ_MUST(sc_user_name_valid(sc_bytes_str(basic.user)));
	FUZZ_MUST(!strchr(basic.user, ':') && basic.password[0]);
	sc_buf_printf(&pair, "%s:%s", basic.user, basic.password);
	put_base64(&code, pair.data, pair.len);
	size_t n = strlen(header);
	FUZZ_MUST(n >= 6 + code.len);
	FUZZ_MUST(strcmp(header + n - code.len, (const char *)code.data) == 0);
	FUZZ_MUST(6 + strspn(header + 6, " ") + code.len == n);
}

/* What the line says of a user; NULL: nothing that counts. */
static char *hash_in(struct sc_bytes line, const char *user)
{
	size_t n = strlen(user);

	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	if (line.len == 0 || line.data[0] == '#' || memchr(line.data, '\0', line.len))
		return NULL;
	if (line.len <= n || memcmp(line.data, user, n) != 0 || line.data[n] != ':')
		return NULL;
	char *hash = fuzz_text(sc_bytes_of(line.data + n + 1, line.len - n - 1));
	if (sc_user_name_valid(sc_bytes_str(user)) && sc_hash_is_taken(hash))
		return hash;
	free(hash);
	return NULL;
}

static void check_user(const struct sc_htpasswd *h, struct sc_bytes file,
		       const char *user)
{
	char *right = NULL;

	while (file.len > 0 && !right)
		right = hash_in(fuzz_until(&file, '\n'), user);
	FUZZ_MUST(strcmp(sc_htpasswd_hash(h, user), right ? right : "") == 0);
	free(right);
}

static void check_file(struct sc_bytes file)
{
	struct sc_htpasswd *h = sc_htpasswd_new(fuzz_file(file));
	struct sc_bytes left = file;
	struct sc_err err;

	FUZZ_MUST(sc_htpasswd_refresh(h, &err) == SC_OK);
	for (int i = 0; i < 8 && left.len > 0; i++) {
		struct sc_bytes line = fuzz_until(&left, '\n');
		SC_AUTO_FREE char *user = fuzz_text(fuzz_until(&line, ':'));

		check_user(h, file, user);
	}
	sc_htpasswd_free(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sc_bytes in = sc_bytes_of(data, size);
	SC_AUTO_FREE char *header = fuzz_text(fuzz_until(&in, '\n'));

	check_basic(header);
	if (in.len > 0)
		check_file(in);
	return 0;
}

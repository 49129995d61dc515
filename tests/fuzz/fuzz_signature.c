/* SPDX-License-Identifier: MIT */
/*
 * Signatures of URLs: the only one that is right is the one that is made, to the byte,
 * for its image and until its moment.
 * Input: image, moment, now; two bytes for a change; a signature.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "slidecache/signature.h"
#include "tests/fuzz/fuzz.h"

static struct sc_signer *open_signer(void)
{
	struct sc_signer *s = NULL;
	SC_AUTO_FREE char *path = fuzz_path("key");
	FILE *f = fopen(path, "we");
	struct sc_err err;

	FUZZ_MUST(f && fchmod(fileno(f), 0600) == 0);
	FUZZ_MUST(fputs("0123456789abcdef0123456789abcdef", f) >= 0 && fclose(f) == 0);
	FUZZ_MUST(sc_signer_new(path, &s, &err) == SC_OK);
	return s;
}

static bool accepts(struct sc_signer *s, const char *signature, int64_t image,
		    int64_t now_s)
{
	struct sc_err err;
	enum sc_status status = sc_signature_check(s, signature, image, now_s, &err);

	if (status == SC_OK)
		return true;
	fuzz_check_error(status, &err);
	FUZZ_MUST(status == SC_DENIED);
	return false;
}

/* Whatever it is: if it is taken, it is the one. */
static void check_any(struct sc_signer *s, const char *signature, int64_t image,
		      int64_t now_s)
{
	char right[SC_SIGNATURE_MAX] = "";
	long long expires_s = 0;
	struct sc_err err;

	if (!accepts(s, signature, image, now_s))
		return;
	for (const char *p = signature; *p != '.'; p++)
		expires_s = expires_s * 10 + (*p - '0');
	FUZZ_MUST(sc_sign_image(s, image, expires_s, right, &err) == SC_OK);
	FUZZ_MUST(strcmp(right, signature) == 0 && now_s < expires_s);
}

static void check_changed(struct sc_signer *s, char *signature, int64_t image,
			  struct sc_bytes change)
{
	size_t at = fuzz_byte(&change) % strlen(signature);
	char to = (char)fuzz_byte(&change);

	if (signature[at] == to)
		return;
	signature[at] = to;
	FUZZ_MUST(!accepts(s, signature, image, 0));
}

static void check_made(struct sc_signer *s, int64_t image, int64_t expires_s,
		       struct sc_bytes change)
{
	char made[SC_SIGNATURE_MAX] = "#";
	struct sc_err err;
	enum sc_status status = sc_sign_image(s, image, expires_s, made, &err);

	FUZZ_MUST(status == (image < 1 || expires_s < 1 ? SC_INVALID : SC_OK));
	if (status != SC_OK) {
		fuzz_check_error(status, &err);
		FUZZ_MUST(strcmp(made, "#") == 0);
		return;
	}
	FUZZ_MUST(fuzz_is_printable(made) && strlen(made) < SC_SIGNATURE_MAX);
	FUZZ_MUST(accepts(s, made, image, expires_s - 1));
	FUZZ_MUST(!accepts(s, made, image, expires_s));
	FUZZ_MUST(!accepts(s, made, image ^ 1, expires_s - 1));
	check_changed(s, made, image, change);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sc_signer *s;
	struct sc_bytes in = sc_bytes_of(data, size);
	int64_t image = fuzz_i64(&in), expires_s = fuzz_i64(&in), now_s = fuzz_i64(&in);
	struct sc_bytes change = fuzz_take(&in, 2);
	SC_AUTO_FREE char *signature = fuzz_text(in);

	if (!s)
		s = open_signer();
	check_any(s, signature, image, now_s);
	check_made(s, image, expires_s, change);
	return 0;
}

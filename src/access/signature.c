/* SPDX-License-Identifier: MIT */
/*
 * Signed URLs, see signature.h: the key's file, the text that is signed, the comparison.
 */
#include "slidecache/signature.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/reread.h"
#include "slidecache/clock.h"
#include "slidecache/file.h"
#include "slidecache/hash.h"
#include "slidecache/parse.h"

#define OPTION	     "access.signing_key_file"
#define MAC_TEXT_LEN (SC_BASE64URL_LEN(SC_HASH128_LEN) - 1)

struct sc_signer {
	char *path;
	struct sc_reread file; /* known: key is the one that it holds */
	unsigned char key[SC_MAC_KEY_LEN];
};

/* ----- the key ----- */

static enum sc_status take_key(struct sc_signer *s, struct sc_bytes text,
			       struct sc_err *err)
{
	if ((s->file.st.st_mode & 0007) != 0)
		return sc_fail(err, SC_INVALID,
			       OPTION ": is open to everybody; use mode 0600 or 0640");
	if (text.len < SC_SIGNATURE_KEY_MIN)
		return sc_fail(err, SC_INVALID, OPTION ": must have %d to %d bytes",
			       SC_SIGNATURE_KEY_MIN, SC_SIGNATURE_KEY_MAX);
	sc_mac_key(text, s->key);
	return SC_OK;
}

static void forget(struct sc_signer *s)
{
	sc_reread_forget(&s->file);
	sc_wipe(s->key, sizeof(s->key));
}

static enum sc_status refresh(struct sc_signer *s, struct sc_err *err)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	bool fresh = false;
	enum sc_status status = sc_reread(&s->file, &text, &fresh, err);

	if (fresh)
		status = take_key(s, sc_buf_bytes(&text), err);
	if (status)
		forget(s);
	if (text.data)
		sc_wipe(text.data, text.len);
	return status;
}

enum sc_status sc_signer_new(const char *key_file, struct sc_signer **out,
			     struct sc_err *err)
{
	struct sc_signer *s = sc_alloc(sizeof(*s));
	enum sc_status status = SC_OK;

	s->path = sc_strdup(key_file);
	s->file = (struct sc_reread){ .path = s->path,
				      .option = OPTION,
				      .max = SC_SIGNATURE_KEY_MAX };
	status = refresh(s, err);
	if (status)
		sc_signer_free(s);
	else
		*out = s;
	return status;
}

void sc_signer_free(struct sc_signer *s)
{
	if (!s)
		return;
	forget(s);
	free(s->path);
	free(s);
}

/* What was a good key may be none any more. */
static enum sc_status need_key(struct sc_signer *s, struct sc_err *err)
{
	if (refresh(s, err) == SC_OK)
		return SC_OK;
	err->status = SC_UNAVAILABLE;
	return err->status;
}

/* ----- signatures ----- */

static void make_mac(const struct sc_signer *s, int64_t image, int64_t expires_s,
		     char out[MAC_TEXT_LEN + 1])
{
	unsigned char mac[SC_HASH128_LEN];
	char text[80];
	int n = snprintf(text, sizeof(text), "slidecache url 1\n%lld\n%lld",
			 (long long)image, (long long)expires_s);

	sc_mac128(sc_bytes_of(text, (size_t)n), s->key, mac);
	sc_base64url(mac, sizeof(mac), out);
}

enum sc_status sc_sign_image(struct sc_signer *s, int64_t image, int64_t expires_s,
			     char out[SC_SIGNATURE_MAX], struct sc_err *err)
{
	char mac[MAC_TEXT_LEN + 1];

	if (image < 1 || expires_s < 1)
		return sc_fail(err, SC_INVALID,
			       "an image's id and the moment are positive numbers");
	if (need_key(s, err) != SC_OK)
		return err->status;
	make_mac(s, image, expires_s, mac);
	(void)snprintf(out, SC_SIGNATURE_MAX, "%lld.%s", (long long)expires_s, mac);
	return SC_OK;
}

/* NULL: it is no signature. Otherwise its MAC, which ends the text. */
static const char *split(const char *signature, int64_t *expires_s)
{
	size_t n = strcspn(signature, ".");

	if (signature[0] < '1' || signature[0] > '9' || signature[n] != '.' ||
	    !sc_parse_i64(sc_bytes_of(signature, n), 1, INT64_MAX, expires_s) ||
	    strlen(signature + n + 1) != MAC_TEXT_LEN)
		return NULL;
	return signature + n + 1;
}

enum sc_status sc_signature_check(struct sc_signer *s, const char *signature,
				  int64_t image, int64_t now_s, struct sc_err *err)
{
	char right[MAC_TEXT_LEN + 1];
	int64_t expires_s = 0;
	const char *mac = split(signature, &expires_s);

	if (need_key(s, err) != SC_OK)
		return err->status;
	/* Texts are compared, so that of those that mean the same bytes one is right. */
	if (mac)
		make_mac(s, image, expires_s, right);
	if (!mac || !sc_equal_in_constant_time(mac, right, MAC_TEXT_LEN))
		return sc_fail(err, SC_DENIED, "the URL's signature is wrong");
	if (now_s >= expires_s)
		return sc_fail(err, SC_DENIED, "the URL's signature has expired");
	return SC_OK;
}

/* SPDX-License-Identifier: MIT */
/*
 * Reading secret_file. What was read is wiped from memory once its key is made.
 */
#include "cache/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/file.h"

#define SECRET_MIN 16
#define SECRET_MAX 4096

static enum sc_status check_file(const char *path, int fd, struct sc_err *err)
{
	struct stat st = { .st_size = 0 };

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return sc_fail(err, SC_INVALID, "secret_file: %.150s: is no regular file",
			       path);
	if ((st.st_mode & 0007) != 0)
		return sc_fail(err, SC_INVALID,
			       "secret_file: %.150s: open to everybody; use mode 0600 or "
			       "0640",
			       path);
	return SC_OK;
}

static enum sc_status read_secret(const char *path, int fd,
				  unsigned char out[SC_MAC_KEY_LEN], struct sc_err *err)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	enum sc_status status = sc_file_read(fd, SECRET_MAX, &text, err);

	if (status && status != SC_TOO_LARGE)
		return sc_fail(err, SC_INVALID, "secret_file: %.150s: cannot be read",
			       path);
	if (status || text.len < SECRET_MIN)
		status = sc_fail(err, SC_INVALID,
				 "secret_file: %.150s: must have %d to %d bytes", path,
				 SECRET_MIN, SECRET_MAX);
	else
		sc_mac_key(sc_buf_bytes(&text), out);
	sc_wipe(text.data, text.len);
	return status;
}

enum sc_status sc_secret_read(const char *path, unsigned char out[SC_MAC_KEY_LEN],
			      struct sc_err *err)
{
	/* A pipe has no writer yet, maybe never. */
	SC_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return sc_fail(err, errno == EACCES ? SC_DENIED : SC_INVALID,
			       "secret_file: %.150s: %s", path, strerror(errno));
	enum sc_status status = check_file(path, fd, err);
	return status == SC_OK ? read_secret(path, fd, out, err) : status;
}

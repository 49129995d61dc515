/* SPDX-License-Identifier: MIT */
/*
 * Reading a small file whole. The room for all of it is there before the first byte is
 * read: a buffer that grew would leave copies of a secret behind.
 */
#include "slidecache/file.h"

#include <errno.h>
#include <unistd.h>

#include "slidecache/hash.h"

/* One byte more than may be there, so that a larger file is noticed. */
static enum sc_status read_all(int fd, size_t max, struct sc_buf *out, struct sc_err *err)
{
	size_t end = out->len + max + 1;

	while (out->len < end) {
		ssize_t n = read(fd, out->data + out->len, end - out->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sc_fail(err, SC_UNAVAILABLE, "%s", strerror(errno));
		if (n == 0)
			return SC_OK;
		out->len += (size_t)n;
	}
	return sc_fail(err, SC_TOO_LARGE, "larger than %zu bytes", max);
}

enum sc_status sc_file_read(int fd, size_t max, struct sc_buf *out, struct sc_err *err)
{
	size_t before = out->len;
	enum sc_status status = SC_OK;

	sc_buf_reserve(out, max + 1);
	status = read_all(fd, max, out, err);
	if (status) {
		sc_wipe(out->data + before, out->len - before);
		out->len = before;
	}
	out->data[out->len] = 0;
	return status;
}

/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing the file of remembered names. It is replaced, never written into;
 * the lock has a file of its own beside it.
 */
#include "version/memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/file.h"
#include "slidecache/filelock.h"

#define WAIT_MS	       500
#define SIZE_MAX_BYTES (8 << 20)

enum sc_status sc_memory_file_lock(const char *path, int *lock, struct sc_err *err)
{
	SC_AUTO_BUF name = SC_BUF_INIT;
	SC_AUTO_FD fd = -1;

	sc_buf_printf(&name, "%s.lock", path);
	enum sc_status status = sc_filelock_open((const char *)name.data, &fd, err);
	if (status == SC_OK)
		status = sc_filelock_take(fd, 0, WAIT_MS, NULL, err);
	if (status != SC_OK)
		return sc_fail_in(err, "the memory of versions");
	*lock = fd;
	fd = -1;
	return SC_OK;
}

/* False if it is no file of a size that makes sense. */
static bool read_text(const char *path, struct sc_buf *out)
{
	SC_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	struct sc_err ignored;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       sc_file_read(fd, SIZE_MAX_BYTES, out, &ignored) == SC_OK;
}

bool sc_memory_file_read(const char *path, struct sc_memory *out)
{
	SC_AUTO_BUF text = SC_BUF_INIT;

	return read_text(path, &text) && sc_memory_parse(sc_buf_bytes(&text), out);
}

static enum sc_status fail(const char *path, struct sc_err *err)
{
	return sc_fail(err, SC_UNAVAILABLE, "the memory of versions, %.150s: %s", path,
		       strerror(errno));
}

static enum sc_status write_synced(const char *path, struct sc_bytes text,
				   struct sc_err *err)
{
	SC_AUTO_FD fd = -1;

	(void)unlink(path); /* what a dead writer left */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return fail(path, err);
	ssize_t n = write(fd, text.data, text.len);
	if (n >= 0 && (size_t)n < text.len) {
		errno = ENOSPC;
		n = -1;
	}
	return n >= 0 && fsync(fd) == 0 ? SC_OK : fail(path, err);
}

static enum sc_status sync_folder(const char *path, struct sc_err *err)
{
	const char *slash = strrchr(path, '/');
	SC_AUTO_BUF folder = SC_BUF_INIT;
	SC_AUTO_FD fd = -1;

	if (slash)
		sc_buf_append(&folder, path, (size_t)(slash - path) + 1);
	else
		sc_buf_str(&folder, ".");
	fd = open((const char *)folder.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && fsync(fd) == 0 ? SC_OK : fail(path, err);
}

static enum sc_status replace(const char *path, struct sc_bytes text, struct sc_err *err)
{
	SC_AUTO_BUF fresh = SC_BUF_INIT;

	/* One name suffices: writers hold the lock. */
	sc_buf_printf(&fresh, "%s.new", path);
	enum sc_status status = write_synced((const char *)fresh.data, text, err);
	if (status == SC_OK && rename((const char *)fresh.data, path) < 0)
		status = fail(path, err);
	if (status != SC_OK) {
		(void)unlink((const char *)fresh.data);
		return status;
	}
	return sync_folder(path, err);
}

enum sc_status sc_memory_file_write(const char *path, const struct sc_memory *m,
				    struct sc_err *err)
{
	SC_AUTO_BUF before = SC_BUF_INIT;
	SC_AUTO_BUF text = SC_BUF_INIT;

	sc_memory_print(m, &text);
	if (read_text(path, &before) &&
	    sc_bytes_equal(sc_buf_bytes(&before), sc_buf_bytes(&text)))
		return SC_OK;
	return replace(path, sc_buf_bytes(&text), err);
}

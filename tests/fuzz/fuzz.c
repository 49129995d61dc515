/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share, see fuzz.h.
 */
#include "tests/fuzz/fuzz.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "slidecache/log.h"

#define LOG_LINE_MAX 2048

void fuzz_broken(const char *file, int line, const char *promise)
{
	(void)fprintf(stderr, "%s:%d: broken promise: %s\n", file, line, promise);
	abort();
}

uint8_t fuzz_byte(struct sc_bytes *in)
{
	struct sc_bytes b = fuzz_take(in, 1);

	return b.len ? b.data[0] : 0;
}

uint32_t fuzz_u32(struct sc_bytes *in)
{
	struct sc_bytes b = fuzz_take(in, sizeof(uint32_t));
	uint32_t v = 0;

	if (b.len > 0)
		memcpy(&v, b.data, b.len);
	return v;
}

int64_t fuzz_i64(struct sc_bytes *in)
{
	struct sc_bytes b = fuzz_take(in, sizeof(int64_t));
	int64_t v = 0;

	if (b.len > 0)
		memcpy(&v, b.data, b.len);
	return v;
}

struct sc_bytes fuzz_take(struct sc_bytes *in, size_t n)
{
	struct sc_bytes taken = sc_bytes_of(in->data, n < in->len ? n : in->len);

	if (taken.len > 0)
		*in = sc_bytes_of(in->data + taken.len, in->len - taken.len);
	return taken;
}

struct sc_bytes fuzz_until(struct sc_bytes *in, char end)
{
	const unsigned char *at = in->len > 0 ? memchr(in->data, end, in->len) : NULL;
	struct sc_bytes taken = fuzz_take(in, at ? (size_t)(at - in->data) : in->len);

	(void)fuzz_take(in, at ? 1 : 0);
	return taken;
}

unsigned char *fuzz_copy(struct sc_bytes s)
{
	unsigned char *copy = sc_alloc(s.len ? s.len : 1);

	if (s.len > 0)
		memcpy(copy, s.data, s.len);
	return copy;
}

char *fuzz_text(struct sc_bytes s)
{
	size_t n = s.len > 0 ? strnlen((const char *)s.data, s.len) : 0;
	char *text = sc_alloc(n + 1);

	if (n > 0)
		memcpy(text, s.data, n);
	return text;
}

static int file_fd = -1;

int fuzz_file_fd(void)
{
	return file_fd;
}

const char *fuzz_file(struct sc_bytes s)
{
	static char path[32];

	if (file_fd < 0)
		file_fd = memfd_create("fuzz", MFD_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file_fd);
	FUZZ_MUST(ftruncate(file_fd, 0) == 0);
	FUZZ_MUST(s.len == 0 || pwrite(file_fd, s.data, s.len, 0) == (ssize_t)s.len);
	return path;
}

static char folder[64];
static pid_t folder_owner;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static void remove_folder(void)
{
	if (folder_owner == getpid())
		(void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* In memory where there is such a place: targets write to it a million times. */
const char *fuzz_folder(void)
{
	const char *shm = "/dev/shm";

	if (folder_owner)
		return folder;
	(void)snprintf(folder, sizeof(folder), "%s/slidecache-fuzz-XXXXXX",
		       access(shm, W_OK) == 0 ? shm : "/tmp");
	FUZZ_MUST(mkdtemp(folder));
	folder_owner = getpid();
	(void)atexit(remove_folder);
	return folder;
}

char *fuzz_path(const char *name)
{
	SC_AUTO_BUF path = SC_BUF_INIT;

	sc_buf_printf(&path, "%s/%s", fuzz_folder(), name);
	return sc_strdup((const char *)path.data);
}

bool fuzz_is_printable(const char *s)
{
	for (; *s; s++)
		if (*s < 0x20 || *s > 0x7e)
			return false;
	return true;
}

void fuzz_check_error(enum sc_status status, const struct sc_err *err)
{
	FUZZ_MUST(status != SC_OK);
	FUZZ_MUST(err->status == status);
	FUZZ_MUST(err->text[0] != '\0');
	FUZZ_MUST(memchr(err->text, '\0', sizeof(err->text)));
}

static void check_line(void *arg, enum sc_log_level level, const char *text)
{
	(void)arg;
	FUZZ_MUST(level <= SC_LOG_DEBUG);
	FUZZ_MUST(fuzz_is_printable(text));
	FUZZ_MUST(strlen(text) < LOG_LINE_MAX);
}

/* Before the first input. */
__attribute__((constructor)) static void watch_log(void)
{
	sc_log_to(check_line, NULL);
}

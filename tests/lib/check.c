/* SPDX-License-Identifier: MIT */
/*
 * Temporary directories and files for the C tests. Anything that fails ends the test.
 */
#include "tests/lib/check.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

char *check_mkdir(void)
{
	const char *base = getenv("TMPDIR");
	SC_AUTO_BUF name = SC_BUF_INIT;

	sc_buf_printf(&name, "%s/slidecache-test.XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp((char *)name.data));
	return sc_strdup((const char *)name.data);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void check_rmdir(char *dir)
{
	assert_int_equal(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	free(dir);
}

char *check_path(const char *dir, const char *name)
{
	SC_AUTO_BUF path = SC_BUF_INIT;

	sc_buf_printf(&path, "%s/%s", dir, name);
	return sc_strdup((const char *)path.data);
}

void check_write(const char *path, const void *data, size_t len)
{
	SC_AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
}

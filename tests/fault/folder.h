/* SPDX-License-Identifier: MIT */
/*
 * A folder for one test, the marks that processes leave in it, and waiting for them.
 *
 * Tests wait for conditions (a file, a line of the log) with a deadline that only a
 * failure reaches. Included by one test program each.
 */
#ifndef SC_TESTS_FOLDER_H
#define SC_TESTS_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "slidecache/parse.h"

#define MAYBE_UNUSED __attribute__((unused))
#define DEADLINE_US  (20 * SC_US_PER_S) /* of every wait; only failures need it */

static char dir[200]; /* of the test that runs */

/* ---- a folder, and marks that processes leave in it ---- */

static const char *path_in(const char *name)
{
	static char paths[4][256];
	static int next;
	char *p = paths[next++ % 4];

	(void)snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
	return p;
}

static MAYBE_UNUSED void mark(const char *name)
{
	int fd = open(path_in(name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd >= 0 && write(fd, "x", 1) == 1)
		(void)close(fd);
}

static MAYBE_UNUSED int marks(const char *name)
{
	struct stat st = { 0 };

	return stat(path_in(name), &st) == 0 ? (int)st.st_size : 0;
}

static char *read_text(const char *name)
{
	static char text[1 << 16];
	int fd = open(path_in(name), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		(void)close(fd);
	return text;
}

static void remove_tree(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e = NULL;

	while (d && (e = readdir(d))) {
		char child[600];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		(void)snprintf(child, sizeof(child), "%s/%s", path, e->d_name);
		if (e->d_type == DT_DIR)
			remove_tree(child);
		else
			(void)unlink(child);
	}
	if (d)
		(void)closedir(d);
	(void)rmdir(path);
}

/* ---- waiting ---- */

typedef bool (*condition_fn)(const void *arg);

/* Sanitizer builds are slow, so the deadline is generous; a pass never waits for it. */
static void wait_until(condition_fn condition, const void *arg, const char *what)
{
	int64_t end = sc_mono_us() + DEADLINE_US;

	while (!condition(arg)) {
		if (sc_mono_us() > end)
			fail_msg("not in time: %s\n%s", what, read_text("log"));
		sc_sleep_us(1000);
	}
}

static bool is_logged(const void *arg)
{
	return strstr(read_text("log"), arg) != NULL;
}

static bool is_there(const void *arg)
{
	return access(path_in(arg), F_OK) == 0;
}

static void wait_log(const char *text)
{
	wait_until(is_logged, text, text);
}

static MAYBE_UNUSED void wait_file(const char *name)
{
	wait_until(is_there, name, name);
}

#endif

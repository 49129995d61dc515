/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing the boot file: one line, "slidecache 1 BOOT-ID synced|unsynced".
 */
#include "cache/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_LEN  36
#define LINE_MAX_LEN 80

static size_t read_small(const char *path, char *out, size_t cap)
{
	SC_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, cap - 1);

	out[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static bool read_boot_id(char out[BOOT_ID_LEN + 1])
{
	return read_small(BOOT_ID_PATH, out, BOOT_ID_LEN + 1) == BOOT_ID_LEN;
}

static size_t compose(char *out, const char *boot_id, bool synced)
{
	int n = snprintf(out, LINE_MAX_LEN, "slidecache 1 %s %s\n", boot_id,
			 synced ? "synced" : "unsynced");

	return n > 0 ? (size_t)n : 0;
}

/* Whether line says so under the boot id that it names itself. */
static bool is_synced(const char *line, size_t len)
{
	static const char head[] = "slidecache 1 ";
	char want[LINE_MAX_LEN];
	char other[BOOT_ID_LEN + 1];
	size_t id_len = len < sizeof head ? 0 : strcspn(line + sizeof head - 1, " ");

	if (id_len < 1 || id_len > BOOT_ID_LEN)
		return false;
	memcpy(other, line + sizeof head - 1, id_len);
	other[id_len] = '\0';
	return compose(want, other, true) == len && memcmp(line, want, len) == 0;
}

enum sc_boot_state sc_boot_read(const char *path)
{
	char line[LINE_MAX_LEN];
	char want[LINE_MAX_LEN];
	char boot_id[BOOT_ID_LEN + 1];
	size_t len = read_small(path, line, sizeof line);

	if (is_synced(line, len))
		return SC_BOOT_SYNCED;
	if (read_boot_id(boot_id) && compose(want, boot_id, false) == len &&
	    memcmp(line, want, len) == 0)
		return SC_BOOT_UNSYNCED;
	return SC_BOOT_LOST;
}

enum sc_status sc_boot_write(const char *path, bool synced, struct sc_err *err)
{
	char line[LINE_MAX_LEN];
	char boot_id[BOOT_ID_LEN + 1];
	SC_AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (!read_boot_id(boot_id))
		memcpy(boot_id, "0", 2); /* believed only when synced */
	size_t len = compose(line, boot_id, synced);
	if (fd < 0 || pwrite(fd, line, len, 0) != (ssize_t)len ||
	    ftruncate(fd, (off_t)len) < 0 || fsync(fd) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "%s: %s", path, strerror(errno));
	return SC_OK;
}

/* SPDX-License-Identifier: MIT */
/*
 * The shared touch file. Only relaxed atomics on single bytes and words: any order of
 * events is harmless. Knows nothing of what is stored.
 */
#include "cache/touch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/hash.h"

#define SLOTS	  ((size_t)1 << 20)
#define SLOT_MASK (SLOTS - 1)

struct sc_touch_map {
	_Atomic uint32_t retired;
	_Atomic uint32_t dirty;
	unsigned char pad[4088];
	_Atomic unsigned char slots[SLOTS];
};

/* A new file takes the name of an unfit one; who has that mapped keeps it. */
static int make_file(const char *path)
{
	char next[PATH_MAX];
	int n = snprintf(next, sizeof next, "%s.new", path);

	if (n < 0 || n >= (int)sizeof next) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = open(next, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	int rc = posix_fallocate(fd, 0, (off_t)sizeof(struct sc_touch_map));
	if (rc == 0 && rename(next, path) == 0)
		return fd;
	if (rc != 0)
		errno = rc;
	int reason = errno;
	(void)close(fd);
	(void)unlink(next);
	errno = reason;
	return -1;
}

static int open_file(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size == (off_t)sizeof(struct sc_touch_map))
		return fd;
	sc_close_fd(&fd);
	return make_file(path);
}

enum sc_status sc_touch_open(struct sc_touch *t, const char *path, bool dirty,
			     struct sc_err *err)
{
	SC_AUTO_FD fd = open_file(path);

	if (fd < 0)
		return sc_fail(err, SC_UNAVAILABLE, "%s: %s", path, strerror(errno));
	void *p = mmap(NULL, sizeof(struct sc_touch_map), PROT_READ | PROT_WRITE,
		       MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return sc_fail(err, SC_UNAVAILABLE, "%s: %s", path, strerror(errno));
	t->map = p;
	/* It has its name, so it is not retired; and only the boot file knows. */
	atomic_store(&t->map->retired, 0);
	sc_touch_set_dirty(t, dirty);
	return SC_OK;
}

void sc_touch_close(struct sc_touch *t)
{
	if (t->map)
		(void)munmap(t->map, sizeof *t->map);
	t->map = NULL;
}

static _Atomic unsigned char *slot_of(struct sc_touch *t, struct sc_bytes key)
{
	return &t->map->slots[sc_hash64(key) & SLOT_MASK];
}

void sc_touch_mark(struct sc_touch *t, struct sc_bytes key)
{
	if (!t->map)
		return;
	_Atomic unsigned char *slot = slot_of(t, key);
	/* Mostly it is marked already: then the cache line stays shared. */
	if (!atomic_load_explicit(slot, memory_order_relaxed))
		atomic_store_explicit(slot, 1, memory_order_relaxed);
}

bool sc_touch_take(struct sc_touch *t, struct sc_bytes key)
{
	if (!t->map)
		return false;
	return atomic_exchange_explicit(slot_of(t, key), 0, memory_order_relaxed) != 0;
}

bool sc_touch_retired(const struct sc_touch *t)
{
	return t->map &&
	       atomic_load_explicit(&t->map->retired, memory_order_relaxed) != 0;
}

void sc_touch_retire(struct sc_touch *t)
{
	if (t->map)
		atomic_store(&t->map->retired, 1);
}

bool sc_touch_dirty(const struct sc_touch *t)
{
	return t->map && atomic_load(&t->map->dirty) != 0;
}

void sc_touch_set_dirty(struct sc_touch *t, bool dirty)
{
	if (t->map)
		atomic_store(&t->map->dirty, dirty ? 1 : 0);
}

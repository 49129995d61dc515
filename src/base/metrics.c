/* SPDX-License-Identifier: MIT */
/*
 * The shared counters: one page-sized block, mapped from a file so that slidecachectl can
 * read it. The names come from the tables in the header.
 */
#include "slidecache/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/bytes.h"

#define BLOCK_MAGIC UINT64_C(0x31636d6468636373)

struct block {
	uint64_t magic;
	uint64_t counters[SC_METRIC_COUNT];
	uint64_t gauges[SC_GAUGE_COUNT];
	uint64_t caches[SC_CACHE_SLOTS][SC_CACHE_METRIC_COUNT];
};

static struct block private_block;
static struct block *block = &private_block;

static const char *const metric_names[] = {
#define METRIC_NAME(id, name, help) [SC_M_##id] = name,
	SC_METRICS(METRIC_NAME)
#undef METRIC_NAME
};

static const char *const gauge_names[] = {
#define METRIC_NAME(id, name, help) [SC_G_##id] = name,
	SC_GAUGES(METRIC_NAME)
#undef METRIC_NAME
};

static const char *const cache_metric_names[] = {
#define METRIC_NAME(id, name, help) [SC_CM_##id] = name,
	SC_CACHE_METRICS(METRIC_NAME)
#undef METRIC_NAME
};

static enum sc_status map_failed(const char *path, struct sc_err *err)
{
	return sc_fail(err, SC_UNAVAILABLE, "metrics %s: %s", path, strerror(errno));
}

enum sc_status sc_metrics_map(const char *path, int create, struct sc_err *err)
{
	int flags = create ? O_RDWR | O_CREAT | O_EXCL : O_RDONLY;
	/* A reader's own counting, if it does any, stays its own. */
	int share = create ? MAP_SHARED : MAP_PRIVATE;
	SC_AUTO_FD fd = -1;
	struct stat st;
	void *p = NULL;

	/* A new file, not the old one emptied: whoever still maps that one keeps its
	 * pages. */
	if (create && unlink(path) < 0 && errno != ENOENT)
		return map_failed(path, err);
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return map_failed(path, err);
	/* Not ftruncate: on a full disk the first count would be a SIGBUS. */
	errno = create ? posix_fallocate(fd, 0, sizeof(struct block)) : 0;
	if (errno || fstat(fd, &st) < 0)
		return map_failed(path, err);
	if (st.st_size != (off_t)sizeof(struct block))
		return sc_fail(err, SC_DAMAGED, "metrics %s: of another version", path);
	p = mmap(NULL, sizeof(struct block), PROT_READ | PROT_WRITE, share, fd, 0);
	if (p == MAP_FAILED)
		return map_failed(path, err);
	block = p;
	if (create)
		block->magic = BLOCK_MAGIC;
	else if (block->magic != BLOCK_MAGIC)
		return sc_fail(err, SC_DAMAGED, "metrics %s: no metrics in it", path);
	return SC_OK;
}

static void add(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

void sc_count(enum sc_metric m, uint64_t n)
{
	add(&block->counters[m], n);
}

void sc_count_cache(unsigned slot, enum sc_cache_metric m, uint64_t n)
{
	if (slot < SC_CACHE_SLOTS)
		add(&block->caches[slot][m], n);
}

uint64_t sc_metric_value(enum sc_metric m)
{
	return __atomic_load_n(&block->counters[m], __ATOMIC_RELAXED);
}

void sc_gauge_set(enum sc_gauge g, uint64_t value)
{
	__atomic_store_n(&block->gauges[g], value, __ATOMIC_RELAXED);
}

uint64_t sc_gauge_value(enum sc_gauge g)
{
	return __atomic_load_n(&block->gauges[g], __ATOMIC_RELAXED);
}

const char *sc_gauge_name(enum sc_gauge g)
{
	return gauge_names[g];
}

uint64_t sc_cache_metric_value(unsigned slot, enum sc_cache_metric m)
{
	if (slot >= SC_CACHE_SLOTS)
		return 0;
	return __atomic_load_n(&block->caches[slot][m], __ATOMIC_RELAXED);
}

const char *sc_metric_name(enum sc_metric m)
{
	return metric_names[m];
}

const char *sc_cache_metric_name(enum sc_cache_metric m)
{
	return cache_metric_names[m];
}

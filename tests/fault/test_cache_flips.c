/* SPDX-License-Identifier: MIT */
/*
 * Bits of an embedded store flip while a process uses it. That may cost the process or
 * the store, but neither may a get answer wrong bytes, nor may a write disturb any other
 * memory of the process: what that holds is what the next entries are made of.
 */
#include "tests/lib/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/cache_store.h"
#include "tests/lib/child.h"

#define NUMBERS	   200
#define CALLS	   300
#define PAGE	   4096 /* of the store: also what LMDB allocates at a time */
#define KIND_AT	   10	/* in a page */
#define HEAD	   48
#define BRANCH	   1
#define LEAF	   2
#define MANY	   8000
#define WATCHED	   1024
#define SEEDS	   150
#define SEEDS_LONG 5000

enum outcome { FINE, DIED, WRONG_BYTES, MEMORY_DISTURBED, FAILED, OUTCOMES };

static uint64_t seeds(void)
{
	return getenv("SLIDECACHE_LONG") ? SEEDS_LONG : SEEDS;
}

#ifdef __SANITIZE_ADDRESS__
const char *__asan_get_report_description(void);
void __asan_on_error(void);
/* A read of what is not mapped is a death like any other. */
void __asan_on_error(void)
{
	const char *what = __asan_get_report_description();

	_exit(strstr(what, "overflow") || strstr(what, "free") ? MEMORY_DISTURBED : DIED);
}
#endif

/* Memory of the process, all about the pages that LMDB allocates: every second block of
 * their size is free for it. */
struct memory {
	unsigned char *block[WATCHED];
};

static void watch_memory(struct memory *m)
{
	for (size_t i = 0; i < WATCHED; i++) {
		m->block[i] = sc_alloc(PAGE);
		memset(m->block[i], 'w', PAGE);
	}
	for (size_t i = 0; i < WATCHED; i += 2) {
		free(m->block[i]);
		m->block[i] = NULL;
	}
}

static bool is_disturbed(const struct memory *m)
{
	for (size_t i = 1; i < WATCHED; i += 2)
		for (size_t at = 0; at < PAGE; at++)
			if (m->block[i][at] != 'w')
				return true;
	return false;
}

/* Whether a page of a tree's is there, not one of a long value. */
static bool is_of_tree(int fd, uint64_t page)
{
	unsigned char kind = 0;

	if (pread(fd, &kind, 1, (off_t)(page * PAGE + KIND_AT)) != 1)
		abort();
	return kind == BRANCH || kind == LEAF;
}

/* Where a bit is to flip; trees: in what LMDB goes by, the beginning of their pages. */
static uint64_t pick_place(int fd, uint64_t size, bool trees, uint64_t *seed)
{
	uint64_t page = 0;

	do
		page = 2 + next_random(seed) % (size / PAGE - 2);
	while (trees && !is_of_tree(fd, page));
	return page * PAGE + next_random(seed) % (trees ? HEAD : PAGE);
}

static void flip(int fd, uint64_t size, bool trees, uint64_t *seed)
{
	uint64_t at = pick_place(fd, size, trees, seed);
	unsigned char byte = 0;

	if (pread(fd, &byte, 1, (off_t)at) != 1)
		abort();
	byte ^= (unsigned char)(1 << next_random(seed) % 8);
	if (pwrite(fd, &byte, 1, (off_t)at) != 1)
		abort();
}

static void flip_bits(const struct cache_store *s, unsigned n, bool trees, uint64_t *seed)
{
	SC_AUTO_FREE char *path = store_path(s, "data.mdb");
	SC_AUTO_FD fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		abort();
	for (unsigned i = 0; i < n; i++)
		flip(fd, (uint64_t)st.st_size, trees, seed);
}

/* One call of any kind; false: wrong bytes. */
static bool call(struct cache_store *s, uint64_t *seed)
{
	uint64_t n = next_random(seed) % (2 * NUMBERS);

	switch (next_random(seed) % 4) {
	case 0:
		return store_get(s, n) != SC_DAMAGED;
	case 1:
		(void)!store_del(s, n);
		return true;
	default:
		(void)!store_put(s, n, 20 + next_random(seed) % 2500);
		return true;
	}
}

struct round {
	struct cache_store *s;
	uint64_t seed;
	unsigned flips;
	bool trees;
};

/* Dies of what kills other processes, too: cmocka's handlers would go on. */
static void be_mortal(void)
{
	static const int deadly[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	struct rlimit none = { 0, 0 };
	SC_AUTO_FD nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)dup2(nowhere, STDERR_FILENO);
	for (size_t i = 0; i < COUNT_OF(deadly); i++)
		(void)signal(deadly[i], SIG_DFL);
}

static bool use_damaged(void *arg)
{
	static struct memory memory;
	struct round *r = arg;

	be_mortal();
	if (store_open(r->s) != SC_OK)
		_exit(FAILED);
	watch_memory(&memory);
	flip_bits(r->s, r->flips, r->trees, &r->seed);
	for (int i = 0; i < CALLS; i++)
		if (!call(r->s, &r->seed))
			_exit(WRONG_BYTES);
	_exit(is_disturbed(&memory) ? MEMORY_DISTURBED : FINE);
}

static enum outcome outcome_of(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) && WEXITSTATUS(status) < OUTCOMES
		       ? (enum outcome)WEXITSTATUS(status)
		       : DIED;
}

static void fill(struct cache_store *s)
{
	s->o.max_size_mb = 1;
	assert_int_equal(store_open(s), SC_OK);
	for (uint64_t i = 0; i < NUMBERS; i++)
		assert_int_equal(store_put(s, i, 20 + 7 * (size_t)i), SC_OK);
	store_close(s);
}

static enum outcome play(uint64_t seed, unsigned flips, bool trees)
{
	struct cache_store s;
	struct round r = { .s = &s, .seed = seed, .flips = flips, .trees = trees };

	store_new(&s);
	fill(&s);
	enum outcome outcome = outcome_of(child_start(use_damaged, &r));
	store_free(&s);
	return outcome;
}

static void test_flips(void **state)
{
	unsigned count[OUTCOMES] = { 0 };

	(void)state;
	for (uint64_t seed = 1; seed <= seeds(); seed++) {
		enum outcome outcome =
			play(seed * 7919, (unsigned)(1 + seed % 20), seed % 4 != 0);

		count[outcome]++;
		if (outcome > DIED)
			print_message("seed %llu: outcome %d\n", (unsigned long long)seed,
				      (int)outcome);
	}
	print_message("fine %u, died %u, wrong %u, disturbed %u, failed %u\n",
		      count[FINE], count[DIED], count[WRONG_BYTES],
		      count[MEMORY_DISTURBED], count[FAILED]);
	/* A read may run off the file's end; writes may not. */
	assert_true(count[DIED] * 50 <= seeds());
	assert_int_equal(count[WRONG_BYTES] + count[MEMORY_DISTURBED] + count[FAILED], 0);
}

/* Trees of three levels that grow, shrink and grow again, and transactions that evict
 * many entries at once: nothing of it is damage. */
static void test_sound_store_is_believed(void **state)
{
	struct cache_store s;
	uint64_t seed = 4711;

	(void)state;
	store_new(&s);
	s.o.max_entries = MANY;
	assert_int_equal(store_open(&s), SC_OK);
	for (int turn = 0; turn < 3; turn++) {
		for (uint64_t i = 0; i < MANY; i++)
			assert_int_equal(store_put(&s, next_random(&seed) % (2 * MANY),
						   next_random(&seed) % 100),
					 SC_OK);
		for (uint64_t i = 0; i < 3 * MANY; i++)
			assert_int_equal(store_del(&s, i * 7919 % (2 * MANY)), SC_OK);
	}
	store_close(&s);
	s.o.max_entries = NUMBERS;
	assert_int_equal(store_open(&s), SC_OK);
	while (store_put(&s, 1, 100) == SC_TIMEOUT)
		continue;
	assert_int_equal(store_get(&s, 1), SC_OK);
	store_close(&s);
	assert_int_equal(access(s.damaged, F_OK), -1);
	store_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sound_store_is_believed),
		cmocka_unit_test(test_flips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

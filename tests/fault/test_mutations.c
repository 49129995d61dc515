/* SPDX-License-Identifier: MIT */
/*
 * Slides changed at random, read by the slide layer itself in child processes: whatever a
 * file says, our code does nothing that a sanitizer would report, and what it answers is
 * pixels or a sentence. A crash inside a library is that library's, is counted, and must
 * stay rare; in production a worker dies of it and the slide goes into quarantine.
 *
 * Build with SAN=1 for what this is for. SLIDECACHE_LONG: 100 000 files. MUTATIONS: how
 * many files; MUTATIONS_FROM: the number of the first, to see one again.
 */
#include "tests/lib/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "slidecache/parse.h"
#include "slidecache/slide.h"
#include "tests/lib/child.h"
#include "tests/lib/jpeg_slide.h"
#include "tests/lib/sample.h"

#define SHORT	    1000
#define FULL	    100000
#define BATCH	    200 /* files that are written, and settle, before they are read */
#define SAMPLE_MAX  ((size_t)200 << 10)
#define SAMPLES	    32
#define HEAD	    600 /* bytes at either end that tell more than others */
#define HANG_US	    (20 * SC_US_PER_S)
#define MEMORY	    ((rlim_t)1 << 30)
#define THEIRS_PART 100 /* at most one file of so many may crash a library */

static struct world {
	char *dir, *report;
	struct sc_buf samples[SAMPLES];
	size_t n;
	unsigned crashes, hangs;
} world;

/* Shared with the children. */
static struct tally {
	volatile uint64_t now; /* number of the file that is being read */
	uint64_t read, refused;
} * tally;

static void add_sample(const char *path)
{
	struct sc_buf *b = &world.samples[world.n];
	SC_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0 && world.n < SAMPLES);
	*b = (struct sc_buf)SC_BUF_INIT;
	sc_buf_reserve(b, SAMPLE_MAX + 1);
	while ((n = read(fd, b->data + b->len, SAMPLE_MAX + 1 - b->len)) > 0)
		b->len += (size_t)n;
	assert_int_equal(n, 0);
	if (b->len <= SAMPLE_MAX && b->len > 2 * HEAD)
		world.n++;
	else
		sc_buf_release(b);
}

static void add_made(void)
{
	static const struct sample samples[] = {
		{ .seed = 1,
		  .levels = 2,
		  .level = { { 100, 90, 64, false }, { 50, 45, 64, false } } },
		{ .seed = 2,
		  .is_flat = true,
		  .levels = 3,
		  .level = { { 512, 300, 128, false },
			     { 256, 150, 128, true },
			     { 64, 40, 64, false } } },
	};
	SC_AUTO_FREE char *path = check_path(world.dir, "sample");

	for (size_t i = 0; i < COUNT_OF(samples); i++) {
		sample_write(path, &samples[i]);
		add_sample(path);
	}
	for (size_t i = 0; i < JPEG_SLIDES; i++) {
		struct jpeg_slide s = jpeg_slides[i];

		for (int k = 0; k < s.levels; k++) {
			uint32_t side = 200U >> k;

			if (s.level[k].width > side)
				s.level[k].width = s.level[k].height = side;
		}
		jpeg_slide_write(path, &s);
		add_sample(path);
	}
}

static void add_shared(void)
{
	static const char *const files[] = { "boxes.tiff", "small.svs",
					     "yb10kx5k.zstd.tiff",
					     "broken/unreadable.svs",
					     "broken/tile-wider-than-image-16bit.tiff" };

	for (size_t i = 0; sample_shared() && i < COUNT_OF(files); i++) {
		SC_AUTO_FREE char *path = check_path(sample_shared(), files[i]);

		add_sample(path);
	}
}

static size_t somewhere(uint64_t *seed, size_t len)
{
	size_t at = next_random(seed) % (len < HEAD ? len : HEAD);

	switch (next_random(seed) % 3) {
	case 0:
		return at;
	case 1:
		return len - 1 - at;
	default:
		return next_random(seed) % len;
	}
}

static uint64_t number(uint64_t *seed)
{
	static const uint64_t numbers[] = { 0,	     1,		2,	    3,
					    8,	     16,	255,	    256,
					    4096,    32767,	65535,	    65536,
					    1 << 24, INT32_MAX, UINT32_MAX, UINT64_MAX };
	uint64_t n = next_random(seed) % (COUNT_OF(numbers) + 1);

	return n < COUNT_OF(numbers) ? numbers[n] : next_random(seed);
}

static void overwrite(struct sc_buf *b, size_t at, const void *from, size_t n)
{
	memmove(b->data + at, from, n < b->len - at ? n : b->len - at);
}

static void change(struct sc_buf *b, uint64_t *seed)
{
	static const size_t sizes[] = { 1, 2, 4, 8 };
	size_t at = somewhere(seed, b->len);
	uint64_t value = number(seed);

	switch (next_random(seed) % 8) {
	case 0:
	case 1:
		b->data[at] ^= (unsigned char)(1 << next_random(seed) % 8);
		break;
	case 2:
		b->len = at + 1;
		break;
	case 3:
		overwrite(b, at, b->data + next_random(seed) % b->len / 2, b->len / 64);
		break;
	default:
		overwrite(b, at, &value, sizes[next_random(seed) % 4]);
	}
}

/* The file of that number, always the same. */
static void mutate(uint64_t n, struct sc_buf *b)
{
	uint64_t seed = (n + 1) * 0x9e3779b97f4a7c15U;
	const struct sc_buf *sample = &world.samples[n % world.n];

	sc_buf_reset(b);
	sc_buf_append(b, sample->data, sample->len);
	for (uint64_t i = 1 + next_random(&seed) % 4; i > 0; i--)
		change(b, &seed);
}

static void name_of(uint64_t n, char out[32])
{
	(void)snprintf(out, 32, "m%llu.tif", (unsigned long long)(n % BATCH));
}

static void read_regions(struct sc_slide *s)
{
	const struct sc_geometry *g = &sc_slide_info(s)->geometry;
	uint32_t sides[] = { 300, 64, 1 };

	for (int k = 0; k < g->levels; k++)
		for (size_t i = 0; g->usable[k] && i < COUNT_OF(sides); i++) {
			struct sc_slide_region r = { k, (int64_t)i * g->width[0] / 3 - 5,
						     (int64_t)i * g->height[0] / 3 - 5,
						     sides[i], sides[i] };
			struct sc_pixels p = SC_PIXELS_INIT;
			struct sc_err err;

			if (sc_slide_read(s, &r, NULL, &p, &err) != SC_OK)
				return; /* it is closed */
			sc_pixels_release(&p);
		}
}

static void read_images(struct sc_slide *s)
{
	struct sc_associated_list list;
	struct sc_err err;

	if (sc_slide_associated(s, &list, &err) != SC_OK)
		return;
	for (size_t i = 0; i < list.n; i++) {
		struct sc_pixels p = SC_PIXELS_INIT;

		if (sc_slide_read_associated(s, list.images[i].name, &p, &err) != SC_OK)
			return;
		sc_pixels_release(&p);
	}
}

static void read_slide(struct sc_slide_root *root, struct sc_slide_pool *pool,
		       const char *file)
{
	struct sc_slide *s = NULL;
	struct sc_identity id;
	struct sc_err err = { SC_OK, "" };

	if (sc_slide_identity(root, file, &id, &err) != SC_OK ||
	    sc_slide_get(pool, file, &id, 0, &s, &err) != SC_OK) {
		tally->refused++;
		if (err.text[0] == '\0')
			abort();
		return;
	}
	tally->read++;
	read_images(s);
	if (sc_slide_get(pool, file, &id, 0, &s, &err) == SC_OK)
		read_regions(s);
}

/* Reads files until the batch is over. */
static void read_batch(uint64_t end)
{
	struct rlimit memory = { MEMORY, MEMORY };
	struct sc_slide_root *root;
	struct sc_slide_pool *pool;
	struct sc_err err;
	char name[32];

#ifndef __SANITIZE_ADDRESS__ /* its shadow memory counts */
	(void)setrlimit(RLIMIT_DATA, &memory);
#endif
	(void)memory;
	if (!freopen(world.report, "w", stderr) ||
	    sc_slide_root_open(world.dir, &root, &err) != SC_OK ||
	    sc_slide_pool_new(root, 4, &pool, &err) != SC_OK)
		abort();
	for (; tally->now < end; tally->now++) {
		name_of(tally->now, name);
		read_slide(root, pool, name);
	}
	sc_slide_pool_free(pool);
	sc_slide_root_close(root);
	exit(0); /* and leaks are looked for */
}

/* How the child ended: its status, or -1 when one file took too long. */
static int await_child(pid_t pid)
{
	uint64_t seen = tally->now;
	int64_t since = sc_mono_us();
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		sc_sleep_us(2000);
		if (seen != tally->now) {
			seen = tally->now;
			since = sc_mono_us();
		} else if (sc_mono_us() - since > HANG_US) {
			(void)child_kill(pid);
			return -1;
		}
	}
	return status;
}

static bool is_runtime(const char *line)
{
	static const char *const parts[] = { "libsanitizer", "libasan", "libubsan",
					     "libc.so",	     "sysdeps", "string/" };

	for (size_t i = 0; i < COUNT_OF(parts); i++)
		if (strstr(line, parts[i]))
			return true;
	return false;
}

/* Whether a sanitizer found something whose first frame, after its own, is our code. */
static bool is_ours(const char *report)
{
	bool in_stack = false;
	const char *line = report;

	if (strstr(report, "runtime error:"))
		return true;
	for (; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		SC_AUTO_FREE char *one = strndup(line, strcspn(line, "\n"));
		const char *frame = one + strspn(one, " ");

		if (frame[0] != '#') {
			in_stack = false;
			continue;
		}
		if (in_stack || is_runtime(frame))
			continue;
		in_stack = true; /* the rest of this stack does not matter */
		if (strstr(frame, "src/") && !strstr(frame, "(/"))
			return true;
	}
	return false;
}

static void judge_end(int status)
{
	static char text[1 << 16];
	SC_AUTO_FD fd = open(world.report, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	if (is_ours(text))
		fail_msg("file %llu:\n%s", (unsigned long long)tally->now, text);
	print_message("file %llu: %s %d: %.300s\n", (unsigned long long)tally->now,
		      status == -1	    ? "took too long:"
		      : WIFSIGNALED(status) ? "signal"
					    : "exit code",
		      WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), text);
	world.crashes += status != -1;
	world.hangs += status == -1;
}

static void write_batch(uint64_t begin, uint64_t end)
{
	SC_AUTO_BUF b = SC_BUF_INIT;
	char name[32];

	for (uint64_t n = begin; n < end; n++) {
		SC_AUTO_FREE char *path = NULL;

		name_of(n, name);
		path = check_path(world.dir, name);
		mutate(n, &b);
		check_write(path, b.data, b.len);
	}
}

static void run_batch(uint64_t begin, uint64_t end)
{
	write_batch(begin, end);
	tally->now = begin;
	while (tally->now < end) {
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			read_batch(end);
		status = await_child(pid);
		if (status == 0)
			continue;
		judge_end(status);
		tally->now++; /* over the one that did it */
	}
}

static uint64_t asked(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	uint64_t n = otherwise;

	assert_true(!text || sc_parse_u64(sc_bytes_str(text), UINT32_MAX, &n));
	return n;
}

static void files_changed_at_random(void **state)
{
	uint64_t n = asked("MUTATIONS", getenv("SLIDECACHE_LONG") ? FULL : SHORT);
	uint64_t first = asked("MUTATIONS_FROM", 0);

	(void)state;
	for (uint64_t at = 0; at < n; at += BATCH)
		run_batch(first + at, first + (at + BATCH < n ? at + BATCH : n));
	print_message(
		"%llu files of %zu samples: %llu opened, %llu refused; %u crashes in "
		"libraries, %u hangs\n",
		(unsigned long long)n, world.n, (unsigned long long)tally->read,
		(unsigned long long)tally->refused, world.crashes, world.hangs);
	assert_int_equal(tally->read + tally->refused + world.crashes + world.hangs >= n,
			 1);
	assert_true(tally->read > n / 20);
	assert_true(world.crashes + world.hangs <= n / THEIRS_PART);
}

static void whose_a_report_is(void **state)
{
	static const struct {
		const char *text;
		bool is_ours;
	} reports[] = {
		{ "", false },
		{ "src/slide/pool.c:7:3: runtime error: shift", true },
		{ "==1==ERROR\n    #0 0x1 in f src/slide/pool.c:7\n", true },
		{ "==1==ERROR\n    #0 0x1 in memcpy ../libsanitizer/a.inc:1\n"
		  "    #1 0x2 in f src/slide/pool.c:7\n",
		  true },
		{ "==1==ERROR\n    #0 0x1 in x (/usr/lib/libopenslide.so.0+0x1)\n"
		  "    #1 0x2 in f src/slide/pool.c:7\n",
		  false },
		{ "==1==ERROR\n    #0 0x1 in x (/usr/lib/libtiff.so.6+0x1)\n\n"
		  "freed by\n    #0 0x1 in free ../libsanitizer/a.cpp:1\n"
		  "    #1 0x2 in g src/slide/pool.c:9\n",
		  true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(reports); i++)
		assert_int_equal(is_ours(reports[i].text), reports[i].is_ours);
}

static int set_up(void **state)
{
	(void)state;
	world.dir = check_mkdir();
	world.report = check_path(world.dir, "report");
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	add_made();
	add_shared();
	return tally == MAP_FAILED;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < world.n; i++)
		sc_buf_release(&world.samples[i]);
	free(world.report);
	check_rmdir(world.dir);
	return munmap(tally, sizeof(*tally));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(whose_a_report_is),
		cmocka_unit_test(files_changed_at_random),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

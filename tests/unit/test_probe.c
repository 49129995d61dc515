/* SPDX-License-Identifier: MIT */
/*
 * Probes of slides that crash, hang or may not be read, what a scan makes of this
 * machine's trouble and of the shared slides, which are hostile in other ways.
 */
#include "tests/lib/catalogue.h"

#include <dlfcn.h>
#include <errno.h>
#include <openslide.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "slide/catalogue.h"
#include "slidecache/filelock.h"

/* This machine's trouble with files whose name holds "flaky". */
static struct {
	int number; /* of openat2's errno; 0: none */
	bool in_probes_only;
	pid_t self;
} trouble;

/* Seconds by which the monotonic clock jumps at each look; 0: it is right. */
static time_t hurry;
/* Nanoseconds by which the wall clock is behind the file system's. */
static long behind;

/* Stands before libc's function. */
long syscall(long number, ...)
{
	static long (*real)(long, ...);
	long a[6];
	va_list list;

	va_start(list, number);
	for (size_t i = 0; i < COUNT_OF(a); i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	if (number == SYS_openat2 && trouble.number &&
	    strstr((const char *)a[1], "flaky") &&
	    (!trouble.in_probes_only || getpid() != trouble.self)) {
		errno = trouble.number;
		return -1;
	}
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Stands before libc's function. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	static int (*real)(clockid_t, struct timespec *);
	static time_t ahead;
	int rc;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	rc = real(clock, now);
	if (clock == CLOCK_MONOTONIC && rc == 0)
		now->tv_sec += ahead += hurry;
	if (clock == CLOCK_REALTIME_COARSE && rc == 0 && (now->tv_nsec -= behind) < 0) {
		now->tv_sec--;
		now->tv_nsec += 1000000000;
	}
	return rc;
}

/* Stands before OpenSlide's function: files of two names behave as hostile ones do. */
openslide_t *openslide_open(const char *path)
{
	openslide_t *(*real)(const char *) = NULL;
	char target[4096] = "";
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n > 0 && strstr(target, "crash"))
		raise(SIGSEGV);
	if (n > 0 && strstr(target, "hang"))
		for (;;)
			pause();
	*(void **)&real = dlsym(RTLD_NEXT, "openslide_open");
	assert_non_null(real);
	return real(path);
}

static void files_without_permission(void **state)
{
	struct fixture *f = *state;
	SC_AUTO_FREE char *path = check_path(f->root, "a.svs");
	bool is_root = geteuid() == 0;
	struct sc_scan_result r;
	enum sc_status scanned;
	struct sc_err err;

	catalogue_put_slide(f, "a.svs", &sample_one_level);
	catalogue_put_slide(f, "b.svs", &sample_one_level);
	assert_int_equal(chmod(path, 0), 0);
	if (is_root) {
		assert_int_equal(chown(f->dir, 65534, 65534), 0);
		assert_int_equal(seteuid(65534), 0);
	}
	scanned = sc_catalogue_scan(f->path, f->root, &r, &err);
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(scanned, SC_OK);
	assert_int_equal(r.total, 2);
	assert_int_equal(sc_catalogue_open(f->path, &f->c, &err), SC_OK);
	catalogue_expect_state(f, "a.svs", SC_IMAGE_UNREADABLE);
	assert_non_null(strstr(catalogue_find(f, "a.svs")->reason, "permission"));
	catalogue_expect_state(f, "b.svs", SC_IMAGE_OK);
	/* For root it opens: the file is the same, and is tried again all the same. */
	if (is_root)
		assert_int_equal(catalogue_scan(f).changed, 1);
	catalogue_expect_state(f, "a.svs", is_root ? SC_IMAGE_OK : SC_IMAGE_UNREADABLE);
}

static void trouble_ends_no_scan(void **state)
{
	static const int numbers[] = { EIO, ESTALE, ENOTCONN, EAGAIN, EMFILE };
	struct fixture *f = *state;

	catalogue_put_slide(f, "a.svs", &sample_one_level);
	catalogue_put_slide(f, "flaky.svs", &sample_one_level);
	(void)catalogue_scan(f);
	catalogue_put_slide(f, "flaky.svs", &sample_two_levels);
	catalogue_put_slide(f, "flaky-new.svs", &sample_one_level);
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		char name[] = "later-0.svs";

		name[6] = (char)('0' + i);
		catalogue_put_slide(f, name, &sample_one_level);
		trouble.number = numbers[i];
		assert_int_equal(catalogue_scan(f).added, 1);
		trouble.number = 0;
		catalogue_expect_state(f, name, SC_IMAGE_OK);
		catalogue_expect_state(f, "a.svs", SC_IMAGE_OK);
		catalogue_expect_state(f, "flaky.svs", SC_IMAGE_OK); /* as it was */
		assert_int_equal(catalogue_find(f, "flaky.svs")->width, 300);
		assert_null(catalogue_find(f, "flaky-new.svs"));
	}
	(void)catalogue_scan(f);
	assert_int_equal(catalogue_find(f, "flaky.svs")->width, 500);
	catalogue_expect_state(f, "flaky-new.svs", SC_IMAGE_OK);
}

/* The stamp of the file's last change is a little ahead of the clock: it has no identity.
 */
static void a_file_that_is_being_written_is_left(void **state)
{
	struct fixture *f = *state;

	catalogue_put_slide(f, "a.svs", &sample_one_level);
	(void)catalogue_scan(f);
	catalogue_put_slide(f, "b.svs", &sample_one_level);
	catalogue_put_slide(f, "a.svs", &sample_two_levels);
	behind = 500000000;
	assert_int_equal(catalogue_scan(f).added, 0);
	behind = 0;
	catalogue_expect_state(f, "a.svs", SC_IMAGE_OK);
	assert_int_equal(catalogue_find(f, "a.svs")->width, 300);
	assert_null(catalogue_find(f, "b.svs"));
	assert_int_equal(catalogue_scan(f).added, 1);
	assert_int_equal(catalogue_find(f, "a.svs")->width, 500);
}

static void a_probe_in_trouble_is_made_again(void **state)
{
	struct fixture *f = *state;
	struct stat before, after;

	trouble.self = getpid();
	trouble.in_probes_only = true;
	catalogue_put_slide(f, "flaky.svs", &sample_one_level);
	trouble.number = ESTALE;
	assert_int_equal(catalogue_scan(f).unreadable, 1);
	catalogue_expect_state(f, "flaky.svs", SC_IMAGE_UNREADABLE);
	assert_int_equal(stat(f->path, &before), 0);
	assert_int_equal(catalogue_scan(f).changed, 0);
	assert_int_equal(stat(f->path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino); /* the same again is no news */
	trouble.number = 0;
	assert_int_equal(catalogue_scan(f).changed, 1);
	catalogue_expect_state(f, "flaky.svs", SC_IMAGE_OK);
	trouble.in_probes_only = false;
}

/* Nothing was learnt of a slide that was good: it stays so, and is probed again. */
static void a_good_slide_stays_good_while_it_cannot_be_probed(void **state)
{
	struct fixture *f = *state;

	catalogue_put_slide(f, "flaky.svs", &sample_one_level);
	(void)catalogue_scan(f);
	catalogue_put_slide(f, "flaky.svs", &sample_two_levels);
	trouble.self = getpid();
	trouble.in_probes_only = true;
	trouble.number = EMFILE;
	assert_int_equal(catalogue_scan(f).unreadable, 0);
	trouble.number = 0;
	trouble.in_probes_only = false;
	catalogue_expect_state(f, "flaky.svs", SC_IMAGE_OK);
	assert_int_equal(catalogue_scan(f).changed, 1);
	assert_int_equal(catalogue_find(f, "flaky.svs")->width, 500);
}

static void await_image(struct fixture *f, const char *file, pid_t scan)
{
	struct sc_err err;

	assert_int_equal(sc_catalogue_open(f->path, &f->c, &err), SC_OK);
	while (!catalogue_find(f, file)) {
		assert_int_equal(waitpid(scan, NULL, WNOHANG), 0);
		(void)poll(NULL, 0, 5);
		assert_int_equal(sc_catalogue_refresh(f->c, &err), SC_OK);
	}
}

static bool is_locked(const struct fixture *f)
{
	SC_AUTO_FREE char *path = check_path(f->dir, "images.json.lock");
	SC_AUTO_FD fd = -1;
	struct sc_err err;

	assert_int_equal(sc_filelock_open(path, &fd, &err), SC_OK);
	return sc_filelock_take(fd, 0, 0, NULL, &err) == SC_TIMEOUT;
}

/* Its clock is in a hurry, so that five seconds pass with every slide or two. */
static void a_scan_that_is_killed_keeps_what_it_found(void **state)
{
	struct fixture *f = *state;
	pid_t scan;
	int status = -1;

	catalogue_put_slide(f, "a.svs", &sample_one_level);
	catalogue_put_slide(f, "b.svs", &sample_one_level);
	catalogue_put_slide(f, "hang.svs", &sample_one_level);
	scan = fork();
	if (scan == 0) {
		hurry = 2;
		(void)catalogue_scan(f);
		_exit(0);
	}
	await_image(f, "b.svs", scan);
	catalogue_expect_state(f, "a.svs", SC_IMAGE_OK);
	catalogue_expect_state(f, "b.svs", SC_IMAGE_OK);
	assert_null(catalogue_find(f, "hang.svs"));
	assert_true(is_locked(f));
	assert_int_equal(kill(scan, SIGTERM), 0);
	assert_int_equal(waitpid(scan, &status, 0), scan);
	assert_true(WIFSIGNALED(status));
	catalogue_drop_file(f, "hang.svs");
	catalogue_put_slide(f, "0.svs", &sample_one_level);
	assert_int_equal(catalogue_scan(f).added, 1);
	assert_int_equal(catalogue_id_of(f, "b.svs"), 2);
	assert_int_equal(catalogue_id_of(f, "0.svs"), 3);
}

static void a_slide_that_crashes_its_reader(void **state)
{
	struct fixture *f = *state;

	catalogue_put_slide(f, "a.svs", &sample_one_level);
	catalogue_put_slide(f, "crash.svs", &sample_one_level);
	catalogue_put_slide(f, "d.svs", &sample_one_level);
	assert_int_equal(catalogue_scan(f).unreadable, 1);
	catalogue_expect_state(f, "crash.svs", SC_IMAGE_UNREADABLE);
	assert_string_equal(catalogue_find(f, "crash.svs")->reason,
			    "opening it ended abnormally");
	catalogue_expect_state(f, "a.svs", SC_IMAGE_OK);
	catalogue_expect_state(f, "d.svs", SC_IMAGE_OK);
}

static void a_slide_that_hangs_its_reader(void **state)
{
	struct fixture *f = *state;
	struct sc_slide_root *root;
	struct sc_identity id;
	struct sc_probe p;
	struct sc_err err;

	catalogue_put_slide(f, "hang.svs", &sample_one_level);
	assert_int_equal(sc_slide_root_open(f->root, &root, &err), SC_OK);
	assert_int_equal(sc_slide_identity(root, "hang.svs", &id, &err), SC_OK);
	assert_int_equal(sc_probe(root, "hang.svs", &id, 1, &p, &err), SC_OK);
	assert_false(p.ok);
	assert_string_equal(p.reason, "opening it took longer than 1 s");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* killed and waited for */
	assert_int_equal(errno, ECHILD);
	sc_slide_root_close(root);
}

static void reap_all(int signal_number)
{
	(void)signal_number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void whatever_happens_to_sigchld(void **state)
{
	static void (*const handlers[])(int) = { SIG_IGN, reap_all, SIG_DFL };
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(handlers); i++) {
		struct sigaction sa = { .sa_handler = handlers[i] }, old;

		catalogue_put_slide(f, "a.svs",
				    i % 2 ? &sample_one_level : &sample_two_levels);
		catalogue_put_slide(f, "crash.svs", &sample_one_level);
		assert_int_equal(sigaction(SIGCHLD, &sa, &old), 0);
		assert_int_equal(catalogue_scan(f).unreadable, 1);
		assert_int_equal(sigaction(SIGCHLD, &old, NULL), 0);
		catalogue_expect_state(f, "a.svs", SC_IMAGE_OK);
	}
}

/* Every file of the shared slides: which ones are slides, by their README. */
static void the_shared_slides(void **state)
{
	static const char *const good[] = {
		"CMU-1-Small-Region.svs",
		"boxes.tiff",
		"broken/corrupt-first-level.tif",
		"broken/mask-levels.tif",
		"broken/tile-wider-than-image-16bit.tiff",
		"broken/webp-20000x20000-one-level.tif",
		"fluorescence-dapi.ndpi",
		"generic-pyramid-6-levels.tif",
		"small.svs",
		"yb10kx5k.zstd.tiff",
	};
	struct fixture *f = *state;
	struct sc_scan_result r;
	struct sc_err err;

	if (!sample_shared())
		return;
	assert_int_equal(sc_catalogue_scan(f->path, sample_shared(), &r, &err), SC_OK);
	assert_int_equal(sc_catalogue_open(f->path, &f->c, &err), SC_OK);
	for (size_t i = 0; i < COUNT_OF(good); i++)
		catalogue_expect_state(f, good[i], SC_IMAGE_OK);
	assert_int_equal(r.total, 35);
	assert_int_equal(r.unreadable, r.total - (int)COUNT_OF(good));
	assert_null(catalogue_find(f, "README.md"));
	assert_non_null(catalogue_find(f, "broken/fuzz-7765c4a2"));
	assert_non_null(catalogue_find(f, "unsupported/test3.ndpis"));
	for (size_t i = 0; i < sc_catalogue_count(f->c); i++)
		catalogue_expect_state(f, sc_catalogue_at(f->c, i)->file,
				       sc_catalogue_at(f->c, i)->state);
}

int main(void)
{
#define TEST(name)                                                                       \
	cmocka_unit_test_setup_teardown(name, catalogue_set_up, catalogue_tear_down)
	static const struct CMUnitTest tests[] = {
		TEST(files_without_permission),
		TEST(trouble_ends_no_scan),
		TEST(a_file_that_is_being_written_is_left),
		TEST(a_probe_in_trouble_is_made_again),
		TEST(a_good_slide_stays_good_while_it_cannot_be_probed),
		TEST(a_scan_that_is_killed_keeps_what_it_found),
		TEST(a_slide_that_crashes_its_reader),
		TEST(a_slide_that_hangs_its_reader),
		TEST(whatever_happens_to_sigchld),
		TEST(the_shared_slides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * kill -9 of a process in the middle of a change of 50 versions, on every store: then all
 * of them are new or all are old, and all are new if the change was acknowledged. At
 * random moments, many times; and at each of its writes to a file or a server, when half
 * of it is done, and when all of it is.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "src/version/store.h"
#include "tests/lib/child.h"
#include "tests/lib/version_suite.h"

#define NAMES	       50
#define WAIT_US	       (20 * SC_US_PER_S)
#define KILLS_LOCATION 200
#define KILLS_SERVER   60
#define MEASURED       9
/* More than any store takes for a change. */
#define WRITES_MAX 200

/* At which write of this process it is to be killed; 0: at none. */
static long cut_at;
static size_t cut_part; /* 2: after half of it; 1: after all */
static long writes;

/* Whether the time has come, of n bytes to be written; *part: how many still go. */
static bool is_cut(size_t n, size_t *part)
{
	*part = n / (cut_part ? cut_part : 1);
	return cut_at > 0 && ++writes == cut_at;
}

_Noreturn static void die(void)
{
	(void)raise(SIGKILL);
	_exit(99);
}

/* In place of the C library's, for LMDB, hiredis and libmemcached. */

ssize_t write(int fd, const void *data, size_t n)
{
	size_t part = 0;

	if (!is_cut(n, &part))
		return syscall(SYS_write, fd, data, n);
	(void)syscall(SYS_write, fd, data, part);
	die();
}

static ssize_t write_at(int fd, const void *data, size_t n, int64_t at)
{
	size_t part = 0;

	if (!is_cut(n, &part))
		return syscall(SYS_pwrite64, fd, data, n, at);
	(void)syscall(SYS_pwrite64, fd, data, part, at);
	die();
}

/* Under both names that it has: a library has one, and headers may choose the other. */
ssize_t cut_pwrite(int fd, const void *data, size_t n, int64_t at) __asm__("pwrite");
ssize_t cut_pwrite64(int fd, const void *data, size_t n, int64_t at) __asm__("pwrite64");

ssize_t cut_pwrite(int fd, const void *data, size_t n, int64_t at)
{
	return write_at(fd, data, n, at);
}

ssize_t cut_pwrite64(int fd, const void *data, size_t n, int64_t at)
{
	return write_at(fd, data, n, at);
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
	size_t part = 0;

	if (!is_cut(parts[0].iov_len, &part))
		return syscall(SYS_writev, fd, parts, n);
	(void)syscall(SYS_write, fd, parts[0].iov_base, part);
	die();
}

ssize_t send(int fd, const void *data, size_t n, int flags)
{
	size_t part = 0;

	if (!is_cut(n, &part))
		return syscall(SYS_sendto, fd, data, n, flags, NULL, 0);
	(void)syscall(SYS_sendto, fd, data, part, flags, NULL, 0);
	die();
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	size_t part = 0;

	if (!is_cut(m->msg_iov[0].iov_len, &part))
		return syscall(SYS_sendmsg, fd, m, flags);
	(void)syscall(SYS_sendto, fd, m->msg_iov[0].iov_base, part, flags, NULL, 0);
	die();
}

int fdatasync(int fd)
{
	size_t part = 0;

	if (!is_cut(1, &part))
		return (int)syscall(SYS_fdatasync, fd);
	if (part > 0)
		(void)syscall(SYS_fdatasync, fd);
	die();
}

/* What a child says of its change. */
struct shared {
	_Atomic bool begun;
	_Atomic bool done;
	_Atomic bool failed;
	_Atomic int64_t took_us;
};

struct rig {
	struct fixture *f;
	const struct sc_store_ops *ops;
	void *store; /* the test's own, for reading */
	struct shared *shared;
	char texts[NAMES][SC_VERSION_NAME_MAX + 1];
	const char *names[NAMES];
	struct sc_version_step steps[NAMES];
	struct sc_version before[NAMES];
	long cut_at;
	size_t cut_part;
	int old, new; /* rounds that ended so */
};

static enum sc_status change(struct rig *r, void *store, struct sc_err *err)
{
	const struct sc_version_change c = { .steps = r->steps,
					     .n = NAMES,
					     .actor = "who dies" };
	size_t changed = 0;

	return r->ops->change(store, &c, &changed, err);
}

static void read_names(struct rig *r, struct sc_version out[NAMES])
{
	bool found[NAMES];

	assert_int_equal(r->ops->read(r->store, r->names, NAMES, out, found, &r->f->err),
			 SC_OK);
	for (int i = 0; i < NAMES; i++)
		assert_true(found[i]);
}

/* Half of them are images; sorted, as a change wants them. */
static void name_them(struct rig *r, enum sc_version_action action)
{
	for (int i = 0; i < NAMES; i++) {
		(void)snprintf(r->texts[i], sizeof r->texts[i], "%s%d",
			       i < NAMES / 2 ? "image/" : "named", 100 + i);
		r->names[i] = r->texts[i];
		r->steps[i] = (struct sc_version_step){ r->names[i], action, NULL };
	}
}

static void open_rig(struct rig *r, struct fixture *f)
{
	close_versions(f);
	*r = (struct rig){ .f = f, .ops = sc_store_find(f->store->name) };
	r->shared = mmap(NULL, sizeof *r->shared, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(r->shared, MAP_FAILED);
	assert_int_equal(r->ops->open(&f->o, &r->store, &f->err), SC_OK);
	name_them(r, SC_MAKE);
	assert_int_equal(change(r, r->store, &f->err), SC_OK);
	name_them(r, SC_RENEW);
}

static void close_rig(struct rig *r)
{
	r->ops->close(r->store);
	(void)munmap(r->shared, sizeof *r->shared);
}

/* In a child, which waits for its end when it is done. */
static bool change_and_wait(void *arg)
{
	struct rig *r = arg;
	struct shared *s = r->shared;
	void *store = NULL;
	struct sc_err err;

	if (r->ops->open(&r->f->o, &store, &err) != SC_OK) {
		atomic_store(&s->failed, true);
		return false;
	}
	int64_t start = sc_mono_us();
	atomic_store(&s->begun, true);
	cut_part = r->cut_part;
	cut_at = r->cut_at;
	enum sc_status status = change(r, store, &err);
	cut_at = 0;
	atomic_store(&s->took_us, sc_mono_us() - start);
	atomic_store(status == SC_OK ? &s->done : &s->failed, true);
	for (;;)
		(void)pause();
}

static pid_t start(struct rig *r)
{
	read_names(r, r->before);
	*r->shared = (struct shared){ .begun = false };
	return child_start(change_and_wait, r);
}

static bool is_dead(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
	return info.si_pid == pid;
}

/* Until it is done, or was killed by one of its writes. */
static void wait_for_end(struct rig *r, pid_t pid)
{
	int64_t deadline = sc_mono_us() + WAIT_US;

	while (!atomic_load(&r->shared->done) && !is_dead(pid)) {
		assert_false(atomic_load(&r->shared->failed));
		assert_true(sc_mono_us() < deadline);
	}
}

/* How many are new; all of these or none. */
static int count_new(struct rig *r, struct sc_version now[NAMES])
{
	int changed = 0;

	read_names(r, now);
	for (int i = 0; i < NAMES; i++)
		changed += strcmp(now[i].version, r->before[i].version) != 0;
	assert_true(changed == 0 || changed == NAMES);
	return changed;
}

/* A change whose maker was killed before it could tell the others may become visible with
 * the next one, even if that finds nothing to do. */
static void settle(struct rig *r)
{
	struct sc_version_step step = { r->names[0], SC_MAKE, NULL };
	const struct sc_version_change c = { .steps = &step, .n = 1, .actor = "" };
	size_t changed = 0;

	assert_int_equal(r->ops->change(r->store, &c, &changed, &r->f->err), SC_OK);
	assert_int_equal(changed, 0);
}

static void check(struct rig *r)
{
	struct sc_version first[NAMES];
	struct sc_version now[NAMES];
	int at_once = count_new(r, first);

	settle(r);
	int changed = count_new(r, now);
	assert_true(changed >= at_once);
	if (atomic_load(&r->shared->done))
		assert_int_equal(at_once, NAMES);
	for (int i = 0; i < NAMES && changed; i++) {
		if (at_once)
			assert_string_equal(now[i].version, first[i].version);
		assert_string_equal(now[i].previous, r->before[i].version);
		assert_int_equal(now[i].changed_at_us, now[0].changed_at_us);
	}
	r->old += changed == 0;
	r->new += changed != 0;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* How long a change takes that nobody ends: the median. */
static int64_t measure(struct rig *r)
{
	int64_t took[MEASURED];

	for (int i = 0; i < MEASURED; i++) {
		pid_t pid = start(r);

		wait_for_end(r, pid);
		assert_true(child_kill(pid));
		check(r);
		took[i] = atomic_load(&r->shared->took_us);
	}
	qsort(took, MEASURED, sizeof took[0], compare);
	return took[MEASURED / 2];
}

static void kill_after(struct rig *r, int64_t offset_us)
{
	pid_t pid = start(r);
	int64_t deadline = sc_mono_us() + WAIT_US;

	while (!atomic_load(&r->shared->begun))
		assert_true(sc_mono_us() < deadline);
	for (int64_t at = sc_mono_us() + offset_us; sc_mono_us() < at;)
		continue;
	assert_true(child_kill(pid));
	assert_false(atomic_load(&r->shared->failed));
	check(r);
}

static void test_random_kills(struct fixture *f)
{
	struct rig r;
	uint64_t seed = 20260801;
	int rounds = f->server ? KILLS_SERVER : KILLS_LOCATION;

	open_rig(&r, f);
	int64_t took = measure(&r);
	r.old = r.new = 0;
	for (int i = 0; i < rounds; i++)
		kill_after(&r, (int64_t)(next_random(&seed) %
					 (uint64_t)(took + took / 4 + 1)));
	(void)fprintf(stderr, "%s: a change takes %lld us; of %d killed %d were done\n",
		      f->store->name, (long long)took, rounds, r.new);
	/* It was hit: before its commit at least. */
	assert_true(r.old > 0);
	close_rig(&r);
}

/* Each of its writes, one after the other, until there are no more. */
static void cut_each(struct rig *r, size_t part)
{
	r->cut_part = part;
	r->old = r->new = 0;
	for (r->cut_at = 1;; r->cut_at++) {
		pid_t pid = start(r);

		assert_true(r->cut_at < WRITES_MAX);
		wait_for_end(r, pid);
		assert_true(child_kill(pid));
		check(r);
		if (atomic_load(&r->shared->done))
			break;
	}
	(void)fprintf(stderr, "%s: killed in each of %ld writes, %d times all was done\n",
		      r->f->store->name, r->cut_at - 1, r->new - 1);
}

static void test_cut_writes(struct fixture *f)
{
	struct rig r;

	open_rig(&r, f);
	for (size_t part = 2; part > 0; part--) {
		cut_each(&r, part);
		/* It asks and commits, or writes the data, waits for the disk, and
		 * commits. */
		assert_true(r.cut_at > (f->server ? 2 : 3));
		assert_true(r.old >= 1);
	}
	/* The commit was among them. */
	assert_true(r.new >= 2);
	close_rig(&r);
}

/* Acknowledged, and killed at once: still there. */
static void test_acknowledged(struct fixture *f)
{
	struct rig r;

	open_rig(&r, f);
	for (int i = 0; i < 20; i++) {
		pid_t pid = start(&r);

		wait_for_end(&r, pid);
		assert_true(child_kill(pid));
		r.ops->close(r.store);
		assert_int_equal(r.ops->open(&f->o, &r.store, &f->err), SC_OK);
		check(&r);
		assert_int_equal(r.new, i + 1);
	}
	close_rig(&r);
}

static const struct version_case cases[] = {
	{ "killed at random", test_random_kills, 0 },
	{ "killed at each write", test_cut_writes, 0 },
	{ "acknowledged and killed", test_acknowledged, 0 },
};

int main(void)
{
	return run_version_cases("kill -9 while versions change", cases, COUNT_OF(cases));
}

/* SPDX-License-Identifier: MIT */
/*
 * The probe: opens one slide and reads a little of it in a child process, so that a
 * hostile file can crash, hang or eat memory without harm to who asks.
 *
 * The child answers with one record through a pipe. The record is input like any other:
 * whoever took the child over may have written it. The exit status is not needed, so
 * this works too where SIGCHLD is ignored or another part reaps children.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slide/catalogue.h"
#include "slide/root.h"
#include "slidecache/clock.h"
#include "slidecache/parse.h"

#define CPU_LIMIT_S  20 /* backstop, should the parent be gone */
#define MEMORY_LIMIT ((rlim_t)1 << 30)
#define PIECE	     64 /* pixels a side that are read of a level */

static enum sc_status read_piece(struct sc_slide *s, int level, struct sc_err *err)
{
	const struct sc_geometry *g = &sc_slide_info(s)->geometry;
	SC_AUTO_PIXELS p = SC_PIXELS_INIT;
	struct sc_slide_region r = {
		.level = level,
		.width = g->width[level] < PIECE ? (uint32_t)g->width[level] : PIECE,
		.height = g->height[level] < PIECE ? (uint32_t)g->height[level] : PIECE,
	};

	return sc_slide_read(s, &r, NULL, &p, err);
}

/* The last level is what an overview shows, level 0 what everything falls back to. */
static enum sc_status examine(struct sc_slide_root *root, const char *file,
			      const struct sc_identity *id, struct sc_slide_info *info,
			      struct sc_err *err)
{
	struct sc_slide_pool *pool;
	struct sc_slide *s;

	if (sc_slide_pool_new(root, 1, &pool, err) != SC_OK ||
	    sc_slide_get(pool, file, id, 0, &s, err) != SC_OK ||
	    read_piece(s, sc_dz_best_level(&sc_slide_info(s)->geometry, HUGE_VAL), err) !=
		    SC_OK ||
	    read_piece(s, 0, err) != SC_OK)
		return err->status;
	*info = *sc_slide_info(s);
	return SC_OK; /* the process ends: nothing is closed */
}

/*
 * Whether a failure is this moment's or this machine's. A file that cannot even be opened
 * has not been judged, whatever the kernel's reason is.
 */
static bool is_passing(struct sc_slide_root *root, const char *file,
		       const struct sc_err *why)
{
	SC_AUTO_FD fd = -1;
	struct sc_identity id;
	struct sc_err ignored;

	return why->status != SC_UNREADABLE ||
	       sc_slide_root_read(root, file, &id, &fd, &ignored) != SC_OK;
}

static void be_modest(void)
{
	struct rlimit cpu = { CPU_LIMIT_S, CPU_LIMIT_S };
	struct rlimit none = { 0, 0 };
	struct rlimit memory = { MEMORY_LIMIT, MEMORY_LIMIT };
	sigset_t all;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setrlimit(RLIMIT_CPU, &cpu);
	(void)setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* its shadow memory counts */
	(void)setrlimit(RLIMIT_DATA, &memory);
#else
	(void)memory;
#endif
	/* The parent's handlers are not for this process: a crash must end it. */
	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL);
	(void)sigemptyset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
}

static void answer(int fd, struct sc_slide_root *root, const char *file,
		   const struct sc_identity *id)
{
	struct sc_slide_info info = { 0 };
	struct sc_probe p = { 0 };
	struct sc_err err = { SC_OK, "" };

	be_modest();
	p.ok = examine(root, file, id, &info, &err) == SC_OK;
	if (p.ok) {
		(void)snprintf(p.vendor, sizeof(p.vendor), "%s", info.vendor);
		p.width = info.geometry.width[0];
		p.height = info.geometry.height[0];
		p.mpp = info.mpp;
		p.objective_power = info.objective_power;
	} else {
		p.passing = is_passing(root, file, &err);
		p.unknown = err.status == SC_UNAVAILABLE;
		(void)snprintf(p.reason, sizeof(p.reason), "%s", err.text);
	}
	/* Smaller than PIPE_BUF: written whole. Nobody to tell when it fails. */
	_exit(write(fd, &p, sizeof(p)) == (ssize_t)sizeof(p) ? 0 : 1);
}

/* Not passing: what hangs or crashes its reader is too dear to be tried at each scan. */
static void set_reason(struct sc_probe *p, const char *reason)
{
	*p = (struct sc_probe){ 0 };
	(void)snprintf(p->reason, sizeof(p->reason), "%s", reason);
}

static bool is_plausible(const struct sc_probe *p)
{
	const unsigned char ok = *(const unsigned char *)&p->ok; /* any byte may come */
	const unsigned char passing = *(const unsigned char *)&p->passing;
	const unsigned char unknown = *(const unsigned char *)&p->unknown;

	return ok <= 1 && ok + passing <= 1 && unknown <= passing &&
	       ok == (p->reason[0] == '\0') &&
	       memchr(p->reason, '\0', sizeof(p->reason)) &&
	       memchr(p->vendor, '\0', sizeof(p->vendor)) &&
	       sc_utf8_valid(sc_bytes_str(p->reason)) &&
	       sc_utf8_valid(sc_bytes_str(p->vendor)) && p->width >= ok &&
	       p->height >= ok && isfinite(p->mpp) && p->mpp >= 0 &&
	       isfinite(p->objective_power) && p->objective_power >= 0;
}

/* Waits until the record, the end of the pipe or the end of the time comes. */
static void await_answer(int fd, int limit_s, struct sc_probe *out)
{
	int64_t end = sc_mono_us() + limit_s * SC_US_PER_S;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;
	int ready;

	do {
		int64_t left = end - sc_mono_us();

		ready = poll(&p, 1, left > 0 ? (int)(left / 1000) + 1 : 0);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0) {
		char text[64];

		(void)snprintf(text, sizeof(text), "opening it took longer than %d s",
			       limit_s);
		set_reason(out, text);
		return;
	}
	do
		n = read(fd, out, sizeof(*out));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*out) || !is_plausible(out))
		set_reason(out, "opening it ended abnormally");
}

enum sc_status sc_probe(struct sc_slide_root *root, const char *file,
			const struct sc_identity *id, int limit_s, struct sc_probe *out,
			struct sc_err *err)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "probe: no pipe: %s",
			       strerror(errno));
	pid = fork();
	if (pid == 0)
		answer(ends[1], root, file, id);
	(void)close(ends[1]);
	if (pid < 0) {
		(void)sc_fail(err, SC_UNAVAILABLE, "probe: no process: %s",
			      strerror(errno));
		(void)close(ends[0]);
		return err->status;
	}
	await_answer(ends[0], limit_s, out);
	(void)close(ends[0]);
	(void)kill(pid, SIGKILL);
	/* ECHILD: SIGCHLD is ignored here, or somebody else has waited for it. */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return SC_OK;
}

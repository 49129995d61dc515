/* SPDX-License-Identifier: MIT */
/*
 * The probe: a child process that reads a store, because reading a damaged one may end
 * in SIGSEGV, SIGBUS, an assertion of LMDB's or a loop.
 *
 * The child says how it went through a pipe: a status byte and a sentence. Silence, for
 * whatever reason, means damage. The exit status is not used, so a caller that reaps all
 * its children in a SIGCHLD handler does no harm.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/lmdb_files.h"
#include "slidecache/bytes.h"
#include "slidecache/clock.h"

struct verdict {
	unsigned char status;
	char text[sizeof(((struct sc_err *)0)->text)];
};

/* Dies of what the parent may survive or handle, without a core file, and with it. */
static void become_probe(int limit_ms)
{
	static const int deadly[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM };
	struct rlimit none = { 0, 0 };
	sigset_t empty;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setrlimit(RLIMIT_CORE, &none);
	for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++)
		(void)signal(deadly[i], SIG_DFL);
	sigemptyset(&empty);
	(void)sigprocmask(SIG_SETMASK, &empty, NULL);
	(void)alarm((unsigned)limit_ms / 1000 + 1);
}

static void die_quietly(MDB_env *env, const char *msg)
{
	(void)env;
	(void)msg;
	_exit(1);
}

static enum sc_status walk_store(struct sc_lmdb_dir *d, bool full, struct sc_err *err)
{
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	int rc = sc_lmdb_open_for_probe(d, &env);

	if (rc == 0) {
		(void)mdb_env_set_assert(env, die_quietly);
		rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
	}
	if (rc == 0)
		rc = d->o.walk(txn, full);
	/* Nothing is closed: the process ends here. */
	if (rc == 0)
		return SC_OK;
	return sc_fail(err, sc_lmdb_status(rc), "reading: %s", mdb_strerror(rc));
}

static void run_child(struct sc_lmdb_dir *d, bool full, int limit_ms, int fd)
	__attribute__((noreturn));
static void run_child(struct sc_lmdb_dir *d, bool full, int limit_ms, int fd)
{
	struct verdict v = { .status = SC_OK };
	struct sc_err err = { .text = "" };

	become_probe(limit_ms);
	v.status = (unsigned char)walk_store(d, full, &err);
	(void)snprintf(v.text, sizeof v.text, "%s", err.text);
	/* A parent that is gone wants no answer. */
	(void)!write(fd, &v, sizeof v);
	_exit(0);
}

static bool read_verdict(int fd, int limit_ms, struct verdict *v)
{
	int64_t end = sc_mono_us() + (int64_t)limit_ms * 1000;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n = -1;

	do {
		int64_t left = (end - sc_mono_us()) / 1000;

		n = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	/* Less than PIPE_BUF bytes arrive in one piece. */
	return n == 1 && read(fd, v, sizeof *v) == (ssize_t)sizeof *v;
}

static void end_child(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

static enum sc_status ask_child(struct sc_lmdb_dir *d, bool full, int limit_ms,
				struct sc_err *err)
{
	struct verdict v = { .status = SC_OK };
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "probing: %s", strerror(errno));
	SC_AUTO_FD from = fds[0];
	SC_AUTO_FD to = fds[1];
	pid_t pid = fork();
	if (pid < 0)
		return sc_fail(err, SC_UNAVAILABLE, "probing: %s", strerror(errno));
	if (pid == 0)
		run_child(d, full, limit_ms, to);
	sc_close_fd(&to);
	bool answered = read_verdict(from, limit_ms, &v);
	end_child(pid);
	if (!answered)
		return sc_fail(err, SC_DAMAGED, "the data file cannot be read safely");
	v.text[sizeof v.text - 1] = '\0';
	return v.status == SC_OK ? SC_OK
				 : sc_fail(err, (enum sc_status)v.status, "%s", v.text);
}

enum sc_status sc_lmdb_dir_probe(struct sc_lmdb_dir *d, bool full, int limit_ms,
				 struct sc_err *err)
{
	uint64_t size = 0;
	enum sc_status status = SC_OK;

	/* LMDB would take an empty file for a store that is still to be made. */
	if (sc_lmdb_dir_exists(d, &size) && size == 0)
		status = sc_fail(err, SC_DAMAGED, "the data file is empty");
	else
		status = ask_child(d, full, limit_ms, err);
	if (status != SC_OK) {
		struct sc_err why = *err;

		return sc_fail(err, status, "%s %s: %s", d->o.what, d->o.path, why.text);
	}
	return SC_OK;
}

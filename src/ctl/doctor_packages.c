/* SPDX-License-Identifier: MIT */
/*
 * doctor: are the libraries of this machine at least those that have their worst holes
 * closed? dpkg knows, and dpkg compares: its rules for versions are its own.
 */
#include "ctl/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slidecache/clock.h"

extern char **environ;

static const struct floor {
	const char *packages[2]; /* by the names of several releases of Debian */
	const char *version;
	const char *why;
} floors[] = {
	{ { "libfcgi0ldbl", "libfcgi0t64" },
	  "2.4.2-2+deb12u1",
	  "a request can overflow its memory (CVE-2025-23016)" },
	{ { "libopenslide0", "libopenslide0t64" },
	  "3.4.1+dfsg-6+deb12u1",
	  "a slide can write to its memory (CVE-2026-48977)" },
	{ { "libmemcached11", "libmemcached11t64" },
	  "1.1.4",
	  "an answer that comes late is given to the next question" },
};

/* A child with its output in our pipe; -1 when there is no such program. */
static pid_t start(char *const argv[], int output)
{
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return -1;
	if (posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO) != 0 ||
	    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null",
					     O_WRONLY, 0) != 0 ||
	    posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) != 0)
		pid = -1;
	(void)posix_spawn_file_actions_destroy(&actions);
	return pid;
}

/* What a program may write, and until when. */
struct output {
	char text[128]; /* its beginning */
	int64_t end_us; /* monotonic */
};

/* Reads to the end. False: there was none in time. */
static bool collect(int fd, struct output *out)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t len = 0;

	for (;;) {
		char more[256];
		int64_t left_ms = (out->end_us - sc_mono_us()) * 1000 / SC_US_PER_S;
		ssize_t n = -1;

		if (left_ms > 0 && poll(&p, 1, (int)left_ms) > 0)
			n = read(fd, more, sizeof(more));
		if (n <= 0)
			return n == 0;
		for (ssize_t i = 0; i < n && len < sizeof(out->text) - 1; i++)
			out->text[len++] = more[i];
		out->text[len] = '\0';
	}
}

/* The exit code, -1: it has none. */
static int wait_for(pid_t pid)
{
	int how = 0;

	while (waitpid(pid, &how, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(how) ? WEXITSTATUS(how) : -1;
}

/* Runs a program; its exit code, or -1. */
static int run(char *const argv[], struct output *out)
{
	int ends[2];
	pid_t pid = -1;

	out->text[0] = '\0';
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid = start(argv, ends[1]);
	(void)close(ends[1]);
	if (pid > 0 && !collect(ends[0], out))
		(void)kill(pid, SIGKILL);
	(void)close(ends[0]);
	return pid > 0 ? wait_for(pid) : -1;
}

/* The version of the first of these packages that is installed. False: none is. */
static bool find_version(const struct floor *f, struct output *out)
{
	char format[] = "${Version}\n";

	for (size_t i = 0; i < sizeof(f->packages) / sizeof(f->packages[0]); i++) {
		SC_AUTO_FREE char *name = sc_strdup(f->packages[i]);
		char program[] = "dpkg-query";
		char show[] = "-Wf";
		char *const argv[] = { program, show, format, name, NULL };

		if (run(argv, out) != 0)
			continue;
		/* One line an architecture. */
		out->text[strcspn(out->text, "\n")] = '\0';
		return true;
	}
	return false;
}

/* 1, 0, or -1: unknown. */
static int is_at_least(const char *version, const char *least, int64_t end_us)
{
	SC_AUTO_FREE char *a = sc_strdup(version);
	SC_AUTO_FREE char *b = sc_strdup(least);
	char program[] = "dpkg";
	char compare[] = "--compare-versions";
	char ge[] = "ge";
	char *const argv[] = { program, compare, a, ge, b, NULL };
	struct output none = { .end_us = end_us };
	int code = run(argv, &none);

	return code == 0 ? 1 : code == 1 ? 0 : -1;
}

static void check_floor(struct sc_doctor *d, const struct floor *f, int64_t end_us)
{
	struct output version = { .end_us = end_us };
	int enough = -1;

	if (find_version(f, &version))
		enough = is_at_least(version.text, f->version, end_us);
	if (enough < 0)
		sc_doctor_warn(d, "see to it that it is as new as that",
			       "%s: unknown version; %s is the least", f->packages[0],
			       f->version);
	else if (enough == 0)
		sc_doctor_fail(d, "apt-get update && apt-get upgrade, then restart",
			       "%s %s is older than %s: %s", f->packages[0], version.text,
			       f->version, f->why);
	else
		sc_doctor_ok(d, "%s %s", f->packages[0], version.text);
}

void sc_doctor_packages(struct sc_doctor *d)
{
	int64_t end_us = sc_mono_us() + SC_DOCTOR_WAIT_MS * (SC_US_PER_S / 1000);

	for (size_t i = 0; i < sizeof(floors) / sizeof(floors[0]); i++)
		check_floor(d, &floors[i], end_us);
}

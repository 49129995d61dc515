/* SPDX-License-Identifier: MIT */
/*
 * What a process that reads slides can still do, tried by one: each attempt runs in a
 * child that has entered the sandbox just as a worker does, and says how it went. The
 * table of all attempts of a program is written to BUILD.
 */
#ifndef TESTS_FAULT_SANDBOX_FIXTURE_H
#define TESTS_FAULT_SANDBOX_FIXTURE_H

#include "tests/lib/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "slidecache/conf.h"
#include "src/server/limit.h"
#include "src/server/sandbox.h"
#include "src/server/sandbox_landlock.h"
#include "tests/lib/sample.h"

#define DEADLINE_US (20 * SC_US_PER_S)

static char *dir;
static struct sc_conf *conf;
static int here_port, other_port; /* a server of the configuration; one that is not */
static pid_t parent;

/* ---- the world ---- */

static const char *in(const char *name)
{
	static char paths[4][512];
	static int next;
	char *p = paths[next++ % 4];

	(void)snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
	return p;
}

static void write_file(const char *name)
{
	SC_AUTO_FD fd = open(in(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "secret", 6), 6);
}

static int listen_tcp(int *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static struct sockaddr_un unix_address(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%.100s", in(name));
	return a;
}

static int listen_unix(const char *name)
{
	const struct sockaddr_un a = unix_address(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static void set(const char *name, const char *value)
{
	struct sc_err err;

	if (sc_conf_set(conf, name, value, &err) != SC_OK)
		fail_msg("%s", err.text);
}

static void configure(void)
{
	char location[600];
	struct sc_err err;

	conf = sc_conf_new();
	set("slides.root", in("slides"));
	set("state_dir", in("state"));
	set("cache_dir", in("cache"));
	set("access.acl_file", in("settings/acl.json"));
	set("log.target", in("log/log"));
	(void)snprintf(location, sizeof(location), "redis://127.0.0.1:%d/0", here_port);
	set("caches.tiles_cache.backend", "redis");
	set("caches.tiles_cache.location", location);
	(void)snprintf(location, sizeof(location), "unix:%s", in("here.sock"));
	set("versions.backend", "memcached");
	set("versions.location", location);
	assert_int_equal(sc_conf_finish(conf, &err), SC_OK);
}

static int make_world(void **state)
{
	static const char *const folders[] = { "slides",   "state", "cache",
					       "settings", "log",   "elsewhere" };
	static const char *const files[] = { "slides/slide", "settings/acl.json",
					     "log/log", "elsewhere/canary",
					     "state/kept" };

	(void)state;
	dir = check_mkdir();
	for (size_t i = 0; i < COUNT_OF(folders); i++)
		assert_int_equal(mkdir(in(folders[i]), 0700), 0);
	for (size_t i = 0; i < COUNT_OF(files); i++)
		write_file(files[i]);
	assert_int_equal(symlink(in("elsewhere/canary"), in("slides/link")), 0);
	assert_int_equal(symlink(in("elsewhere"), in("slides/folder")), 0);
	(void)(listen_tcp(&here_port) + listen_tcp(&other_port));
	(void)(listen_unix("here.sock") + listen_unix("other.sock"));
	parent = getpid();
	configure();
	return 0;
}

static int end_world(void **state)
{
	(void)state;
	sc_conf_free(conf);
	check_rmdir(dir);
	return 0;
}

/* ---- attempts ---- */

enum expected { WORKS, REFUSED, KILLED };

struct attempt {
	const char *name;
	int (*run)(void); /* 0, or -1 with errno */
	enum expected expected;
	int abi; /* of Landlock, that this takes */
};

static int close_if(int fd)
{
	int saved = errno;

	if (fd < 0)
		return -1;
	(void)close(fd);
	errno = saved;
	return 0;
}

static int call(long rc)
{
	return rc < 0 ? -1 : 0;
}

#define ATTEMPT(name, expression)                                                        \
	static int name(void)                                                            \
	{                                                                                \
		return (expression);                                                     \
	}

/* ---- trying ---- */

/* In the child: up to where a worker is when it begins to serve. */
static void enter(void)
{
	struct sc_err err;

	sc_limit_worker(conf);
	if (sc_sandbox_enter(conf, SC_SANDBOX_SERVE, &err) == SC_OK)
		return;
	(void)fprintf(stderr, "%s\n", err.text);
	_exit(255);
}

/* By renaming, when the child has entered. */
static void replace_settings(void)
{
	write_file("settings/new");
	assert_int_equal(rename(in("settings/new"), in("settings/acl.json")), 0);
}

static int wait_child(pid_t pid)
{
	int64_t end = sc_mono_us() + DEADLINE_US;
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (sc_mono_us() > end)
			(void)kill(pid, SIGKILL);
		sc_sleep_us(500);
	}
	return status;
}

static int try_in_child(const struct attempt *a)
{
	int said[2], go[2];
	char byte = 0;

	assert_int_equal(pipe2(said, O_CLOEXEC) | pipe2(go, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		enter();
		if (write(said[1], "", 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(254);
		_exit(a->run() < 0 ? errno : 0);
	}
	(void)close(said[1]);
	assert_int_equal(read(said[0], &byte, 1), 1);
	replace_settings();
	assert_int_equal(write(go[1], "", 1), 1);
	(void)close(said[0]);
	(void)close(go[0]);
	(void)close(go[1]);
	return wait_child(pid);
}

static bool is_refusal(int error)
{
	static const int refusals[] = { EPERM, EACCES, ENOSYS, EXDEV };

	for (size_t i = 0; i < COUNT_OF(refusals); i++)
		if (refusals[i] == error)
			return true;
	return false;
}

static void describe(int status, char out[64])
{
	if (WIFSIGNALED(status))
		(void)snprintf(out, 64, "killed: %s", sigabbrev_np(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == 0)
		(void)snprintf(out, 64, "works");
	else
		(void)snprintf(out, 64, "%s", strerrorname_np(WEXITSTATUS(status)));
}

static bool is_as_expected(const struct attempt *a, int status)
{
	if (a->expected == KILLED)
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
	if (!WIFEXITED(status))
		return false;
	return a->expected == WORKS ? WEXITSTATUS(status) == 0
				    : is_refusal(WEXITSTATUS(status));
}

static void try_all(const struct attempt *attempts, size_t n, const char *file)
{
	SC_AUTO_FREE char *name = sample_program(file);
	FILE *table = fopen(name, "w");
	int abi = sc_landlock_abi();
	int wrong = 0;

	assert_non_null(table);
	(void)fprintf(table, "Landlock ABI %d\n\n", abi);
	for (size_t i = 0; i < n; i++) {
		const struct attempt *a = &attempts[i];
		char how[64] = "not by this kernel";

		if (abi >= a->abi) {
			int status = try_in_child(a);

			describe(status, how);
			if (!is_as_expected(a, status)) {
				print_error("%s: %s\n", a->name, how);
				wrong++;
			}
		}
		(void)fprintf(table, "%-42s %s\n", a->name, how);
	}
	assert_int_equal(fclose(table), 0);
	assert_int_equal(wrong, 0);
}

#endif

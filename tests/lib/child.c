/* SPDX-License-Identifier: MIT */
/*
 * Child processes of C tests, and values made from numbers. Ends only its own children.
 */
#include "tests/lib/child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t child_start(child_fn fn, void *arg)
{
	pid_t pid = fork();

	if (pid < 0)
		abort();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(arg) ? 0 : 1);
	}
	return pid;
}

static int wait_for(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status;
}

bool child_ok(pid_t pid)
{
	int status = wait_for(pid);

	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool child_kill(pid_t pid)
{
	int status = 0;

	(void)kill(pid, SIGKILL);
	status = wait_for(pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static uint64_t value_seed(uint64_t number, size_t len)
{
	return (number + 1) * 0x9e3779b97f4a7c15u ^ len;
}

void make_value(struct sc_buf *out, uint64_t number, size_t len)
{
	uint64_t seed = value_seed(number, len);

	for (size_t i = 0; i < len; i += 8) {
		uint64_t word = next_random(&seed);

		sc_buf_append(out, &word, len - i < 8 ? len - i : 8);
	}
}

bool is_value(struct sc_bytes value, uint64_t number)
{
	uint64_t seed = value_seed(number, value.len);

	for (size_t i = 0; i < value.len; i += 8) {
		uint64_t word = next_random(&seed);

		if (memcmp(value.data + i, &word,
			   value.len - i < 8 ? value.len - i : 8) != 0)
			return false;
	}
	return true;
}

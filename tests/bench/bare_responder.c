/* SPDX-License-Identifier: MIT */
/*
 * The floor of a cache hit: a bare libfcgi program that sends one reply from memory.
 *
 * bare_responder REPLY WORKERS, with the listening socket as descriptor 0. REPLY is a
 * file with a whole CGI reply, head and body. It knows no cache, no route and no limit:
 * what is slower than this is what slidecache adds to libfcgi.
 */
#include <fcgiapp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPLY_MAX   (1 << 20)
#define WORKERS_MAX 64

static char reply[REPLY_MAX];

static int read_reply(const char *path)
{
	FILE *f = fopen(path, "rb");
	size_t n = 0;

	if (!f) {
		perror(path);
		exit(1);
	}
	n = fread(reply, 1, sizeof(reply), f);
	if (ferror(f) || n == sizeof(reply)) {
		fprintf(stderr, "%s: cannot be read, or over %d bytes\n", path,
			REPLY_MAX);
		exit(1);
	}
	(void)fclose(f);
	return (int)n;
}

static void serve(int length)
{
	FCGX_Request request;

	if (FCGX_Init() || FCGX_InitRequest(&request, 0, 0))
		_exit(1);
	while (FCGX_Accept_r(&request) == 0) {
		(void)FCGX_PutStr(reply, length, request.out);
		FCGX_Finish_r(&request);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	int workers = argc == 3 ? atoi(argv[2]) : 0;
	pid_t master = getpid();
	int length = 0;

	if (workers < 1 || workers > WORKERS_MAX) {
		fprintf(stderr,
			"usage: bare_responder REPLY WORKERS <listening socket\n");
		return 2;
	}
	length = read_reply(argv[1]);
	for (int i = 0; i < workers; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (pid == 0) {
			/* They end with their parent, at whatever moment that dies. */
			if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != master)
				_exit(1);
			serve(length);
		}
	}
	while (wait(NULL) > 0)
		;
	return 0;
}

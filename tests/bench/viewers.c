/* SPDX-License-Identifier: MIT */
/*
 * Viewers: how long each of their requests takes, over kept connections to a web server.
 *
 * viewers PORT VIEWERS SECONDS RATE TARGETS prints the requests made, how many a second,
 * and the microseconds of the median, the 99th percentile and the slowest:
 * "N RATE P50 P99 MAX". TARGETS is a file of addresses, one a line, which the viewers ask
 * for by turns; every answer has to be a hit.
 *
 * RATE: requests a second of each viewer, evenly spread; the time of one counts from when
 * it was due, so that waiting for the one before it counts, too. 0: each viewer asks
 * again as soon as it has its answer, which keeps the machine busy.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "slidecache/clock.h"

#define VIEWERS_MAX 256
#define TARGETS_MAX 4096
#define ANSWER_MAX  (1 << 18)
#define TIMES_MAX   (1 << 24)

struct viewer {
	int socket;
	bool waits; /* for an answer */
	int64_t due_us;
	size_t have;
	char answer[ANSWER_MAX + 1];
};

static struct viewer viewers[VIEWERS_MAX];
static char *targets[TARGETS_MAX];
static size_t n_viewers, n_targets, next_target;
static int64_t pause_us; /* between two requests of a viewer; 0: none */
static uint32_t times_us[TIMES_MAX];
static size_t n_times;

static void give_up(const char *what)
{
	fprintf(stderr, "viewers: %s\n", what);
	exit(1);
}

static void read_targets(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t room = 0;

	while (f && n_targets < TARGETS_MAX) {
		ssize_t n = getline(&targets[n_targets], &room, f);

		if (n <= 1)
			break;
		targets[n_targets++][n - 1] = '\0';
		room = 0;
	}
	if (!n_targets)
		give_up("no targets");
	(void)fclose(f);
}

static void connect_viewer(struct viewer *v, int port)
{
	const struct sockaddr_in there = { .sin_family = AF_INET,
					   .sin_port = htons((uint16_t)port),
					   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1;

	v->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (v->socket < 0 ||
	    connect(v->socket, (const struct sockaddr *)&there, sizeof(there)))
		give_up("no connection");
	(void)setsockopt(v->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void ask(struct viewer *v)
{
	char text[2048];
	int n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n",
			 targets[next_target++ % n_targets]);

	if (n >= (int)sizeof(text) || send(v->socket, text, (size_t)n, 0) != n)
		give_up("a request cannot be sent");
	v->have = 0;
	v->waits = true;
}

/* Whether the answer is complete; one that is no hit ends the program. */
static bool complete(struct viewer *v)
{
	char *body = NULL;
	const char *length = NULL;

	v->answer[v->have] = '\0';
	body = memmem(v->answer, v->have, "\r\n\r\n", 4);
	if (!body)
		return false;
	*body = '\0'; /* what follows is the picture */
	if (strncmp(v->answer, "HTTP/1.1 200 ", 13) != 0 ||
	    !strcasestr(v->answer, "\r\nx-cache: hit"))
		give_up(v->answer);
	length = strcasestr(v->answer, "\r\ncontent-length: ");
	if (!length)
		give_up("an answer without a length");
	*body = '\r';
	return v->have >= (size_t)(body + 4 - v->answer) + strtoul(length + 18, NULL, 10);
}

static void note_time(struct viewer *v)
{
	int64_t now_us = sc_mono_us();

	if (n_times == TIMES_MAX)
		give_up("too many requests");
	times_us[n_times++] = (uint32_t)(now_us - v->due_us);
	v->waits = false;
	v->due_us = pause_us ? v->due_us + pause_us : now_us;
}

static void take(struct viewer *v)
{
	ssize_t n = recv(v->socket, v->answer + v->have, ANSWER_MAX - v->have, 0);

	if (n <= 0)
		give_up("a connection ended");
	v->have += (size_t)n;
	if (complete(v))
		note_time(v);
}

/* Asks what is due; returns the microseconds until something else is. */
static int64_t ask_due(void)
{
	int64_t left_us = SC_US_PER_S;

	for (size_t i = 0; i < n_viewers; i++) {
		int64_t in_us = viewers[i].due_us - sc_mono_us();

		if (viewers[i].waits)
			continue;
		if (in_us <= 0)
			ask(&viewers[i]);
		else if (in_us < left_us)
			left_us = in_us;
	}
	return left_us;
}

static void wait_for_answers(int64_t at_most_us)
{
	const struct timespec t = { at_most_us / SC_US_PER_S,
				    at_most_us % SC_US_PER_S * 1000 };
	struct pollfd polled[VIEWERS_MAX];

	for (size_t i = 0; i < n_viewers; i++)
		polled[i] = (struct pollfd){ viewers[i].socket, POLLIN, 0 };
	if (ppoll(polled, n_viewers, &t, NULL) < 0)
		give_up("ppoll fails");
	for (size_t i = 0; i < n_viewers; i++)
		if (polled[i].revents)
			take(&viewers[i]);
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void print(double seconds)
{
	if (n_times < 100)
		give_up("too few requests");
	qsort(times_us, n_times, sizeof(times_us[0]), by_size);
	printf("%zu %.1f %u %u %u\n", n_times, (double)n_times / seconds,
	       times_us[n_times / 2], times_us[n_times - n_times / 100 - 1],
	       times_us[n_times - 1]);
}

int main(int argc, char **argv)
{
	int64_t start_us = 0;
	double seconds = argc == 6 ? strtod(argv[3], NULL) : 0;
	double rate = argc == 6 ? strtod(argv[4], NULL) : 0;

	n_viewers = argc == 6 ? strtoul(argv[2], NULL, 10) : 0;
	if (n_viewers < 1 || n_viewers > VIEWERS_MAX || seconds <= 0 || rate < 0) {
		fprintf(stderr, "usage: viewers PORT VIEWERS SECONDS RATE TARGETS\n");
		return 2;
	}
	read_targets(argv[5]);
	(void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	for (size_t i = 0; i < n_viewers; i++)
		connect_viewer(&viewers[i], (int)strtol(argv[1], NULL, 10));
	pause_us = rate > 0 ? (int64_t)(1e6 / rate) : 0;
	start_us = sc_mono_us();
	for (size_t i = 0; i < n_viewers; i++)
		viewers[i].due_us = start_us + pause_us * (int64_t)i / (int64_t)n_viewers;
	while (sc_mono_us() - start_us < (int64_t)(seconds * 1e6))
		wait_for_answers(ask_due());
	print((double)(sc_mono_us() - start_us) / 1e6);
	return 0;
}

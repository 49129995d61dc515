/* SPDX-License-Identifier: MIT */
/*
 * Real cache servers for tests: redis-server and memcached as children of the test, on
 * unix sockets in a folder of their own, ended by their own process id. All of these
 * assert; what they wait for is a condition with a deadline.
 */
#ifndef SLIDECACHE_TESTS_SERVER_H
#define SLIDECACHE_TESTS_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

enum server_kind { SERVER_REDIS, SERVER_MEMCACHED };

struct server {
	enum server_kind kind;
	char *dir;	/* of its files */
	char *path;	/* of its unix socket */
	char *location; /* for the options: redis+unix://... or unix:... */
	char *argv[40]; /* how it is started: NULL ends; start adds nothing */
	pid_t pid;	/* 0 while it does not run */
};

/* Makes the folder and the arguments; extra: further arguments, NULL ends, may be NULL.
 * Redis: no persistence, unixsocket only. memcached: 64 MB, -s PATH. */
struct server *server_new(enum server_kind kind, const char *const *extra);
/* Starts it and waits until it answers (PING, version). */
void server_start(struct server *s);
/* SIGTERM and wait; nothing when it does not run. */
void server_stop(struct server *s);
void server_kill(struct server *s);  /* SIGKILL and wait */
void server_pause(struct server *s); /* SIGSTOP, waits until it is stopped */
void server_resume(struct server *s);
/* Stops it, removes the folder. */
void server_free(struct server *s);

/* Sends text and a CR LF and returns the answer as a string to be freed: up to the line
 * feed that ends what such a server answers to it ("END", "+OK", "$N ..."). */
char *server_ask(struct server *s, const char *text);
/* A number of "INFO" or "stats": server_number(s, "total_reads_processed"). */
long long server_number(struct server *s, const char *name);

#endif

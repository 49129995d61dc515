/* SPDX-License-Identifier: MIT */
/*
 * The floor of a cache hit: a bare libfcgi program that sends one reply.
 *
 * bare_responder REPLY WORKERS [redis|memcached PATH], with the listening socket as
 * descriptor 0. REPLY is a file with a whole CGI reply, head and body; it is sent from
 * memory, or each time from one GET of the server at the unix socket PATH. It knows no
 * version, no route and no limit: what is slower than this is what slidecache adds.
 */
#include <fcgiapp.h>
#include <hiredis/hiredis.h>
#include <libmemcached/memcached.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPLY_MAX   (1 << 20)
#define WORKERS_MAX 64
#define KEY	    "bench:reply"

static char reply[REPLY_MAX];
static int reply_length;

/* Where the reply comes from: set is called once before fork, open after it. */
struct source {
	const char *name;
	void (*open)(const char *path);
	void (*set)(void);
	void (*send)(FCGX_Stream *out);
};

static void give_up(const char *what)
{
	fprintf(stderr, "bare_responder: %s\n", what);
	_exit(1);
}

static void open_nothing(const char *path)
{
	(void)path;
}

static void set_nothing(void)
{
}

static void send_memory(FCGX_Stream *out)
{
	(void)FCGX_PutStr(reply, reply_length, out);
}

static redisContext *r_link;

static void open_redis(const char *path)
{
	r_link = redisConnectUnix(path);
	if (!r_link || r_link->err)
		give_up("no redis");
}

static void set_redis(void)
{
	redisReply *r =
		redisCommand(r_link, "SET " KEY " %b", reply, (size_t)reply_length);

	if (!r || r->type != REDIS_REPLY_STATUS)
		give_up("redis SET");
	freeReplyObject(r);
	redisFree(r_link);
}

static void send_redis(FCGX_Stream *out)
{
	redisReply *r = redisCommand(r_link, "GET " KEY);

	if (!r || r->type != REDIS_REPLY_STRING)
		give_up("redis GET");
	(void)FCGX_PutStr(r->str, (int)r->len, out);
	freeReplyObject(r);
}

static memcached_st *m_link;

static void open_memcached(const char *path)
{
	m_link = memcached_create(NULL);
	if (!m_link ||
	    memcached_server_add_unix_socket(m_link, path) != MEMCACHED_SUCCESS)
		give_up("no memcached");
}

static void set_memcached(void)
{
	if (memcached_set(m_link, KEY, strlen(KEY), reply, (size_t)reply_length, 0, 0) !=
	    MEMCACHED_SUCCESS)
		give_up("memcached set");
	memcached_free(m_link);
}

static void send_memcached(FCGX_Stream *out)
{
	size_t n = 0;
	uint32_t flags = 0;
	memcached_return_t rc = MEMCACHED_FAILURE;
	char *value = memcached_get(m_link, KEY, strlen(KEY), &n, &flags, &rc);

	if (!value)
		give_up("memcached get");
	(void)FCGX_PutStr(value, (int)n, out);
	free(value);
}

static const struct source sources[] = {
	{ "memory", open_nothing, set_nothing, send_memory },
	{ "redis", open_redis, set_redis, send_redis },
	{ "memcached", open_memcached, set_memcached, send_memcached },
};

static const struct source *find_source(const char *name)
{
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		if (strcmp(sources[i].name, name) == 0)
			return &sources[i];
	return NULL;
}

static void read_reply(const char *path)
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
	reply_length = (int)n;
}

static void serve(const struct source *source, const char *path)
{
	FCGX_Request request;

	source->open(path);
	if (FCGX_Init() || FCGX_InitRequest(&request, 0, 0))
		_exit(1);
	while (FCGX_Accept_r(&request) == 0) {
		source->send(request.out);
		FCGX_Finish_r(&request);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	int workers = argc == 3 || argc == 5 ? atoi(argv[2]) : 0;
	const struct source *source = find_source(argc == 5 ? argv[3] : "memory");
	const char *path = argc == 5 ? argv[4] : "";
	pid_t master = getpid();

	if (workers < 1 || workers > WORKERS_MAX || !source) {
		fprintf(stderr, "usage: bare_responder REPLY WORKERS [redis|memcached "
				"PATH] <listening socket\n");
		return 2;
	}
	read_reply(argv[1]);
	source->open(path);
	source->set();
	for (int i = 0; i < workers; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (pid == 0) {
			/* They end with their parent, at whatever moment that dies. */
			if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != master)
				_exit(1);
			serve(source, path);
		}
	}
	while (wait(NULL) > 0)
		;
	return 0;
}

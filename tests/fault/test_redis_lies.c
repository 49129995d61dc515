/* SPDX-License-Identifier: MIT */
/*
 * A server that is none, or a bad one: garbage, huge announcements, replies cut off, too
 * many of them, a byte now and then. Every call ends by its deadline with the right kind
 * of failure; nothing that is announced is believed.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "tests/lib/check.h"
#include "tests/lib/child.h"
#include "tests/lib/redis_rig.h"

#define INFO  "$10\r\nrun_id:abc\r\n"
#define HELLO "+OK\r\n" INFO INFO
#define GOOD  "$1\r\n1\r\n"

/* What it does after its answer. */
enum then { STAY, CLOSE, TRICKLE, FLOOD };

struct script {
	const char *hello; /* NULL: HELLO */
	enum then hello_then;
	const char *answer; /* to commands, from number good on: */
	enum then then;
	int good; /* so many are answered well before that */
	int lies; /* and all after so many; 0: none */
};

struct fake {
	char *dir;
	char *path;
	char *location;
	pid_t pid;
	const struct script *script;
	struct {
		int connections; /* but for probes */
		int commands;
	} * seen; /* shared */
	struct rig rig;
};

static bool say(int fd, const char *text)
{
	size_t n = strlen(text);

	return n == 0 || send(fd, text, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* Returns whether the connection goes on. */
static bool say_and(int fd, const char *text, enum then then)
{
	static const char flood[65536] = { [0 ... 65535] = 'a' };

	if (!say(fd, text) || then == CLOSE)
		return false;
	while (then == TRICKLE && send(fd, "x", 1, MSG_NOSIGNAL) == 1)
		sc_sleep_us(1000);
	while (then == FLOOD && send(fd, flood, sizeof(flood), MSG_NOSIGNAL) > 0)
		continue;
	return then == STAY;
}

static bool answer(const struct fake *f, int fd, const char *request, size_t n)
{
	const struct script *s = f->script;

	if (strncmp(request, "PING", 4) == 0)
		return say(fd, "+PONG\r\n");
	if (memmem(request, n, "SETNAME", 7)) {
		__atomic_add_fetch(&f->seen->connections, 1, __ATOMIC_SEQ_CST);
		return say_and(fd, s->hello ? s->hello : HELLO, s->hello_then);
	}
	int number = __atomic_fetch_add(&f->seen->commands, 1, __ATOMIC_SEQ_CST);
	if (number < s->good || (s->lies > 0 && number >= s->good + s->lies))
		return say(fd, GOOD);
	return say_and(fd, s->answer, s->then);
}

struct connection {
	const struct fake *fake;
	int fd;
};

static bool serve(void *arg)
{
	const struct connection *c = arg;
	char request[65536];
	ssize_t n = 0;

	do
		n = recv(c->fd, request, sizeof(request) - 1, 0);
	while (n > 0 && answer(c->fake, c->fd, request, (size_t)n));
	return true;
}

static bool accept_for_ever(void *arg)
{
	struct connection c = *(struct connection *)arg;
	int listener = c.fd;

	(void)signal(SIGCHLD, SIG_IGN);
	for (;;) {
		c.fd = accept(listener, NULL, NULL);
		if (c.fd >= 0)
			(void)child_start(serve, &c);
		sc_close_fd(&c.fd);
	}
	return false;
}

static int listen_at(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(strlen(path) < sizeof(a.sun_path));
	memcpy(a.sun_path, path, strlen(path));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static void fake_start_as(struct fake *f, const struct script *script, const char *login)
{
	SC_AUTO_BUF location = SC_BUF_INIT;

	*f = (struct fake){ .dir = check_mkdir(), .script = script };
	f->path = check_path(f->dir, "socket");
	sc_buf_printf(&location, "redis+unix://%s%s", login, f->path);
	f->location = sc_strdup((const char *)location.data);
	f->seen = mmap(NULL, sizeof(*f->seen), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(f->seen, MAP_FAILED);
	SC_AUTO_FD fd = listen_at(f->path);
	struct connection c = { f, fd };
	f->pid = child_start(accept_for_ever, &c);
	rig_open(&f->rig, f->location);
	f->rig.co.timeout_ms = 20000;
}

static void fake_start(struct fake *f, const struct script *script)
{
	fake_start_as(f, script, "");
}

static void fake_stop(struct fake *f)
{
	rig_close(&f->rig);
	assert_true(child_kill(f->pid));
	assert_int_equal(munmap(f->seen, sizeof(*f->seen)), 0);
	check_rmdir(f->dir);
	free(f->path);
	free(f->location);
}

static const struct {
	const char *answer;
	enum then then;
	enum sc_fault fault;
	bool goes_on; /* a good answer of a server, which is asked again */
} lies[] = {
	{ "HTTP/1.1 400 Bad Request\r\n\r\n", STAY, SC_FAULT_PROTOCOL, false },
	{ "VALUE a 0 1\r\n1\r\nEND\r\n", STAY, SC_FAULT_PROTOCOL, false },
	{ "\r\n", STAY, SC_FAULT_PROTOCOL, false },
	/* Announced, and not there. No server has strings over 512 MiB; the limit of all
	 * else is 16 MiB and 64 KiB. */
	{ "$99999999999\r\n", STAY, SC_FAULT_PROTOCOL, false },
	{ "$99999999999999999999999\r\n", STAY, SC_FAULT_PROTOCOL, false },
	{ "$536870913\r\n", STAY, SC_FAULT_PROTOCOL, false },
	{ "*1\r\n$16842753\r\n", STAY, SC_FAULT_PROTOCOL, false },
	{ "*1\r\n$99999999999\r\n", STAY, SC_FAULT_PROTOCOL, false },
	{ "*2147483647\r\n", STAY, SC_FAULT_PROTOCOL, false },
	{ "*65537\r\n", STAY, SC_FAULT_PROTOCOL, false },
	{ "*2\r\n*65535\r\n", STAY, SC_FAULT_PROTOCOL, false },
	{ "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", STAY,
	  SC_FAULT_PROTOCOL, false },
	{ "$-2\r\n", STAY, SC_FAULT_PROTOCOL, false },
	{ "$x\r\n", STAY, SC_FAULT_PROTOCOL, false },
	{ "*-2\r\n", STAY, SC_FAULT_PROTOCOL, false },
	{ "+", FLOOD, SC_FAULT_PROTOCOL, false },
	/* Not what a GET answers. */
	{ ":1\r\n", STAY, SC_FAULT_PROTOCOL, false },
	{ "+OK\r\n", STAY, SC_FAULT_PROTOCOL, false },
	{ "*1\r\n$1\r\n1\r\n", STAY, SC_FAULT_PROTOCOL, false },
	{ "*-1\r\n*-1\r\n", STAY, SC_FAULT_PROTOCOL, false },
	{ GOOD GOOD, STAY, SC_FAULT_PROTOCOL, false },
	{ GOOD "$", STAY, SC_FAULT_PROTOCOL, false },
	/* Cut off. */
	{ "", CLOSE, SC_FAULT_CLOSED, false },
	{ "$", CLOSE, SC_FAULT_CLOSED, false },
	{ "$5\r\nab", CLOSE, SC_FAULT_CLOSED, false },
	{ "*2\r\n$1\r\na\r\n", CLOSE, SC_FAULT_CLOSED, false },
	/* Later. */
	{ "-LOADING Redis is loading the dataset in memory\r\n", STAY, SC_FAULT_BUSY,
	  false },
	{ "-BUSY Redis is busy running a script.\r\n", STAY, SC_FAULT_BUSY, false },
	{ "-MASTERDOWN Link with MASTER is down\r\n", STAY, SC_FAULT_BUSY, false },
	{ "-CLUSTERDOWN The cluster is down\r\n", STAY, SC_FAULT_BUSY, false },
	{ "-TRYAGAIN x\r\n", STAY, SC_FAULT_BUSY, false },
	/* No. */
	{ "-MOVED 3999 127.0.0.1:6381\r\n", STAY, SC_FAULT_OTHER, true },
	{ "-ASK 3999 127.0.0.1:6381\r\n", STAY, SC_FAULT_OTHER, true },
	{ "-NOPERM no permissions\r\n", STAY, SC_FAULT_DENIED, true },
	{ "-NOAUTH Authentication required.\r\n", STAY, SC_FAULT_DENIED, true },
	{ "-\r\n", STAY, SC_FAULT_OTHER, true },
};

static void test_lies(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		struct script s = { .answer = lies[i].answer, .then = lies[i].then };
		struct fake f;

		fake_start(&f, &s);
		assert_int_equal(rig_look(&f.rig, "exact:v:a", "1"), SC_UNAVAILABLE);
		if (f.rig.call.fault != lies[i].fault)
			fail_msg("\"%s\": %s: %s", lies[i].answer,
				 sc_fault_name(f.rig.call.fault), f.rig.err.text);
		/* Long before its deadline. */
		assert_true(sc_mono_us() < f.rig.call.deadline_us);
		assert_int_equal(rig_look(&f.rig, "exact:v:a", "1"), SC_UNAVAILABLE);
		assert_int_equal(f.rig.call.fault,
				 lies[i].goes_on ? lies[i].fault : SC_FAULT_AWAY);
		fake_stop(&f);
	}
}

/* What may have been stored by somebody is nobody's fault. */
static void test_too_large(void **state)
{
	static const char *const announced[] = { "$16842753\r\n", "$16842753",
						 "$536870912\r\nx" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(announced); i++) {
		struct script s = { .answer = announced[i], .lies = 1 };
		struct fake f;

		fake_start(&f, &s);
		assert_int_equal(rig_look(&f.rig, "exact:v:a", "1"), SC_DAMAGED);
		assert_int_equal(f.rig.call.fault, SC_FAULT_NONE);
		/* On a new connection, at once. */
		assert_int_equal(rig_look(&f.rig, "exact:v:a", "1"), SC_OK);
		assert_int_equal(f.seen->connections, 2);
		fake_stop(&f);
	}
}

static void test_cluster_is_named(void **state)
{
	struct script s = { .answer = "-MOVED 3999 127.0.0.1:6381\r\n" };
	struct fake f;

	(void)state;
	fake_start(&f, &s);
	assert_int_equal(rig_look(&f.rig, "exact:v:a", "1"), SC_UNAVAILABLE);
	assert_non_null(strstr(f.rig.err.text, "cluster mode is not supported"));
	fake_stop(&f);
}

/* Each ends when its deadline does, whatever trickles. */
static const struct script slow[] = {
	{ .answer = "", .then = STAY },
	{ .answer = "$16842752\r\n", .then = STAY },
	{ .answer = "$1000000\r\n", .then = TRICKLE },
	{ .answer = "+", .then = TRICKLE },
	{ .answer = "*65536\r\n", .then = STAY },
	{ .hello = "", .hello_then = STAY },
	{ .hello = "+", .hello_then = TRICKLE },
	{ .hello = "+OK\r\n$1000\r\n", .hello_then = TRICKLE },
};

static void test_slow(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(slow); i++) {
		struct fake f;

		fake_start(&f, &slow[i]);
		f.rig.co.timeout_ms = 50;
		assert_int_equal(rig_look(&f.rig, "exact:v:a", "1"), SC_UNAVAILABLE);
		assert_int_equal(f.rig.call.fault, SC_FAULT_TIMEOUT);
		assert_true(sc_mono_us() >= f.rig.call.deadline_us);
		assert_true(sc_mono_us() < f.rig.call.deadline_us + 5 * SC_US_PER_S);
		assert_int_equal(rig_look(&f.rig, "exact:v:a", "1"), SC_UNAVAILABLE);
		assert_int_equal(f.rig.call.fault, SC_FAULT_AWAY);
		fake_stop(&f);
	}
}

static const struct {
	const char *hello;
	enum then then;
	enum sc_fault fault;
} hellos[] = {
	{ "-ERR max number of clients reached\r\n", CLOSE, SC_FAULT_BUSY },
	{ "-DENIED Redis is running in protected mode\r\n", CLOSE, SC_FAULT_DENIED },
	{ "", CLOSE, SC_FAULT_CLOSED },
	{ "+OK\r\n", CLOSE, SC_FAULT_CLOSED },
	{ "220 mail.example.org ESMTP\r\n", STAY, SC_FAULT_PROTOCOL },
	{ "$99999999999\r\n", STAY, SC_FAULT_PROTOCOL },
	{ HELLO "+OK\r\n", STAY, SC_FAULT_PROTOCOL },
	{ "+OK\r\n-LOADING x\r\n-LOADING x\r\n", STAY, SC_FAULT_BUSY },
	{ "-NOAUTH x\r\n-NOAUTH x\r\n-NOAUTH x\r\n", STAY, SC_FAULT_DENIED },
	{ "-NOPERM x\r\n-NOPERM x\r\n-NOPERM x\r\n", STAY, SC_FAULT_NONE },
	/* Without the command CLIENT, as some are configured. */
	{ "-ERR unknown command 'CLIENT'\r\n" INFO INFO, STAY, SC_FAULT_NONE },
	{ "+OK\r\n-ERR unknown command 'INFO'\r\n" INFO, STAY, SC_FAULT_OTHER },
	{ "+OK\r\n:1\r\n*-1\r\n", STAY, SC_FAULT_NONE },
	{ HELLO, STAY, SC_FAULT_NONE },
};

static void test_hellos(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(hellos); i++) {
		struct script s = { .hello = hellos[i].hello,
				    .hello_then = hellos[i].then,
				    .answer = GOOD };
		struct fake f;

		fake_start(&f, &s);
		assert_int_equal(rig_look(&f.rig, "exact:v:a", "1"),
				 hellos[i].fault == SC_FAULT_NONE ? SC_OK
								  : SC_UNAVAILABLE);
		if (f.rig.call.fault != hellos[i].fault)
			fail_msg("\"%s\": %s: %s", hellos[i].hello,
				 sc_fault_name(f.rig.call.fault), f.rig.err.text);
		fake_stop(&f);
	}
}

/* Some servers repeat what they do not understand. */
static void test_password_is_not_repeated(void **state)
{
	struct script s = { .hello = "-ERR unknown command `AUTH`, with args beginning "
				     "with: `tulip`, \r\n" HELLO };
	struct fake f;

	(void)state;
	fake_start_as(&f, &s, ":tulip@");
	assert_int_equal(rig_look(&f.rig, "exact:v:a", "1"), SC_UNAVAILABLE);
	assert_int_equal(f.rig.call.fault, SC_FAULT_OTHER);
	assert_null(strstr(f.rig.err.text, "tulip"));
	assert_non_null(strstr(f.rig.err.text, "AUTH"));
	fake_stop(&f);
}

/* Ended when it idled: a read is sent again, once; on a new connection never, and a write
 * never. */
static void test_sent_again(void **state)
{
	static const struct {
		int good, lies;
		bool write;
		enum sc_status status;
		int connections;
	} cases[] = {
		{ 1, 1, false, SC_OK, 2 },
		{ 1, 2, false, SC_UNAVAILABLE, 2 },
		{ 0, 1, false, SC_UNAVAILABLE, 1 },
		{ 1, 1, true, SC_UNAVAILABLE, 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct script s = { .answer = "$",
				    .then = CLOSE,
				    .good = cases[i].good,
				    .lies = cases[i].lies };
		struct fake f;

		fake_start(&f, &s);
		for (int k = 0; k < s.good; k++)
			assert_int_equal(rig_look(&f.rig, "exact:v:a", "1"), SC_OK);
		enum sc_status status = cases[i].write
						? rig_put(&f.rig, "exact:v:a", "1")
						: rig_look(&f.rig, "exact:v:a", "1");
		assert_int_equal(status, cases[i].status);
		assert_int_equal(f.seen->connections, cases[i].connections);
		fake_stop(&f);
	}
}

/* To the names tiles and image/7 two arrays belong, of two and of one. */
static const char *const wrong_versions[] = {
	":1\r\n:1\r\n",
	"*1\r\n$3\r\nabc\r\n*1\r\n$-1\r\n",
	"*2\r\n$3\r\nabc\r\n$-1\r\n*0\r\n",
	"*2\r\n$3\r\nabc\r\n$-1\r\n*2\r\n$-1\r\n$-1\r\n",
	"*2\r\n$3\r\nabc\r\n$-1\r\n$-1\r\n",
	"*3\r\n$3\r\nabc\r\n$-1\r\n$-1\r\n*1\r\n$-1\r\n",
	"$-1\r\n*1\r\n$-1\r\n",
	"-WRONGTYPE x\r\n-WRONGTYPE x\r\n",
	/* Whole, but then the change gets the same for an answer. */
	"*2\r\n$3\r\nabc\r\n$-1\r\n*1\r\n$-1\r\n",
	"*2\r\n*0\r\n*0\r\n*1\r\n*0\r\n",
};

static void test_wrong_versions(void **state)
{
	const char *names[] = { "tiles", "image/7" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong_versions); i++) {
		struct script s = { .answer = wrong_versions[i] };
		struct sc_version out[2];
		struct fake f;

		fake_start(&f, &s);
		assert_int_equal(
			sc_versions_get(f.rig.versions, names, 2, out, &f.rig.err),
			SC_UNAVAILABLE);
		fake_stop(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_cluster_is_named),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_hellos),
		cmocka_unit_test(test_password_is_not_repeated),
		cmocka_unit_test(test_sent_again),
		cmocka_unit_test(test_wrong_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Names of hosts and their addresses (src/cache/names.h, remote.h): who waits for the
 * resolver and who does not, and that every address of a name is tried. The resolver is
 * the test's own: getaddrinfo() of this file is the one of the whole program.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "slidecache/bytes.h"
#include "slidecache/clock.h"
#include "src/cache/remote.h"
#include "tests/lib/check.h"

#define MS INT64_C(1000)

static const char *const bad[] = { "-LOADING", NULL };

/* The resolver of this program. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool hangs;
	int asked;
	const char *addresses[4]; /* NULL ends */
} resolver = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static struct addrinfo *make_answer(const char *text, struct addrinfo *next)
{
	struct addrinfo *a = sc_alloc(sizeof(*a));
	struct sockaddr_in *in = sc_alloc(sizeof(*in));

	in->sin_family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, text, &in->sin_addr), 1);
	*a = (struct addrinfo){ .ai_family = AF_INET,
				.ai_addrlen = sizeof(*in),
				.ai_addr = (struct sockaddr *)in,
				.ai_next = next };
	return a;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *wanted,
		struct addrinfo **out)
{
	size_t n = 0;

	(void)host, (void)service, (void)wanted;
	(void)pthread_mutex_lock(&resolver.lock);
	resolver.asked++;
	while (resolver.hangs)
		(void)pthread_cond_wait(&resolver.changed, &resolver.lock);
	*out = NULL;
	while (resolver.addresses[n])
		n++;
	while (n > 0)
		*out = make_answer(resolver.addresses[--n], *out);
	(void)pthread_mutex_unlock(&resolver.lock);
	return *out ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *a)
{
	while (a) {
		struct addrinfo *next = a->ai_next;

		free(a->ai_addr);
		free(a);
		a = next;
	}
}

static void set_resolver(bool hangs, const char *one, const char *two)
{
	(void)pthread_mutex_lock(&resolver.lock);
	resolver.hangs = hangs;
	resolver.addresses[0] = one;
	resolver.addresses[1] = one ? two : NULL;
	(void)pthread_cond_broadcast(&resolver.changed);
	(void)pthread_mutex_unlock(&resolver.lock);
}

static int times_asked(void)
{
	(void)pthread_mutex_lock(&resolver.lock);
	int n = resolver.asked;
	(void)pthread_mutex_unlock(&resolver.lock);
	return n;
}

static int64_t soon(void)
{
	return sc_mono_us() + 30 * SC_US_PER_S;
}

/* On 127.0.0.2; nobody is at that port of 127.0.0.1. */
static int listen_at_two(int *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1) };
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

/* Connects as a client does: the error of the last address, or 0. */
static int connect_all(struct sc_target *t, int64_t wait_until_us)
{
	int fd = sc_target_connect(t, wait_until_us);
	int error = fd < 0 ? errno : 0;

	while (fd >= 0) {
		struct pollfd pfd = { .fd = fd, .events = POLLOUT };
		socklen_t size = sizeof(error);

		assert_int_equal(poll(&pfd, 1, 30000), 1);
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
		(void)close(fd);
		if (error == 0)
			return 0;
		fd = sc_target_connect_next(t, error);
	}
	return errno ? errno : error;
}

static void test_next_address(void **state)
{
	struct sc_target t = { .address = { "two.example", 0 } };
	SC_AUTO_FD listener = listen_at_two(&t.address.port);

	(void)state;
	set_resolver(false, "127.0.0.1", "127.0.0.2");
	assert_int_equal(connect_all(&t, soon()), 0);
	/* The one that answered is asked first from now on. */
	assert_int_equal(t.tried, 2);
	assert_int_equal(connect_all(&t, soon()), 0);
	assert_int_equal(t.tried, 1);
	/* Every address is tried once. */
	sc_close_fd(&listener);
	listener = -1;
	assert_int_equal(connect_all(&t, soon()), ECONNREFUSED);
	assert_int_equal(t.tried, 2);
	sc_names_release(&t.names);
}

static void free_remote(struct sc_remote *r)
{
	free(r);
}

static const struct sc_remote_kind kind = { "test", "PING\r\n", bad, free_remote };

static void test_probe_next_address(void **state)
{
	struct sc_address a = { "two.example", 0 };
	SC_AUTO_FD listener = listen_at_two(&a.port);
	struct sc_remote *r = sc_alloc(sizeof(*r));
	struct sc_call call = sc_call_begin(100);
	struct sc_err err;
	int64_t end_us = soon();
	struct pollfd pfd = { .fd = listener, .events = POLLIN };

	(void)state;
	set_resolver(false, "127.0.0.1", "127.0.0.2");
	sc_remote_add(r, &kind, "rotates", &a);
	SC_IGNORE(sc_remote_failed(r, &call, SC_FAULT_CLOSED, &err, "gone"));
	while (poll(&pfd, 1, 5) == 0 && sc_mono_us() < end_us)
		assert_int_equal(sc_remote_begin(r, &call, &err), SC_UNAVAILABLE);
	assert_true(sc_mono_us() < end_us);
	sc_remote_drop(r);
}

/* Neither a call beyond its deadline nor a probe at all. */
static void test_resolver_hangs(void **state)
{
	struct sc_target t = { .address = { "slow.example", 1 } };
	struct sc_probe p = { .fd = -1, .patience_us = SC_US_PER_S };
	int asked = times_asked();
	int64_t until_us = sc_mono_us() + 30 * MS;

	(void)state;
	set_resolver(true, NULL, NULL);
	assert_int_equal(sc_target_connect(&t, until_us), -1);
	assert_int_equal(errno, EINPROGRESS);
	assert_true(sc_mono_us() >= until_us);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(sc_probe_step(&p, &t, "PING\r\n", bad),
				 SC_PROBE_WAITING);
	/* One thread at most waits for it. */
	while (times_asked() == asked)
		sc_sleep_us(1000);
	assert_int_equal(times_asked(), asked + 1);
	set_resolver(false, NULL, NULL);
	assert_int_equal(sc_target_connect(&t, soon()), -1);
	assert_int_equal(errno, EHOSTUNREACH);
	assert_int_equal(sc_probe_step(&p, &t, "PING\r\n", bad), SC_PROBE_DEAD);
	assert_int_equal(times_asked(), asked + 1);
	sc_names_release(&t.names);
}

/* Who forgets a name does not wait for the resolver, whose answer is then nobody's. */
static void test_forgotten_lookup(void **state)
{
	struct sc_target t = { .address = { "slow.example", 1 } };
	int asked = times_asked();

	(void)state;
	set_resolver(true, "127.0.0.1", NULL);
	assert_int_equal(sc_target_connect(&t, 0), -1);
	while (times_asked() == asked)
		sc_sleep_us(1000);
	sc_names_release(&t.names);
	set_resolver(false, "127.0.0.1", NULL);
}

static void wait_until_known(struct sc_target *t, const char *address)
{
	int64_t end_us = soon();
	struct in_addr a;

	assert_int_equal(inet_pton(AF_INET, address, &a), 1);
	while (t->names.known.all[0].v4.sin_addr.s_addr != a.s_addr &&
	       sc_mono_us() < end_us) {
		assert_true(sc_names_find(&t->names, t->address.host, 0));
		sc_sleep_us(1000);
	}
	assert_true(sc_mono_us() < end_us);
}

static void test_asked_again(void **state)
{
	struct sc_target t = { .address = { "moves.example", 1 } };
	int asked = times_asked();

	(void)state;
	set_resolver(false, "127.0.0.1", NULL);
	assert_true(sc_names_find(&t.names, t.address.host, soon()));
	assert_in_range(t.names.fresh_until_us - sc_mono_us(), 50 * SC_US_PER_S,
			60 * SC_US_PER_S);
	assert_true(sc_names_find(&t.names, t.address.host, 0));
	assert_int_equal(times_asked(), asked + 1);
	/* A minute later; nobody waits, and the old address is good meanwhile. */
	set_resolver(true, "127.0.0.2", NULL);
	t.names.fresh_until_us = 0;
	for (int i = 0; i < 100; i++)
		assert_true(sc_names_find(&t.names, t.address.host, soon()));
	set_resolver(false, "127.0.0.2", NULL);
	wait_until_known(&t, "127.0.0.2");
	/* And if it is not found any more. */
	set_resolver(false, NULL, NULL);
	t.names.fresh_until_us = 0;
	while (t.names.fresh_until_us == 0)
		assert_true(sc_names_find(&t.names, t.address.host, 0));
	assert_int_equal(t.names.known.n, 1);
	sc_names_release(&t.names);
}

static void test_numbers_need_no_resolver(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "::1" };
	int asked = times_asked();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(hosts); i++) {
		struct sc_names names = { .lookup = NULL };

		assert_true(sc_names_find(&names, hosts[i], 0));
		assert_int_equal(names.known.n, 1);
		names.fresh_until_us = 0;
		assert_null(names.lookup);
	}
	assert_int_equal(times_asked(), asked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next_address),
		cmocka_unit_test(test_probe_next_address),
		cmocka_unit_test(test_resolver_hangs),
		cmocka_unit_test(test_forgotten_lookup),
		cmocka_unit_test(test_asked_again),
		cmocka_unit_test(test_numbers_need_no_resolver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

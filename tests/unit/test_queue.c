/* SPDX-License-Identifier: MIT */
/*
 * The length of a listen queue: what the kernel says of real sockets, and netlink
 * messages that no kernel sends.
 */
#include "tests/lib/check.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/queue.h"
#include "tests/lib/child.h"

#define INODE 4711
#define ASKED 7

/* ---- messages ---- */

struct answer {
	struct nlmsghdr head;
	struct unix_diag_msg socket;
	struct {
		struct nlattr head;
		uint32_t value;
	} other; /* an attribute that nobody asked for */
	struct nlattr lengths_head;
	struct unix_diag_rqlen lengths;
};

static const struct sc_queue queue = { .inode = INODE, .asked = ASKED, .netlink = -1 };

static struct answer good_answer(void)
{
	return (struct answer){
		.head = { .nlmsg_len = sizeof(struct answer),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_seq = ASKED },
		.socket = { .udiag_family = AF_UNIX, .udiag_ino = INODE },
		.other = { { .nla_len = 8, .nla_type = UNIX_DIAG_PEER }, 99 },
		.lengths_head = { .nla_len = 12, .nla_type = UNIX_DIAG_RQLEN },
		.lengths = { .udiag_rqueue = 12, .udiag_wqueue = 4096 },
	};
}

/* Reads from memory of just that size, so that a byte too far is seen. */
static enum sc_status read_copy(const void *message, size_t n,
				struct sc_queue_length *out)
{
	unsigned char *copy = sc_alloc(n ? n : 1);
	struct sc_err err = { SC_OK, "" };
	enum sc_status status = SC_OK;

	memcpy(copy, message, n);
	status = sc_queue_read(&queue, sc_bytes_of(copy, n), out, &err);
	free(copy);
	return status;
}

static enum sc_status read_answer(const struct answer *a)
{
	struct sc_queue_length out;

	return read_copy(a, sizeof(*a), &out);
}

static void an_answer_is_read(void **state)
{
	struct answer a = good_answer();
	struct sc_queue_length out = { 0, 0 };

	(void)state;
	assert_int_equal(read_copy(&a, sizeof(a), &out), SC_OK);
	assert_int_equal(out.waiting, 12);
	assert_int_equal(out.backlog, 4096);
}

static void an_older_answer_is_a_miss(void **state)
{
	struct answer a = good_answer();

	(void)state;
	a.head.nlmsg_seq = ASKED - 1;
	assert_int_equal(read_answer(&a), SC_MISS);
}

static void a_short_answer_is_none(void **state)
{
	struct answer a = good_answer();
	struct sc_queue_length out;

	(void)state;
	for (size_t n = 0; n < sizeof(a); n++) {
		assert_int_equal(read_copy(&a, n, &out), SC_UNAVAILABLE);
		a.head.nlmsg_len = (uint32_t)n;
		assert_int_equal(read_copy(&a, n, &out), SC_UNAVAILABLE);
		assert_int_equal(read_copy(&a, sizeof(a), &out), SC_UNAVAILABLE);
		a.head.nlmsg_len = sizeof(a);
	}
}

static void another_answer_is_none(void **state)
{
	struct answer a[7];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(a); i++)
		a[i] = good_answer();
	a[0].head.nlmsg_type = NLMSG_DONE;
	a[1].socket.udiag_ino = INODE + 1;
	a[2].socket.udiag_family = AF_INET;
	a[3].lengths_head.nla_type = UNIX_DIAG_NAME;
	a[4].lengths_head.nla_len = 11;
	a[5].other.head.nla_len = 0; /* would never end */
	a[6].other.head.nla_len = 0xffff;
	for (size_t i = 0; i < COUNT_OF(a); i++)
		assert_int_equal(read_answer(&a[i]), SC_UNAVAILABLE);
}

static enum sc_status read_error(int number, struct sc_err *err)
{
	struct {
		struct nlmsghdr head;
		int error;
	} m = { { .nlmsg_len = sizeof(m), .nlmsg_type = NLMSG_ERROR, .nlmsg_seq = ASKED },
		number };
	struct sc_queue_length out;

	return sc_queue_read(&queue, sc_bytes_of(&m, sizeof(m)), &out, err);
}

/* What passes is told from what stays. */
static void a_passing_error_is_a_timeout(void **state)
{
	static const int passing[] = { ENOBUFS, ENOMEM, EAGAIN, EINTR };
	struct sc_err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(passing); i++)
		assert_int_equal(read_error(-passing[i], &err), SC_TIMEOUT);
	assert_int_equal(read_error(-EPERM, &err), SC_UNAVAILABLE);
}

static void an_error_is_told(void **state)
{
	struct sc_err err;

	(void)state;
	assert_int_equal(read_error(-2, &err), SC_UNAVAILABLE);
	assert_string_equal(err.text, "listen queue: No such file or directory");
	assert_int_equal(read_error(0, &err), SC_UNAVAILABLE);
	assert_string_equal(err.text, "listen queue: the kernel's answer makes no sense");
	assert_int_equal(read_error(5, &err), SC_UNAVAILABLE);
	assert_int_equal(read_error(INT32_MIN, &err), SC_UNAVAILABLE);
}

/* Any bytes: no crash, and nothing read behind the end. */
static void garbage_is_survived(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct answer a = good_answer();
		unsigned char *bytes = (unsigned char *)&a;
		struct sc_queue_length out;

		for (int k = 0; k < 3; k++)
			bytes[next_random(&seed) % sizeof(a)] =
				(unsigned char)next_random(&seed);
		(void)read_copy(&a, next_random(&seed) % (sizeof(a) + 1), &out);
	}
}

/* ---- sockets ---- */

static void assert_length(struct sc_queue *q, int64_t waiting, int64_t backlog)
{
	struct sc_queue_length out;
	struct sc_err err = { SC_OK, "" };

	if (sc_queue_ask(q, &out, &err) != SC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(out.waiting, waiting);
	assert_int_equal(out.backlog, backlog);
}

static void connect_and_ask(const struct sockaddr *sa, socklen_t n, bool is_unix)
{
	int listener = socket(sa->sa_family, SOCK_STREAM, 0);
	struct sc_queue q;
	struct sockaddr_storage bound;
	int fds[5];

	assert_int_equal(bind(listener, sa, n), 0);
	assert_int_equal(listen(listener, 9), 0);
	n = sizeof(bound);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&bound, &n), 0);
	sc_queue_init(&q, listener, is_unix);
	assert_length(&q, 0, 9);
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = socket(sa->sa_family, SOCK_STREAM, 0);
		assert_int_equal(connect(fds[i], (struct sockaddr *)&bound, n), 0);
		assert_length(&q, (int64_t)i + 1, 9);
	}
	(void)close(accept(listener, NULL, NULL));
	assert_length(&q, 4, 9);
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		(void)close(fds[i]);
	sc_queue_close(&q);
	(void)close(listener);
}

static void a_unix_socket_is_asked(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char *dir = check_mkdir();

	(void)state;
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%.90s/s", dir);
	connect_and_ask((struct sockaddr *)&sa, sizeof(sa), true);
	check_rmdir(dir);
}

static void a_tcp_socket_is_asked(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	(void)state;
	connect_and_ask((struct sockaddr *)&sa, sizeof(sa), false);
}

static void what_does_not_listen_is_an_error(void **state)
{
	struct sc_queue_length out;
	struct sc_queue q;
	struct sc_err err;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	sc_queue_init(&q, fd, false);
	assert_int_equal(sc_queue_ask(&q, &out, &err), SC_UNAVAILABLE);
	sc_queue_init(&q, fd, true); /* no unix socket has this inode */
	assert_int_equal(sc_queue_ask(&q, &out, &err), SC_UNAVAILABLE);
	assert_int_equal(sc_queue_ask(&q, &out, &err), SC_UNAVAILABLE);
	sc_queue_close(&q);
	(void)close(fd);
	sc_queue_init(&q, fd, true);
	assert_int_equal(sc_queue_ask(&q, &out, &err), SC_UNAVAILABLE);
	sc_queue_close(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_read),
		cmocka_unit_test(an_older_answer_is_a_miss),
		cmocka_unit_test(a_short_answer_is_none),
		cmocka_unit_test(another_answer_is_none),
		cmocka_unit_test(an_error_is_told),
		cmocka_unit_test(a_passing_error_is_a_timeout),
		cmocka_unit_test(garbage_is_survived),
		cmocka_unit_test(a_unix_socket_is_asked),
		cmocka_unit_test(a_tcp_socket_is_asked),
		cmocka_unit_test(what_does_not_listen_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

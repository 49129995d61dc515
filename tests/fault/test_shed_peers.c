/* SPDX-License-Identifier: MIT */
/*
 * The shedder and peers that are slow, rude or gone: none can hold it, whatever it sends
 * or does not.
 */
#include "shed_fixture.h"

#include "server/shed_linger.h"

/* Puts LIMIT connections behind what is in the queue, so that all of that goes. */
static void push_out(int fds[LIMIT])
{
	for (int i = 0; i < LIMIT; i++)
		fds[i] = ask_for(i);
}

static void slow_peers_hold_nobody(void **state)
{
	static const char *const parts[] = { "", "\1", "\1\1\0", "GET / HTTP/1.0\r\n" };
	static const size_t sizes[] = { 0, 1, 3, 16 };
	int slow[4];
	int behind[LIMIT];
	int64_t began_us = sc_mono_us();

	(void)state;
	start();
	for (int i = 0; i < 4; i++) {
		slow[i] = connect_server();
		send_bytes(slow[i], parts[i], sizes[i]);
	}
	push_out(behind);
	for (int i = 0; i < 4; i++)
		assert_shed(slow[i]);
	for (int i = 0; i < 4; i++)
		assert_closed_soon(slow[i]);
	assert_true(sc_mono_us() - began_us < DEADLINE_US / 4);
	stop();
	close_all(slow, 4);
	close_all(behind, LIMIT);
}

static void wait_shed(uint64_t n)
{
	int64_t end_us = sc_mono_us() + DEADLINE_US;

	while (count_shed() < n) {
		assert_true(sc_mono_us() < end_us);
		sc_sleep_us(1000);
	}
}

/* A web server that drops the answer when it cannot send. */
static void who_asks_late_gets_its_answer(void **state)
{
	SC_AUTO_BUF request = SC_BUF_INIT;
	int behind[LIMIT];
	int late = connect_server();

	(void)state;
	put_request(&request, &(struct ask){ .uri = "/" });
	push_out(behind);
	start();
	wait_shed(1);
	sc_sleep_us(2 * SC_LINGER_PRESSED_US);
	assert_int_equal(send(late, request.data, request.len, MSG_NOSIGNAL),
			 request.len);
	assert_shed(late);
	stop();
	(void)close(late);
	close_all(behind, LIMIT);
}

/* Sends without an end: that ends with its connection, and delays no other answer. */
static void an_endless_peer_is_ended(void **state)
{
	static char block[65536];
	int behind[LIMIT];
	int endless = connect_server();
	int other = ask_for(1);
	int64_t end_us = sc_mono_us() + DEADLINE_US;

	(void)state;
	push_out(behind);
	start();
	while (send(endless, block, sizeof(block), MSG_NOSIGNAL) > 0)
		assert_true(sc_mono_us() < end_us);
	assert_true(errno == EPIPE || errno == ECONNRESET);
	assert_shed(other);
	stop();
	(void)close(endless);
	(void)close(other);
	close_all(behind, LIMIT);
}

/* Whether all of it was taken: a web server drops the answer when it cannot send. */
static bool is_sent(int fd, struct sc_bytes data)
{
	while (data.len > 0) {
		ssize_t n = send(fd, data.data, data.len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data = sc_bytes_of(data.data + n, data.len - (size_t)n);
	}
	return true;
}

/* More than a socket's buffer: unread bytes at the close would reset the connection. */
static void a_large_request_gets_its_answer(void **state)
{
	static unsigned char body[600000];
	SC_AUTO_BUF request = SC_BUF_INIT;
	int behind[LIMIT];
	int fd = connect_server();

	(void)state;
	put_request(&request,
		    &(struct ask){ .uri = "/", .body = { body, sizeof(body) } });
	push_out(behind);
	start();
	assert_true(is_sent(fd, sc_buf_bytes(&request)));
	assert_shed(fd);
	stop();
	(void)close(fd);
	close_all(behind, LIMIT);
}

static void who_is_gone_gets_nothing(void **state)
{
	int behind[LIMIT];
	int asked = 0;

	(void)state;
	(void)close(connect_server());
	asked = ask_for(0);
	push_out(behind);
	start();
	assert_shed(asked);
	stop();
	assert_int_equal(count_shed(), 1);
	(void)close(asked);
	close_all(behind, LIMIT);
}

/* More than the table has room for, and none of them closes. */
static void a_full_table_is_emptied(void **state)
{
	static int fds[SC_LINGER_MAX + 100];
	int n = SC_LINGER_MAX + 100;

	(void)state;
	for (int i = 0; i < n; i++)
		fds[i] = ask_for(i);
	start();
	for (int i = 0; i < n - LIMIT; i++)
		assert_shed(fds[i]);
	wait_log("connections answered 503");
	stop();
	close_all(fds, n);
}

static void few_descriptors_are_enough(void **state)
{
	uint64_t starved = sc_metric_value(SC_M_STARVED);
	struct rlimit files = { 0, 0 };
	struct rlimit few = { 0, 0 };
	int fds[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++)
		fds[i] = ask_for(i);
	(void)getrlimit(RLIMIT_NOFILE, &files);
	few = (struct rlimit){ (rlim_t)fds[MANY - 1] + 8, files.rlim_max };
	(void)setrlimit(RLIMIT_NOFILE, &few);
	start();
	(void)setrlimit(RLIMIT_NOFILE, &files);
	for (int i = 0; i < MANY - LIMIT; i++)
		assert_shed(fds[i]);
	stop();
	assert_true(sc_metric_value(SC_M_STARVED) > starved);
	close_all(fds, MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHED(slow_peers_hold_nobody),	  SHED(who_asks_late_gets_its_answer),
		SHED(an_endless_peer_is_ended),	  SHED(a_large_request_gets_its_answer),
		SHED(who_is_gone_gets_nothing),	  SHED(a_full_table_is_emptied),
		SHED(few_descriptors_are_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

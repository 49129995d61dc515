/* SPDX-License-Identifier: MIT */
/*
 * FastCGI at its edges: what an allowed peer can send, lawful or not, and that a worker
 * is free again soon after.
 */
#include "server_fixture.h"

/* A peer may hold a worker for the time-out of a read (2 s) and a little more. */
#define FREE_US (4 * SC_US_PER_S)

static int setup_one_worker(void **state)
{
	if (setup(state))
		return -1;
	start_server("--workers", "1", NULL, NULL);
	return 0;
}

static int teardown_server(void **state)
{
	stop_server();
	return teardown(state);
}

static void a_request_arrives_whole(void **state)
{
	struct ask a = { .method = "POST",
			 .uri = "/echo?a=b",
			 .x_test = "y=z",
			 .body = sc_bytes_of("hello\0there", 11) };
	SC_AUTO_BUF reply = ask(&a);

	(void)state;
	assert_true(has_status(&reply, 200));
	assert_non_null(strstr(text_of(&reply), "\r\nContent-Type: text/plain\r\n"));
	assert_non_null(strstr(text_of(&reply), "\r\nContent-Length: 40\r\n"));
	assert_memory_equal(body_of(&reply), "POST /echo?a=b x=y=z body=11:hello\0there",
			    40);
}

static void absent_headers_are_null(void **state)
{
	SC_AUTO_BUF reply = get("/e");

	(void)state;
	assert_string_equal(body_of(&reply), "GET /e x=NULL body=0:");
}

static void head_has_the_length_and_no_body(void **state)
{
	struct ask a = { .method = "HEAD", .uri = "/e" };
	SC_AUTO_BUF reply = ask(&a);

	(void)state;
	assert_non_null(strstr(text_of(&reply), "\r\nContent-Length: 22\r\n"));
	assert_string_equal(body_of(&reply), "");
}

static void no_content_has_neither(void **state)
{
	SC_AUTO_BUF reply = get("/none");

	(void)state;
	assert_true(has_status(&reply, 204));
	assert_null(strstr(text_of(&reply), "Content-Length"));
	assert_string_equal(body_of(&reply), "");
}

static void a_big_reply_arrives_whole(void **state)
{
	SC_AUTO_BUF reply = get("/big");
	const unsigned char *b = (const unsigned char *)body_of(&reply);

	(void)state;
	assert_int_equal(reply.data + reply.len - b, BIG_BODY);
	for (uint32_t i = 0; i < BIG_BODY / 4; i++)
		if ((uint32_t)(b[4 * i] << 24 | b[4 * i + 1] << 16 | b[4 * i + 2] << 8 |
			       b[4 * i + 3]) != i)
			fail_msg("word %u is wrong", i);
}

static void a_connection_is_never_kept(void **state)
{
	struct ask a = { .uri = "/x", .flags = 1 }; /* FCGI_KEEP_CONN; ask checks it */

	(void)state;
	assert_status(&a, 200);
}

static void too_much_is_refused(void **state)
{
	static char text[9000];
	static unsigned char body[300000];
	static char huge[70000];

	(void)state;
	(void)memset(text, 'a', sizeof(text) - 1);
	(void)memset(huge, 'a', sizeof(huge) - 1);
	text[0] = '/';
	assert_status(&(struct ask){ .uri = text }, 414);
	text[8192] = '\0';
	assert_status(&(struct ask){ .uri = text }, 200);
	assert_status(&(struct ask){ .uri = "/x", .extra_params = 300 }, 431);
	assert_status(&(struct ask){ .uri = "/x", .x_test = huge }, 431);
	assert_status(&(struct ask){ .uri = "/x", .extra_params = 200 }, 200);
	assert_status(&(struct ask){ .uri = "/x", .body = sc_bytes_of(body, 65536) },
		      200);
	assert_status(&(struct ask){ .uri = "/x", .body = sc_bytes_of(body, 65537) },
		      413);
	assert_status(
		&(struct ask){ .uri = "/x", .body = sc_bytes_of(body, sizeof(body)) },
		413);
}

static void a_body_of_another_length_is_refused(void **state)
{
	static const char *const lengths[] = {
		"4", "6", "0", "", "x", "-1", "+5", "5 ", "0x5", "99999999999999999999"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		assert_status(&(struct ask){ .uri = "/x",
					     .content_length = lengths[i],
					     .body = sc_bytes_str("12345") },
			      400);
	assert_status(&(struct ask){ .uri = "/x", .content_length = "" }, 200);
	assert_status(&(struct ask){ .uri = NULL }, 400);
	assert_status(&(struct ask){ .uri = "" }, 400);
}

static void refusals_are_json(void **state)
{
	SC_AUTO_BUF reply = ask(&(struct ask){ .uri = "" });

	(void)state;
	assert_non_null(
		strstr(text_of(&reply), "\r\nContent-Type: application/json\r\n"));
	assert_string_equal(body_of(&reply),
			    "{\"detail\": \"The web server did not pass REQUEST_URI.\"}");
}

static void other_roles_get_no_answer(void **state)
{
	(void)state;
	for (int role = 2; role < 5; role++) {
		SC_AUTO_BUF reply = ask(&(struct ask){ .uri = "/x", .role = role });

		assert_string_equal(text_of(&reply), "");
	}
	assert_serves();
}

static void garbage_is_dropped_and_the_worker_lives(void **state)
{
	static const struct {
		const char *data;
		size_t n;
	} cases[] = {
		{ "", 0 },
		{ "GET / HTTP/1.0\r\n\r\n", 18 },
		{ "\0\0\0\0\0\0\0\0\0\0", 10 },
		{ "\1\11\0\0\0\0\0\0", 8 }, /* GET_VALUES */
		{ "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0\2\2\2\2\2\2\2\2",
		  24 },			   /* then junk */
		{ "\1\4\0\1\0\0\0\0", 8 }, /* PARAMS first */
		{ "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0\1\2\0\1\0\0\0\0", 24 }, /* abort */
		{ "\377\377\377\377\377\377\377\377", 8 },
	};
	pid_t before = get_pid();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = connect_server();

		send_bytes(fd, cases[i].data, cases[i].n);
		(void)shutdown(fd, SHUT_WR);
		/* Perhaps an END_REQUEST, then the end. */
		while (!is_closed(fd))
			;
		(void)close(fd);
	}
	assert_int_equal(get_pid(), before);
}

/* Three workers are held by one who sends a byte, one who stops between two records, and
 * one who does not read; the next request is served within the time-out. */
static void rude_clients_free_their_workers(void **state)
{
	static const size_t part[] = { 1, 20, SIZE_MAX };
	SC_AUTO_BUF request = SC_BUF_INIT;
	int fds[3] = { -1, -1, -1 };
	int64_t start = 0;

	(void)state;
	start_server("--workers", "3", NULL, NULL);
	put_request(&request, &(struct ask){ .uri = "/big" });
	start = sc_mono_us();
	for (int i = 0; i < 3; i++) {
		fds[i] = connect_server();
		send_bytes(fds[i], request.data,
			   part[i] < request.len ? part[i] : request.len);
	}
	assert_serves();
	assert_in_range(sc_mono_us() - start, 0, FREE_US);
	for (int i = 0; i < 3; i++) {
		assert_true(i == 2 || is_closed(fds[i]));
		(void)close(fds[i]);
	}
	stop_server();
}

/* A client that does not close after its reply, and sends on, holds nobody. */
static void a_client_that_stays_frees_the_worker(void **state)
{
	SC_AUTO_BUF request = SC_BUF_INIT;
	SC_AUTO_BUF reply = SC_BUF_INIT;
	int fd = connect_server();
	int64_t start = 0;

	(void)state;
	put_request(&request, &(struct ask){ .uri = "/x" });
	send_bytes(fd, request.data, request.len);
	assert_true(read_reply(fd, &reply));
	start = sc_mono_us();
	assert_serves();
	assert_in_range(sc_mono_us() - start, 0, SC_US_PER_S);
	(void)close(fd);
}

static void a_client_that_goes_is_noticed(void **state)
{
	SC_AUTO_BUF request = SC_BUF_INIT;
	int fd = connect_server();

	(void)state;
	put_request(&request, &(struct ask){ .uri = "/gone" });
	send_bytes(fd, request.data, request.len);
	wait_file("gone-began");
	assert_int_equal(access(path_in("gone"), F_OK), -1);
	(void)close(fd);
	wait_file("gone");
	assert_serves();
}

static void an_abort_record_is_noticed(void **state)
{
	SC_AUTO_BUF request = SC_BUF_INIT;
	int fd = connect_server();

	(void)state;
	put_request(&request, &(struct ask){ .uri = "/gone" });
	send_bytes(fd, request.data, request.len);
	wait_file("gone-began");
	sc_buf_reset(&request);
	put_record(&request, 2, "", 0);
	send_bytes(fd, request.data, request.len);
	wait_file("gone");
	(void)close(fd);
}

/* The request comes byte by byte: slow, but lawful. */
static void a_slow_request_is_answered(void **state)
{
	SC_AUTO_BUF request = SC_BUF_INIT;
	SC_AUTO_BUF reply = SC_BUF_INIT;
	int fd = connect_server();

	(void)state;
	put_request(&request, &(struct ask){ .uri = "/x" });
	for (size_t i = 0; i < request.len; i++)
		send_bytes(fd, request.data + i, 1);
	assert_true(read_reply(fd, &reply));
	assert_true(has_status(&reply, 200));
	(void)close(fd);
}

#define WITH_SERVER(f)                                                                   \
	cmocka_unit_test_setup_teardown(f, setup_one_worker, teardown_server)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(a_request_arrives_whole),
		WITH_SERVER(absent_headers_are_null),
		WITH_SERVER(head_has_the_length_and_no_body),
		WITH_SERVER(no_content_has_neither),
		WITH_SERVER(a_big_reply_arrives_whole),
		WITH_SERVER(a_connection_is_never_kept),
		WITH_SERVER(too_much_is_refused),
		WITH_SERVER(a_body_of_another_length_is_refused),
		WITH_SERVER(refusals_are_json),
		WITH_SERVER(other_roles_get_no_answer),
		WITH_SERVER(garbage_is_dropped_and_the_worker_lives),
		cmocka_unit_test_setup_teardown(rude_clients_free_their_workers, setup,
						teardown),
		WITH_SERVER(a_client_that_stays_frees_the_worker),
		WITH_SERVER(a_client_that_goes_is_noticed),
		WITH_SERVER(an_abort_record_is_noticed),
		WITH_SERVER(a_slow_request_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * The start of slidecached: its command line, what can be wrong with it, every kind of
 * listener, the service manager, the user it becomes and the users it listens to.
 */
#include "server_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>

/* ---- the command line ---- */

static void wrong_flags_are_usage(void **state)
{
	(void)state;
	EXPECT_EXIT(2, "unrecognized option '--nope'", "--nope");
	EXPECT_EXIT(2, "requires an argument", "--slides");
	EXPECT_EXIT(2, "\"x\" is no flag", "x");
	EXPECT_EXIT(2, "--set wants NAME=VALUE, not workers", "--set", "workers");
	EXPECT_EXIT(2, "unknown option \"worker\"; the nearest is \"workers\"", "--set",
		    "worker=3");
	EXPECT_EXIT(2, "workers: wants an integer, not \"many\"", "--workers", "many");
	EXPECT_EXIT(2, "workers: 9999 is not within 0..512", "--workers", "9999");
}

static void wrong_values_are_failures(void **state)
{
	char text[512];

	(void)state;
	EXPECT_EXIT(1, "/nonexistent.json: No such file", "--config", "/nonexistent.json",
		    "--check-config");
	EXPECT_EXIT(1, "base_path: wants", "--check-config", "--set", "base_path=x");
	EXPECT_EXIT(1, "listen: wants unix:/path, HOST:PORT", "--check-config",
		    "--listen", "nowhere");
	EXPECT_EXIT(1, "listen: wants", "--check-config", "--listen", "h:70000");
	EXPECT_EXIT(1, "listen: wants", "--check-config", "--listen", "::1:80");
	EXPECT_EXIT(1, "listen: fd: wants a number", "--check-config", "--listen",
		    "fd:x");
	EXPECT_EXIT(1,
		    "caches.default.backend: \"disk\" is none of embedded, memcached, "
		    "redis, null",
		    "--check-config", "--set", "caches.default.backend=disk");
	(void)snprintf(text, sizeof(text), "unix:/%0200d", 0);
	EXPECT_EXIT(1, "the socket's path has 201 bytes", "--check-config", "--listen",
		    text);
}

/* Wrong places of servers: found without asking any, and before anybody is served. */
static void wrong_places_are_failures(void **state)
{
	/* Option, value, other option, its value, what is said of the first. */
	static const char *const cases[][5] = {
		{ "caches.tiles_cache.location", "http://h", "caches.tiles_cache.backend",
		  "redis", "redis location: " },
		{ "caches.tiles_cache.location", "127.0.0.1:6379",
		  "caches.tiles_cache.backend", "redis", "redis location: " },
		{ "caches.default.location", "rediss://h", "caches.default.backend",
		  "redis", "redis location: rediss:// (TLS) is not supported" },
		{ "caches.default.location", "redis://h:99999/0",
		  "caches.default.backend", "redis", "redis location: the port" },
		{ "caches.default.location", "redis://h/foo", "caches.default.backend",
		  "redis", "redis location: the database" },
		{ "caches.default.location", "redis://h", "caches.default.backend",
		  "memcached", "memcached location: server 1: no scheme" },
		{ "caches.default.location", "h:0", "caches.default.backend", "memcached",
		  "memcached location: \"h:0\": the port" },
		{ "caches.default.location", "a:1/?0", "caches.default.backend",
		  "memcached", "memcached location: \"a:1/?0\": the weight" },
		{ "caches.default.location", "x,x", "caches.default.backend", "memcached",
		  "memcached location: \"x\": this server is named twice" },
		{ "caches.default.location", "redis://u:p@h", "caches.default.backend",
		  "embedded", "a directory, not an address" },
		{ "versions.location", "redis://u:p@h", "versions.backend", "embedded",
		  "a directory, not an address" },
		{ "versions.location", "http://h", "versions.backend", "redis",
		  "redis location: " },
		{ "versions.location", "h:0", "versions.backend", "memcached",
		  "memcached location: " },
		{ "versions.backend", "null", "versions.location", "",
		  "\"null\" is none of embedded, memcached, redis" },
		{ "versions.backend", "disk", "versions.location", "",
		  "\"disk\" is none of embedded, memcached, redis" },
	};
	char first[128];
	char second[128];
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const *c = cases[i];

		(void)snprintf(first, sizeof(first), "%s=%s", c[0], c[1]);
		(void)snprintf(second, sizeof(second), "%s=%s", c[2], c[3]);
		(void)snprintf(text, sizeof(text), "slidecached: %s: %s", c[0], c[4]);
		EXPECT_EXIT(1, text, "--check-config", "--set", first, "--set", second);
		EXPECT_EXIT(1, text, "--slides", path_in("slides"), "--state-dir",
			    path_in("state"), "--set", first, "--set", second);
	}
	assert_int_equal(access(path_in("state"), F_OK), -1);
}

static void put_secret(const char *text, mode_t mode)
{
	int fd = open(path_in("secret"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

#define SECRET "caches.default.options.secret_file"

static void wrong_secrets_are_failures(void **state)
{
	static const char *const options[] = { "--check-config", "--workers=1" };
	char option[256];

	(void)state;
	(void)snprintf(option, sizeof(option), SECRET "=%s", path_in("secret"));
	for (size_t i = 0; i < 2; i++) {
		(void)unlink(path_in("secret"));
		EXPECT_EXIT(1, "No such file", options[i], "--set", option, "--state-dir",
			    path_in("state"));
		assert_non_null(strstr(read_text("log"), "slidecached: " SECRET ": /"));
		put_secret("15 bytes, short", 0600);
		EXPECT_EXIT(1, "must have 16 to 4096 bytes", options[i], "--set", option,
			    "--state-dir", path_in("state"));
		put_secret("long enough, but open", 0644);
		EXPECT_EXIT(1, "open to everybody", options[i], "--set", option,
			    "--state-dir", path_in("state"));
	}
	put_secret("long enough, and ours", 0600);
	EXPECT_EXIT(0, "", "--check-config", "--set", option, "--slides",
		    path_in("slides"), "--state-dir", path_in("state"));
	assert_string_equal(read_text("log"), "");
}

/* As somebody who may not read it. */
static int check_as_stranger(const char *option)
{
	pid_t pid = 0;

	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		char *argv[] = { strdup("slidecached"), strdup("--check-config"),
				 strdup("--set"), strdup(option), NULL };

		log_to_file();
		if (geteuid() == 0 && setresuid(54321, 54321, 54321) != 0)
			_exit(99);
		_exit(sc_server_main(4, argv));
	}
	return wait_exit(pid);
}

static void a_secret_of_somebody_else_is_not_judged(void **state)
{
	char option[256];

	(void)state;
	(void)snprintf(option, sizeof(option), SECRET "=%s", path_in("secret"));
	assert_int_equal(chmod(dir, 0755), 0);
	put_secret("long enough, not ours", 0);
	assert_int_equal(check_as_stranger(option), 0);
	assert_non_null(
		strstr(read_text("log"), "slidecached: not checked: " SECRET ": "));
	assert_non_null(strstr(read_text("log"), "Permission denied"));
	/* A start is refused: as who we stay. */
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(chmod(path_in("slides"), 0755), 0);
	if (geteuid() == 0)
		EXPECT_EXIT(1, "Permission denied", "--set", option, "--state-dir",
			    path_in("state"), "--slides", path_in("slides"), "--listen",
			    "127.0.0.1:0", "--set", "user=nobody");
	else
		EXPECT_EXIT(1, "Permission denied", "--set", option, "--state-dir",
			    path_in("state"), "--slides", path_in("slides"), "--listen",
			    "127.0.0.1:0");
	assert_non_null(strstr(read_text("log"), "slidecached: " SECRET ": "));
	assert_null(strstr(read_text("log"), "ready:"));
}

static void what_only_a_start_can_find_is_a_failure(void **state)
{
	char listen[256];
	char plain[256];

	(void)state;
	(void)snprintf(listen, sizeof(listen), "unix:%s", path_in("s"));
	EXPECT_EXIT(1, "slides.root: /nonexistent: No such file", "--listen", listen,
		    "--slides", "/nonexistent", "--state-dir", path_in("state"));
	EXPECT_EXIT(1, "state_dir: /nonexistent/a/b cannot be made", "--listen", listen,
		    "--state-dir", "/nonexistent/a/b");
	EXPECT_EXIT(1, "user: there is no user no-such-user", "--listen", listen, "--set",
		    "user=no-such-user", "--state-dir", path_in("state"));
	EXPECT_EXIT(1, "descriptor 0 is not a listening socket", "--listen", "fd:0",
		    "--state-dir", path_in("state"), "--slides", path_in("slides"));
	EXPECT_EXIT(1, "systemd passed no socket", "--listen", "systemd", "--state-dir",
		    path_in("state"), "--slides", path_in("slides"));
	(void)snprintf(plain, sizeof(plain), "unix:%s", path_in("log"));
	EXPECT_EXIT(1, "exists and is not a socket", "--listen", plain, "--state-dir",
		    path_in("state"), "--slides", path_in("slides"));
	assert_int_equal(access(path_in("s"), F_OK), -1);
	assert_int_equal(access(path_in("s.lock"), F_OK), -1);
}

#define CHECK(code, text, slides, state_dir, ...)                                        \
	EXPECT_EXIT(code, text, "--check-config", "--slides", slides, "--state-dir",     \
		    state_dir, __VA_ARGS__)

/* What no worker could start with is said before anybody is stopped; nothing is made. */
static void folders_are_checked_beforehand(void **state)
{
	(void)state;
	CHECK(0, "", path_in("slides"), path_in("state/"), "--workers=1");
	CHECK(1, "slidecached: slides.root: /nonexistent: No such file", "/nonexistent",
	      path_in("state"), "--workers=1");
	CHECK(1, "slides.root: ", path_in("log"), path_in("state"), "--workers=1");
	CHECK(1, "state_dir: /nonexistent/a/b: No such file", path_in("slides"),
	      "/nonexistent/a/b", "--workers=1");
	CHECK(1, "cache_dir: /nonexistent/c: No such file", path_in("slides"),
	      path_in("state"), "--set", "cache_dir=/nonexistent/c");
	CHECK(1, "user: there is no user no-such-user", path_in("slides"),
	      path_in("state"), "--set", "user=no-such-user");
	assert_int_equal(access(path_in("state"), F_OK), -1);
}

/* As the user whom the service becomes, of whom root's rights say nothing. */
static void folders_are_checked_as_the_user(void **state)
{
	(void)state;
	assert_int_equal(chmod(dir, 0755), 0);
	if (geteuid() != 0) {
		CHECK(0, "not checked: folders: only root or nobody can tell",
		      path_in("slides"), path_in("state"), "--set", "user=nobody");
		return;
	}
	CHECK(1, "Permission denied", path_in("slides"), path_in("state"), "--set",
	      "user=nobody");
	assert_non_null(strstr(read_text("log"), "slidecached: slides.root: "));
	assert_int_equal(chmod(path_in("slides"), 0755), 0);
	CHECK(0, "", path_in("slides"), path_in("state"), "--set", "user=nobody");
	assert_string_equal(read_text("log"), "");
	assert_int_equal(mkdir(path_in("state"), 0700), 0);
	CHECK(1, "slidecached: state_dir: ", path_in("slides"), path_in("state"), "--set",
	      "user=nobody");
}

/* The packaged configuration, looked at by anybody. */
static void a_stranger_cannot_tell(void **state)
{
	(void)state;
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(check_as_stranger("user=nobody"), 0);
	assert_non_null(
		strstr(read_text("log"), "not checked: folders: only root or nobody"));
}

static void questions_are_answered(void **state)
{
	(void)state;
	EXPECT_EXIT(0, "slidecached 0.", "--version");
	EXPECT_EXIT(0, "deepzoom.tile_size", "--help");
	EXPECT_EXIT(0, "", "--check-config", "--slides", path_in("slides"), "--state-dir",
		    path_in("state"));
	assert_string_equal(read_text("log"), "");
	EXPECT_EXIT(0, "\"workers\": 5,", "--print-config", "--workers", "5");
	EXPECT_EXIT(0, "\"cache_dir\": \"/z/cache\",", "--print-config", "--state-dir",
		    "/z");
}

/* ---- listeners and the service manager ---- */

static int listen_loopback(int family, uint16_t *port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(sa);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 100), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	*port = ntohs(sa.sin_port);
	return fd;
}

static void assert_serves_tcp(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	SC_AUTO_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	SC_AUTO_BUF request = SC_BUF_INIT;
	SC_AUTO_BUF reply = SC_BUF_INIT;

	put_request(&request, &(struct ask){ .uri = "/big" });
	assert_int_equal(connect(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	send_bytes(fd, request.data, request.len);
	assert_true(read_reply(fd, &reply));
	assert_in_range(reply.len, BIG_BODY, BIG_BODY + 200);
}

static void an_inherited_descriptor_serves(void **state)
{
	uint16_t port = 0;
	SC_AUTO_FD fd = listen_loopback(AF_INET, &port);
	const char *const argv[] = {
		NO_SANDBOX,	   "--listen",	  "fd:0",	    "--slides",
		path_in("slides"), "--state-dir", path_in("state"), NULL
	};

	(void)state;
	master = start_program(argv, fd);
	wait_log("ready:");
	assert_serves_tcp(port);
	stop_server();
}

/* Port 0: the kernel's choice, which the log names. */
static void a_tcp_address_serves(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "localhost" };

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		char listen_at[64];
		const char *const argv[] = { "--listen",    listen_at,
					     "--slides",    path_in("slides"),
					     "--state-dir", path_in("state"),
					     "--workers",   "1",
					     NO_SANDBOX,    NULL };
		const char *at = NULL;
		uint64_t port = 0;

		(void)state;
		(void)unlink(path_in("log"));
		(void)snprintf(listen_at, sizeof(listen_at), "%s:0", hosts[i]);
		master = start_program(argv, -1);
		wait_log("ready:");
		at = strstr(read_text("log"), "listening on ");
		assert_non_null(at);
		at += strcspn(at, "0123456789[");
		/* "localhost" may be ::1, which this client does not speak. */
		if (*at != '[') {
			at = strchr(at, ':') + 1;
			assert_true(sc_parse_u64(sc_bytes_of(at, strcspn(at, "\n")),
						 65535, &port));
			assert_serves_tcp((uint16_t)port);
		}
		assert_int_equal(kill(master, SIGTERM), 0);
		assert_int_equal(wait_exit(master), 0);
		master = 0;
	}
}

static void the_service_manager_is_told(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	SC_AUTO_FD fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct timeval tv = { .tv_sec = DEADLINE_US / SC_US_PER_S };
	char text[256] = "";
	char want[64];

	(void)state;
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%.90s/notify", dir);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	assert_int_equal(setenv("NOTIFY_SOCKET", sa.sun_path, 1), 0);
	start_server(NULL, NULL, NULL, NULL);
	(void)unsetenv("NOTIFY_SOCKET");
	assert_true(recv(fd, text, sizeof(text) - 1, 0) > 0);
	(void)snprintf(want, sizeof(want), "READY=1\nMAINPID=%d\nSTATUS=2 workers",
		       (int)master);
	assert_memory_equal(text, want, strlen(want));
	stop_server();
	(void)memset(text, 0, sizeof(text));
	assert_true(recv(fd, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, "STOPPING=1");
}

/* systemd's way: descriptor 3, and an environment that names this very process. */
static void a_socket_of_systemd_serves(void **state)
{
	uint16_t port = 0;
	int fd = listen_loopback(AF_INET, &port);

	(void)state;
	(void)fflush(NULL);
	master = fork();
	if (master == 0) {
		char *argv[] = { strdup("slidecached"),	    strdup("--listen"),
				 strdup("systemd"),	    strdup("--slides"),
				 strdup(path_in("slides")), strdup("--state-dir"),
				 strdup(path_in("state")),  NULL };
		char pid[16];

		log_to_file();
		(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
		(void)setenv("LISTEN_PID", pid, 1);
		(void)setenv("LISTEN_FDS", "1", 1);
		(void)dup2(fd, 3);
		if (fd != 3)
			(void)close(fd);
		_exit(sc_server_main(7, argv));
	}
	(void)close(fd);
	wait_log("ready:");
	assert_serves_tcp(port);
	assert_int_equal(kill(master, SIGTERM), 0);
	assert_int_equal(wait_exit(master), 0);
	master = 0;
}

/* ---- users ---- */

static uid_t owner_of(const char *name)
{
	struct stat st = { 0 };

	assert_int_equal(stat(path_in(name), &st), 0);
	return st.st_uid;
}

/* Root becomes the user that was asked for; anybody else is told that only root can. */
static void the_user_is_changed(void **state)
{
	const struct passwd *nobody = getpwnam("nobody");

	(void)state;
	assert_non_null(nobody);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(chmod(path_in("slides"), 0755), 0);
	if (geteuid() != 0) {
		EXPECT_EXIT(1, "only root can become nobody", "--set", "user=nobody",
			    "--state-dir", path_in("state"));
		return;
	}
	start_server("--set", "user=nobody", NULL, NULL);
	assert_serves();
	wait_file("scanned");
	assert_int_equal(owner_of("scanned"), nobody->pw_uid);
	assert_int_equal(owner_of("state/cache/default"), nobody->pw_uid);
	assert_int_equal(owner_of("state"), nobody->pw_uid);
	assert_int_equal(owner_of("state/cache"), nobody->pw_uid);
	stop_server();
}

/* A web server starts us as its own user, with the packaged configuration, which has one.
 */
static void who_hands_a_socket_over_chooses_the_user(void **state)
{
	uint16_t port = 0;
	SC_AUTO_FD fd = listen_loopback(AF_INET, &port);

	(void)state;
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(chmod(path_in("slides"), 0755), 0);
	(void)fflush(NULL);
	master = fork();
	if (master == 0) {
		char *argv[] = { strdup("slidecached"),
				 strdup("--listen"),
				 strdup("fd:0"),
				 strdup("--slides"),
				 strdup(path_in("slides")),
				 strdup("--state-dir"),
				 strdup(path_in("state")),
				 strdup("--set"),
				 strdup("user=nobody"),
				 NULL };

		log_to_file();
		(void)dup2(fd, STDIN_FILENO);
		if (geteuid() == 0 && setresuid(54321, 54321, 54321) != 0)
			_exit(99);
		exit(sc_server_main(9, argv));
	}
	wait_log("user: nobody does not count");
	wait_log("ready:");
	assert_serves_tcp(port);
	assert_int_equal(kill(master, SIGTERM), 0);
	assert_int_equal(wait_exit(master), 0);
	master = 0;
}

/* What root made, the user can take over, and what it may not remove stops nothing. */
static void what_root_leaves_is_the_users(void **state)
{
	const struct passwd *nobody = getpwnam("nobody");
	char line[64];
	pid_t pid = 0;

	(void)state;
	if (geteuid() != 0)
		return;
	assert_non_null(nobody);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(chmod(path_in("slides"), 0755), 0);
	start_server("--set", "user=nobody", NULL, NULL);
	assert_int_equal(owner_of("s.lock"), nobody->pw_uid);
	assert_int_equal(owner_of("state/slidecached.pid"), nobody->pw_uid);
	assert_int_equal(chmod(dir, 0755), 0);
	pid = master;
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(wait_exit(pid), 0);
	master = 0;
	assert_non_null(strstr(read_text("log"), "cannot be removed: Permission denied"));
	(void)snprintf(line, sizeof(line), "Z info [%d] socket ", (int)pid);
	assert_non_null(strstr(read_text("log"), line));
}

/* A store that cannot be checked now costs speed; the start goes on. */
static void a_store_out_of_reach_is_no_obstacle(void **state)
{
	int fd = -1;

	(void)state;
	assert_int_equal(mkdir(path_in("state"), 0700), 0);
	assert_int_equal(mkdir(path_in("state/cache"), 0700), 0);
	fd = open(path_in("state/cache/tiles_cache"), O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	start_server(NULL, NULL, NULL, NULL);
	wait_log("not checked; tiles are made anew");
	assert_serves();
	stop_server();
}

/* As another user: whether the server says anything to it. */
static int try_as(uid_t uid)
{
	pid_t pid = fork();

	if (pid == 0) {
		SC_AUTO_BUF request = SC_BUF_INIT;
		SC_AUTO_BUF reply = SC_BUF_INIT;
		int fd = setresuid(uid, uid, uid) == 0 ? try_connect() : -1;

		if (fd < 0)
			_exit(2);
		put_request(&request, &(struct ask){ .uri = "/x" });
		send_bytes(fd, request.data, request.len);
		_exit(read_reply(fd, &reply) ? 0 : 1);
	}
	return wait_exit(pid);
}

/* Whoever may open the socket is still asked for the name; only root can try both. */
static void strangers_are_refused(void **state)
{
	bool root = geteuid() == 0;
	uid_t stranger = root ? 54321 : geteuid();
	uid_t known = root ? getpwnam("nobody")->pw_uid : geteuid();

	(void)state;
	assert_int_equal(chmod(dir, 0777), 0);
	start_server("--set", "peer_users=nobody,no-such-user", "--set",
		     "socket_mode=0666");
	wait_log("peer_users: there is no user no-such-user");
	assert_int_equal(try_as(known), 0);
	assert_int_equal(try_as(stranger), root ? 1 : 0);
	if (root)
		wait_log("connection refused: user 54321 is not in peer_users");
	assert_serves();
	stop_server();
}

#define PLAIN(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAIN(wrong_flags_are_usage),
		PLAIN(wrong_values_are_failures),
		PLAIN(wrong_places_are_failures),
		PLAIN(wrong_secrets_are_failures),
		PLAIN(a_secret_of_somebody_else_is_not_judged),
		PLAIN(what_only_a_start_can_find_is_a_failure),
		PLAIN(folders_are_checked_beforehand),
		PLAIN(folders_are_checked_as_the_user),
		PLAIN(a_stranger_cannot_tell),
		PLAIN(questions_are_answered),
		PLAIN(an_inherited_descriptor_serves),
		PLAIN(a_tcp_address_serves),
		PLAIN(the_service_manager_is_told),
		PLAIN(a_socket_of_systemd_serves),
		PLAIN(the_user_is_changed),
		PLAIN(who_hands_a_socket_over_chooses_the_user),
		PLAIN(what_root_leaves_is_the_users),
		PLAIN(a_store_out_of_reach_is_no_obstacle),
		PLAIN(strangers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

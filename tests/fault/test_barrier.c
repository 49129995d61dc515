/* SPDX-License-Identifier: MIT */
/*
 * A render that began before an invalidation and ends after it is never served to a
 * request that begins after it: on every store, with versions and entries in it.
 *
 * The barrier: this program defines openslide_read_region itself. In the process that is
 * to be late it says that it was reached, and goes on when it is told to. The pixels are
 * one grey, of the generation that there was when the read began; an invalidation comes
 * with a new generation, as a slide is changed before somebody says so. So staleness is
 * seen in the bytes, too, not only in the tag.
 *
 * Each round has a tile of its own. The late one asks for it and is held in its render;
 * sometimes another one waits for it. Then comes the invalidation (of the kind, of the
 * image, of both, of everything), and a new request, in odd rounds while the late one
 * still renders, in even ones after it was answered.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/context.h"
#include "slidecache/hash.h"
#include "slidecache/log.h"
#include "slidecache/migration.h"
#include "tests/lib/check.h"
#include "tests/lib/child.h"
#include "tests/lib/sample.h"
#include "tests/lib/server.h"

#define ROUNDS	   500
#define SIDE	   16 /* tiles a side that are asked for */
#define WAIT_EVERY 9  /* a waiter is there after a time slice of the single flight */
#define PATIENCE   60000

struct answer {
	int status;
	char x_cache[16];
	char etag[64];
	uint64_t body;
};

/* A process that answers requests, one at a time. */
struct helper {
	pid_t pid;
	int fd;
};

static struct {
	char *dir;
	struct server *server; /* NULL: embedded */
	struct sc_conf *conf;
	struct sc_app *app;
	struct helper late, waiter;
	int64_t image;
} t;

/* The generation of what is rendered; shared by all processes. */
static _Atomic(unsigned) *generation;

/* In a helper: the way to the test, and what it is to be told next. */
static int test_fd = -1;
static bool says_reached, says_waiting;

static void say(char what)
{
	if (send(test_fd, &what, 1, 0) != 1)
		_exit(3);
}

static void hold(void)
{
	char go = 0;

	if (!says_reached)
		return;
	says_reached = false;
	say('R');
	if (recv(test_fd, &go, 1, 0) != 1)
		_exit(3);
}

/* Takes precedence over the library's, which has these parameters. */
#define REGION int64_t x, int64_t y, int32_t level, int64_t w, int64_t h
void openslide_read_region(void *osr, uint32_t *dest, REGION);
void openslide_read_region(void *osr, uint32_t *dest, REGION)
{
	uint32_t grey = 20 + 7 * (atomic_load(generation) % 32);

	(void)osr, (void)x, (void)y, (void)level;
	hold();
	for (int64_t i = 0; i < w * h; i++)
		dest[i] = 0xff000000U | grey * 0x010101U;
}

/* Asked by who waits for another one's render, after each slice of time. */
static bool peer_gone(const struct sc_request *rq)
{
	(void)rq;
	if (says_waiting)
		say('W');
	says_waiting = false;
	return false;
}

static const char *no_header(const struct sc_request *rq, const char *name)
{
	(void)rq;
	(void)name;
	return NULL;
}

static void copy_header(const struct sc_response *rs, const char *name, char *out,
			size_t room)
{
	const char *value = sc_response_find(rs, name);

	(void)snprintf(out, room, "%s", value ? value : "");
}

static struct answer ask(struct sc_app *app, const char *target)
{
	struct sc_arena *arena = sc_arena_new();
	struct sc_request rq = { .method = SC_GET,
				 .method_text = "GET",
				 .uri = target,
				 .remote_addr = "",
				 .remote_user = "",
				 .header = no_header,
				 .peer_gone = peer_gone,
				 .arena = arena };
	struct sc_response rs;
	struct answer a;

	memset(&a, 0, sizeof(a));
	sc_response_init(&rs);
	sc_app_handle(app, &rq, &rs);
	a.status = rs.status;
	copy_header(&rs, "X-Cache", a.x_cache, sizeof(a.x_cache));
	copy_header(&rs, "ETag", a.etag, sizeof(a.etag));
	a.body = sc_hash64(sc_buf_bytes(&rs.body));
	sc_response_release(&rs);
	sc_arena_free(arena);
	return a;
}

/* A message is how the helper is to behave, 'R' or 'W', and a target; it answers with
 * what happens, then with a struct answer. Ends with the test. */
static bool answer_requests(void *arg)
{
	char message[256];
	struct sc_app *app = NULL;
	struct sc_err err;
	ssize_t n = 0;

	test_fd = *(int *)arg;
	while ((n = recv(test_fd, message, sizeof(message) - 1, 0)) > 1) {
		struct answer a;

		message[n] = '\0';
		if (!app && sc_app_open(t.conf, SC_APP_SERVE, &app, &err) != SC_OK)
			return false;
		says_reached = message[0] == 'R';
		says_waiting = message[0] == 'W';
		a = ask(app, message + 1);
		if (send(test_fd, &a, sizeof(a), 0) != sizeof(a))
			return false;
	}
	sc_app_close(app);
	return true;
}

static struct helper helper_start(void)
{
	int fds[2] = { -1, -1 };
	struct helper h;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	h.pid = fork();
	assert_true(h.pid >= 0);
	if (h.pid == 0) {
		(void)close(fds[0]);
		_exit(answer_requests(&fds[1]) ? 0 : 1);
	}
	(void)close(fds[1]);
	h.fd = fds[0];
	return h;
}

static void helper_end(struct helper *h)
{
	(void)close(h->fd);
	assert_true(child_ok(h->pid));
}

static void tell(const struct helper *h, const char *how, const char *target)
{
	char message[256];
	int n = snprintf(message, sizeof(message), "%s%s", how, target);

	assert_int_equal(send(h->fd, message, (size_t)n, 0), n);
}

static void receive(const struct helper *h, void *out, size_t len)
{
	struct pollfd p = { .fd = h->fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, PATIENCE), 1);
	assert_int_equal(recv(h->fd, out, len, 0), len);
}

static void expect_event(const struct helper *h, char expected)
{
	char event = 0;

	receive(h, &event, 1);
	assert_int_equal(event, expected);
}

static struct answer receive_answer(const struct helper *h)
{
	struct answer a;

	receive(h, &a, sizeof(a));
	assert_int_equal(a.status, 200);
	return a;
}

/* The beginning of a tag now: versions of the kind and of the image. */
static void current_tag(char out[24])
{
	char image[SC_VERSION_NAME_MAX + 1];
	const char *names[] = { "tiles", image };
	struct sc_version now[2];
	struct sc_err err;

	sc_version_image_name(t.image, image);
	if (sc_versions_get(t.app->versions, names, 2, now, &err) != SC_OK)
		fail_msg("%s", err.text);
	(void)snprintf(out, 24, "\"%s%s-", now[0].version, now[1].version);
}

static void invalidate(int round)
{
	char image[SC_VERSION_NAME_MAX + 1];
	const char *names[] = { "tiles", image };
	enum sc_status status = SC_OK;
	struct sc_err err;

	sc_version_image_name(t.image, image);
	atomic_fetch_add(generation, 1);
	if (round % 4 == 0)
		status = sc_invalidate_cache(t.app->versions, names, 1, &err);
	else if (round % 4 == 1)
		status = sc_invalidate_cache(t.app->versions, names + 1, 1, &err);
	else if (round % 4 == 2)
		status = sc_invalidate_cache(t.app->versions, names, 2, &err);
	else
		status = sc_invalidate_all_caches(t.app->versions, &err);
	if (status)
		fail_msg("%s", err.text);
}

static void assert_tagged(const struct answer *a, const char *tag)
{
	if (strncmp(a->etag, tag, strlen(tag)) != 0)
		fail_msg("tag %s, expected %s...", a->etag, tag);
}

/* The proof: what a request that begins now gets is new. */
static struct answer ask_anew(const char *target, const struct answer *expected)
{
	struct answer a = ask(t.app, target);
	char tag[24];

	current_tag(tag);
	assert_int_equal(a.status, 200);
	assert_tagged(&a, tag);
	assert_string_equal(a.x_cache, expected ? "HIT" : "MISS");
	if (expected)
		assert_int_equal(a.body, expected->body);
	return a;
}

static struct answer release(const char *old_tag)
{
	struct answer late;

	tell(&t.late, "G", "");
	late = receive_answer(&t.late);
	assert_string_equal(late.x_cache, "MISS");
	assert_tagged(&late, old_tag);
	return late;
}

static void run_round(int round)
{
	bool waits = round % WAIT_EVERY == 0;
	char target[128];
	char old_tag[24];
	struct answer late, fresh;

	(void)snprintf(target, sizeof(target),
		       "/images/image/%lld/1/1/tile_files/12/%d_%d.%s",
		       (long long)t.image, round % SIDE, round / SIDE % SIDE,
		       round < SIDE * SIDE ? "jpeg" : "png");
	current_tag(old_tag);
	tell(&t.late, "R", target);
	expect_event(&t.late, 'R');
	if (waits) {
		tell(&t.waiter, "W", target);
		expect_event(&t.waiter, 'W');
	}
	invalidate(round);
	if (round % 2) {
		fresh = ask_anew(target, NULL);
		late = release(old_tag);
	} else {
		late = release(old_tag);
		fresh = ask_anew(target, NULL);
	}
	assert_int_not_equal(fresh.body, late.body);
	if (waits) {
		struct answer shared = receive_answer(&t.waiter);

		assert_string_equal(shared.x_cache, "SHARED");
		assert_string_equal(shared.etag, late.etag);
	}
	(void)ask_anew(target, &fresh);
}

static void late_renders_are_served_to_nobody(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++)
		run_round(i);
}

static void set_option(const char *name, const char *value)
{
	struct sc_err err;

	if (sc_conf_set(t.conf, name, value, &err) != SC_OK)
		fail_msg("%s", err.text);
}

/* Versions and entries are kept in the same place, with time for machines that are busy.
 */
static void make_conf(const char *backend)
{
	static const char *const places[] = { "versions", "caches.default",
					      "caches.tiles_cache" };
	struct sc_err err;
	SC_AUTO_FREE char *slides = check_path(t.dir, "slides");
	char name[64];

	t.conf = sc_conf_new();
	set_option("state_dir", t.dir);
	set_option("cache_dir", t.dir);
	set_option("slides.root", slides);
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		(void)snprintf(name, sizeof(name), "%s.backend", places[i]);
		set_option(name, backend);
		(void)snprintf(name, sizeof(name), "%s.location", places[i]);
		set_option(name, t.server ? t.server->location : "");
		(void)snprintf(name, sizeof(name), "%s.%stimeout_ms", places[i],
			       i ? "options." : "");
		set_option(name, "10000");
	}
	if (sc_conf_finish(t.conf, &err) != SC_OK)
		fail_msg("%s", err.text);
}

static void make_slides(void)
{
	static const struct sample slide = { .is_flat = true,
					     .levels = 1,
					     .level = { { 4096, 4096, 512, false } } };
	SC_AUTO_FREE char *path = check_path(t.dir, "slides/a.tiff");
	struct sc_scan_result found;
	struct sc_err err;

	assert_int_equal(mkdir(t.conf->slides.root, 0700), 0);
	sample_write(path, &slide);
	if (sc_catalogue_scan(t.conf->slides.catalogue, t.conf->slides.root, &found,
			      &err) != SC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(found.added, 1);
	t.image = 1;
}

static void migrate(void)
{
	SC_AUTO_FREE struct sc_migration_step *steps = NULL;
	const struct sc_migration *const initial[] = { &sc_initial_migration };
	struct sc_migrations *set = NULL;
	struct sc_err err;
	size_t n = 0;

	if (sc_migrations_new(initial, 1, &set, &err) != SC_OK ||
	    sc_migrate(set, t.app->versions, NULL, &steps, &n, &err) != SC_OK)
		fail_msg("%s", err.text);
	sc_migrations_free(set);
}

/* Helpers come first: what this process opens is not theirs. They open when they are
 * first asked, after the migration. */
static void open_all(const char *backend)
{
	struct sc_err err;

	t.dir = check_mkdir();
	make_conf(backend);
	make_slides();
	t.late = helper_start();
	t.waiter = helper_start();
	if (sc_app_open(t.conf, SC_APP_SERVE, &t.app, &err) != SC_OK)
		fail_msg("%s", err.text);
	assert_non_null(t.app->versions);
	migrate();
}

static int set_up(void **state)
{
	const char *backend = *state;

	t.server = NULL;
	if (strcmp(backend, "embedded") != 0) {
		t.server = server_new(strcmp(backend, "redis") == 0 ? SERVER_REDIS
								    : SERVER_MEMCACHED,
				      NULL);
		server_start(t.server);
	}
	generation = mmap(NULL, sizeof(*generation), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(generation, MAP_FAILED);
	open_all(backend);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	helper_end(&t.waiter);
	helper_end(&t.late);
	sc_app_close(t.app);
	sc_conf_free(t.conf);
	if (t.server)
		server_free(t.server);
	check_rmdir(t.dir);
	(void)munmap(generation, sizeof(*generation));
	return 0;
}

#define ON(backend)                                                                      \
	{                                                                                \
		"late_renders_are_served_to_nobody, " backend,                           \
			late_renders_are_served_to_nobody, set_up, tear_down,            \
			(void *)(uintptr_t)backend                                       \
	}

int main(void)
{
	const struct CMUnitTest tests[] = { ON("embedded"), ON("redis"),
					    ON("memcached") };
	struct sc_err err;

	(void)signal(SIGPIPE, SIG_IGN);
	if (sc_log_open("stderr", SC_LOG_WARNING, &err) != SC_OK)
		return 1;
	return cmocka_run_group_tests_name("barrier", tests, NULL, NULL);
}

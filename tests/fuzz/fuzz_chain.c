/* SPDX-License-Identifier: MIT */
/*
 * Whole requests through the application, with stores, a catalogue and access lists in a
 * folder of memory, and images that have no file: each has a complete answer that is none
 * of 5xx but 503, whose head is of printable lines and whose errors are JSON; and nobody
 * but who may read an image learns its name.
 * Input: method and peer (a byte each), the target, headers "NAME VALUE", each a line; an
 * empty line; the body.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "slidecache/app.h"
#include "slidecache/migration.h"
#include "tests/fuzz/fuzz.h"

#define HEADERS 8
#define HIDDEN	"Zq7Hidden" /* what strangers may not read */

static const char catalogue[] =
	"{\"next_id\": 4, \"images\": ["
	"{\"id\": 1, \"name\": \"a.svs\", \"file\": \"a.svs\", \"state\": \"ok\","
	" \"width\": 46000, \"height\": 32914, \"mpp\": 0.25, \"vendor\": \"aperio\"},"
	"{\"id\": 2, \"name\": \"" HIDDEN "\", \"file\": \"x/" HIDDEN "\", \"depth\": 3,"
	" \"frames\": 2, \"state\": \"unreadable\", \"reason\": \"" HIDDEN "\"},"
	"{\"id\": 3, \"name\": \"c.svs\", \"file\": \"c.svs\", \"state\": \"gone\"}]}";

static const char acl[] =
	"{\"images\": {\"open\": {\"ids\": [1]}}, \"rules\": ["
	"{\"who\": [\"strangers\"], \"images\": [\"open\"], \"rights\": [\"read\"]},"
	"{\"who\": [\"user:anna\"], \"images\": [\"all\"],"
	" \"rights\": [\"read\", \"manage\", \"label\"]}]}";

struct sent {
	const char *names[HEADERS];
	const char *values[HEADERS];
	size_t n;
};

static const char *header(const struct sc_request *rq, const char *cgi_name)
{
	const struct sent *sent = rq->transport;

	for (size_t i = 0; i < sent->n; i++)
		if (strcmp(sent->names[i], cgi_name) == 0)
			return sent->values[i];
	return NULL;
}

static void set(struct sc_conf *c, const char *name, const char *value)
{
	struct sc_err err;

	FUZZ_MUST(sc_conf_set(c, name, value, &err) == SC_OK);
}

static void write_text(const char *name, const char *text)
{
	SC_AUTO_FREE char *path = fuzz_path(name);
	FILE *f = fopen(path, "we");

	FUZZ_MUST(f && fchmod(fileno(f), 0600) == 0);
	FUZZ_MUST(fputs(text, f) >= 0 && fclose(f) == 0);
}

/* As slidecachectl migrate does. */
static void start_versions(const struct sc_conf *c)
{
	static const struct sc_migration *const all[] = { &sc_initial_migration };
	struct sc_migrations *set = NULL;
	struct sc_versions *v = NULL;
	struct sc_migration_step *steps = NULL;
	struct sc_err err;
	size_t n = 0;

	FUZZ_MUST(sc_app_versions_open(c, 0, 0, &v, &err) == SC_OK);
	FUZZ_MUST(sc_migrations_new(all, 1, &set, &err) == SC_OK);
	FUZZ_MUST(sc_migrate(set, v, NULL, &steps, &n, &err) == SC_OK);
	free(steps);
	sc_migrations_free(set);
	sc_versions_close(v);
}

static void set_path(struct sc_conf *c, const char *name, const char *file)
{
	SC_AUTO_FREE char *path = fuzz_path(file);

	set(c, name, path);
}

/* Strangers read one image, and a user of the web server manages: so every route is
 * reached. */
static struct sc_app *open_app(void)
{
	struct sc_conf *c = sc_conf_new();
	SC_AUTO_FREE char *slides = fuzz_path("slides");
	SC_AUTO_FREE char *cache = fuzz_path("cache");
	struct sc_app *app = NULL;
	struct sc_err err;

	FUZZ_MUST(mkdir(slides, 0700) == 0 && mkdir(cache, 0700) == 0);
	write_text("images.json", catalogue);
	write_text("acl.json", acl);
	write_text("key", "0123456789abcdef0123456789abcdef");
	set_path(c, "access.acl_file", "acl.json");
	set_path(c, "access.signing_key_file", "key");
	set(c, "slides.associated_images", "true");
	set(c, "state_dir", fuzz_folder());
	set(c, "cache_dir", cache);
	set(c, "slides.root", slides);
	set(c, "migrations_dir", slides);
	set(c, "caches.default.options.max_size_mb", "16");
	set(c, "caches.tiles_cache.backend", "null");
	set(c, "access.trust_remote_user", "true");
	set(c, "warm.sync_limit_s", "0");
	set(c, "log.target", "stderr");
	FUZZ_MUST(sc_conf_finish(c, &err) == SC_OK);
	start_versions(c);
	FUZZ_MUST(sc_app_open(c, SC_APP_SERVE, &app, &err) == SC_OK);
	return app;
}

static void check_head(const struct sc_response *rs)
{
	SC_AUTO_BUF head = SC_BUF_INIT;

	sc_response_head(rs, &head);
	struct sc_bytes left = sc_buf_bytes(&head);
	FUZZ_MUST(left.len > 4 && memcmp(left.data + left.len - 4, "\r\n\r\n", 4) == 0);
	left.len -= 4;
	while (left.len > 0) {
		SC_AUTO_FREE char *line = fuzz_text(fuzz_until(&left, '\n'));
		size_t n = strcspn(line, "\r");

		FUZZ_MUST(line[n] == '\0' || line[n + 1] == '\0');
		line[n] = '\0';
		FUZZ_MUST(n > 2 && fuzz_is_printable(line) && strstr(line, ": "));
	}
}

static void check_answer(const struct sc_response *rs)
{
	FUZZ_MUST(rs->status >= 200 && rs->status < 504 && rs->status != 500);
	FUZZ_MUST(strcmp(sc_reason_phrase(rs->status), "Status") != 0);
	check_head(rs);
	if (!rs->content_type || strcmp(rs->content_type, "application/json") != 0)
		return;
	json_t *body = json_loadb((const char *)rs->body.data, rs->body.len,
				  JSON_REJECT_DUPLICATES, NULL);
	FUZZ_MUST(body);
	if (rs->status >= 400)
		FUZZ_MUST(json_is_string(json_object_get(body, "detail")));
	json_decref(body);
}

static bool has_hidden(const void *text, size_t n)
{
	return n > 0 && memmem(text, n, HIDDEN, strlen(HIDDEN));
}

/* Unless it is in the request, which answers may quote. */
static void check_hidden(const struct sc_response *rs, struct sc_bytes in)
{
	SC_AUTO_BUF head = SC_BUF_INIT;

	sc_response_head(rs, &head);
	if (!has_hidden(in.data, in.len))
		FUZZ_MUST(!has_hidden(rs->body.data, rs->body.len) &&
			  !has_hidden(head.data, head.len));
}

static const char *line_of(struct sc_arena *arena, struct sc_bytes *in)
{
	return sc_arena_str(arena, fuzz_until(in, '\n'));
}

static void take_headers(struct sc_arena *arena, struct sc_bytes *in, struct sent *out)
{
	for (;;) {
		struct sc_bytes line = fuzz_until(in, '\n');
		SC_AUTO_FREE char *text = fuzz_text(line);
		char *space = strchr(text, ' ');

		if (line.len == 0 || out->n == HEADERS)
			return;
		if (!space)
			continue;
		*space = '\0';
		out->names[out->n] = sc_arena_str(arena, sc_bytes_str(text));
		out->values[out->n++] = sc_arena_str(arena, sc_bytes_str(space + 1));
	}
}

static struct sc_request take_request(struct sc_arena *arena, struct sc_bytes *in,
				      struct sent *sent)
{
	static const char *const methods[] = { "GET",	"HEAD",	  "POST",   "PUT",
					       "PATCH", "DELETE", "OPTIONS" };
	static const char *const users[] = { "", "anna", "anna", "\xc3\xa4\n" };
	const char *method = methods[fuzz_byte(in) % 7];
	struct sc_request rq = { .method = sc_method_parse(method),
				 .method_text = method,
				 .remote_addr = "127.0.0.1",
				 .remote_user = users[fuzz_byte(in) % 4],
				 .header = header,
				 .transport = sent,
				 .arena = arena };

	rq.uri = line_of(arena, in);
	take_headers(arena, in, sent);
	rq.body = *in;
	return rq;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sc_app *app;
	struct sc_bytes in = sc_bytes_of(data, size);
	struct sc_arena *arena = sc_arena_new();
	struct sent sent = { .n = 0 };
	struct sc_request rq = take_request(arena, &in, &sent);
	SC_AUTO_FREE unsigned char *body = fuzz_copy(rq.body);
	struct sc_response rs;

	if (!app)
		app = open_app();
	rq.body.data = body;
	sc_response_init(&rs);
	sc_app_handle(app, &rq, &rs);
	check_answer(&rs);
	if (strcmp(rq.remote_user, "anna") != 0)
		check_hidden(&rs, sc_bytes_of(data, size));
	sc_app_after(app);
	sc_response_release(&rs);
	sc_arena_free(arena);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * memcached as an operator sets it up: with deploy/memcached.conf, and with settings that
 * the advice finds and says how to mend.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/cache.h"
#include "tests/lib/check.h"
#include "tests/lib/child.h"
#include "tests/lib/server.h"

#define OPTIONS_MAX 32

/* What the advice said. */
struct advised {
	struct sc_buf findings;
	struct sc_buf fixes;
	int counts[3];
};

static void note(void *arg, enum sc_advice advice, const char *finding, const char *fix)
{
	struct advised *a = arg;

	sc_buf_printf(&a->findings, "%s\n", finding);
	sc_buf_printf(&a->fixes, "%s\n", fix);
	a->counts[advice]++;
	/* What is not well comes with what to do about it. */
	assert_true((advice == SC_ADVICE_OK) == (fix[0] == '\0'));
}

static void advise(const char *location, uint64_t max_value_kb, struct advised *a)
{
	struct sc_cache_options o = { .name = "tiles",
				      .backend = "memcached",
				      .location = location,
				      .key_prefix = "exact",
				      .timeout_ms = 100,
				      .max_value_kb = max_value_kb };

	*a = (struct advised){ .findings = SC_BUF_INIT };
	sc_cache_advise(&o, note, a);
	assert_non_null(a->findings.data);
}

static void release(struct advised *a)
{
	sc_buf_release(&a->findings);
	sc_buf_release(&a->fixes);
}

static void assert_counts(const struct advised *a, int ok, int warnings, int failures)
{
	if (a->counts[SC_ADVICE_OK] != ok || a->counts[SC_ADVICE_WARNING] != warnings ||
	    a->counts[SC_ADVICE_FAILURE] != failures)
		fail_msg("%s", (const char *)a->findings.data);
}

static bool fixes(const struct advised *a, const char *what)
{
	return strstr((const char *)a->fixes.data, what) != NULL;
}

static struct server *start(const char *const *extra)
{
	struct server *s = server_new(SERVER_MEMCACHED, extra);

	server_start(s);
	return s;
}

static void end(struct server *s)
{
	if (s->pid > 0)
		server_kill(s);
	server_free(s);
}

static void test_good(void **state)
{
	static const char *const extra[] = { "-m", "1024", NULL };
	struct server *s = start(extra);
	struct advised a;

	(void)state;
	advise(s->location, 0, &a);
	assert_counts(&a, 1, 0, 0);
	assert_non_null(strstr((char *)a.findings.data, "version 1."));
	assert_non_null(strstr((char *)a.findings.data, s->path));
	release(&a);
	end(s);
}

static void test_little_room(void **state)
{
	struct server *s = start(NULL);
	struct advised a;

	(void)state;
	advise(s->location, 0, &a);
	assert_counts(&a, 1, 1, 0);
	assert_true(fixes(&a, "-m 1024"));
	release(&a);
	end(s);
}

static void test_item_size(void **state)
{
	static const char *const small[] = { "-m", "1024", "-I", "512k", NULL };
	static const char *const usual[] = { "-m", "1024", NULL };
	struct server *s = start(small);
	struct advised a;

	(void)state;
	advise(s->location, 0, &a);
	assert_counts(&a, 1, 1, 0);
	assert_true(fixes(&a, "-I 1m"));
	release(&a);
	advise(s->location, 256, &a);
	assert_counts(&a, 1, 0, 0);
	release(&a);
	end(s);
	s = start(usual);
	advise(s->location, 1024, &a);
	assert_counts(&a, 1, 1, 0);
	assert_true(fixes(&a, "-I 2m"));
	release(&a);
	advise(s->location, 8192, &a);
	assert_true(fixes(&a, "-I 9m"));
	release(&a);
	end(s);
}

static void test_no_evictions(void **state)
{
	static const char *const extra[] = { "-m", "1024", "-M", NULL };
	struct server *s = start(extra);
	struct advised a;

	(void)state;
	advise(s->location, 0, &a);
	assert_counts(&a, 1, 0, 1);
	assert_true(fixes(&a, "without -M"));
	release(&a);
	end(s);
}

/* Each server is judged, also when another one is away. */
static void test_one_away(void **state)
{
	static const char *const extra[] = { "-m", "1024", NULL };
	struct server *there = start(extra);
	struct server *away = server_new(SERVER_MEMCACHED, NULL);
	SC_AUTO_BUF both = SC_BUF_INIT;
	struct advised a;

	(void)state;
	sc_buf_printf(&both, "%s,%s", away->location, there->location);
	advise((char *)both.data, 0, &a);
	assert_counts(&a, 1, 0, 1);
	assert_true(fixes(&a, "start memcached there"));
	assert_non_null(strstr((char *)a.findings.data, away->path));
	release(&a);
	end(there);
	end(away);
}

static void test_bad_location(void **state)
{
	struct advised a;

	(void)state;
	advise("a,,b", 0, &a);
	assert_counts(&a, 0, 0, 1);
	assert_true(fixes(&a, "correct the location"));
	release(&a);
}

/* deploy/memcached.conf, read as Debian's start script does: one option a line. */

struct options {
	char text[8192];
	char *lines[OPTIONS_MAX];
	size_t n;
};

static void read_options(struct options *o)
{
	SC_AUTO_FD fd = open("deploy/memcached.conf", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, o->text, sizeof o->text - 1);
	char *next = o->text;

	assert_in_range(n, 1, sizeof o->text - 2);
	o->text[n] = '\0';
	o->n = 0;
	for (char *line = strsep(&next, "\n"); line; line = strsep(&next, "\n")) {
		line[strcspn(line, "#")] = '\0';
		if (line[0] == '\0')
			continue;
		assert_int_equal(line[0], '-');
		assert_true(o->n < OPTIONS_MAX);
		o->lines[o->n++] = line;
	}
}

/* The value of -X; NULL: it is not there. */
static const char *option(const struct options *o, const char *name)
{
	for (size_t i = 0; i < o->n; i++)
		if (strncmp(o->lines[i], name, 2) == 0)
			return o->lines[i][2] == ' ' ? o->lines[i] + 3 : "";
	return NULL;
}

/* Those of ours that a test cannot have: it has its own socket, user and pid file. */
static bool is_own(const char *line)
{
	return line[1] == 's' || line[1] == 'u' || line[1] == 'P';
}

static void test_shipped_file(void **state)
{
	struct options o;
	const char *extra[2 * OPTIONS_MAX] = { NULL };
	struct advised a;
	struct stat st;
	size_t n = 0;

	(void)state;
	read_options(&o);
	for (size_t i = 0; i < o.n; i++) {
		char *space = strchr(o.lines[i], ' ');

		if (is_own(o.lines[i]))
			continue;
		assert_non_null(space);
		*space = '\0';
		extra[n++] = o.lines[i];
		extra[n++] = space + 1;
		assert_null(strchr(space + 1, ' '));
	}
	struct server *s = start(extra);
	for (size_t i = 0; i < n; i += 2)
		*strchr(extra[i], '\0') = ' ';
	advise(s->location, 1024, &a);
	assert_counts(&a, 1, 0, 0);
	release(&a);
	assert_int_equal(stat(s->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0770);
	assert_string_equal(option(&o, "-s"), "/run/memcached/memcached.sock");
	assert_string_equal(option(&o, "-U"), "0");
	assert_non_null(option(&o, "-u"));
	assert_null(option(&o, "-l"));
	end(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	     cmocka_unit_test(test_little_room),
		cmocka_unit_test(test_item_size),    cmocka_unit_test(test_no_evictions),
		cmocka_unit_test(test_one_away),     cmocka_unit_test(test_bad_location),
		cmocka_unit_test(test_shipped_file),
	};

	return cmocka_run_group_tests_name("settings of memcached", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Changes versions again and again, and tells when: for proofs about what readers see.
 *
 * version_writer BACKEND LOCATION PREFIX ID NAME... until its standard input ends. Each
 * change is of one NAME, of all NAMEs or of everything, by an actor of its own, "ID-N":
 *
 *	change ACTOR BEGAN ENDED NAME...	monotonic, in microseconds
 *	seen NAME VERSION PREVIOUS ACTOR	read after it; by whom it was changed last
 */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "slidecache/hash.h"
#include "slidecache/version.h"

#define NAMES_MAX 8
#define PAUSE_MS  100 /* on average, between two changes */

static struct {
	struct sc_versions *versions;
	const char *const *names;
	size_t n;
	const char *id;
	struct sc_err err;
} t;

static void check(enum sc_status status)
{
	if (!status)
		return;
	fprintf(stderr, "version_writer: %s\n", t.err.text);
	_exit(1);
}

static void change(const char *actor, uint64_t turn)
{
	size_t which = turn % (t.n + 2);
	size_t first = which < t.n ? which : 0;
	size_t n = which < t.n ? 1 : t.n;
	int64_t began_us = sc_mono_us();

	sc_versions_set_actor(t.versions, actor);
	if (which <= t.n)
		check(sc_invalidate_cache(t.versions, t.names + first, n, &t.err));
	else
		check(sc_invalidate_all_caches(t.versions, &t.err));
	printf("change %s %lld %lld", actor, (long long)began_us,
	       (long long)sc_mono_us());
	for (size_t i = first; i < first + n; i++)
		printf(" %s", t.names[i]);
	printf("\n");
}

static void tell(void)
{
	struct sc_version now[NAMES_MAX];

	check(sc_versions_get(t.versions, t.names, t.n, now, &t.err));
	for (size_t i = 0; i < t.n; i++)
		printf("seen %s %s %s %s\n", now[i].name, now[i].version,
		       now[i].previous[0] ? now[i].previous : "-", now[i].changed_by);
	(void)fflush(stdout);
}

static bool goes_on(uint64_t pause_ms)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };

	return poll(&in, 1, (int)pause_ms) == 0;
}

/* What and when follow from the actor, so that writers are never in step. */
static void run(void)
{
	uint64_t chance = 0;
	char actor[64];

	for (unsigned n = 0; goes_on(chance % (2 * PAUSE_MS)); n++) {
		(void)snprintf(actor, sizeof(actor), "%.20s-%u", t.id, n);
		chance = sc_hash64(sc_bytes_str(actor));
		change(actor, chance >> 32);
		tell();
	}
}

int main(int argc, char **argv)
{
	if (argc < 6 || argc > 5 + NAMES_MAX) {
		fprintf(stderr, "usage: %s BACKEND LOCATION PREFIX ID NAME...\n",
			argv[0]);
		return 2;
	}
	const struct sc_versions_options o = { .backend = argv[1],
					       .location = argv[2],
					       .key_prefix = argv[3],
					       .timeout_ms = 30000,
					       .call_ms = 30000 };
	t.id = argv[4];
	t.names = (const char *const *)argv + 5;
	t.n = (size_t)argc - 5;
	check(sc_versions_open(&o, &t.versions, &t.err));
	tell();
	run();
	sc_versions_close(t.versions);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Advice on memcached: is each server there, does it take values of the size that is
 * configured, has it room for tiles, does it make room for new ones. Whether others can
 * reach it, memcached does not say.
 */
#include "cache/memcached_advise.h"

#include <inttypes.h>
#include <stdio.h>

#include "cache/advice.h"
#include "cache/backend.h"
#include "slidecache/fault.h"
#include "slidecache/memcached_link.h"
#include "slidecache/parse.h"

#define ASK_MS	     2000
#define MIB	     ((uint64_t)1 << 20)
#define ROOM_MIN_MIB 64
/* memcached's own head, the longest key and our envelope. */
#define ITEM_HEAD 1024

struct telling {
	const struct sc_cache_options *o;
	struct sc_advice_to to;
};

struct settings {
	char version[24];
	uint64_t item_size_max;
	uint64_t maxbytes;
	bool evicts;
	bool restores; /* its memory, at a restart (-e) */
};

static void note_version(void *arg, struct sc_bytes name, struct sc_bytes value)
{
	struct settings *s = arg;
	size_t n = value.len < sizeof s->version - 1 ? value.len : sizeof s->version - 1;

	if (!sc_bytes_is(name, "version"))
		return;
	memcpy(s->version, value.data, n);
	s->version[n] = '\0';
}

static void note_setting(void *arg, struct sc_bytes name, struct sc_bytes value)
{
	struct settings *s = arg;

	if (sc_bytes_is(name, "item_size_max"))
		(void)sc_parse_u64(value, UINT64_MAX, &s->item_size_max);
	else if (sc_bytes_is(name, "maxbytes"))
		(void)sc_parse_u64(value, UINT64_MAX, &s->maxbytes);
	else if (sc_bytes_is(name, "evictions"))
		s->evicts = sc_bytes_is(value, "on");
	else if (sc_bytes_is(name, "memory_file"))
		s->restores = !sc_bytes_is(value, "(null)");
}

/* Digits and dots up to the first other byte, compared as numbers. */
static bool is_older(const char *version, const char *than)
{
	while (*version || *than) {
		uint64_t a = 0;
		uint64_t b = 0;
		size_t na = strspn(version, "0123456789");
		size_t nb = strspn(than, "0123456789");

		(void)sc_parse_u64(sc_bytes_of(version, na), UINT64_MAX, &a);
		(void)sc_parse_u64(sc_bytes_of(than, nb), UINT64_MAX, &b);
		if (a != b)
			return a < b;
		version += version[na] == '.' ? na + 1 : strlen(version);
		than += than[nb] == '.' ? nb + 1 : strlen(than);
	}
	return false;
}

static void judge_version(const struct telling *t, const struct settings *s)
{
	if (is_older(s->version, "1.6"))
		sc_advise_tell(&t->to, SC_ADVICE_WARNING, "use memcached 1.6 or later",
			       "version %s", s->version);
	else
		sc_advise_tell(&t->to, SC_ADVICE_OK, "", "version %s", s->version);
}

static void judge_item_size(const struct telling *t, const struct settings *s)
{
	uint64_t value_max = t->o->max_value_kb ? t->o->max_value_kb * 1024
						: sc_backend_memcached.value_max;
	uint64_t need = value_max + ITEM_HEAD;
	char fix[64];

	if (s->item_size_max == 0 || s->item_size_max >= need)
		return;
	(void)snprintf(fix, sizeof fix, "start memcached with -I %" PRIu64 "m",
		       need / MIB + 1);
	sc_advise_tell(&t->to, SC_ADVICE_WARNING, fix,
		       "takes values up to %" PRIu64
		       " bytes, the cache has up to %" PRIu64,
		       s->item_size_max, value_max);
}

static void judge_room(const struct telling *t, const struct settings *s)
{
	if (s->maxbytes > 0 && s->maxbytes <= ROOM_MIN_MIB * MIB)
		sc_advise_tell(
			&t->to, SC_ADVICE_WARNING,
			"that is a few thousand tiles: start memcached with -m 1024",
			"has %" PRIu64 " MiB of memory", s->maxbytes / MIB);
	if (!s->evicts)
		sc_advise_tell(&t->to, SC_ADVICE_FAILURE, "start memcached without -M",
			       "stores nothing more once it is full (evictions are off)");
	/* Its clock goes on over the restart, so only its process number is another one.
	 */
	if (s->restores)
		sc_advise_tell(&t->to, SC_ADVICE_FAILURE, "start memcached without -e",
			       "takes its old memory up again after a restart, and old "
			       "versions with it");
}

static enum sc_status ask(struct sc_memcached *m, size_t server, struct settings *s,
			  struct sc_err *err)
{
	struct sc_call call = sc_call_begin(ASK_MS);
	struct sc_memcached_question general = { server, "", note_version, s };
	struct sc_memcached_question settings = { server, "settings", note_setting, s };
	enum sc_status status = sc_memcached_stats(m, &call, &general, err);

	return status == SC_OK ? sc_memcached_stats(m, &call, &settings, err) : status;
}

static void advise_server(const struct telling *t, struct sc_memcached *m, size_t server)
{
	struct settings s = { .version = "unknown", .evicts = true };
	const char *name = sc_memcached_name(m, server);
	const char *fix =
		sc_advise_socket(strncmp(name, "unix:", 5) == 0 ? name + 5 : NULL);
	struct sc_err err;

	if (ask(m, server, &s, &err) != SC_OK) {
		t->to.say(t->to.arg, SC_ADVICE_FAILURE, err.text,
			  fix ? fix
			      : "start memcached there, or correct the location; until "
				"then everything it would hold is rendered");
		return;
	}
	judge_version(t, &s);
	judge_item_size(t, &s);
	judge_room(t, &s);
}

static void judge_library(const struct telling *t)
{
	const char *version = sc_memcached_library();

	if (is_older(version, SC_MEMCACHED_LIBRARY_MIN))
		sc_advise_tell(&t->to, SC_ADVICE_FAILURE,
			       "install libmemcached " SC_MEMCACHED_LIBRARY_MIN
			       " or later",
			       "libmemcached is %.20s", version);
}

void sc_memcached_advise(const struct sc_cache_options *o, sc_advice_fn say, void *arg)
{
	struct telling t = { .o = o, .to = { .say = say, .arg = arg } };
	struct sc_memcached *m = NULL;
	struct sc_err err;

	if (sc_memcached_open(o->location, &m, &err) != SC_OK) {
		say(arg, SC_ADVICE_FAILURE, err.text, "correct the location");
		return;
	}
	judge_library(&t);
	for (size_t i = 0; i < sc_memcached_servers(m); i++) {
		char about[320];

		(void)snprintf(about, sizeof about, "memcached %s",
			       sc_memcached_name(m, i));
		t.to.about = about;
		advise_server(&t, m, i);
	}
	sc_memcached_close(m);
}

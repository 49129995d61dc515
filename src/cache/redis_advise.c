/* SPDX-License-Identifier: MIT */
/*
 * Advice on a Redis server, from what INFO and CONFIG GET say: limits, eviction, whether
 * it forks to save what is only a cache. Changes nothing.
 */
#include "cache/redis_advise.h"

#include <string.h>

#include "slidecache/parse.h"
#include "slidecache/redis_link.h"

/* An operator waits: rather late than wrong. */
#define ASK_MS 2000

struct advice {
	struct sc_redis *link;
	sc_advice_fn say;
	void *arg;
};

static void SC_PRINTF(4, 5) tell(const struct advice *a, enum sc_advice advice,
				 const char *fix, const char *fmt, ...)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	sc_buf_vprintf(&text, fmt, ap);
	va_end(ap);
	a->say(a->arg, advice, (const char *)text.data, fix);
}

static void add(const struct advice *a, const char *command, const char *arg1,
		const char *arg2)
{
	sc_redis_command(a->link, command, arg2 ? 2 : 1);
	sc_redis_arg(a->link, sc_bytes_str(arg1));
	if (arg2)
		sc_redis_arg(a->link, sc_bytes_str(arg2));
}

enum { SERVER, REPLICATION, MEMORY, SAVE, APPENDONLY };

static void add_questions(const struct advice *a)
{
	sc_redis_begin(a->link);
	add(a, "INFO", "server", NULL);
	add(a, "INFO", "replication", NULL);
	add(a, "INFO", "memory", NULL);
	add(a, "CONFIG", "GET", "save");
	add(a, "CONFIG", "GET", "appendonly");
}

static struct sc_bytes info(const struct advice *a, size_t reply, const char *name)
{
	return sc_redis_info(sc_buf_bytes(&sc_redis_reply(a->link, reply)->text), name);
}

static void advise_server(const struct advice *a)
{
	struct sc_bytes version = info(a, SERVER, "redis_version");

	if (sc_redis_reply(a->link, SERVER)->type == SC_REDIS_ERROR)
		tell(a, SC_ADVICE_WARNING,
		     "allow the command INFO: ACL SETUSER ... +info, see "
		     "deploy/redis-acl.conf",
		     "redis: answers, but INFO is denied; versions cannot be kept there");
	else
		tell(a, SC_ADVICE_OK, "", "redis: answers, version %.*s",
		     (int)version.len, version.len ? (const char *)version.data : "");
	if (sc_bytes_is(info(a, REPLICATION, "role"), "slave"))
		tell(a, SC_ADVICE_FAILURE, "name the primary in \"location\"",
		     "redis: the server is a replica, which takes no writes");
}

static void advise_limit(const struct advice *a)
{
	uint64_t bytes = 0;

	if (!sc_parse_u64(info(a, MEMORY, "maxmemory"), UINT64_MAX, &bytes))
		return;
	if (bytes == 0)
		tell(a, SC_ADVICE_WARNING,
		     "set maxmemory to what the machine can spare: redis-cli config set "
		     "maxmemory 1gb, and in redis.conf",
		     "redis: memory has no limit (maxmemory 0)");
	else
		tell(a, SC_ADVICE_OK, "", "redis: maxmemory is %llu MiB",
		     (unsigned long long)(bytes >> 20));
}

/* Entries have a time to live, so volatile-* can evict them; versions have none. Without
 * a limit nothing is evicted, but nothing is refused either. */
static void advise_eviction(const struct advice *a)
{
	struct sc_bytes policy = info(a, MEMORY, "maxmemory_policy");

	if (policy.len == 0)
		return;
	if (sc_bytes_is(policy, "noeviction"))
		tell(a,
		     sc_bytes_is(info(a, MEMORY, "maxmemory"), "0") ? SC_ADVICE_WARNING
								    : SC_ADVICE_FAILURE,
		     "set maxmemory-policy allkeys-lru: redis-cli config set "
		     "maxmemory-policy allkeys-lru, and in redis.conf",
		     "redis: when memory is full nothing is stored any more "
		     "(maxmemory-policy noeviction)");
	else
		tell(a, SC_ADVICE_OK, "", "redis: maxmemory-policy is %.*s",
		     (int)policy.len, (const char *)policy.data);
}

/* The value of a CONFIG GET; false: it has none. */
static bool setting(const struct advice *a, size_t reply, struct sc_bytes *out)
{
	const struct sc_redis_reply *r = sc_redis_reply(a->link, reply);

	if (r->type != SC_REDIS_ARRAY || r->n != 2)
		return false;
	*out = sc_buf_bytes(&r->items[1].text);
	return true;
}

static void advise_persistence(const struct advice *a)
{
	struct sc_bytes save, append;

	if (!setting(a, SAVE, &save) || !setting(a, APPENDONLY, &append))
		tell(a, SC_ADVICE_WARNING,
		     "allow it for this check: ACL SETUSER ... +config|get; or see "
		     "deploy/redis.conf for what to set",
		     "redis: CONFIG GET is denied, so persistence is unknown");
	else if (save.len > 0 || sc_bytes_is(append, "yes"))
		tell(a, SC_ADVICE_WARNING,
		     "unless others need it: redis-cli config set save \"\" and "
		     "appendonly no, and in redis.conf",
		     "redis: saves to disk, which a cache does not need and which costs "
		     "pauses when it forks");
	else
		tell(a, SC_ADVICE_OK, "", "redis: saves nothing to disk");
}

static void advise_password(const struct advice *a)
{
	if (sc_redis_has_password(a->link) && !sc_redis_is_local(a->link))
		tell(a, SC_ADVICE_WARNING,
		     "use a unix socket, a private network, or stunnel",
		     "redis: the password travels over the network in clear");
}

static void ask(const struct advice *a)
{
	struct sc_call call = sc_call_begin(ASK_MS);
	struct sc_err err;

	advise_password(a);
	add_questions(a);
	if (sc_redis_run(a->link, &call, SC_REDIS_READ, &err) != SC_OK) {
		tell(a, SC_ADVICE_FAILURE,
		     call.fault == SC_FAULT_DENIED
			     ? "see that user, password and socket rights are right"
			     : "see that the server runs, and \"location\"",
		     "%s", err.text);
		return;
	}
	advise_server(a);
	advise_limit(a);
	advise_eviction(a);
	advise_persistence(a);
}

void sc_redis_advise(const struct sc_cache_options *o, sc_advice_fn say, void *arg)
{
	struct advice a = { .say = say, .arg = arg };
	struct sc_err err;

	if (sc_redis_open(o->location, &a.link, &err) != SC_OK) {
		say(arg, SC_ADVICE_FAILURE, err.text,
		    "correct \"location\": redis://[user:password@]host:port/db or "
		    "redis+unix:///path?db=0");
		return;
	}
	ask(&a);
	sc_redis_close(a.link);
}

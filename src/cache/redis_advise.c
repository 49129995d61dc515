/* SPDX-License-Identifier: MIT */
/*
 * Advice on a Redis server, from what INFO and CONFIG GET say: limits, eviction, whether
 * it forks to save what is only a cache. Changes nothing. A fix is a command line where
 * there is one, for whoever may manage that server.
 */
#include "cache/redis_advise.h"

#include <stdio.h>
#include <string.h>

#include "cache/advice.h"
#include "cache/redis_location.h"
#include "cache/redis_rights.h"
#include "slidecache/hash.h"
#include "slidecache/parse.h"
#include "slidecache/redis_link.h"

/* An operator waits: rather late than wrong. */
#define ASK_MS 2000

struct advice {
	struct sc_advice_to to;
	struct sc_redis *link;
	const struct sc_redis_location *where;
	const char *client; /* "redis-cli -s /path": a command line's begin */
};

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

/* Its fix is a command line for a shell; remark follows as a comment. */
static void tell_command(const struct advice *a, enum sc_advice advice,
			 const char *finding, const char *command, const char *remark)
{
	SC_AUTO_BUF fix = SC_BUF_INIT;

	sc_buf_printf(&fix, "%s %s  # %s", a->client, command, remark);
	sc_advise_tell(&a->to, advice, (const char *)fix.data, "%s", finding);
}

/* What the user needs, besides what it may do: "+info". */
static void tell_rule(const struct advice *a, const char *finding, const char *rule)
{
	SC_AUTO_BUF command = SC_BUF_INIT;

	sc_buf_str(&command, "ACL SETUSER ");
	sc_redis_put_quoted(&command, sc_redis_user(a->where));
	sc_buf_printf(&command, " '%s'", rule);
	tell_command(a, SC_ADVICE_WARNING, finding, (const char *)command.data,
		     "and where its rules are kept; see redis-acl.conf");
}

static void advise_server(const struct advice *a)
{
	struct sc_bytes version = info(a, SERVER, "redis_version");

	if (sc_redis_reply(a->link, SERVER)->type == SC_REDIS_ERROR)
		tell_rule(a, "answers, but INFO is denied: versions cannot be kept there",
			  "+info");
	else
		sc_advise_tell(&a->to, SC_ADVICE_OK, "", "answers, version %.*s",
			       (int)version.len,
			       version.len ? (const char *)version.data : "");
	if (sc_bytes_is(info(a, REPLICATION, "role"), "slave"))
		sc_advise_tell(&a->to, SC_ADVICE_FAILURE,
			       "name the primary in \"location\"",
			       "the server is a replica, which takes no writes");
}

static void advise_limit(const struct advice *a)
{
	uint64_t bytes = 0;

	if (!sc_parse_u64(info(a, MEMORY, "maxmemory"), UINT64_MAX, &bytes))
		return;
	if (bytes == 0)
		tell_command(a, SC_ADVICE_WARNING, "memory has no limit (maxmemory 0)",
			     "config set maxmemory 1gb",
			     "or what the machine can spare; and in redis.conf");
	else
		sc_advise_tell(&a->to, SC_ADVICE_OK, "", "maxmemory is %llu MiB",
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
		tell_command(a,
			     sc_bytes_is(info(a, MEMORY, "maxmemory"), "0")
				     ? SC_ADVICE_WARNING
				     : SC_ADVICE_FAILURE,
			     "when memory is full nothing is stored any more "
			     "(maxmemory-policy noeviction)",
			     "config set maxmemory-policy allkeys-lru",
			     "and in redis.conf");
	else
		sc_advise_tell(&a->to, SC_ADVICE_OK, "", "maxmemory-policy is %.*s",
			       (int)policy.len, (const char *)policy.data);
}

/* Two commands: each sets one. */
static void tell_saving(const struct advice *a)
{
	SC_AUTO_BUF fix = SC_BUF_INIT;

	sc_buf_printf(&fix,
		      "%s config set save \"\"; %s config set appendonly no  # unless "
		      "others need it; and in redis.conf",
		      a->client, a->client);
	sc_advise_tell(
		&a->to, SC_ADVICE_WARNING, (const char *)fix.data,
		"saves to disk, which a cache does not need and which costs pauses "
		"when it forks");
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
		tell_rule(a, "CONFIG GET is denied, so persistence is unknown",
			  "+config|get");
	else if (save.len > 0 || sc_bytes_is(append, "yes"))
		tell_saving(a);
	else
		sc_advise_tell(&a->to, SC_ADVICE_OK, "", "saves nothing to disk");
}

static void advise_password(const struct advice *a)
{
	if (sc_redis_has_password(a->link) && !sc_redis_is_local(a->link))
		sc_advise_tell(&a->to, SC_ADVICE_WARNING,
			       "use a unix socket, a private network, or stunnel",
			       "the password travels over the network in clear");
}

static bool ask(const struct advice *a)
{
	const struct sc_address *where = &a->where->address;
	const char *fix = sc_advise_socket(where->port == 0 ? where->host : NULL);
	struct sc_call call = sc_call_begin(ASK_MS);
	struct sc_err err;

	add_questions(a);
	if (sc_redis_run(a->link, &call, SC_REDIS_READ, &err) == SC_OK)
		return true;
	if (!fix)
		fix = call.fault == SC_FAULT_DENIED
			      ? "see that user and password are right"
			      : "see that the server runs, and \"location\"";
	a->to.say(a->to.arg, SC_ADVICE_FAILURE, err.text, fix);
	return false;
}

static void advise_rights(const struct advice *a, const struct sc_cache_options *o)
{
	struct sc_redis_rights rights = {
		.to = &a->to,
		.link = a->link,
		.client = a->client,
		.user = sc_redis_user(a->where),
		.prefix = o->key_prefix ? o->key_prefix : "",
		.versions = strcmp(o->name, SC_ADVISE_VERSIONS) == 0,
	};

	sc_redis_advise_rights(&rights);
}

static void advise_all(const struct advice *a, const struct sc_cache_options *o)
{
	advise_password(a);
	if (!ask(a))
		return;
	advise_server(a);
	advise_limit(a);
	advise_eviction(a);
	advise_persistence(a);
	advise_rights(a, o);
}

static void put_server(struct sc_buf *about, struct sc_buf *client,
		       const struct sc_address *where)
{
	bool v6 = strchr(where->host, ':') != NULL;

	if (where->port == 0) {
		sc_buf_printf(about, "redis %s", where->host);
		sc_buf_str(client, "redis-cli -s ");
		sc_redis_put_quoted(client, where->host);
		return;
	}
	sc_buf_printf(about, "redis %s%s%s:%d", v6 ? "[" : "", where->host, v6 ? "]" : "",
		      where->port);
	sc_buf_printf(client, "redis-cli -h %s -p %d", where->host, where->port);
}

void sc_redis_advise(const struct sc_cache_options *o, sc_advice_fn say, void *arg)
{
	SC_AUTO_BUF about = SC_BUF_INIT;
	SC_AUTO_BUF client = SC_BUF_INIT;
	struct sc_redis_location where;
	struct advice a = { .to = { .say = say, .arg = arg }, .where = &where };
	struct sc_err err;

	if (sc_redis_locate(o->location, &where, &err) != SC_OK ||
	    sc_redis_open(o->location, &a.link, &err) != SC_OK) {
		say(arg, SC_ADVICE_FAILURE, err.text,
		    "correct \"location\": redis://[user:password@]host:port/db or "
		    "redis+unix:///path?db=0");
		return;
	}
	sc_wipe(where.password, sizeof(where.password));
	put_server(&about, &client, &where.address);
	a.to.about = (const char *)about.data;
	a.client = (const char *)client.data;
	advise_all(&a, o);
	sc_redis_close(a.link);
}

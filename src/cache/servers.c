/* SPDX-License-Identifier: MIT */
/*
 * The list of servers that may be connected to, see servers.h. What is asked for is
 * compared with what the locations say, text with text: an address that is in no location
 * cannot be written in any way.
 */
#include "slidecache/servers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "cache/memcached_location.h"
#include "cache/redis_location.h"
#include "slidecache/hash.h"

#define DEFAULT_REDIS "redis://127.0.0.1:6379/0"

struct sc_servers {
	struct sc_target *all;
	size_t n;
};

struct sc_servers *sc_servers_new(void)
{
	return sc_alloc(sizeof(struct sc_servers));
}

void sc_servers_free(struct sc_servers *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		sc_names_release(&s->all[i].names);
	free(s->all);
	free(s);
}

static struct sc_target *find(struct sc_servers *s, const char *host, int port)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->all[i].address.port == port &&
		    strcmp(s->all[i].address.host, host) == 0)
			return &s->all[i];
	return NULL;
}

static void add(struct sc_servers *s, const struct sc_address *a)
{
	struct sc_target *all = NULL;

	if (find(s, a->host, a->port))
		return;
	all = sc_alloc_array(s->n + 1, sizeof(*all));
	for (size_t i = 0; i < s->n; i++)
		all[i] = s->all[i];
	all[s->n++].address = *a;
	free(s->all);
	s->all = all;
}

static enum sc_status add_redis(struct sc_servers *s, const char *location,
				struct sc_err *err)
{
	struct sc_redis_location l;
	const char *name = location && *location ? location : DEFAULT_REDIS;
	enum sc_status status = sc_redis_locate(name, &l, err);

	if (status == SC_OK)
		add(s, &l.address);
	sc_wipe(&l, sizeof(l));
	return status;
}

static enum sc_status add_memcached(struct sc_servers *s, const char *location,
				    struct sc_err *err)
{
	SC_AUTO_FREE struct sc_memcached_location *l = sc_alloc(sizeof(*l));
	enum sc_status status = sc_memcached_locate(location, l, err);

	for (size_t i = 0; status == SC_OK && i < l->n; i++)
		add(s, &l->hosts[i].address);
	return status;
}

enum sc_status sc_servers_add(struct sc_servers *s, const char *backend,
			      const char *location, struct sc_err *err)
{
	if (strcmp(backend, "redis") == 0)
		return add_redis(s, location, err);
	if (strcmp(backend, "memcached") == 0)
		return add_memcached(s, location, err);
	return SC_OK;
}

size_t sc_servers_count(const struct sc_servers *s)
{
	return s->n;
}

int sc_servers_port(const struct sc_servers *s, size_t i)
{
	return s->all[i].address.port;
}

bool sc_servers_has_name(const struct sc_servers *s, size_t i)
{
	const struct sc_address *a = &s->all[i].address;
	struct in6_addr ignored;

	return a->port != 0 && inet_pton(AF_INET, a->host, &ignored) != 1 &&
	       inet_pton(AF_INET6, a->host, &ignored) != 1;
}

void sc_servers_resolve(struct sc_servers *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->all[i].address.port != 0)
			(void)sc_names_find(&s->all[i].names, s->all[i].address.host, 0);
}

int sc_servers_connect(struct sc_servers *s, const struct sc_server_wanted *wanted,
		       uint32_t *addresses)
{
	bool is_text = memchr(wanted->host, '\0', sizeof(wanted->host)) != NULL;
	struct sc_target *t = is_text ? find(s, wanted->host, wanted->port) : NULL;

	*addresses = 0;
	if (t)
		return sc_target_connect_at(t, wanted->at, addresses);
	errno = EACCES;
	return -1;
}

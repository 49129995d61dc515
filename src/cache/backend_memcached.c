/* SPDX-License-Identifier: MIT */
/*
 * The memcached backend: entries under their keys, as they are, on one or several
 * servers. A location is described in slidecache/memcached_link.h.
 *
 * memcached forgets what it likes, which is all that a cache asks of it. It takes values
 * up to its item size (1 MiB unless started with -I), the key and its own head included.
 */
#include <stdlib.h>

#include "cache/backend.h"
#include "cache/memcached_advise.h"
#include "slidecache/memcached_link.h"
#include "slidecache/parse.h"

/* What fits with any key into an item of the default size. */
#define VALUE_MAX 1000000

static enum sc_status open_memcached(const struct sc_cache_options *o, void **out,
				     struct sc_err *err)
{
	struct sc_memcached *m = NULL;
	enum sc_status status = sc_memcached_open(o->location, &m, err);

	if (status == SC_OK)
		*out = m;
	return status;
}

static void close_memcached(void *backend)
{
	sc_memcached_close(backend);
}

static struct sc_memcached_item *to_link(const struct sc_backend_item *items, size_t n)
{
	struct sc_memcached_item *l = sc_alloc_array(n, sizeof *l);

	for (size_t i = 0; i < n; i++)
		l[i] = (struct sc_memcached_item){ .key = items[i].key,
						   .value = items[i].stored,
						   .forget_s = items[i].forget_s };
	return l;
}

/* And frees l. */
static void take_back(struct sc_backend_item *items, struct sc_memcached_item *l,
		      size_t n)
{
	for (size_t i = 0; i < n; i++) {
		items[i].status = l[i].status;
		items[i].removed = l[i].removed;
		if (l[i].out.data) {
			sc_buf_release(&items[i].out);
			items[i].out = sc_buf_take(&l[i].out);
		}
	}
	free(l);
}

static enum sc_status get_memcached(void *backend, struct sc_call *call,
				    struct sc_backend_item *items, size_t n,
				    struct sc_err *err)
{
	struct sc_memcached_item *l = to_link(items, n);
	enum sc_status status =
		sc_memcached_get(backend, call, SC_MEMCACHED_GET, l, n, err);

	take_back(items, l, n);
	return status;
}

static enum sc_status write_items(void *backend, struct sc_call *call,
				  enum sc_memcached_write write,
				  struct sc_backend_item *items, size_t n,
				  struct sc_err *err)
{
	struct sc_memcached_item *l = to_link(items, n);
	enum sc_status status = sc_memcached_write(backend, call, write, l, n, err);

	take_back(items, l, n);
	return status;
}

static enum sc_status set_memcached(void *backend, struct sc_call *call,
				    enum sc_backend_mode mode,
				    struct sc_backend_item *items, size_t n,
				    struct sc_err *err)
{
	return write_items(backend, call,
			   mode == SC_BACKEND_ADD ? SC_MEMCACHED_ADD : SC_MEMCACHED_SET,
			   items, n, err);
}

static enum sc_status del_memcached(void *backend, struct sc_call *call,
				    struct sc_backend_item *items, size_t n,
				    struct sc_err *err)
{
	return write_items(backend, call, SC_MEMCACHED_DELETE, items, n, err);
}

static enum sc_status swap_found(void *backend, struct sc_call *call,
				 struct sc_memcached_item *it, struct sc_bytes old,
				 struct sc_err *err)
{
	if (it->status == SC_DAMAGED)
		return SC_CHANGED;
	if (it->status != SC_OK)
		return it->status;
	if (!sc_bytes_equal(sc_buf_bytes(&it->out), old))
		return SC_CHANGED;
	enum sc_status status =
		sc_memcached_write(backend, call, SC_MEMCACHED_SWAP, it, 1, err);
	return status == SC_OK ? it->status : status;
}

static enum sc_status swap_memcached(void *backend, struct sc_call *call,
				     struct sc_backend_item *item, struct sc_bytes old,
				     struct sc_err *err)
{
	struct sc_memcached_item *l = to_link(item, 1);
	enum sc_status status =
		sc_memcached_get(backend, call, SC_MEMCACHED_GET, l, 1, err);

	if (status == SC_OK)
		status = swap_found(backend, call, l, old, err);
	sc_buf_release(&l->out);
	free(l);
	return status;
}

static void expect_memcached(void *backend, struct sc_bytes key)
{
	sc_memcached_expect(backend, key);
}

static void add_stat(void *arg, struct sc_bytes name, struct sc_bytes value)
{
	struct sc_cache_stats *sum = arg;
	uint64_t n = 0;

	if (!sc_parse_u64(value, UINT64_MAX, &n))
		return;
	if (sc_bytes_is(name, "curr_items"))
		sum->entries += n;
	else if (sc_bytes_is(name, "bytes"))
		sum->bytes += n;
}

static enum sc_status stats_memcached(void *backend, struct sc_call *call,
				      struct sc_cache_stats *out, struct sc_err *err)
{
	struct sc_cache_stats sum = { .entries = 0 };
	struct sc_memcached_question q = { .about = "", .say = add_stat, .arg = &sum };
	enum sc_status status = SC_OK;

	for (; q.server < sc_memcached_servers(backend) && status == SC_OK; q.server++)
		status = sc_memcached_stats(backend, call, &q, err);
	if (status == SC_OK)
		*out = sum;
	return status;
}

const struct sc_backend_ops sc_backend_memcached = {
	.name = "memcached",
	.remote = true,
	.value_max = VALUE_MAX,
	.check_location = sc_memcached_location_check,
	.open = open_memcached,
	.close = close_memcached,
	.get = get_memcached,
	.set = set_memcached,
	.swap = swap_memcached,
	.del = del_memcached,
	.expect = expect_memcached,
	.stats = stats_memcached,
	.advise = sc_memcached_advise,
};

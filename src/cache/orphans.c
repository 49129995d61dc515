/* SPDX-License-Identifier: MIT */
/*
 * Housekeeping of what no reader can reach any more: which version texts there are, and
 * which of them may go first.
 */
#include "cache/cache_private.h"

/* Outside of the backend: visit may call the cache. */
static void visit_found(const struct sc_backend_groups *g, sc_cache_group_fn visit,
			void *arg)
{
	for (size_t at = 0; at < g->found.len;) {
		const char *version = (const char *)g->found.data + at;
		const char *item = version + strlen(version) + 1;
		size_t n = (size_t)(item - version) + strlen(item) + 2;

		at += n;
		visit(arg, version, item, version[n - 1] == 'R');
	}
}

enum sc_status sc_cache_groups(struct sc_cache *c, sc_cache_group_fn visit, void *arg,
			       struct sc_err *err)
{
	struct sc_backend_groups g = { .prefix = c->o.key_prefix };
	struct sc_call call = sc_call_begin(c->o.timeout_ms);
	enum sc_status status = sc_call_check(c, err);

	if (status != SC_OK || !c->ops->groups)
		return status;
	do {
		call = sc_call_begin(c->o.timeout_ms);
		sc_buf_reset(&g.found);
		status = c->ops->groups(c->backend, &call, &g, err);
		if (status == SC_OK)
			visit_found(&g, visit, arg);
	} while (status == SC_OK && g.more);
	sc_buf_release(&g.found);
	return sc_call_end_read(c, &call, status, err);
}

enum sc_status sc_cache_retire(struct sc_cache *c, const char *version,
			       struct sc_err *err)
{
	char text[SC_KEY_MAX + 1];
	/* Any item: only what is before it is asked for. */
	enum sc_status status = sc_call_key(c, version, sc_bytes_str("0"), text, err);
	struct sc_call call = sc_call_begin(c->o.timeout_ms);

	if (status != SC_OK || !c->ops->retire)
		return status;
	struct sc_bytes head = sc_bytes_of(text, strlen(text) - strlen(":0"));
	status = c->ops->retire(c->backend, &call, head, err);
	return status == SC_OK ? SC_OK : sc_call_end(c, &call, status, err);
}

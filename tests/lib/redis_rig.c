/* SPDX-License-Identifier: MIT */
/*
 * A real Redis server with a version store and a backend on it.
 */
#include "tests/lib/redis_rig.h"

#include <stdlib.h>

#include "slidecache/clock.h"
#include "tests/lib/check.h"
#include "tests/lib/version_suite.h"

void rig_open(struct rig *r, const char *location)
{
	r->co = (struct sc_cache_options){ .name = "tiles",
					   .location = location,
					   .timeout_ms = 1000 };
	r->vo = (struct sc_versions_options){ .backend = "redis",
					      .location = location,
					      .key_prefix = "exact",
					      .timeout_ms = 1000,
					      .call_ms = 1000 };
	assert_int_equal(sc_backend_redis.open(&r->co, &r->backend, &r->err), SC_OK);
	assert_int_equal(sc_versions_open(&r->vo, &r->versions, &r->err), SC_OK);
}

void rig_close(struct rig *r)
{
	sc_backend_redis.close(r->backend);
	sc_versions_close(r->versions);
}

void rig_start_bare(struct rig *r, const char *const *extra)
{
	*r = (struct rig){ .server = server_new(SERVER_REDIS, extra) };
	server_start(r->server);
	rig_open(r, r->server->location);
}

void rig_start_names(struct rig *r)
{
	assert_int_equal(sc_versions_start(r->versions, initial, INITIAL_N, &r->err),
			 SC_OK);
}

void rig_start(struct rig *r, const char *const *extra)
{
	rig_start_bare(r, extra);
	rig_start_names(r);
}

void rig_stop(struct rig *r)
{
	rig_close(r);
	if (r->server->pid > 0)
		server_kill(r->server);
	server_free(r->server);
}

void rig_tell(struct rig *r, const char *command, const char *answer)
{
	SC_AUTO_FREE char *got = server_ask(r->server, command);

	assert_string_equal(got, answer);
}

enum sc_status rig_put(struct rig *r, const char *key, const char *value)
{
	struct sc_backend_item item = { .key = sc_bytes_str(key),
					.stored = sc_bytes_str(value),
					.forget_s = 60 };

	r->call = sc_call_begin(r->co.timeout_ms);
	enum sc_status status = sc_backend_redis.set(r->backend, &r->call, SC_BACKEND_SET,
						     &item, 1, &r->err);
	assert_int_equal(item.status, status);
	return status;
}

enum sc_status rig_look(struct rig *r, const char *key, const char *value)
{
	struct sc_backend_item item = { .key = sc_bytes_str(key) };

	r->call = sc_call_begin(r->co.timeout_ms);
	enum sc_status status =
		sc_backend_redis.get(r->backend, &r->call, &item, 1, &r->err);
	if (status == SC_OK)
		status = item.status;
	if (status == SC_OK && !sc_bytes_is(sc_buf_bytes(&item.out), value))
		status = SC_DAMAGED;
	sc_buf_release(&item.out);
	return status;
}

enum sc_status rig_read(struct rig *r, const char *name, struct sc_version *out)
{
	return sc_versions_get(r->versions, &name, 1, out, &r->err);
}

struct sc_version rig_version(struct rig *r, const char *name)
{
	struct sc_version v;

	assert_int_equal(rig_read(r, name, &v), SC_OK);
	return v;
}

enum sc_status rig_invalidate(struct rig *r, const char *name)
{
	return sc_invalidate_cache(r->versions, &name, 1, &r->err);
}

void rig_wait(struct rig *r)
{
	int64_t deadline = sc_mono_us() + 20 * SC_US_PER_S;

	while (rig_put(r, "exact:v:back", "x") != SC_OK) {
		assert_int_equal(r->err.status, SC_UNAVAILABLE);
		assert_true(sc_mono_us() < deadline);
		sc_sleep_us(5000);
	}
}

void rig_assert_new(struct rig *r, const struct sc_version *before)
{
	assert_string_not_equal(rig_version(r, before->name).version, before->version);
}

void rig_assert_same(struct rig *r, const struct sc_version *before)
{
	assert_string_equal(rig_version(r, before->name).version, before->version);
}

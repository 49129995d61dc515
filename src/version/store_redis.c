/* SPDX-License-Identifier: MIT */
/*
 * The version store on Redis.
 *
 *	PREFIX:versions   hash: name -> record, and "#server" -> identity
 *	PREFIX:images     hash: ID -> record of image/ID
 *
 * "#server" is the identity (redis_link.h) of the server that the records were written
 * to, which is no record; as a name it is nobody's. If it is not the server that
 * answers, that one may have lost or rolled back some of them: nothing that is stored
 * counts, and the next change gives every known name a new version, keeps reserved names'
 * records but "#origin"'s, and forgets all images. Of a hash that is gone nothing is
 * known: a missing record is made anew, never taken from anywhere.
 *
 * A read is one round trip, and brings the expected entry along. Its two commands come to
 * one moment for each hash; each version in it was current then. It asks for the history
 * of the server's data as well, since a primary may be made a replica, take older data
 * from elsewhere and be made a primary again under a connection that goes on; a replica
 * is never believed. (Two primaries at a time, a split brain, cannot be told from one.) A
 * change is WATCH and read, then MULTI, write, EXEC; again if somebody else was faster.
 * Changing all versions costs the same however many images there are: they are forgotten,
 * and come into being again when they are read. redis_change.c has the changes.
 */
#include "version/store_redis.h"

#include <stdlib.h>
#include <string.h>

#include "version/record.h"
#include "version/version_name.h"

#define CALL_MS	   100
#define TIMEOUT_MS 5000

const char *sc_image_id(const char *name)
{
	return sc_version_name_is_image(name) ? name + strlen(SC_IMAGE_PREFIX) : NULL;
}

static char *make_key(const char *prefix, const char *name)
{
	SC_AUTO_BUF key = SC_BUF_INIT;

	sc_buf_printf(&key, "%s:%s", prefix ? prefix : "", name);
	return sc_strdup((const char *)key.data);
}

static enum sc_status open_redis(const struct sc_versions_options *o, void **out,
				 struct sc_err *err)
{
	struct sc_redis *link = NULL;
	enum sc_status status = sc_redis_open(o->location, &link, err);

	if (status != SC_OK)
		return status;
	struct sc_redis_store *s = sc_alloc(sizeof(*s));
	s->link = link;
	s->call_ms = o->call_ms > 0 ? o->call_ms : CALL_MS;
	s->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : TIMEOUT_MS;
	s->versions = make_key(o->key_prefix, "versions");
	s->images = make_key(o->key_prefix, "images");
	*out = s;
	return SC_OK;
}

static void close_redis(void *store)
{
	struct sc_redis_store *s = store;

	sc_redis_close(s->link);
	free(s->versions);
	free(s->images);
	free(s);
}

bool sc_redis_is_written_by(struct sc_redis_store *s, const struct sc_redis_reply *server)
{
	return server->type == SC_REDIS_STRING &&
	       sc_bytes_is(sc_buf_bytes(&server->text), sc_redis_identity(s->link));
}

/* One HMGET of the names that are images, or of those that are not after "#server". */
static void add_read(struct sc_redis_store *s, const char *const *names, size_t n,
		     bool images)
{
	size_t wanted = 0;

	for (size_t i = 0; i < n; i++)
		wanted += (sc_image_id(names[i]) != NULL) == images;
	if (images && wanted == 0)
		return;
	sc_redis_command(s->link, "HMGET", (images ? 1 : 2) + wanted);
	sc_redis_arg(s->link, sc_bytes_str(images ? s->images : s->versions));
	if (!images)
		sc_redis_arg(s->link, sc_bytes_str(SC_SERVER_FIELD));
	for (size_t i = 0; i < n; i++) {
		const char *id = sc_image_id(names[i]);

		if ((id != NULL) == images)
			sc_redis_arg(s->link, sc_bytes_str(id ? id : names[i]));
	}
}

/* What the read of some of the names says; items: from the first name's on. */
struct reading {
	const char *const *names;
	size_t n;
	struct sc_version *out;
	bool *found;
};

static size_t fill(struct reading *r, const struct sc_redis_reply *reply, size_t at,
		   bool images)
{
	for (size_t i = 0; i < r->n; i++) {
		if ((sc_image_id(r->names[i]) != NULL) != images)
			continue;
		if (at < reply->n)
			r->found[i] = sc_version_decode(
				sc_bytes_str(r->names[i]),
				sc_buf_bytes(&reply->items[at].text), &r->out[i]);
		at++;
	}
	return at;
}

static enum sc_status take_read(struct sc_redis_store *s, struct sc_call *call,
				struct reading *r, struct sc_err *err)
{
	struct sc_redis_reply *versions = sc_redis_reply(s->link, 0);
	size_t named = fill(r, versions, 1, false);

	if (versions->type != SC_REDIS_ARRAY || versions->n != named)
		return sc_redis_unexpected(s->link, call, versions, err);
	if (named < r->n + 1) {
		struct sc_redis_reply *images = sc_redis_reply(s->link, 1);
		size_t n = fill(r, images, 0, true);

		if (images->type != SC_REDIS_ARRAY || images->n != n)
			return sc_redis_unexpected(s->link, call, images, err);
	}
	sc_redis_take_history(s->link, sc_redis_last(s->link));
	if (!sc_redis_is_written_by(s, &versions->items[0]))
		memset(r->found, 0, r->n * sizeof(*r->found));
	return sc_redis_check_identity(s->link, call, err);
}

static enum sc_status read_redis(void *store, const char *const *names, size_t n,
				 struct sc_version *out, bool *found, struct sc_err *err)
{
	struct sc_redis_store *s = store;
	struct sc_call call = sc_call_begin(s->call_ms);
	struct reading r = { names, n, out, found };

	memset(found, 0, n * sizeof(*found));
	sc_redis_begin(s->link);
	add_read(s, names, n, false);
	add_read(s, names, n, true);
	sc_redis_add_history(s->link);
	enum sc_status status = sc_redis_run(s->link, &call, SC_REDIS_VERSIONS, err);
	return status == SC_OK ? take_read(s, &call, &r, err) : status;
}

const struct sc_store_ops sc_store_redis = {
	.name = "redis",
	.remote = true,
	.check_location = sc_redis_location_check,
	.open = open_redis,
	.close = close_redis,
	.read = read_redis,
	.list = sc_redis_list,
	.change = sc_redis_change,
};

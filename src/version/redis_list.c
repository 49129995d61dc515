/* SPDX-License-Identifier: MIT */
/*
 * Listing the versions on Redis. Images are read in pages: there may be many, and one
 * command that reads all would hold up the server's other clients. A page may repeat what
 * an earlier one had.
 */
#include <stdlib.h>
#include <string.h>

#include "version/record.h"
#include "version/store_redis.h"
#include "version/version_name.h"

#define PAGE	"1000"
#define MOST	((size_t)1 << 20)
#define ID_ROOM (SC_VERSION_NAME_MAX - sizeof(SC_IMAGE_PREFIX) + 1)

static bool decode(const struct sc_redis_reply *field, const struct sc_redis_reply *value,
		   bool images, struct sc_version *out)
{
	char name[SC_VERSION_NAME_MAX + 1] = SC_IMAGE_PREFIX;
	struct sc_bytes id = sc_buf_bytes(&field->text);
	size_t n = strlen(name);

	if (!images)
		return sc_version_decode(id, sc_buf_bytes(&value->text), out);
	if (id.len < 1 || id.len > ID_ROOM)
		return false;
	memcpy(name + n, id.data, id.len);
	return sc_version_decode(sc_bytes_of(name, n + id.len),
				 sc_buf_bytes(&value->text), out);
}

struct sc_version *sc_records_new(struct sc_records *r)
{
	if (r->n == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 32;
		r->items = sc_realloc_array(r->items, r->cap, sizeof(*r->items));
	}
	return &r->items[r->n++];
}

void sc_records_add(struct sc_records *r, const struct sc_redis_reply *pairs, bool images)
{
	for (size_t i = 0; i + 1 < pairs->n; i += 2)
		if (!decode(&pairs->items[i], &pairs->items[i + 1], images,
			    sc_records_new(r)))
			r->n--;
}

const struct sc_redis_reply *sc_records_server(const struct sc_redis_reply *pairs)
{
	for (size_t i = 0; i + 1 < pairs->n; i += 2)
		if (sc_bytes_is(sc_buf_bytes(&pairs->items[i].text), SC_SERVER_FIELD))
			return &pairs->items[i + 1];
	return NULL;
}

static enum sc_status read_named(struct sc_redis_store *s, struct sc_call *call,
				 struct sc_records *r, bool *counts, struct sc_err *err)
{
	sc_redis_begin(s->link);
	sc_redis_command(s->link, "HGETALL", 1);
	sc_redis_arg(s->link, sc_bytes_str(s->versions));
	sc_redis_add_history(s->link);
	enum sc_status status = sc_redis_run(s->link, call, SC_REDIS_READ, err);
	if (status != SC_OK)
		return status;
	const struct sc_redis_reply *all = sc_redis_reply(s->link, 0);
	if (all->type != SC_REDIS_ARRAY)
		return sc_redis_unexpected(s->link, call, all, err);
	sc_redis_take_history(s->link, sc_redis_last(s->link));
	const struct sc_redis_reply *server = sc_records_server(all);
	*counts = server && sc_redis_is_written_by(s, server);
	if (*counts)
		sc_records_add(r, all, false);
	return sc_redis_check_identity(s->link, call, err);
}

/* One page; cursor: where it begins, then where the next one does. */
static enum sc_status read_page(struct sc_redis_store *s, struct sc_call *call,
				struct sc_buf *cursor, struct sc_records *r,
				struct sc_err *err)
{
	sc_redis_begin(s->link);
	sc_redis_command(s->link, "HSCAN", 4);
	sc_redis_arg(s->link, sc_bytes_str(s->images));
	sc_redis_arg(s->link, sc_buf_bytes(cursor));
	sc_redis_arg(s->link, sc_bytes_str("COUNT"));
	sc_redis_arg(s->link, sc_bytes_str(PAGE));
	enum sc_status status = sc_redis_run(s->link, call, SC_REDIS_READ, err);
	if (status != SC_OK)
		return status;
	struct sc_redis_reply *page = sc_redis_reply(s->link, 0);
	if (page->type != SC_REDIS_ARRAY || page->n != 2 ||
	    page->items[0].type != SC_REDIS_STRING ||
	    page->items[1].type != SC_REDIS_ARRAY || r->n > MOST)
		return sc_redis_unexpected(s->link, call, page, err);
	sc_records_add(r, &page->items[1], true);
	sc_buf_release(cursor);
	*cursor = sc_buf_take(&page->items[0].text);
	return SC_OK;
}

static enum sc_status read_images(struct sc_redis_store *s, struct sc_call *call,
				  struct sc_records *r, struct sc_err *err)
{
	SC_AUTO_BUF cursor = SC_BUF_INIT;
	enum sc_status status = SC_OK;

	sc_buf_str(&cursor, "0");
	do
		status = read_page(s, call, &cursor, r, err);
	while (status == SC_OK && !sc_bytes_is(sc_buf_bytes(&cursor), "0"));
	return status;
}

/* By name; of one name the newest first. */
static int compare(const void *a, const void *b)
{
	const struct sc_version *x = a;
	const struct sc_version *y = b;
	int order = strcmp(x->name, y->name);

	if (order != 0)
		return order;
	return x->changed_at_us < y->changed_at_us   ? 1
	       : x->changed_at_us > y->changed_at_us ? -1
						     : 0;
}

static void sort(struct sc_records *r)
{
	size_t n = 0;

	if (r->n > 1)
		qsort(r->items, r->n, sizeof(*r->items), compare);
	for (size_t i = 0; i < r->n; i++)
		if (n == 0 || strcmp(r->items[n - 1].name, r->items[i].name) != 0)
			r->items[n++] = r->items[i];
	r->n = n;
}

enum sc_status sc_redis_list(void *store, bool images, struct sc_version **out, size_t *n,
			     struct sc_err *err)
{
	struct sc_redis_store *s = store;
	struct sc_call call = sc_call_begin(s->timeout_ms);
	struct sc_records r = { NULL, 0, 0 };
	bool counts = false;
	enum sc_status status = read_named(s, &call, &r, &counts, err);

	/* Nothing that is stored counts. */
	if (status == SC_OK && counts && images)
		status = read_images(s, &call, &r, err);
	if (status != SC_OK) {
		free(r.items);
		return status;
	}
	sort(&r);
	*out = r.items;
	*n = r.n;
	return SC_OK;
}

/* SPDX-License-Identifier: MIT */
/*
 * The parser of replies: hiredis's reader with objects of our own, so that memory is
 * bounded by what was really sent. Of hiredis nothing else is used: its connections
 * neither keep a deadline over several reads nor leave SIGPIPE alone. Only here.
 *
 * hiredis keeps a string that has been announced in its buffer until all of it is there,
 * and makes room for an array as soon as it is announced: so both are looked at early.
 */
#include "cache/redis_reader.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "slidecache/parse.h"

/* Elements of all arrays of one reply. */
#define ELEMENTS_MAX 65536
/* Memory that the buffer keeps while it is empty. */
#define KEEP_MAX ((size_t)1 << 20)

#if HIREDIS_MAJOR < 1
typedef int array_len;
#else
typedef size_t array_len;
#endif

struct sc_redis_reader {
	redisReader *hiredis;
	struct sc_redis_reply root; /* the reply that is being read */
	size_t bytes;		    /* of strings in it */
	size_t elements;
};

void sc_redis_reply_release(struct sc_redis_reply *reply)
{
	for (size_t i = 0; i < reply->n; i++)
		sc_redis_reply_release(&reply->items[i]);
	free(reply->items);
	sc_buf_release(&reply->text);
	*reply = (struct sc_redis_reply){ .type = SC_REDIS_NIL };
}

/* Where the object goes that hiredis has read. */
static struct sc_redis_reply *place(const redisReadTask *task, enum sc_redis_type type)
{
	struct sc_redis_reader *r = task->privdata;
	struct sc_redis_reply *reply = &r->root;

	if (task->parent)
		reply = &((struct sc_redis_reply *)task->parent->obj)->items[task->idx];
	reply->type = type;
	return reply;
}

static void *make_string(const redisReadTask *task, char *text, size_t len)
{
	struct sc_redis_reader *r = task->privdata;
	struct sc_redis_reply *reply =
		place(task, task->type == REDIS_REPLY_ERROR    ? SC_REDIS_ERROR
			    : task->type == REDIS_REPLY_STATUS ? SC_REDIS_STATUS
							       : SC_REDIS_STRING);
	struct sc_err ignored;

	r->bytes += len;
	if (r->bytes > SC_REDIS_REPLY_MAX ||
	    sc_buf_reserve_max(&reply->text, len, SC_REDIS_REPLY_MAX, &ignored) != SC_OK)
		return NULL;
	sc_buf_append(&reply->text, text, len);
	return reply;
}

static void *make_array(const redisReadTask *task, array_len n)
{
	struct sc_redis_reader *r = task->privdata;
	struct sc_redis_reply *reply = place(task, SC_REDIS_ARRAY);

	r->elements += (size_t)n;
	if (r->elements > ELEMENTS_MAX)
		return NULL;
	reply->items = sc_alloc_array((size_t)n, sizeof(*reply->items));
	reply->n = (size_t)n;
	return reply;
}

static void *make_integer(const redisReadTask *task, long long value)
{
	struct sc_redis_reply *reply = place(task, SC_REDIS_INTEGER);

	reply->integer = value;
	return reply;
}

static void *make_nil(const redisReadTask *task)
{
	return place(task, SC_REDIS_NIL);
}

struct sc_redis_reader *sc_redis_reader_new(void)
{
	/* hiredis only reads it; its type has no const. There is nothing for it to free:
	 * objects are parts of root. */
	static redisReplyObjectFunctions functions = {
		.createString = make_string,
		.createArray = make_array,
		.createInteger = make_integer,
		.createNil = make_nil,
	};
	struct sc_redis_reader *r = sc_alloc(sizeof(*r));

	r->hiredis = redisReaderCreateWithFunctions(&functions);
	if (!r->hiredis)
		abort();
	r->hiredis->maxbuf = KEEP_MAX;
	r->hiredis->privdata = r;
	return r;
}

void sc_redis_reader_free(struct sc_redis_reader *r)
{
	if (!r)
		return;
	redisReaderFree(r->hiredis);
	sc_redis_reply_release(&r->root);
	free(r);
}

/* A string that is announced and not there yet: whether it may be that long. The reader
 * stands behind the "$". SC_MISS: it may come. */
static enum sc_status may_come(const struct sc_redis_reader *r)
{
	const redisReader *h = r->hiredis;
	struct sc_bytes rest = sc_bytes_of(h->buf + h->pos, h->len - h->pos);
	size_t digits = 0;
	uint64_t len = 0;

	if (rest.len > SC_REDIS_REPLY_MAX)
		return SC_INVALID;
	if (h->ridx < 0 || h->pos == 0 || h->buf[h->pos - 1] != '$')
		return SC_MISS;
	while (digits < rest.len && rest.data[digits] >= '0' && rest.data[digits] <= '9')
		digits++;
	if (digits == 0)
		return SC_MISS;
	if (!sc_parse_u64(sc_bytes_of(rest.data, digits), SC_REDIS_STRING_MAX, &len))
		return SC_INVALID;
	if (len <= SC_REDIS_REPLY_MAX)
		return SC_MISS;
	return h->ridx == 0 ? SC_TOO_LARGE : SC_INVALID;
}

enum sc_status sc_redis_reader_feed(struct sc_redis_reader *r, struct sc_bytes bytes,
				    struct sc_err *err)
{
	if (redisReaderFeed(r->hiredis, (const char *)bytes.data, bytes.len) != REDIS_OK)
		return sc_fail(err, SC_INVALID, "a reply has no room in memory");
	return SC_OK;
}

enum sc_status sc_redis_reader_next(struct sc_redis_reader *r, struct sc_redis_reply *out,
				    struct sc_err *err)
{
	void *reply = NULL;

	if (redisReaderGetReply(r->hiredis, &reply) != REDIS_OK)
		return sc_fail(err, SC_INVALID, "%s",
			       r->hiredis->err == REDIS_ERR_OOM ? "a reply is too large"
								: r->hiredis->errstr);
	if (!reply) {
		enum sc_status status = may_come(r);

		return status == SC_MISS ? SC_MISS
					 : sc_fail(err, status, "a reply is too large");
	}
	*out = r->root;
	r->root = (struct sc_redis_reply){ .type = SC_REDIS_NIL };
	r->bytes = 0;
	r->elements = 0;
	return SC_OK;
}

bool sc_redis_reader_is_empty(const struct sc_redis_reader *r)
{
	return r->hiredis->pos == r->hiredis->len && r->hiredis->ridx < 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Building pipelines. Arguments are counted bytes, so that none can become a command.
 */
#include "cache/redis_pipe.h"

#include <stdlib.h>

void sc_redis_pipe_rewind(struct sc_redis_pipe *p)
{
	for (size_t i = 0; i < p->got; i++)
		sc_redis_reply_release(&p->replies[i]);
	p->got = 0;
	p->bytes = 0;
	p->cut = SC_REDIS_NIL;
}

void sc_redis_pipe_reset(struct sc_redis_pipe *p)
{
	sc_redis_pipe_rewind(p);
	sc_buf_reset(&p->out);
	p->commands = 0;
}

void sc_redis_pipe_release(struct sc_redis_pipe *p)
{
	sc_redis_pipe_rewind(p);
	sc_buf_release(&p->out);
	free(p->replies);
	*p = (struct sc_redis_pipe){ .commands = 0 };
}

static void add_count(struct sc_redis_pipe *p, char type, size_t n)
{
	sc_buf_append(&p->out, &type, 1);
	sc_buf_int(&p->out, (int64_t)n);
	sc_buf_append(&p->out, "\r\n", 2);
}

void sc_redis_pipe_arg(struct sc_redis_pipe *p, struct sc_bytes arg)
{
	add_count(p, '$', arg.len);
	sc_buf_append(&p->out, arg.data, arg.len);
	sc_buf_append(&p->out, "\r\n", 2);
}

void sc_redis_pipe_command(struct sc_redis_pipe *p, const char *name, size_t args)
{
	if (p->commands == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 16;
		p->replies = sc_realloc_array(p->replies, p->cap, sizeof(*p->replies));
	}
	p->commands++;
	add_count(p, '*', 1 + args);
	sc_redis_pipe_arg(p, sc_bytes_str(name));
}

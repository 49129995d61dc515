/* SPDX-License-Identifier: MIT */
/*
 * Intake: the FastCGI records of one request, taken in as they come. Pure.
 *
 * What is taken is bounded whatever the records say, each step looks at a byte once, and
 * a request that is no such thing is found out at the first wrong byte: libfcgi, which
 * aborts or waits for ever on some of them, never sees it.
 */
#ifndef SC_SERVER_INTAKE_H
#define SC_SERVER_INTAKE_H

#include "slidecache/bytes.h"

#define SC_FCGI_PARAMS_MAX	 256
#define SC_FCGI_PARAMS_BYTES_MAX (64 * 1024)
#define SC_FCGI_BODY_MAX	 (64 * 1024)

/* Of the FastCGI specification. */
enum sc_fcgi_record {
	SC_FCGI_BEGIN = 1,
	SC_FCGI_ABORT = 2,
	SC_FCGI_END = 3,
	SC_FCGI_PARAMS = 4,
	SC_FCGI_STDIN = 5,
	SC_FCGI_STDOUT = 6,
};
#define SC_FCGI_VERSION	     1
#define SC_FCGI_RESPONDER    1
#define SC_FCGI_HEADER_BYTES 8
#define SC_FCGI_END_BYTES    8	   /* content of END; zeros: the request is complete */
#define SC_FCGI_RECORD_MAX   65528 /* content of one: a multiple of 8 */

/* The first three are the stages of a request that comes, the others ends of it.
 */
enum sc_intake_state {
	SC_INTAKE_BEGIN,
	SC_INTAKE_PARAMS,
	SC_INTAKE_BODY,
	SC_INTAKE_DONE,	    /* to its end; what follows was not taken */
	SC_INTAKE_LARGE,    /* the parameters have too many bytes */
	SC_INTAKE_OVERFULL, /* the body has */
	SC_INTAKE_ABORTED,  /* the web server took the request back */
	SC_INTAKE_BROKEN,   /* not a FastCGI request, or not one to a responder */
};

struct sc_intake {
	enum sc_intake_state state;
	int id;
	struct sc_buf params; /* names and values, as they are encoded */
	struct sc_buf body;
	/* Of the record that comes: */
	unsigned char head[SC_FCGI_HEADER_BYTES];
	size_t head_len, content, padding;	   /* what came; what is still to come */
	unsigned char begin[SC_FCGI_HEADER_BYTES]; /* what a BEGIN record holds */
	size_t begin_len;
};

/* Forgets everything but the memory. */
void sc_intake_reset(struct sc_intake *in);
void sc_intake_release(struct sc_intake *in);
/* Takes bytes until they or the request end; returns how many. */
size_t sc_intake_take(struct sc_intake *in, struct sc_bytes bytes);

/* What the parameters' encoding comes to. */
enum sc_params_check {
	SC_PARAMS_GOOD,
	SC_PARAMS_MANY,	 /* more than SC_FCGI_PARAMS_MAX, or than that many bytes */
	SC_PARAMS_WRONG, /* lengths that lie, a name that is none, a NUL */
};
enum sc_params_check sc_intake_check(const struct sc_intake *in);

/* A record's header. */
void sc_fcgi_put_header(unsigned char at[SC_FCGI_HEADER_BYTES], int type, int id,
			size_t length);
/* A whole record, without padding. */
void sc_fcgi_put_record(struct sc_buf *out, int type, int id, struct sc_bytes content);
/* The request again, up to the end of its parameters, in as few records as can be. */
void sc_intake_write(const struct sc_intake *in, struct sc_buf *out);

#endif

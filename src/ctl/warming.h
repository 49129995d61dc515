/* SPDX-License-Identifier: MIT */
/*
 * Private to src/ctl: what "warm" is asked for, and how far each slide is.
 *
 * The process that the user started opens nothing but the catalogue. Each slide has a
 * child, which opens stores and slide, warms and says over a socket how far it is; when
 * the parent shuts its end, or dies, the child stops. A child that dies costs its slide.
 */
#ifndef SLIDECACHE_WARMING_H
#define SLIDECACHE_WARMING_H

#include <stdio.h>
#include <sys/types.h>

#include "ctl/ctl.h"
#include "slidecache/jobs.h"

#define SC_WARMING_JOBS_MAX 64

struct sc_warming_slide {
	int64_t id;
	char *name;		 /* the file's */
	char *label;		 /* id and name, for a terminal */
	enum sc_job_state state; /* SC_JOB_QUEUED: not begun */
	char reason[256];	 /* what went wrong; "" nothing */
	struct sc_warm_progress progress;
	int64_t began_us, took_us; /* monotonic */
	int64_t said_us;	   /* the last line about it */
	pid_t pid;		   /* while it runs */
	int fd;
};

/* Of --all: what cannot be warmed. */
struct sc_warming_left_out {
	int64_t id;
	char *name, *reason;
};

enum sc_warming_how { SC_WARMING_SILENT, SC_WARMING_LINES, SC_WARMING_BARS };

struct sc_warming {
	const struct sc_ctl *ctl;
	/* What is asked for. */
	bool all, background;
	struct sc_warm_request want; /* but for the image */
	int64_t threads;	     /* a slide; 0: the cores shared by the slides */
	int64_t jobs;		     /* slides at once */
	struct sc_warming_slide *slides;
	size_t n;
	struct sc_warming_left_out *left_out; /* of all */
	size_t nleft_out;
	bool stopped; /* by a signal */
	/* How it is shown. */
	enum sc_warming_how how;
	FILE *out;
	int drawn; /* lines that the cursor stands at the end of */
	int64_t drawn_us, began_us;
};

/* What a child says; the last one is ended. */
struct sc_warming_news {
	bool ended;
	struct sc_err err; /* of the end; status SC_OK: it is warm */
	struct sc_warm_progress progress;
};

/* warm_order.c: reads the arguments, and finds the slides that they name. SC_INVALID:
 * usage; SC_NOT_FOUND: no such image or plane. */
SC_MUST enum sc_status sc_warming_open(const struct sc_ctl *ctl, struct sc_warming *out,
				       struct sc_err *err);
void sc_warming_release(struct sc_warming *w);
/* Done, and no tile is missing. */
bool sc_warming_is_right(const struct sc_warming_slide *s);

/* warm_run.c: warms them, and shows it. */
void sc_warming_run(struct sc_warming *w);
/* warm_child.c: the child of a slide. */
_Noreturn void sc_warming_child(const struct sc_warming *w,
				const struct sc_warming_slide *s, int fd);

/* warm_show.c */
void sc_warming_show_begin(struct sc_warming *w);
void sc_warming_show_began(struct sc_warming *w, struct sc_warming_slide *s);
void sc_warming_show_ended(struct sc_warming *w, const struct sc_warming_slide *s);
/* To be called again within *_wait_ms. */
void sc_warming_show_progress(struct sc_warming *w);
int sc_warming_show_wait_ms(const struct sc_warming *w);
void sc_warming_show_end(struct sc_warming *w);

#endif

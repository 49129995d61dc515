/* SPDX-License-Identifier: MIT */
/*
 * warm: how it is shown. On a terminal each running slide has a line that is drawn again
 * and again; elsewhere, on a dumb terminal and where NO_COLOR is set a line says that a
 * slide begins, every ten seconds how far it is, and that it has ended. With --json
 * the terminal is that of stderr, or nothing is shown.
 */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl/progress_bar.h"
#include "ctl/warming.h"
#include "slidecache/clock.h"

#define DRAW_US	      (SC_US_PER_S / 10)
#define SAY_US	      (10 * SC_US_PER_S)
#define SECOND_MS     1000
#define USUAL_COLUMNS 80
#define USUAL_ROWS    24
/* The terminal's own "^C" shall not begin another line. */
#define ROOM_BEHIND 3
#define SOON_US	    (2 * SC_US_PER_S) /* before, a time left would be a guess */

static bool can_draw(int fd)
{
	const char *term = getenv("TERM");
	const char *plain = getenv("NO_COLOR");

	return isatty(fd) && term && *term && strcmp(term, "dumb") != 0 &&
	       !(plain && *plain);
}

void sc_warming_show_begin(struct sc_warming *w)
{
	w->out = w->ctl->json ? stderr : stdout;
	w->began_us = sc_mono_us();
	if (can_draw(fileno(w->out)))
		w->how = SC_WARMING_BARS;
	else
		w->how = w->ctl->json ? SC_WARMING_SILENT : SC_WARMING_LINES;
}

int sc_warming_show_wait_ms(const struct sc_warming *w)
{
	return w->how == SC_WARMING_BARS ? DRAW_US / 1000 : SECOND_MS;
}

static void print(struct sc_warming *w, const struct sc_buf *text)
{
	if (text->len == 0)
		return;
	(void)fwrite(text->data, 1, text->len, w->out);
	(void)fflush(w->out);
}

/* ----- bars ----- */

static struct winsize window(const struct sc_warming *w)
{
	struct winsize size = { .ws_col = 0 };

	(void)ioctl(fileno(w->out), TIOCGWINSZ, &size);
	if (size.ws_col == 0)
		size.ws_col = USUAL_COLUMNS;
	if (size.ws_row == 0)
		size.ws_row = USUAL_ROWS;
	return size;
}

/* ----- a line for each slide that runs, and one for all ----- */

static bool has_ended(const struct sc_warming_slide *s)
{
	return s->state != SC_JOB_QUEUED && s->state != SC_JOB_RUNNING;
}

static double share_of(const struct sc_warming_slide *s)
{
	return has_ended(s) ? 1
			    : sc_bar_share(s->progress.tiles, s->progress.planned_tiles);
}

static int64_t left_of(const struct sc_warming_slide *s)
{
	return s->progress.waiting ? -1 : sc_warm_left_s(&s->progress);
}

static void put_slide(const struct sc_warming_slide *s, int columns, struct sc_buf *out)
{
	const struct sc_warm_progress *p = &s->progress;
	SC_AUTO_BUF name = SC_BUF_INIT;

	sc_buf_printf(&name, "%s%s", p->waiting ? "waits: " : "", s->label);
	const struct sc_bar bar = { .name = (const char *)name.data,
				    .share = share_of(s),
				    .done = p->tiles,
				    .planned = p->planned_tiles,
				    .per_s = p->waiting ? 0 : p->tiles_per_s,
				    .bytes = p->bytes,
				    .left_s = left_of(s) };
	sc_bar_line(&bar, columns, out);
}

/* By what it took so far: of slides that were not begun nobody knows more. But it is not
 * over before the last of those that run. */
static int64_t left_of_all(const struct sc_warming *w, double share)
{
	int64_t us = sc_mono_us() - w->began_us;
	int64_t left_s = -1;

	if (us >= SOON_US && share >= 0.01)
		left_s = (int64_t)((double)us * (1 - share) / share / SC_US_PER_S);
	for (size_t i = 0; i < w->n; i++)
		if (w->slides[i].state == SC_JOB_RUNNING)
			left_s = sc_bar_later(left_s, left_of(&w->slides[i]));
	return left_s;
}

static void put_total(const struct sc_warming *w, int columns, struct sc_buf *out)
{
	struct sc_bar bar = { .share = 0 };
	char name[64];
	size_t ended = 0;

	for (size_t i = 0; i < w->n; i++) {
		const struct sc_warming_slide *s = &w->slides[i];

		ended += has_ended(s);
		bar.share += share_of(s) / (double)w->n;
		bar.done += s->progress.tiles;
		bar.bytes += s->progress.bytes;
		if (s->state == SC_JOB_RUNNING)
			bar.per_s += s->progress.tiles_per_s;
	}
	(void)snprintf(name, sizeof(name), "%zu of %zu images", ended, w->n);
	bar.name = name;
	bar.left_s = left_of_all(w, bar.share);
	sc_bar_line(&bar, columns, out);
}

/* To the first of the lines that were drawn. */
static void go_up(const struct sc_warming *w, struct sc_buf *out)
{
	if (w->drawn > 0)
		sc_buf_str(out, "\r");
	if (w->drawn > 1)
		sc_buf_printf(out, "\033[%dA", w->drawn - 1);
}

static void erase(struct sc_warming *w, struct sc_buf *out)
{
	go_up(w, out);
	if (w->drawn > 0)
		sc_buf_str(out, "\033[J");
	w->drawn = 0;
}

static void draw(struct sc_warming *w, struct sc_buf *out)
{
	struct winsize size = window(w);
	int most = size.ws_row > 2 ? size.ws_row - 1 : 1;
	int before = w->drawn;

	go_up(w, out);
	w->drawn = 0;
	for (size_t i = 0; i < w->n && w->drawn + (w->n > 1) < most; i++)
		if (w->slides[i].state == SC_JOB_RUNNING) {
			sc_buf_str(out, w->drawn++ > 0 ? "\n" : "");
			put_slide(&w->slides[i], size.ws_col - ROOM_BEHIND, out);
			sc_buf_str(out, "\033[K");
		}
	if (w->n > 1) {
		sc_buf_str(out, w->drawn++ > 0 ? "\n" : "");
		put_total(w, size.ws_col - ROOM_BEHIND, out);
		sc_buf_str(out, "\033[K");
	}
	if (w->drawn < before)
		sc_buf_str(out, "\033[J");
	w->drawn_us = sc_mono_us();
}

/* ----- lines ----- */

static void put_numbers(const struct sc_warming_slide *s, struct sc_buf *out)
{
	sc_buf_printf(out, "%lld tile%s, %.1f MiB", (long long)s->progress.tiles,
		      s->progress.tiles == 1 ? "" : "s",
		      (double)s->progress.bytes / (1 << 20));
}

static void put_how_far(const struct sc_warming_slide *s, struct sc_buf *out)
{
	const struct sc_warm_progress *p = &s->progress;

	sc_buf_printf(out, "%s: %d %%, ", s->label, sc_bar_percent(share_of(s)));
	put_numbers(s, out);
	if (p->waiting) {
		sc_buf_str(out, ", waits for a store that is out of reach\n");
		return;
	}
	sc_buf_printf(out, ", %.0f tiles/s, ", p->tiles_per_s);
	sc_bar_time(left_of(s), out);
	sc_buf_str(out, " left\n");
}

static void put_end(const struct sc_warming_slide *s, struct sc_buf *out)
{
	sc_buf_printf(out, "%s: %s, ", s->label, sc_job_state_name(s->state));
	put_numbers(s, out);
	sc_buf_printf(out, " in %.1f s; skipped %lld, failed %lld",
		      (double)s->took_us / SC_US_PER_S,
		      (long long)s->progress.skipped_tiles,
		      (long long)s->progress.failed_tiles);
	if (s->state == SC_JOB_DONE && sc_warm_missing_tiles(&s->progress) > 0)
		sc_buf_printf(out, "; budget used, %lld tiles not stored",
			      (long long)sc_warm_missing_tiles(&s->progress));
	sc_buf_str(out, "\n");
}

/* Of a slide that is the only one main says it. */
static void say_why(const struct sc_warming *w, const struct sc_warming_slide *s)
{
	SC_AUTO_BUF why = SC_BUF_INIT;

	if (w->n == 1 || sc_warming_is_right(s) || s->state == SC_JOB_CANCELLED)
		return;
	sc_ctl_put_printable(&why, s->reason);
	(void)fprintf(stderr, "slidecachectl: %s: %s\n", s->label,
		      (const char *)why.data);
}

void sc_warming_show_began(struct sc_warming *w, struct sc_warming_slide *s)
{
	SC_AUTO_BUF text = SC_BUF_INIT;

	s->said_us = s->began_us;
	if (w->how == SC_WARMING_LINES)
		sc_buf_printf(&text, "%s: begins, at most %.1f MiB\n", s->label,
			      (double)w->want.budget_bytes / (1 << 20));
	else if (w->how == SC_WARMING_BARS)
		draw(w, &text);
	print(w, &text);
}

void sc_warming_show_ended(struct sc_warming *w, const struct sc_warming_slide *s)
{
	SC_AUTO_BUF text = SC_BUF_INIT;

	erase(w, &text);
	if (w->how != SC_WARMING_SILENT && !w->ctl->json)
		put_end(s, &text);
	print(w, &text);
	say_why(w, s);
}

void sc_warming_show_progress(struct sc_warming *w)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	int64_t now_us = sc_mono_us();

	if (w->how == SC_WARMING_BARS && now_us - w->drawn_us >= DRAW_US)
		draw(w, &text);
	for (size_t i = 0; i < w->n && w->how == SC_WARMING_LINES; i++) {
		struct sc_warming_slide *s = &w->slides[i];

		if (s->state != SC_JOB_RUNNING || now_us - s->said_us < SAY_US)
			continue;
		put_how_far(s, &text);
		s->said_us = now_us;
	}
	print(w, &text);
}

void sc_warming_show_end(struct sc_warming *w)
{
	SC_AUTO_BUF text = SC_BUF_INIT;

	erase(w, &text);
	print(w, &text);
}

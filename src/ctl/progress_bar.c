/* SPDX-License-Identifier: MIT */
/*
 * A progress bar's text, see progress_bar.h. Columns are counted as terminals do:
 * combining marks take none, East Asian characters and pictographs two.
 */
#include "ctl/progress_bar.h"

#include <stdio.h>

#define NAME_LEAST  8
#define NAME_ENOUGH 16 /* to tell one from another */
#define NAME_MOST   32
#define BAR_LEAST   12 /* with its brackets */
#define TILES_WIDTH 17 /* "12345/12345 tiles" */
#define GAP	    2

/* ----- columns ----- */

struct range {
	uint32_t first, last;
};

static const struct range no_column[] = {
	{ 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x0591, 0x05bd }, { 0x0610, 0x061a },
	{ 0x064b, 0x065f }, { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff }, { 0x200b, 0x200f },
	{ 0x20d0, 0x20ff }, { 0x302a, 0x302d }, { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f },
	{ 0xfeff, 0xfeff },
};
static const struct range two_columns[] = {
	{ 0x1100, 0x115f },   { 0x2e80, 0x303e },   { 0x3041, 0xa4cf },
	{ 0xa960, 0xa97c },   { 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },
	{ 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },
	{ 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff },
	{ 0x20000, 0x3fffd },
};

static bool is_in(uint32_t c, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

static int columns_of(uint32_t c)
{
	if (is_in(c, no_column, sizeof(no_column) / sizeof(no_column[0])))
		return 0;
	return is_in(c, two_columns, sizeof(two_columns) / sizeof(two_columns[0])) ? 2
										   : 1;
}

/* How many bytes a character has by its first one; 0: it begins none. */
static int length_of(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* The character at text, of *n bytes; one byte that is no UTF-8 is '?'. */
static uint32_t character(const char *text, int *n)
{
	unsigned char first = (unsigned char)*text;
	int length = length_of(first);
	uint32_t c = length > 1 ? first & (0x7fU >> length) : first;

	for (int i = 1; i < length; i++) {
		unsigned char next = (unsigned char)text[i];

		if ((next & 0xc0) != 0x80)
			length = 0; /* also at the text's end */
		c = c << 6 | (next & 0x3f);
	}
	*n = length > 0 ? length : 1;
	return length > 0 ? c : '?';
}

int sc_bar_columns(const char *text)
{
	int columns = 0;
	int n = 0;

	for (; *text; text += n)
		columns += columns_of(character(text, &n));
	return columns;
}

/* Appends as many characters as fit; returns the columns that they take. */
static int put_fitting(const char *text, int width, struct sc_buf *out)
{
	int columns = 0;
	int n = 0;

	for (; *text; text += n) {
		uint32_t c = character(text, &n);

		if (columns + columns_of(c) > width)
			break;
		columns += columns_of(c);
		sc_buf_append(out, n == 1 && c == '?' ? "?" : text, (size_t)n);
	}
	return columns;
}

static void put_repeated(char c, int n, struct sc_buf *out)
{
	for (; n > 0; n--)
		sc_buf_append(out, &c, 1);
}

void sc_bar_cut(const char *text, int width, bool pad, struct sc_buf *out)
{
	bool whole = sc_bar_columns(text) <= width;
	int dots = whole || width < 0 ? 0 : width < 2 ? width : 2;
	int columns = put_fitting(text, width - dots, out) + dots;

	put_repeated('.', dots, out);
	if (pad)
		put_repeated(' ', width - columns, out);
}

/* ----- what the line is made of ----- */

enum piece { PERCENT, TILES, RATE, SIZE, LEFT, PIECES };

double sc_bar_share(int64_t done, int64_t planned)
{
	if (planned <= 0 || done <= 0)
		return 0;
	return done >= planned ? 1 : (double)done / (double)planned;
}

/* Also of what is no number. */
static double clamp_share(double share)
{
	if (!(share > 0))
		return 0;
	return share < 1 ? share : 1;
}

int sc_bar_percent(double share)
{
	return (int)(clamp_share(share) * 100);
}

void sc_bar_time(int64_t seconds, struct sc_buf *out)
{
	long long s = seconds;

	if (s < 0)
		sc_buf_str(out, "--:--");
	else if (s < 3600)
		sc_buf_printf(out, "%lld:%02lld", s / 60, s % 60);
	else
		sc_buf_printf(out, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
}

int64_t sc_bar_later(int64_t a_s, int64_t b_s)
{
	if (a_s < 0 || b_s < 0)
		return -1;
	return a_s > b_s ? a_s : b_s;
}

static void put_tiles(const struct sc_bar *b, struct sc_buf *out)
{
	char planned[24];
	char text[64];

	if (b->planned <= 0) {
		(void)snprintf(text, sizeof(text), "%lld tiles", (long long)b->done);
	} else {
		int n = snprintf(planned, sizeof(planned), "%lld", (long long)b->planned);

		(void)snprintf(text, sizeof(text), "%*lld/%s tiles", n,
			       (long long)b->done, planned);
	}
	sc_buf_printf(out, "%*s", TILES_WIDTH, text);
}

static void put_rate(const struct sc_bar *b, struct sc_buf *out)
{
	if (!(b->per_s > 0))
		sc_buf_printf(out, "%7s", "-/s");
	else if (b->per_s < 10)
		sc_buf_printf(out, "%5.1f/s", b->per_s);
	else
		sc_buf_printf(out, "%5.0f/s", b->per_s < 1e9 ? b->per_s : 1e9);
}

/* Each in a width that it keeps, so that the bar does not jump. */
static void put_piece(enum piece p, const struct sc_bar *b, struct sc_buf *out)
{
	SC_AUTO_BUF time = SC_BUF_INIT;

	switch (p) {
	case PERCENT:
		sc_buf_printf(out, "%3d %%", sc_bar_percent(b->share));
		break;
	case TILES:
		put_tiles(b, out);
		break;
	case RATE:
		put_rate(b, out);
		break;
	case SIZE:
		sc_buf_printf(out, "%6.1f MiB", (double)b->bytes / (1 << 20));
		break;
	default:
		sc_bar_time(b->left_s, &time);
		sc_buf_printf(out, "ETA %5s", (const char *)time.data);
	}
}

static void put_bar(double share, int width, struct sc_buf *out)
{
	int filled = (int)(clamp_share(share) * (width - 2));

	sc_buf_str(out, "[");
	put_repeated('#', filled, out);
	put_repeated('-', width - 2 - filled, out);
	sc_buf_str(out, "]");
}

/* What of the line is shown, and how wide. */
struct layout {
	bool shown[PIECES];
	int pieces; /* columns of what is shown behind the bar, with the gaps before */
	bool bar;
};

static int needed(const struct layout *l, int name)
{
	return name + (l->bar ? GAP + BAR_LEAST : 0) + l->pieces;
}

/* All of it, less what has no room. */
static struct layout lay_out(const size_t lengths[PIECES], int width)
{
	static const struct {
		enum piece piece;
		int name; /* columns of it that are worth more */
	} before_bar[] = { { SIZE, NAME_ENOUGH },
			   { RATE, NAME_LEAST },
			   { TILES, NAME_LEAST },
			   { LEFT, NAME_LEAST } };
	struct layout l = { .bar = true };

	for (int p = 0; p < PIECES; p++) {
		l.shown[p] = true;
		l.pieces += GAP + (int)lengths[p];
	}
	for (size_t i = 0; i < sizeof(before_bar) / sizeof(before_bar[0]); i++)
		if (needed(&l, before_bar[i].name) > width) {
			l.shown[before_bar[i].piece] = false;
			l.pieces -= GAP + (int)lengths[before_bar[i].piece];
		}
	l.bar = needed(&l, NAME_LEAST) <= width;
	if (needed(&l, NAME_LEAST) > width) {
		l.shown[PERCENT] = false;
		l.pieces = 0;
	}
	return l;
}

/* The same in every line of a width, whatever else it has, where there is a bar. */
static int name_width(const struct layout *l, int width)
{
	int most = width - l->pieces - GAP - BAR_LEAST;
	int wanted = width / 4;

	if (!l->bar)
		return width - l->pieces;
	wanted = wanted < NAME_LEAST  ? NAME_LEAST
		 : wanted > NAME_MOST ? NAME_MOST
				      : wanted;
	return wanted < most ? wanted : most;
}

void sc_bar_line(const struct sc_bar *b, int width, struct sc_buf *out)
{
	struct sc_buf texts[PIECES] = { SC_BUF_INIT };
	size_t lengths[PIECES];

	for (int p = 0; p < PIECES; p++) {
		put_piece((enum piece)p, b, &texts[p]);
		lengths[p] = texts[p].len; /* ASCII */
	}
	struct layout l = lay_out(lengths, width);
	int name = name_width(&l, width);
	sc_bar_cut(b->name, name, l.bar || l.pieces > 0, out);
	if (l.bar) {
		put_repeated(' ', GAP, out);
		put_bar(b->share, width - l.pieces - GAP - name, out);
	}
	for (int p = 0; p < PIECES; p++) {
		if (l.shown[p]) {
			put_repeated(' ', GAP, out);
			sc_buf_append(out, texts[p].data, texts[p].len);
		}
		sc_buf_release(&texts[p]);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * make-slide: writes synthetic whole-slide images for demonstrations, tests, benchmarks.
 *
 * Same options, same bytes. A slide looks like an Aperio scan of an H&E section: tiled
 * levels, thumbnail, label, macro; or like a plain pyramidal TIFF. This file reads the
 * command line and names the files; it knows nothing of TIFF.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "slide_file.h"
#include "slidecache/parse.h"

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command {
	struct slide_options slide;
	uint32_t depth, frames;
	const char *out;
};

/* One row an option: a number within min..max, or the place of a word in words. */
struct option_row {
	const char *name;
	size_t offset; /* of an uint32_t or an enum in struct command */
	uint32_t min, max;
	const char *const *words;
	const char *help;
};

static const char *const vendors[] = { "aperio", "generic", NULL };
static const char *const compressions[] = { "jpeg", "deflate", "none", NULL };

_Static_assert(sizeof(enum slide_vendor) == sizeof(uint32_t) &&
		       sizeof(enum slide_compression) == sizeof(uint32_t),
	       "options are stored as uint32_t");

#define SLIDE(field) offsetof(struct command, slide.field)
static const struct option_row rows[] = {
	{ "width", SLIDE(width), 1, 400000, NULL, "pixels of level 0 (8192)" },
	{ "height", SLIDE(height), 1, 400000, NULL, "pixels of level 0 (6144)" },
	{ "tile", SLIDE(tile), 16, 4096, NULL, "pixels a side, a multiple of 16 (256)" },
	{ "levels", SLIDE(levels), 0, LEVELS_MAX, NULL,
	  "each a quarter of the one above; 0: while a level is larger than a tile (0)" },
	{ "seed", SLIDE(seed), 0, UINT32_MAX, NULL, "another seed, another slide (1)" },
	{ "quality", SLIDE(quality), 1, 100, NULL, "of JPEG (80)" },
	{ "vendor", SLIDE(vendor), 0, 0, vendors, "aperio or generic (aperio)" },
	{ "compression", SLIDE(compression), 0, 0, compressions,
	  "jpeg, deflate or none (jpeg)" },
	{ "depth", offsetof(struct command, depth), 1, 1000, NULL,
	  "z planes: more files, STEM/{z}_{frame}_{NAME} beside OUT (1)" },
	{ "frames", offsetof(struct command, frames), 1, 1000, NULL,
	  "frames, likewise (1)" },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void print_usage(FILE *to)
{
	(void)fprintf(to, "Usage: make-slide [OPTION VALUE]... OUT.svs\n"
			  "Writes a synthetic whole-slide image.\n\n");
	for (size_t i = 0; i < ROWS; i++)
		(void)fprintf(to, "  --%-12s %s\n", rows[i].name, rows[i].help);
	(void)fprintf(to, "  --%-12s %s\n", "help", "this text");
}

static enum sc_status parse_value(const struct option_row *r, const char *text,
				  uint32_t *out, struct sc_err *err)
{
	uint64_t v = 0;

	for (uint32_t i = 0; r->words && r->words[i]; i++) {
		if (strcmp(r->words[i], text) != 0)
			continue;
		*out = i;
		return SC_OK;
	}
	if (r->words)
		return sc_fail(err, SC_INVALID, "--%s %s: not %s", r->name, text,
			       r->help);
	if (!sc_parse_u64(sc_bytes_str(text), r->max, &v) || v < r->min)
		return sc_fail(err, SC_INVALID, "--%s %s: not a number from %u to %u",
			       r->name, text, r->min, r->max);
	*out = (uint32_t)v;
	return SC_OK;
}

/* "--name value" or "--name=value"; *i is left on the last word used. */
static enum sc_status parse_option(struct command *c, char **argv, int *i,
				   struct sc_err *err)
{
	const char *name = argv[*i] + 2;
	size_t len = strcspn(name, "=");
	const char *value = name[len] ? name + len + 1 : argv[++*i];

	for (size_t n = 0; n < ROWS; n++) {
		uint32_t number = 0;

		if (strlen(rows[n].name) != len || memcmp(rows[n].name, name, len) != 0)
			continue;
		if (!value)
			return sc_fail(err, SC_INVALID, "--%s wants a value",
				       rows[n].name);
		enum sc_status st = parse_value(&rows[n], value, &number, err);
		if (!st)
			memcpy((char *)c + rows[n].offset, &number, sizeof(number));
		return st;
	}
	return sc_fail(err, SC_INVALID, "unknown option --%.*s", (int)len, name);
}

static uint32_t count_levels(const struct slide_options *o)
{
	uint32_t n = 1, w = o->width / LEVEL_STEP, h = o->height / LEVEL_STEP;

	for (; w > o->tile && h > o->tile && n < LEVELS_MAX; n++) {
		w /= LEVEL_STEP;
		h /= LEVEL_STEP;
	}
	return n;
}

/* The length of "dir/slide" in "dir/slide.svs": the folder of its planes. 0: no suffix.
 */
static size_t stem_length(const char *out)
{
	const char *slash = strrchr(out, '/');
	const char *name = slash ? slash + 1 : out;
	const char *dot = strrchr(name, '.');

	return dot && dot != name ? (size_t)(dot - out) : 0;
}

static enum sc_status check_command(struct command *c, struct sc_err *err)
{
	struct slide_options *o = &c->slide;
	uint32_t shorter = o->width < o->height ? o->width : o->height;

	if (!c->out)
		return sc_fail(err, SC_INVALID, "no output file is named");
	if (o->tile % 16)
		return sc_fail(err, SC_INVALID, "--tile %u: not a multiple of 16",
			       o->tile);
	if (c->depth * c->frames > 1 && !stem_length(c->out))
		return sc_fail(err, SC_INVALID, "%s: planes want a name with a suffix",
			       c->out);
	if (o->levels == 0)
		o->levels = count_levels(o);
	for (uint32_t i = 1; i < o->levels; i++) {
		shorter /= LEVEL_STEP;
		if (!shorter)
			return sc_fail(err, SC_INVALID,
				       "--levels %u: level %u would have no pixels",
				       o->levels, i);
	}
	return SC_OK;
}

static enum sc_status parse_command(struct command *c, int argc, char **argv,
				    struct sc_err *err)
{
	for (int i = 1; i < argc; i++) {
		enum sc_status st = SC_OK;

		if (strncmp(argv[i], "--", 2) == 0)
			st = parse_option(c, argv, &i, err);
		else if (c->out)
			st = sc_fail(err, SC_INVALID, "two output files: %s and %s",
				     c->out, argv[i]);
		else
			c->out = argv[i];
		if (st)
			return st;
	}
	return check_command(c, err);
}

static enum sc_status make_plane_folder(const char *out, struct sc_buf *dir,
					struct sc_err *err)
{
	sc_buf_append(dir, out, stem_length(out));
	if (mkdir((char *)dir->data, 0777) != 0 && errno != EEXIST)
		return sc_fail(err, SC_INTERNAL, "%s: %s", (char *)dir->data,
			       strerror(errno));
	return SC_OK;
}

static enum sc_status write_planes(struct command *c, struct sc_err *err)
{
	const char *slash = strrchr(c->out, '/');
	uint32_t planes = c->depth * c->frames;
	SC_AUTO_BUF dir = SC_BUF_INIT;
	enum sc_status st = SC_OK;

	if (planes == 1)
		return SC_OK;
	st = make_plane_folder(c->out, &dir, err);
	for (uint32_t p = 0; !st && p < planes; p++) {
		SC_AUTO_BUF path = SC_BUF_INIT;

		sc_buf_printf(&path, "%s/%u_%u_%s", (char *)dir.data, p / c->frames + 1,
			      p % c->frames + 1, slash ? slash + 1 : c->out);
		c->slide.plane = p + 1;
		st = slide_write(&c->slide, (char *)path.data, err);
	}
	return st;
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0)
			return true;
	return false;
}

static void print_tiff_error(const char *module, const char *fmt, va_list ap)
{
	(void)fprintf(stderr, "make-slide: %s: ", module);
	(void)vfprintf(stderr, fmt, ap);
	(void)fprintf(stderr, "\n");
}

int main(int argc, char **argv)
{
	struct command c = { .slide = { .width = 8192,
					.height = 6144,
					.tile = 256,
					.seed = 1,
					.quality = 80 },
			     .depth = 1,
			     .frames = 1 };
	struct sc_err err = { SC_OK, "" };

	if (wants_help(argc, argv)) {
		print_usage(stdout);
		return EXIT_DONE;
	}
	TIFFSetErrorHandler(print_tiff_error);
	enum sc_status st = parse_command(&c, argc, argv, &err);
	if (!st)
		st = slide_write(&c.slide, c.out, &err);
	if (!st)
		st = write_planes(&c, &err);
	if (!st)
		return EXIT_DONE;
	(void)fprintf(stderr, "make-slide: %s\n", err.text);
	if (st != SC_INVALID)
		return EXIT_FAILED;
	(void)fprintf(stderr, "Try 'make-slide --help'.\n");
	return EXIT_USAGE;
}

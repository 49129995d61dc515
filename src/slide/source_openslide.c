/* SPDX-License-Identifier: MIT */
/*
 * The OpenSlide source: the only user of openslide.h.
 *
 * OpenSlide's errors are sticky and its handle is useless afterwards, so every call is
 * followed by a look at them, and any error means close. Its error texts name files and
 * go to the log only. What a file claims is checked before anything of it is decoded, and
 * levels that OpenSlide 3.4.1 reads wrong go to tiff_level.c. What fast_read.c can read
 * to the same pixels does not go through OpenSlide at all.
 *
 * An index that names other files is looked through first (index_files.c). What the files
 * of its folder are, should one be a symbolic link, is not looked at: to keep a link from
 * leading out of the slide folder is the kernel's matter, not this file's.
 */
#include <errno.h>
#include <math.h>
#include <openslide.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "slide/fast_read.h"
#include "slide/index_files.h"
#include "slide/root.h"
#include "slide/source.h"
#include "slide/tiff_level.h"
#include "slide/tiff_limits.h"
#include "slidecache/log.h"
#include "slidecache/parse.h"

#define TILE_BYTES_MAX (64 << 20)
#define PROPERTY_MAX   128 /* bytes of a property that is read as a number */
#define WHITE	       0xffffff

struct state {
	openslide_t *osr;
	struct sc_tiff *tiff; /* NULL unless a level needs it */
	struct sc_fast *fast; /* NULL unless the format's levels can be read that way */
	char *file;	      /* for log lines */
	struct sc_geometry geometry;
	struct sc_tiff_level tiles[SC_SLIDE_LEVELS_MAX];
	enum sc_tiff_verdict verdict[SC_SLIDE_LEVELS_MAX];
	/* Where the verdict is SC_TIFF_OWN. */
	const struct sc_tiff_directory *directory[SC_SLIDE_LEVELS_MAX];
};

/* What the name of a format decides here. Others (Hamamatsu, MIRAX, Sakura) never decode
 * with libtiff; Hamamatsu's "tiles" are strips as wide as the slide, so only their area
 * is limited. */
static const struct vendor {
	const char *name;
	bool reduced_only;    /* see sc_tiff_open */
	bool is_plain;	      /* each level is one directory, its tiles side by side */
	bool missing_spreads; /* see struct sc_fast_slide */
} tiff_vendors[] = {
	{ .name = "aperio", .is_plain = true, .missing_spreads = true },
	{ .name = "generic-tiff", .is_plain = true, .reduced_only = true },
	{ .name = "leica" },
	{ .name = "philips" },
	{ .name = "trestle" },
	{ .name = "ventana" },
};

/* Formats whose file names its data files, relative to itself: opened by their name. */
static const char *const named_suffixes[] = { "mrxs", "vms", "vmu" };

/* How the formats begin that are one file. Anything else that were opened by the name of
 * a descriptor could be an index, whose names OpenSlide would then join to that place. */
#define MAGIC_BYTES 16
static const struct {
	const char *bytes;
	size_t len;
} magics[] = {
	{ "II*\0", 4 },
	{ "MM\0*", 4 }, /* TIFF */
	{ "II+\0", 4 },
	{ "MM\0+", 4 },			    /* BigTIFF */
	{ "SQLite format 3", MAGIC_BYTES }, /* Sakura */
};

/* OpenSlide's texts name files; where a user can do something about it, ours says what.
 */
static const struct {
	const char *begins;
	const char *text;
} open_errors[] = {
	{ "Unsupported TIFF compression",
	  "the slide's compression is not one this version can read" },
	{ "", "the slide is damaged" },
};

static const struct vendor *find_tiff_vendor(const char *name)
{
	for (size_t i = 0; i < sizeof(tiff_vendors) / sizeof(tiff_vendors[0]); i++)
		if (strcmp(tiff_vendors[i].name, name) == 0)
			return &tiff_vendors[i];
	return NULL;
}

static bool opens_by_name(const char *file)
{
	const char *suffix = sc_file_suffix(file);

	for (size_t i = 0; i < sizeof(named_suffixes) / sizeof(named_suffixes[0]); i++)
		if (strcasecmp(named_suffixes[i], suffix) == 0)
			return true;
	return false;
}

/* SC_MISS: no format of one file. */
static enum sc_status check_magic(int fd, struct sc_err *err)
{
	char head[MAGIC_BYTES] = "";

	if (pread(fd, head, sizeof(head), 0) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "the slide's file: %s",
			       strerror(errno));
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
		if (memcmp(head, magics[i].bytes, magics[i].len) == 0)
			return SC_OK;
	return SC_MISS;
}

/* What must be so before OpenSlide sees the file. A TIFF may have an index's name. */
static enum sc_status check_file(const struct sc_source_file *f, struct sc_err *err)
{
	enum sc_status status = opens_by_name(f->file) ? sc_check_index_files(f, err)
						       : check_magic(f->fd, err);

	return status == SC_OK ? sc_tiff_check(f->fd, err) : status;
}

/*
 * OpenSlide opens a TIFF anew, by its name, for many reads. A name in /proc that stands
 * for our descriptor is the same file each time, whatever is renamed over its place.
 */
static openslide_t *open_handle(const struct sc_source_file *f)
{
	SC_AUTO_BUF path = SC_BUF_INIT;

	if (opens_by_name(f->file))
		sc_buf_printf(&path, "%s/%s", sc_slide_root_dir(f->root), f->file);
	else
		sc_buf_printf(&path, "/proc/self/fd/%d", f->fd);
	return openslide_open((const char *)path.data);
}

/* Logs what OpenSlide says; true when it says nothing. */
static bool is_well(const struct state *s)
{
	const char *text = openslide_get_error(s->osr);

	if (text)
		sc_log_warning("slide %s: openslide: %s", s->file, text);
	return !text;
}

static enum sc_status fail_open(const struct state *s, struct sc_err *err)
{
	const char *text = openslide_get_error(s->osr);
	size_t i = 0;

	while (strncmp(text ? text : "", open_errors[i].begins,
		       strlen(open_errors[i].begins)))
		i++; /* the last row fits all */
	return sc_fail(err, SC_UNREADABLE, "%s", open_errors[i].text);
}

static const char *property(const struct state *s, const char *name)
{
	const char *v = openslide_get_property_value(s->osr, name);

	return v && strlen(v) < PROPERTY_MAX ? v : NULL;
}

static int64_t property_i64(const struct state *s, const char *name, int64_t otherwise)
{
	const char *v = property(s, name);
	int64_t n;

	if (!v || !sc_parse_i64(sc_bytes_str(v), INT64_MIN, INT64_MAX, &n))
		return otherwise;
	return n;
}

static double property_double(const struct state *s, const char *name, double otherwise)
{
	const char *v = property(s, name);
	double n;

	if (!v || !sc_parse_double(sc_bytes_str(v), &n) || n <= 0)
		return otherwise;
	return n;
}

static int64_t tile_property(const struct state *s, int level, const char *what)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "openslide.level[%d].tile-%s", level, what);
	return property_i64(s, name, 0);
}

static int count_twins(const struct state *s, int level)
{
	const struct sc_tiff_level *t = s->tiles, *l = &s->tiles[level];
	int n = 0;

	for (int i = 0; i < level; i++)
		n += t[i].width == l->width && t[i].height == l->height &&
		     t[i].tile_width == l->tile_width &&
		     t[i].tile_height == l->tile_height;
	return n;
}

static enum sc_status read_level(struct state *s, int i, struct sc_err *err)
{
	struct sc_geometry *g = &s->geometry;

	openslide_get_level_dimensions(s->osr, i, &g->width[i], &g->height[i]);
	g->downsample[i] = openslide_get_level_downsample(s->osr, i);
	g->usable[i] = true;
	if (!is_well(s) || g->width[i] < 1 || g->height[i] < 1)
		return sc_fail(err, SC_UNREADABLE, "the slide's level %d cannot be read",
			       i);
	s->tiles[i] = (struct sc_tiff_level){
		.width = g->width[i],
		.height = g->height[i],
		.tile_width = tile_property(s, i, "width"),
		.tile_height = tile_property(s, i, "height"),
	};
	s->tiles[i].twin = count_twins(s, i);
	return SC_OK;
}

static enum sc_status read_levels(struct state *s, struct sc_err *err)
{
	int levels = openslide_get_level_count(s->osr);

	if (!is_well(s) || levels < 1)
		return sc_fail(err, SC_UNREADABLE, "the slide has no levels");
	if (levels > SC_SLIDE_LEVELS_MAX)
		return sc_fail(err, SC_UNREADABLE,
			       "the slide has %d levels, over the limit of %d", levels,
			       SC_SLIDE_LEVELS_MAX);
	s->geometry.levels = levels;
	for (int i = 0; i < levels; i++)
		if (read_level(s, i, err) != SC_OK)
			return err->status;
	return SC_OK;
}

static enum sc_status check_properties(const struct state *s, struct sc_err *err)
{
	const char *const *names = openslide_get_property_names(s->osr);
	size_t n = 0, bytes = 0;

	for (; names && names[n]; n++) {
		const char *v = openslide_get_property_value(s->osr, names[n]);

		bytes += strlen(names[n]) + (v ? strlen(v) : 0);
	}
	if (n > SC_SLIDE_PROPERTIES_MAX)
		return sc_fail(err, SC_UNREADABLE,
			       "the slide has %zu properties, over the limit of %d", n,
			       SC_SLIDE_PROPERTIES_MAX);
	if (bytes > SC_SLIDE_PROPERTY_BYTES_MAX)
		return sc_fail(err, SC_UNREADABLE,
			       "the slide's properties have %zu bytes, over the limit of "
			       "%d",
			       bytes, SC_SLIDE_PROPERTY_BYTES_MAX);
	return SC_OK;
}

/* A tile is decoded whole, however little of it is asked for. */
static enum sc_status check_tiles(const struct state *s, bool limit_sides,
				  struct sc_err *err)
{
	for (int i = 0; i < s->geometry.levels; i++) {
		int64_t w = s->tiles[i].tile_width, h = s->tiles[i].tile_height, bytes;

		if ((limit_sides && (w > SC_SLIDE_TILE_MAX || h > SC_SLIDE_TILE_MAX)) ||
		    w < 0 || h < 0 || __builtin_mul_overflow(w, h, &bytes) ||
		    bytes > TILE_BYTES_MAX / 4)
			return sc_fail(
				err, SC_UNREADABLE,
				"the slide's level %d has tiles of %lld x %lld pixels, "
				"over the limit",
				i, (long long)w, (long long)h);
	}
	return SC_OK;
}

static bool needs_judgement(const struct state *s)
{
	for (int i = 0; i < s->geometry.levels; i++)
		if (sc_tiff_smaller_than_tile(&s->tiles[i]) || s->tiles[i].twin > 0)
			return true;
	return false;
}

/* Levels smaller than their tile, and levels of one size (one of them may be a mask). */
static enum sc_status judge_levels(struct state *s, const struct vendor *vendor, int fd,
				   struct sc_err *err)
{
	struct sc_geometry *g = &s->geometry;

	if (!vendor || !needs_judgement(s))
		return SC_OK;
	if (sc_tiff_open(fd, vendor->reduced_only, &s->tiff, err) != SC_OK)
		return err->status;
	for (int i = 0; i < g->levels; i++) {
		s->verdict[i] = sc_tiff_judge(s->tiff, &s->tiles[i], &s->directory[i]);
		g->usable[i] = s->verdict[i] != SC_TIFF_UNUSABLE;
	}
	if (!g->usable[0])
		return sc_fail(err, SC_UNREADABLE,
			       "the slide's level 0 cannot be read right");
	return SC_OK;
}

static void read_bounds(const struct state *s, struct sc_geometry *g)
{
	int64_t x = property_i64(s, OPENSLIDE_PROPERTY_NAME_BOUNDS_X, 0);
	int64_t y = property_i64(s, OPENSLIDE_PROPERTY_NAME_BOUNDS_Y, 0);
	int64_t w = property_i64(s, OPENSLIDE_PROPERTY_NAME_BOUNDS_WIDTH, g->width[0]);
	int64_t h = property_i64(s, OPENSLIDE_PROPERTY_NAME_BOUNDS_HEIGHT, g->height[0]);

	g->has_bounds = x >= 0 && y >= 0 && w >= 1 && h >= 1 && w <= g->width[0] &&
			h <= g->height[0] && x <= g->width[0] - w &&
			y <= g->height[0] - h && (w < g->width[0] || h < g->height[0]);
	if (!g->has_bounds)
		return;
	g->bounds_x = x;
	g->bounds_y = y;
	g->bounds_width = w;
	g->bounds_height = h;
}

static uint32_t read_background(const struct state *s)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *v = property(s, OPENSLIDE_PROPERTY_NAME_BACKGROUND_COLOR);
	uint32_t rgb = 0;

	if (!v || strlen(v) != 6 || strspn(v, digits) != 6)
		return WHITE;
	for (; *v; v++)
		rgb = rgb << 4 | ((uint32_t)(strchr(digits, *v) - digits) & 15);
	return rgb;
}

static void read_info(struct state *s, struct sc_slide_info *info)
{
	const char *vendor = property(s, OPENSLIDE_PROPERTY_NAME_VENDOR);
	double x = property_double(s, OPENSLIDE_PROPERTY_NAME_MPP_X, 0);
	double y = property_double(s, OPENSLIDE_PROPERTY_NAME_MPP_Y, 0);

	read_bounds(s, &s->geometry);
	*info = (struct sc_slide_info){
		.geometry = s->geometry,
		.mpp = x > 0 && y > 0 ? (x + y) / 2 : (x > 0 ? x : y),
		.objective_power =
			property_double(s, OPENSLIDE_PROPERTY_NAME_OBJECTIVE_POWER, 1),
		.background = read_background(s),
	};
	(void)snprintf(info->vendor, sizeof(info->vendor), "%s", vendor ? vendor : "");
}

static struct sc_fast *make_fast(const struct state *s, const struct vendor *vendor,
				 const struct sc_source_file *f)
{
	struct sc_fast_slide slide = { .file = f,
				       .geometry = &s->geometry,
				       .levels = s->tiles };

	if (!vendor || !vendor->is_plain)
		return NULL;
	slide.reduced_only = vendor->reduced_only;
	slide.missing_spreads = vendor->missing_spreads;
	return sc_fast_new(&slide);
}

static enum sc_status inspect(struct state *s, const struct sc_source_file *f,
			      struct sc_slide_info *info, struct sc_err *err)
{
	const char *name;
	const struct vendor *vendor;

	if (!is_well(s))
		return fail_open(s, err);
	name = property(s, OPENSLIDE_PROPERTY_NAME_VENDOR);
	vendor = find_tiff_vendor(name ? name : "");
	if (read_levels(s, err) != SC_OK || check_properties(s, err) != SC_OK ||
	    check_tiles(s, vendor != NULL, err) != SC_OK ||
	    judge_levels(s, vendor, f->fd, err) != SC_OK)
		return err->status;
	read_info(s, info);
	if (!is_well(s))
		return fail_open(s, err);
	s->fast = make_fast(s, vendor, f);
	return SC_OK;
}

static void close_state(void *state)
{
	struct state *s = state;

	openslide_close(s->osr);
	sc_tiff_close(s->tiff);
	sc_fast_free(s->fast);
	free(s->file);
	free(s);
}

static enum sc_status open_state(const struct sc_source_file *f, void **state,
				 struct sc_slide_info *info, struct sc_err *err)
{
	enum sc_status status = check_file(f, err);
	openslide_t *osr;
	struct state *s;

	if (status != SC_OK)
		return status;
	osr = open_handle(f);
	if (!osr)
		return SC_MISS;
	s = sc_alloc(sizeof(*s));
	*s = (struct state){ .osr = osr, .file = sc_strdup(f->file) };
	if (inspect(s, f, info, err) != SC_OK) {
		close_state(s);
		return err->status;
	}
	*state = s;
	return SC_OK;
}

static enum sc_status read_own(struct state *s, const struct sc_slide_region *r,
			       uint32_t *argb, struct sc_err *err)
{
	double ds = s->geometry.downsample[r->level];
	struct sc_tiff_window w = {
		.x = llround((double)r->x / ds),
		.y = llround((double)r->y / ds),
		.width = r->width,
		.height = r->height,
	};

	if (sc_tiff_read(s->tiff, s->directory[r->level], &w, argb, err) == SC_OK)
		return SC_OK;
	sc_log_warning("slide %s: level %d: %s", s->file, r->level, err->text);
	return sc_fail(err, err->status, "the slide's level %d cannot be read", r->level);
}

static enum sc_status read_region(void *state, const struct sc_slide_region *r,
				  uint32_t *argb, struct sc_err *err)
{
	struct state *s = state;

	if (s->verdict[r->level] == SC_TIFF_OWN)
		return read_own(s, r, argb, err);
	if (s->fast && sc_fast_read(s->fast, r, argb))
		return SC_OK;
	openslide_read_region(s->osr, argb, r->x, r->y, r->level, r->width, r->height);
	if (!is_well(s))
		return sc_fail(err, SC_UNREADABLE, "the slide's level %d cannot be read",
			       r->level);
	return SC_OK;
}

static enum sc_status list_associated(void *state, struct sc_associated_list *out,
				      struct sc_err *err)
{
	const struct state *s = state;
	const char *const *names = openslide_get_associated_image_names(s->osr);

	for (; names && *names; names++) {
		struct sc_associated one = { .name = "" };

		(void)snprintf(one.name, sizeof(one.name), "%s",
			       strlen(*names) < sizeof(one.name) ? *names : "");
		openslide_get_associated_image_dimensions(s->osr, *names, &one.width,
							  &one.height);
		sc_associated_add(out, &one);
	}
	if (!is_well(s))
		return sc_fail(err, SC_UNREADABLE,
			       "the slide's associated images cannot be listed");
	return SC_OK;
}

static enum sc_status read_associated(void *state, const struct sc_associated *which,
				      uint32_t *argb, struct sc_err *err)
{
	const struct state *s = state;

	openslide_read_associated_image(s->osr, which->name, argb);
	if (!is_well(s))
		return sc_fail(err, SC_UNREADABLE, "the slide's image %s cannot be read",
			       which->name);
	return SC_OK;
}

const struct sc_source_ops sc_source_openslide = {
	.name = "openslide",
	.open = open_state,
	.read = read_region,
	.associated = list_associated,
	.read_associated = read_associated,
	.close = close_state,
};

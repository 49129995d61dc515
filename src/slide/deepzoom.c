/* SPDX-License-Identifier: MIT */
/*
 * Deep Zoom arithmetic: which pixels of which stored level make which tile.
 *
 * Pure: numbers in, numbers out. The sequence of double operations is that of
 * openslide-python's DeepZoomGenerator, so that truncation falls on the same side; do not
 * reorder it. Must not know how pixels are read, scaled or encoded.
 */
#include "slidecache/deepzoom.h"

#include <math.h>

#define SIDE_MAX       (INT64_C(1) << 31)
#define DOWNSAMPLE_MIN 1e-6
#define SIZE_MAX_PX    (1U << 14) /* of a tile and of an overlap: keeps sums in 32 bits */

static int64_t ceil_div(int64_t a, int64_t b)
{
	return (a + b - 1) / b;
}

static int64_t at_least_1(int64_t v)
{
	return v < 1 ? 1 : v;
}

static int64_t min_i64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static bool side_ok(int64_t side)
{
	return side >= 1 && side <= SIDE_MAX;
}

static bool bounds_ok(const struct sc_geometry *g)
{
	return side_ok(g->bounds_width) && g->bounds_width <= g->width[0] &&
	       side_ok(g->bounds_height) && g->bounds_height <= g->height[0] &&
	       g->bounds_x >= 0 && g->bounds_x < g->width[0] && g->bounds_y >= 0 &&
	       g->bounds_y < g->height[0];
}

static bool geometry_ok(const struct sc_geometry *g)
{
	if (g->levels < 1 || g->levels > SC_SLIDE_LEVELS_MAX)
		return false;
	for (int i = 0; i < g->levels; i++)
		if (!side_ok(g->width[i]) || !side_ok(g->height[i]) ||
		    !(g->downsample[i] >= DOWNSAMPLE_MIN) ||
		    !(g->downsample[i] <= (double)SIDE_MAX))
			return false;
	return !g->has_bounds || bounds_ok(g);
}

/* One axis of a stored level, or of its part inside the bounds. */
static int64_t limit_side(int64_t side, bool limited, int64_t bounds_side, int64_t side0)
{
	if (!limited)
		return side;
	return (int64_t)ceil((double)side * ((double)bounds_side / (double)side0));
}

static bool is_limited(const struct sc_dz *dz, const struct sc_geometry *g)
{
	return dz->options.limit_bounds && g->has_bounds;
}

static int count_levels(int64_t width, int64_t height)
{
	int n = 1;

	for (; width > 1 || height > 1; n++) {
		width = at_least_1(ceil_div(width, 2));
		height = at_least_1(ceil_div(height, 2));
	}
	return n;
}

enum sc_status sc_dz_init(struct sc_dz *dz, const struct sc_geometry *g,
			  const struct sc_dz_options *o, struct sc_err *err)
{
	struct sc_dz d = { .options = *o };
	int64_t w, h;

	if (o->tile_size < 1 || o->tile_size > SIZE_MAX_PX || o->overlap > SIZE_MAX_PX)
		return sc_fail(err, SC_INVALID,
			       "tile size and overlap must be at most %u", SIZE_MAX_PX);
	if (!geometry_ok(g))
		return sc_fail(err, SC_UNREADABLE, "the slide has impossible dimensions");
	w = limit_side(g->width[0], is_limited(&d, g), g->bounds_width, g->width[0]);
	h = limit_side(g->height[0], is_limited(&d, g), g->bounds_height, g->height[0]);
	d.levels = count_levels(w, h);
	for (int k = d.levels - 1; k >= 0; k--) {
		d.width[k] = w;
		d.height[k] = h;
		d.cols[k] = ceil_div(w, o->tile_size);
		d.rows[k] = ceil_div(h, o->tile_size);
		w = at_least_1(ceil_div(w, 2));
		h = at_least_1(ceil_div(h, 2));
	}
	*dz = d;
	return SC_OK;
}

int sc_dz_best_level(const struct sc_geometry *g, double downsample)
{
	int level = 0;

	while (level + 1 < g->levels && g->downsample[level + 1] <= downsample)
		level++;
	/* OpenSlide answers 0 when even level 0 is too small, and stops at the first
	 * level that is smaller than wanted, also when downsamples do not ascend. */
	if (downsample < g->downsample[0])
		level = 0;
	while (level > 0 && !g->usable[level])
		level--;
	return level;
}

/* What the two axes of a tile have in common. */
struct axis {
	int64_t index;	   /* column or row */
	int64_t count;	   /* columns or rows of the Deep Zoom level */
	int64_t z_side;	   /* pixels of the Deep Zoom level */
	int64_t l_side;	   /* pixels of the stored level */
	int64_t l0_offset; /* of the bounds */
};

struct span {
	int64_t l0;   /* level 0 pixels */
	int64_t read; /* pixels of the stored level */
	int64_t size; /* pixels of the tile */
};

static struct span locate_span(const struct sc_dz_options *o, const struct axis *a,
			       double downsample, double piecewise)
{
	int64_t tile = o->tile_size;
	int64_t before = a->index != 0 ? o->overlap : 0;
	int64_t after = a->index != a->count - 1 ? o->overlap : 0;
	int64_t size = min_i64(tile, a->z_side - tile * a->index) + before + after;
	double l = piecewise * (double)(tile * a->index - before);
	double rest = (double)a->l_side - ceil(l);
	double want = ceil(piecewise * (double)size);
	struct span s = { .size = size };

	/* Odd downsamples can leave nothing of the stored level for the last tile, where
	 * the original fails: its last pixel is read instead. */
	if (rest < 1) {
		l = (double)a->l_side - 1;
		rest = 1;
	}
	s.l0 = (int64_t)(downsample * l + (double)a->l0_offset);
	s.read = at_least_1((int64_t)(want < rest ? want : rest));
	return s;
}

static enum sc_status check_address(const struct sc_dz *dz, int64_t level, int64_t col,
				    int64_t row, struct sc_err *err)
{
	if (level < 0 || level >= dz->levels)
		return sc_fail(err, SC_NOT_FOUND, "level %lld is not one of 0 to %d",
			       (long long)level, dz->levels - 1);
	if (col < 0 || col >= dz->cols[level])
		return sc_fail(err, SC_NOT_FOUND,
			       "column %lld of level %lld is not one of 0 to %lld",
			       (long long)col, (long long)level,
			       (long long)dz->cols[level] - 1);
	if (row < 0 || row >= dz->rows[level])
		return sc_fail(err, SC_NOT_FOUND,
			       "row %lld of level %lld is not one of 0 to %lld",
			       (long long)row, (long long)level,
			       (long long)dz->rows[level] - 1);
	return SC_OK;
}

enum sc_status sc_dz_tile(const struct sc_dz *dz, const struct sc_geometry *g,
			  int64_t level, int64_t col, int64_t row,
			  struct sc_dz_region *out, struct sc_err *err)
{
	bool limited = is_limited(dz, g);
	double total, ds;
	struct axis ax, ay;
	struct span x, y;
	int s;

	if (check_address(dz, level, col, row, err) != SC_OK)
		return err->status;
	total = ldexp(1, dz->levels - 1 - (int)level);
	s = sc_dz_best_level(g, total);
	ds = g->downsample[s];
	ax = (struct axis){ col, dz->cols[level], dz->width[level],
			    limit_side(g->width[s], limited, g->bounds_width,
				       g->width[0]),
			    limited ? g->bounds_x : 0 };
	ay = (struct axis){ row, dz->rows[level], dz->height[level],
			    limit_side(g->height[s], limited, g->bounds_height,
				       g->height[0]),
			    limited ? g->bounds_y : 0 };
	x = locate_span(&dz->options, &ax, ds, total / ds);
	y = locate_span(&dz->options, &ay, ds, total / ds);
	*out = (struct sc_dz_region){
		.level = s,
		.x = x.l0,
		.y = y.l0,
		.read_width = (uint32_t)x.read,
		.read_height = (uint32_t)y.read,
		.width = (uint32_t)x.size,
		.height = (uint32_t)y.size,
	};
	return SC_OK;
}

/* floor(v) or ceil(v), whichever side makes the ratio that is nearer to aspect. */
static uint32_t round_side(double v, double box, double aspect, bool v_is_width)
{
	double lo = floor(v), hi = ceil(v);
	double at_lo = v_is_width ? lo / box : (lo > 0 ? box / lo : aspect);
	double at_hi = v_is_width ? hi / box : (hi > 0 ? box / hi : aspect);
	double best = fabs(aspect - at_hi) < fabs(aspect - at_lo) ? hi : lo;

	return best < 1 ? 1 : (uint32_t)best;
}

enum sc_status sc_dz_thumbnail(const struct sc_geometry *g, uint32_t box,
			       struct sc_dz_region *out, struct sc_err *err)
{
	struct sc_dz_region r = { 0 };
	double w, h, aspect, b = box;

	if (box < 1 || box > SIZE_MAX_PX)
		return sc_fail(err, SC_INVALID, "the thumbnail's size must be 1 to %u",
			       SIZE_MAX_PX);
	if (!geometry_ok(g))
		return sc_fail(err, SC_UNREADABLE, "the slide has impossible dimensions");
	w = (double)g->width[0] / b;
	h = (double)g->height[0] / b;
	r.level = sc_dz_best_level(g, w > h ? w : h);
	r.read_width = r.width = (uint32_t)g->width[r.level];
	r.read_height = r.height = (uint32_t)g->height[r.level];
	if (r.width > box || r.height > box) {
		/* As Pillow's Image.thumbnail keeps the ratio. */
		aspect = (double)r.read_width / (double)r.read_height;
		r.width = aspect <= 1 ? round_side(b * aspect, b, aspect, true) : box;
		r.height = aspect <= 1 ? box : round_side(b / aspect, b, aspect, false);
	}
	*out = r;
	return SC_OK;
}

void sc_dz_document(const struct sc_dz *dz, const char *format, struct sc_buf *out)
{
	int last = dz->levels - 1;

	sc_buf_printf(out,
		      "<Image TileSize=\"%u\" Overlap=\"%u\" Format=\"%s\" "
		      "xmlns=\"http://schemas.microsoft.com/deepzoom/2008\">"
		      "<Size Width=\"%lld\" Height=\"%lld\" /></Image>",
		      dz->options.tile_size, dz->options.overlap, format,
		      (long long)dz->width[last], (long long)dz->height[last]);
}

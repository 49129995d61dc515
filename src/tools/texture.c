/* SPDX-License-Identifier: MIT */
/*
 * A haematoxylin and eosin section: fields of value noise say where tissue is, how dense
 * its fibres are and where glands lie; nuclei sit on a jittered grid; the two stains
 * absorb light as Beer and Lambert say. Knows nothing of files.
 */
#include "texture.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "slidecache/bytes.h"

enum field { SECTION, GLANDS, FIBRES, FIELD_COUNT };

/*
 * One octave of value noise: a lattice of random values, 2^size pixels apart, smoothly
 * interpolated. Amplitudes of a field add up to 1024, its mean is 512.
 */
struct octave {
	enum field field;
	int size; /* of coarse ones: less than the slide's own power of two */
	int amplitude;
	bool coarse;   /* size counts down from the slide's size */
	bool by_plane; /* differs between planes */
};

static const struct octave octaves[] = {
	{ SECTION, 2, 560, true, false }, { SECTION, 3, 280, true, false },
	{ SECTION, 5, 100, true, false }, { SECTION, 6, 60, false, false },
	{ SECTION, 4, 24, false, false }, { GLANDS, 8, 440, false, false },
	{ GLANDS, 7, 340, false, false }, { GLANDS, 5, 180, false, true },
	{ GLANDS, 3, 64, false, true },	  { FIBRES, 6, 300, false, true },
	{ FIBRES, 4, 300, false, true },  { FIBRES, 3, 264, false, true },
	{ FIBRES, 2, 160, false, true },
};
#define OCTAVES	   (sizeof(octaves) / sizeof(octaves[0]))
#define OCTAVE_MIN 2
#define OCTAVE_MAX 20

/* Nuclei: one at most a cell of the grid. */
#define CELL	  22
#define REACH	  10 /* pixels that a nucleus may extend from its centre */
#define CELL_ROWS 3

struct nucleus {
	int32_t x, y;
	int radius2; /* squared pixels, 0: none here */
	int across;  /* of 32; the rest is down: how elongated */
	int stain;
};

#define NOISE 4096 /* bytes of scanner noise, a power of two */

struct texture {
	struct texture_options o;
	int coarse;		     /* power of two next above the longer side */
	int32_t *field[FIELD_COUNT]; /* [width] of the current row */
	int32_t *nuclei;	     /* [width] stain of the current row */
	int32_t *vault;		     /* [width] how far from the middle, 0..1024 */
	int32_t ease[1 << 8];	     /* smooth step, 0..256 */
	struct nucleus *cell[CELL_ROWS];
	int64_t cell_row[CELL_ROWS];	      /* which one is kept in cell[i] */
	uint32_t cells;			      /* a row */
	uint16_t haem[3][256], eosin[3][256]; /* transmittance, 16 bits of fraction */
	int8_t noise[NOISE];
};

static uint32_t mix(uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t h = a * 0x9e3779b1u ^ b * 0x85ebca77u ^ c * 0xc2b2ae3du;

	h = (h ^ h >> 15) * 0x2c1b3c6du;
	h = (h ^ h >> 12) * 0x297a2d39u;
	return h ^ h >> 15;
}

/* Transmittance of 0..255 units of a stain whose optical density at 255 is density. */
static void fill_stain(uint16_t table[256], double density)
{
	for (int i = 0; i < 256; i++)
		table[i] = (uint16_t)lround(65535.0 * exp(-density * i / 255.0));
}

static void fill_tables(struct texture *t)
{
	static const double haem[3] = { 1.50, 1.75, 0.75 };
	static const double eosin[3] = { 0.14, 1.30, 0.50 };

	for (int c = 0; c < 3; c++) {
		fill_stain(t->haem[c], haem[c]);
		fill_stain(t->eosin[c], eosin[c]);
	}
	for (int i = 0; i < 256; i++)
		t->ease[i] = i * i * (3 * 256 - 2 * i) >> 16;
	for (uint32_t i = 0; i < NOISE; i++)
		t->noise[i] = (int8_t)((int)(mix(t->o.seed, i, 77) >> 24) % 5 - 2);
}

/* 0 in the middle of a side, 1024 at its ends. */
static int32_t off_middle(uint32_t at, uint32_t side)
{
	int64_t d = 2 * (int64_t)at + 1 - side;

	return (int32_t)(d * d * 1024 / ((int64_t)side * side));
}

struct texture *texture_new(const struct texture_options *o)
{
	struct texture *t = sc_alloc(sizeof(*t));
	uint32_t longer = o->width > o->height ? o->width : o->height;

	memset(t, 0, sizeof(*t));
	t->o = *o;
	while (t->coarse < OCTAVE_MAX && 1u << t->coarse < longer)
		t->coarse++;
	t->cells = o->width / CELL + 3;
	for (int f = 0; f < FIELD_COUNT; f++)
		t->field[f] = sc_alloc_array(o->width, sizeof(int32_t));
	t->nuclei = sc_alloc_array(o->width, sizeof(int32_t));
	t->vault = sc_alloc_array(o->width, sizeof(int32_t));
	for (uint32_t x = 0; x < o->width; x++)
		t->vault[x] = off_middle(x, o->width);
	for (int i = 0; i < CELL_ROWS; i++) {
		t->cell[i] = sc_alloc_array(t->cells, sizeof(struct nucleus));
		t->cell_row[i] = INT64_MIN;
	}
	fill_tables(t);
	return t;
}

void texture_free(struct texture *t)
{
	if (!t)
		return;
	for (int f = 0; f < FIELD_COUNT; f++)
		free(t->field[f]);
	for (int i = 0; i < CELL_ROWS; i++)
		free(t->cell[i]);
	free(t->nuclei);
	free(t->vault);
	free(t);
}

/* One octave's value on the lattice column gx, between the lattice rows around y. */
static int32_t lattice_value(uint32_t seed, uint32_t gx, uint32_t gy, int32_t down)
{
	int32_t top = (int32_t)(mix(seed, gx, gy) >> 24);
	int32_t bottom = (int32_t)(mix(seed, gx, gy + 1) >> 24);

	return top * 256 + (bottom - top) * down;
}

/* 0..255 within the lattice cell of 2^size pixels. */
static uint32_t phase(uint32_t at, int size)
{
	uint32_t in = at & ((1u << size) - 1);

	return size > 8 ? in >> (size - 8) : in << (8 - size);
}

static void add_octave(struct texture *t, size_t index, uint32_t y)
{
	const struct octave *o = &octaves[index];
	int size = o->coarse ? t->coarse - o->size : o->size;

	size = size < OCTAVE_MIN ? OCTAVE_MIN : size;
	uint32_t seed = mix(t->o.seed, (uint32_t)index + 1, o->by_plane ? t->o.plane : 0);
	uint32_t gy = y >> size, step = 1u << size;
	int32_t down = t->ease[phase(y, size)];
	int32_t *out = t->field[o->field];
	int32_t right = lattice_value(seed, 0, gy, down);

	for (uint32_t x = 0; x < t->o.width; x += step) {
		uint32_t n = t->o.width - x < step ? t->o.width - x : step;
		int32_t left = right;

		right = lattice_value(seed, (x >> size) + 1, gy, down);
		int32_t base = left * o->amplitude >> 8;
		int32_t delta = (right - left) * o->amplitude >> 8;
		for (uint32_t i = 0; i < n; i++)
			out[x + i] +=
				(base + (delta * t->ease[phase(i, size)] >> 8)) >> 8;
	}
}

static struct nucleus nucleus_in(const struct texture *t, uint32_t column, int64_t row)
{
	uint32_t h = mix(t->o.seed + t->o.plane * 7919, column, (uint32_t)row);
	struct nucleus n = { 0 };

	n.x = (int32_t)(column * CELL) + (int32_t)(h & 15) - 7 - CELL / 2;
	n.y = (int32_t)(row * CELL) + (int32_t)(h >> 4 & 15) - 7 + CELL / 2;
	n.across = 11 + (int)(h >> 8 & 15) * 10 / 15;
	int radius = 4 + (int)(h >> 12 & 3);
	n.radius2 = (h >> 16 & 15) < 11 ? radius * radius : 0;
	n.stain = 120 + (int)(h >> 20 & 127) * 3 / 4;
	return n;
}

/* Nuclei of one row of the grid; the rows around y are kept. */
static const struct nucleus *cells_of(struct texture *t, int64_t row)
{
	int slot = (int)((row + CELL_ROWS) % CELL_ROWS);

	if (t->cell_row[slot] == row)
		return t->cell[slot];
	for (uint32_t i = 0; i < t->cells; i++)
		t->cell[slot][i] = nucleus_in(t, i, row);
	t->cell_row[slot] = row;
	return t->cell[slot];
}

/* The stain of one nucleus in row y, darkest in the middle; the darker one wins. */
static void draw_nucleus(struct texture *t, const struct nucleus *n, uint32_t y)
{
	int dy = (int)((int64_t)y - n->y);
	int left = n->radius2 * 16 - dy * dy * (32 - n->across);

	if (left <= 0)
		return;
	for (int dx = -REACH; dx <= REACH; dx++) {
		int inside = left - dx * dx * n->across;
		int64_t x = (int64_t)n->x + dx;

		if (inside <= 0 || x < 0 || x >= t->o.width)
			continue;
		int depth = inside * 2 / (n->radius2 / 8);
		int stain = n->stain * (depth < 16 ? depth : 16) / 16;
		if (stain > t->nuclei[x])
			t->nuclei[x] = stain;
	}
}

static void draw_nuclei(struct texture *t, uint32_t y)
{
	int64_t row = y / CELL;

	memset(t->nuclei, 0, t->o.width * sizeof(*t->nuclei));
	for (int64_t r = row - 1; r <= row + 1; r++) {
		const struct nucleus *n = cells_of(t, r);

		for (uint32_t i = 0; i < t->cells; i++)
			if (n[i].radius2)
				draw_nucleus(t, &n[i], y);
	}
}

static int32_t clamp(int32_t v, int32_t most)
{
	return v < 0 ? 0 : v > most ? most : v;
}

/* How much tissue is here, 0..256: inside the section, outside the glands' lumina. */
static int32_t tissue_at(const struct texture *t, uint32_t x, int32_t vault)
{
	int32_t section = (t->field[SECTION][x] - 280 - (vault + t->vault[x]) / 2) * 16;
	int32_t lumen = (t->field[GLANDS][x] - 330) * 8;

	return clamp(section < lumen ? section : lumen, 256);
}

static void stain_pixel(const struct texture *t, uint32_t x, int32_t tissue, int noise,
			unsigned char *rgb)
{
	static const int glass[3] = { 244, 243, 245 };
	int32_t fibres = t->field[FIBRES][x], glands = t->field[GLANDS][x];
	int32_t nucleus = t->nuclei[x] * (640 + fibres / 2) >> 10;
	int32_t e = clamp((40 + fibres * 3 / 16) * tissue >> 8, 255);
	int32_t h = clamp((clamp((glands - 480) / 3, 120) + nucleus) * tissue >> 8, 255);

	for (int c = 0; c < 3; c++) {
		uint32_t light = (uint32_t)t->haem[c][h] * t->eosin[c][e] >> 16;

		rgb[c] = (unsigned char)((int)(light * (uint32_t)glass[c] >> 16) + noise);
	}
}

void texture_row(struct texture *t, uint32_t y, unsigned char *rgb)
{
	int32_t vault = off_middle(y, t->o.height);
	uint32_t at = mix(t->o.seed, y, t->o.plane + 5);

	for (int f = 0; f < FIELD_COUNT; f++)
		memset(t->field[f], 0, t->o.width * sizeof(int32_t));
	for (size_t i = 0; i < OCTAVES; i++)
		add_octave(t, i, y);
	draw_nuclei(t, y);
	for (uint32_t x = 0; x < t->o.width; x++)
		stain_pixel(t, x, tissue_at(t, x, vault), t->noise[(x + at) % NOISE],
			    rgb + (size_t)x * 3);
}

/* SPDX-License-Identifier: MIT */
/*
 * What a run has done and has left, for people: EXACT's object of levels, the time left.
 */
#include <math.h>
#include <stdio.h>

#include "slidecache/json.h"
#include "slidecache/warm.h"

#define MIB	    (1024.0 * 1024.0)
#define SECONDS_MAX 1e12 /* longer is no answer */

static void put_level(struct sc_buf *out, int level, const struct sc_warm_level *of,
		      const struct sc_warm_level *sum)
{
	char key[16];

	(void)snprintf(key, sizeof(key), "%d", level);
	sc_json_key(out, key);
	sc_json_begin(out, '{');
	sc_json_key(out, "Level");
	sc_json_int(out, level);
	sc_json_key(out, "Size_MB");
	sc_json_double(out, (double)sum->bytes / MIB);
	sc_json_key(out, "Tiles");
	sc_json_begin(out, '[');
	sc_json_int(out, of->cols);
	sc_json_int(out, of->rows);
	sc_json_end(out, ']');
	sc_json_key(out, "Total");
	sc_json_int(out, sum->tiles);
	sc_json_key(out, "Sec.");
	sc_json_double(out, (double)of->us / 1e6);
	sc_json_end(out, '}');
}

void sc_warm_levels_json(const struct sc_warm_progress *p, struct sc_buf *out)
{
	struct sc_warm_level sum = { .tiles = 0 };

	for (int l = 0; l < p->levels && l <= p->level; l++) {
		sum.tiles += p->by_level[l].tiles;
		sum.bytes += p->by_level[l].bytes;
		put_level(out, l, &p->by_level[l], &sum);
	}
}

int64_t sc_warm_missing_tiles(const struct sc_warm_progress *p)
{
	int64_t n = p->total_tiles - p->tiles - p->skipped_tiles - p->failed_tiles;

	return n > 0 ? n : 0;
}

int64_t sc_warm_left_s(const struct sc_warm_progress *p)
{
	int64_t left = p->planned_tiles - p->tiles;
	double seconds = ceil((double)left / p->tiles_per_s);

	if (p->levels > 0 && left <= 0)
		return 0;
	if (p->levels == 0 || !(p->tiles_per_s > 0) || !(seconds < SECONDS_MAX))
		return -1;
	return (int64_t)seconds;
}

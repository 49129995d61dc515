/* SPDX-License-Identifier: MIT */
/*
 * Warms a whole slide, all levels, into an embedded cache of its own, on all cores;
 * prints what the run stored and what the process spent: tiles, stored bytes, seconds,
 * CPU seconds, kilobytes of memory at most.
 *
 * warm_all SLIDE DIR BLANK, where DIR is an empty folder for state and cache, and BLANK
 * is "true" or "false": whether tiles of one colour are kept as references.
 */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "slidecache/app.h"
#include "slidecache/clock.h"
#include "slidecache/warm.h"

#define NO_BUDGET ((uint64_t)1 << 40)
#define PATIENT	  60000 /* milliseconds */

static struct sc_err err;

static void check(enum sc_status status)
{
	if (!status)
		return;
	fprintf(stderr, "warm_all: %s\n", err.text);
	exit(1);
}

static struct sc_conf *configure(const char *slide, const char *dir, const char *blank)
{
	struct sc_conf *conf = sc_conf_new();
	char *copy = sc_strdup(slide);

	check(sc_conf_set(conf, "slides.root", dirname(copy), &err));
	check(sc_conf_set(conf, "state_dir", dir, &err));
	check(sc_conf_set(conf, "cache_dir", dir, &err));
	check(sc_conf_set(conf, "deepzoom.blank_references", blank, &err));
	check(sc_conf_finish(conf, &err));
	free(copy);
	return conf;
}

static void open_tools(const struct sc_conf *conf, struct sc_warm_tools *out)
{
	static const char *const names[] = { "tiles", "thumbnails", "slides" };
	struct sc_cache_options o = sc_app_cache_options(conf, SC_CACHE_TILES);

	*out = (struct sc_warm_tools){ .conf = conf };
	check(sc_app_versions_open(conf, PATIENT, PATIENT, &out->versions, &err));
	check(sc_versions_start(out->versions, names, sizeof(names) / sizeof(names[0]),
				&err));
	check(sc_cache_open(&o, &out->cache, &err));
}

static bool go_on(void *arg, const struct sc_warm_progress *p)
{
	(void)arg;
	(void)p;
	return true;
}

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static void print(const struct sc_warm_progress *p, int64_t us)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	printf("%lld tiles %llu bytes %.6f s %.6f s of CPU %ld kB\n", (long long)p->tiles,
	       (unsigned long long)p->bytes, (double)us / 1e6,
	       seconds(&u.ru_utime) + seconds(&u.ru_stime), u.ru_maxrss);
}

static void warm(const char *slide, const char *dir, const char *blank)
{
	const struct sc_warm_request want = {
		.image = 1, .z = 1, .frame = 1, .budget_bytes = NO_BUDGET
	};
	struct sc_conf *conf = configure(slide, dir, blank);
	char *copy = sc_strdup(slide);
	struct sc_image image = { .id = 1, .depth = 1, .frames = 1 };
	struct sc_warm_progress progress = { .epoch = 0 };
	struct sc_warm_tools tools;
	int64_t start = sc_mono_us();

	image.name = image.file = basename(copy);
	open_tools(conf, &tools);
	check(sc_warm_run(&tools, &image, &want, &progress, go_on, NULL, &err));
	print(&progress, sc_mono_us() - start);
	if (progress.failed_tiles || progress.tiles != progress.total_tiles) {
		fprintf(stderr, "warm_all: %lld of %lld tiles, %lld failed %s\n",
			(long long)progress.tiles, (long long)progress.total_tiles,
			(long long)progress.failed_tiles, progress.failure);
		exit(1);
	}
	sc_cache_close(tools.cache);
	sc_versions_close(tools.versions);
	sc_conf_free(conf);
	free(copy);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: warm_all SLIDE DIR true|false\n");
		return 2;
	}
	warm(argv[1], argv[2], argv[3]);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Whether a clock tells how much of a token's hash was right: looks up hashes that are
 * wrong at their first byte and such that are wrong at their last, in random order:
 * Welch's t of the two kinds' times.
 *
 * token_compare table|memcmp SAMPLES FILE
 *
 * prints "T NS NS": t, and what a lookup of each kind takes. FILE: of tokens, to be made;
 * memcmp: the same with the C library's comparison, to see whether the measurement would
 * show it. A sample is REPEATS lookups; those that were interrupted, as their time says,
 * are left out.
 */
#include <math.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "access/token_table.h"
#include "slidecache/clock.h"
#include "slidecache/parse.h"

#define REPEATS	   16
#define WARM_UP	   10000
#define OUTLIER	   3 /* times the mean of the warm-up */
#define SAMPLE_MAX 100000000

/* Of one kind's times: Welford's sums. */
struct times {
	double n, mean, squares;
};

static struct sc_token_table *table;
static unsigned char known[SC_HASH256_LEN];
static const void *volatile kept; /* so that no call is left out */
static int (*volatile compare)(const void *a, const void *b, size_t n) = memcmp;

static void give_up(const char *what)
{
	fprintf(stderr, "token_compare: %s\n", what);
	_exit(1);
}

/* One token, as the service has it. */
static void fill_table(const char *file)
{
	struct sc_token want = { .name = "one", .rights = SC_RIGHT_READ };
	char text[SC_TOKEN_TEXT_LEN];
	struct sc_err err;

	table = sc_token_table_new(file);
	if (sc_tokens_add(file, &want, (gid_t)-1, text, &err) ||
	    sc_token_table_refresh(table, &err))
		give_up(err.text);
	sc_token_hash(text, known);
	if (!sc_token_table_find(table, known))
		give_up("the table does not have it");
}

static void look_up_table(const unsigned char *hash)
{
	kept = sc_token_table_find(table, hash);
}

static void look_up_memcmp(const unsigned char *hash)
{
	kept = compare(known, hash, sizeof(known)) == 0 ? known : NULL;
}

/* Both kinds lie in the same place when they are looked up. */
static double sample(void (*look_up)(const unsigned char *hash), bool last)
{
	unsigned char hash[SC_HASH256_LEN];
	struct timespec from, to;

	memcpy(hash, known, sizeof(hash));
	hash[last ? sizeof(hash) - 1 : 0] ^= 0xff;
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < REPEATS; i++)
		look_up(hash);
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	return (double)(to.tv_sec - from.tv_sec) * 1e9 +
	       (double)(to.tv_nsec - from.tv_nsec);
}

static void add_time(struct times *t, double ns)
{
	double off = ns - t->mean;

	t->n++;
	t->mean += off / t->n;
	t->squares += off * (ns - t->mean);
}

static double error_of(const struct times *t)
{
	return t->squares / (t->n - 1) / t->n;
}

static void measure(void (*look_up)(const unsigned char *hash), uint64_t samples)
{
	struct times kinds[2] = { { 0 } }, warm = { 0 };
	unsigned char random[4096];

	for (int i = 0; i < WARM_UP; i++)
		add_time(&warm, sample(look_up, i % 2));
	for (uint64_t i = 0; i < samples; i++) {
		size_t bit = i % (8 * sizeof(random));
		bool last = false;
		double ns = 0;

		if (bit == 0)
			sc_random_bytes(random, sizeof(random));
		last = random[bit / 8] >> bit % 8 & 1;
		ns = sample(look_up, last);
		if (ns < OUTLIER * warm.mean)
			add_time(&kinds[last], ns);
	}
	printf("%.3f %.2f %.2f\n",
	       (kinds[0].mean - kinds[1].mean) /
		       sqrt(error_of(&kinds[0]) + error_of(&kinds[1])),
	       kinds[0].mean / REPEATS, kinds[1].mean / REPEATS);
}

int main(int argc, char **argv)
{
	uint64_t samples = 0;

	if (argc != 4 || !sc_parse_u64(sc_bytes_str(argv[2]), SAMPLE_MAX, &samples))
		give_up("usage: token_compare table|memcmp SAMPLES FILE");
	fill_table(argv[3]);
	if (strcmp(argv[1], "memcmp") == 0)
		measure(look_up_memcmp, samples);
	else
		measure(look_up_table, samples);
	sc_token_table_free(table);
	return 0;
}

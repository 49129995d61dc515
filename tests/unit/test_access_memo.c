/* SPDX-License-Identifier: MIT */
/*
 * src/access: what is remembered of passwords, by a clock of the test's, and whatever
 * others write into the memory.
 */
#include "tests/lib/check.h"

#include <stdio.h>
#include <sys/mman.h>

#include "access/memo.h"
#include "tests/lib/child.h"

#define NOW (1000 * SC_US_PER_S)

static const unsigned char key[SC_MAC_KEY_LEN] = "one";
static const unsigned char other_key[SC_MAC_KEY_LEN] = "two";

static struct sc_memo_id id_of(unsigned n)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "u%u", n);
	return sc_memo_id(name, "password", "hash", key);
}

/* Another id that falls into the same set. */
static struct sc_memo_id neighbour_of(const struct sc_memo_id *id, unsigned n)
{
	struct sc_memo_id other = *id;

	other.word[0] += (uint64_t)n * SC_MEMO_SETS;
	return other;
}

static struct sc_memo *new_memo(void)
{
	return sc_alloc(sizeof(struct sc_memo));
}

static void an_id_depends_on_every_byte(void **state)
{
	static const struct {
		const char *user, *password, *hash;
	} rows[] = {
		{ "ab", "c", "d" }, { "a", "bc", "d" }, { "ab", "cd", "" },
		{ "ab", "c", "" },  { "ab", "", "cd" }, { "ab", "c", "e" },
		{ "", "abc", "d" }, { "ab", "C", "d" }, { "", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t j = 0; j < COUNT_OF(rows); j++) {
			struct sc_memo_id a = sc_memo_id(rows[i].user, rows[i].password,
							 rows[i].hash, key);
			struct sc_memo_id b = sc_memo_id(rows[j].user, rows[j].password,
							 rows[j].hash, key);

			assert_int_equal(memcmp(&a, &b, sizeof(a)) == 0, i == j);
		}
	struct sc_memo_id a = sc_memo_id("ab", "c", "d", key);
	struct sc_memo_id b = sc_memo_id("ab", "c", "d", other_key);
	assert_memory_not_equal(&a, &b, sizeof(a));
}

static void it_is_remembered_for_its_time(void **state)
{
	static const struct {
		bool right;
		int64_t after_us;
		enum sc_memory known;
	} rows[] = {
		{ true, 0, SC_MEMO_RIGHT },
		{ true, SC_MEMO_RIGHT_US - 1, SC_MEMO_RIGHT },
		{ true, SC_MEMO_RIGHT_US, SC_MEMO_NOTHING },
		{ true, 10 * SC_MEMO_RIGHT_US, SC_MEMO_NOTHING },
		{ false, 0, SC_MEMO_WRONG },
		{ false, SC_MEMO_WRONG_US - 1, SC_MEMO_WRONG },
		{ false, SC_MEMO_WRONG_US, SC_MEMO_NOTHING },
		/* Kept for longer than a life: not by us. */
		{ true, -1, SC_MEMO_NOTHING },
	};
	struct sc_memo_id id = id_of(1);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		SC_AUTO_FREE struct sc_memo *m = new_memo();

		sc_memo_keep(m, &id, rows[i].right, key, NOW);
		if (sc_memo_find(m, &id, key, NOW + rows[i].after_us) != rows[i].known)
			fail_msg("row %zu", i);
	}
}

/* A minute after its last use; but looked at again after ten, and wrong ones after one.
 */
static void a_right_one_is_renewed_by_use(void **state)
{
	static const struct {
		bool right;
		int64_t step_us, lasts_us;
	} rows[] = {
		{ true, SC_MEMO_RIGHT_US / 2, SC_MEMO_MOST_US },
		{ true, SC_MEMO_RIGHT_US - SC_MEMO_STEP_US, SC_MEMO_MOST_US },
		{ true, SC_MEMO_STEP_US / 2, SC_MEMO_MOST_US },
		{ true, SC_MEMO_RIGHT_US + 1, SC_MEMO_RIGHT_US },
		{ false, SC_MEMO_WRONG_US / 4, SC_MEMO_WRONG_US },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		SC_AUTO_FREE struct sc_memo *m = new_memo();
		struct sc_memo_id id = id_of(1);
		int64_t at = 0;

		sc_memo_keep(m, &id, rows[i].right, key, NOW);
		while (sc_memo_find(m, &id, key, NOW + at) != SC_MEMO_NOTHING)
			at += rows[i].step_us;
		if (at < rows[i].lasts_us || at >= rows[i].lasts_us + rows[i].step_us)
			fail_msg("row %zu: %lld", i, (long long)at);
	}
}

static void the_newer_of_two_counts(void **state)
{
	SC_AUTO_FREE struct sc_memo *m = new_memo();
	struct sc_memo_id id = id_of(1);

	(void)state;
	for (int i = 0; i < 2 * SC_MEMO_WAYS; i++)
		sc_memo_keep(m, &id, true, key, NOW + i);
	/* One record, not all of its set. */
	for (unsigned n = 1; n < SC_MEMO_WAYS; n++) {
		struct sc_memo_id other = neighbour_of(&id, n);

		sc_memo_keep(m, &other, true, key, NOW + 100);
	}
	assert_int_equal(sc_memo_find(m, &id, key, NOW + SC_MEMO_RIGHT_US + 1),
			 SC_MEMO_RIGHT);
}

static void nothing_without_the_key(void **state)
{
	SC_AUTO_FREE struct sc_memo *m = new_memo();
	struct sc_memo_id id = id_of(1);

	(void)state;
	sc_memo_keep(m, &id, true, other_key, NOW);
	assert_int_equal(sc_memo_find(m, &id, key, NOW), SC_MEMO_NOTHING);
	/* A wrong one, moved to where right ones are. */
	sc_memo_keep(m, &id, false, key, NOW);
	m->right = m->wrong;
	assert_int_equal(sc_memo_find(m, &id, key, NOW), SC_MEMO_WRONG);
}

static void wrong_ones_push_out_no_right_one(void **state)
{
	SC_AUTO_FREE struct sc_memo *m = new_memo();
	struct sc_memo_id id = id_of(0);

	(void)state;
	sc_memo_keep(m, &id, true, key, NOW);
	for (unsigned n = 1; n <= 100000; n++) {
		struct sc_memo_id other = id_of(n);

		sc_memo_keep(m, &other, false, key, NOW + n);
	}
	assert_int_equal(sc_memo_find(m, &id, key, NOW), SC_MEMO_RIGHT);
}

static void a_full_set_loses_the_oldest(void **state)
{
	SC_AUTO_FREE struct sc_memo *m = new_memo();
	struct sc_memo_id id = id_of(0);

	(void)state;
	for (unsigned n = 0; n <= SC_MEMO_WAYS; n++) {
		struct sc_memo_id other = neighbour_of(&id, n);

		sc_memo_keep(m, &other, true, key, NOW + n);
	}
	for (unsigned n = 0; n <= SC_MEMO_WAYS; n++) {
		struct sc_memo_id other = neighbour_of(&id, n);

		assert_int_equal(sc_memo_find(m, &other, key, NOW + 100),
				 n == 0 ? SC_MEMO_NOTHING : SC_MEMO_RIGHT);
	}
}

static struct sc_memo_record *record_of(struct sc_memo *m, const struct sc_memo_id *id)
{
	struct sc_memo_record *set = m->right.records[id->word[0] % SC_MEMO_SETS];

	for (size_t i = 0; i < SC_MEMO_WAYS; i++)
		if (memcmp(&set[i].id, id, sizeof(*id)) == 0)
			return &set[i];
	fail_msg("there is no record");
	return NULL;
}

static void a_changed_bit_makes_it_none(void **state)
{
	SC_AUTO_FREE struct sc_memo *m = new_memo();
	struct sc_memo_id id = id_of(1);
	unsigned char *bytes = NULL;

	(void)state;
	sc_memo_keep(m, &id, true, key, NOW);
	bytes = (unsigned char *)record_of(m, &id);
	for (size_t bit = 0; bit < 8 * sizeof(struct sc_memo_record); bit++) {
		bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
		if (sc_memo_find(m, &id, key, NOW) != SC_MEMO_NOTHING)
			fail_msg("bit %zu", bit);
		bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
	}
	assert_int_equal(sc_memo_find(m, &id, key, NOW), SC_MEMO_RIGHT);
}

/* As a process writes that is somebody else's: nobody becomes known by it, and what is
 * kept afterwards is. */
static void garbage_makes_nobody_known(void **state)
{
	SC_AUTO_FREE struct sc_memo *m = new_memo();
	unsigned char *bytes = (unsigned char *)m;
	uint64_t seed = 7;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct sc_memo_id id = id_of(round);

		for (size_t i = 0; i + 8 <= sizeof(*m); i += 8) {
			uint64_t word = next_random(&seed);

			memcpy(bytes + i, &word, sizeof(word));
		}
		assert_int_equal(sc_memo_find(m, &id, key, NOW), SC_MEMO_NOTHING);
		/* All that a record says, but for what needs the key. */
		m->right.records[id.word[0] % SC_MEMO_SETS][round % SC_MEMO_WAYS].id = id;
		m->right.records[id.word[0] % SC_MEMO_SETS][round % SC_MEMO_WAYS]
			.until_us = NOW + 1;
		assert_int_equal(sc_memo_find(m, &id, key, NOW), SC_MEMO_NOTHING);
		sc_memo_keep(m, &id, true, key, NOW);
		assert_int_equal(sc_memo_find(m, &id, key, NOW), SC_MEMO_RIGHT);
	}
}

/* ----- processes ----- */

#define WRITERS 3
#define ROUNDS	20000

struct shared {
	struct sc_memo memo;
	int running;
};

struct writer {
	struct shared *shared;
	unsigned number;
};

/* All into one set, so that they write over one another. */
static bool write_on(void *arg)
{
	const struct writer *w = arg;
	struct sc_memo_id base = id_of(0);

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct sc_memo_id id = neighbour_of(&base, i % (2 * SC_MEMO_WAYS));

		sc_memo_keep(&w->shared->memo, &id, true, key, NOW + i);
	}
	__atomic_fetch_sub(&w->shared->running, 1, __ATOMIC_RELEASE);
	return true;
}

/* Whatever of two writers' records lies mixed: who was never kept is not known. */
static void processes_write_over_one_another(void **state)
{
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct writer w[WRITERS];
	pid_t pids[WRITERS];
	struct sc_memo_id base = id_of(0);

	(void)state;
	assert_true(s != MAP_FAILED);
	s->running = WRITERS;
	for (unsigned i = 0; i < WRITERS; i++) {
		w[i] = (struct writer){ s, i };
		pids[i] = child_start(write_on, &w[i]);
	}
	while (__atomic_load_n(&s->running, __ATOMIC_ACQUIRE) > 0)
		for (unsigned n = 0; n < 8 * SC_MEMO_WAYS; n++) {
			struct sc_memo_id id = neighbour_of(&base, n);
			enum sc_memory known =
				sc_memo_find(&s->memo, &id, key, NOW + ROUNDS);

			assert_true(known == SC_MEMO_NOTHING ||
				    (known == SC_MEMO_RIGHT && n < 2 * SC_MEMO_WAYS));
		}
	for (unsigned i = 0; i < WRITERS; i++)
		assert_true(child_ok(pids[i]));
	sc_memo_keep(&s->memo, &base, true, key, NOW + ROUNDS);
	assert_int_equal(sc_memo_find(&s->memo, &base, key, NOW + ROUNDS), SC_MEMO_RIGHT);
	(void)munmap(s, sizeof(*s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_depends_on_every_byte),
		cmocka_unit_test(it_is_remembered_for_its_time),
		cmocka_unit_test(a_right_one_is_renewed_by_use),
		cmocka_unit_test(the_newer_of_two_counts),
		cmocka_unit_test(nothing_without_the_key),
		cmocka_unit_test(wrong_ones_push_out_no_right_one),
		cmocka_unit_test(a_full_set_loses_the_oldest),
		cmocka_unit_test(a_changed_bit_makes_it_none),
		cmocka_unit_test(garbage_makes_nobody_known),
		cmocka_unit_test(processes_write_over_one_another),
	};

	return cmocka_run_group_tests_name("memo", tests, NULL, NULL);
}

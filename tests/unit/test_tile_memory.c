/* SPDX-License-Identifier: MIT */
/*
 * The memory of decoded tiles: its bound, who makes room, what goes with its owner.
 */
#include <string.h>

#include "slide/tile_memory.h"
#include "tests/lib/check.h"

#define PIXELS 1000u
#define BYTES  (PIXELS * sizeof(uint32_t))

static struct sc_tile_key key_of(uint64_t owner, uint32_t directory, uint32_t tile)
{
	return (struct sc_tile_key){ owner, directory, tile };
}

static void put(struct sc_tile_memory *m, struct sc_tile_key key, uint32_t value)
{
	uint32_t *room = sc_tile_memory_add(m, &key, PIXELS);

	assert_non_null(room);
	for (uint32_t i = 0; i < PIXELS; i++)
		room[i] = value + i;
}

/* 0: not there. */
static uint32_t value_of(struct sc_tile_memory *m, struct sc_tile_key key)
{
	const uint32_t *found = sc_tile_memory_find(m, &key);

	for (uint32_t i = 0; found && i < PIXELS; i++)
		assert_int_equal(found[i], found[0] + i);
	return found ? found[0] : 0;
}

static void keeps_by_key(void **state)
{
	struct sc_tile_memory *m = sc_tile_memory_new(1 << 20);
	uint64_t a = sc_tile_memory_owner(m), b = sc_tile_memory_owner(m);

	(void)state;
	assert_true(a != b);
	assert_int_equal(value_of(m, key_of(a, 0, 0)), 0);
	put(m, key_of(a, 0, 0), 1000000);
	put(m, key_of(b, 0, 0), 2000000);
	put(m, key_of(a, 1, 0), 3000000);
	put(m, key_of(a, 0, 1), 4000000);
	assert_int_equal(value_of(m, key_of(a, 0, 0)), 1000000);
	assert_int_equal(value_of(m, key_of(b, 0, 0)), 2000000);
	assert_int_equal(value_of(m, key_of(a, 1, 0)), 3000000);
	assert_int_equal(value_of(m, key_of(a, 0, 1)), 4000000);
	assert_int_equal(value_of(m, key_of(b, 1, 0)), 0);
	sc_tile_memory_free(m);
}

/* Many tiles, so that buckets are shared; never more bytes than allowed, and the bound
 * is made use of. */
static void keeps_to_its_bound(void **state)
{
	const size_t max = 1 << 20;
	struct sc_tile_memory *m = sc_tile_memory_new(max);
	uint64_t owner = sc_tile_memory_owner(m);
	uint32_t kept = 0;

	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		struct sc_tile_key key = key_of(owner, i % 3, i);
		size_t pixels = i % 300;
		uint32_t *room = sc_tile_memory_add(m, &key, pixels);

		assert_non_null(room);
		memset(room, 1, pixels * sizeof(*room));
		assert_true(sc_tile_memory_used(m) <= max);
	}
	assert_true(sc_tile_memory_used(m) > max - 2000);
	for (uint32_t i = 0; i < 20000; i++) {
		struct sc_tile_key key = key_of(owner, i % 3, i);

		kept += sc_tile_memory_find(m, &key) != NULL;
		assert_true(kept == 0 || sc_tile_memory_find(m, &key));
	}
	assert_true(kept > 1000 && kept < 20000);
	sc_tile_memory_free(m);
}

static void the_least_recently_used_makes_room(void **state)
{
	struct sc_tile_memory *m = sc_tile_memory_new(4 * (BYTES + 200));
	uint64_t owner = sc_tile_memory_owner(m);

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		put(m, key_of(owner, 0, i), 1000 * (i + 1));
	assert_int_equal(value_of(m, key_of(owner, 0, 0)), 1000);
	assert_int_equal(value_of(m, key_of(owner, 0, 2)), 3000);
	put(m, key_of(owner, 0, 4), 5000);
	assert_int_equal(value_of(m, key_of(owner, 0, 1)), 0);
	put(m, key_of(owner, 0, 5), 6000);
	assert_int_equal(value_of(m, key_of(owner, 0, 3)), 0);
	put(m, key_of(owner, 0, 6), 7000);
	assert_int_equal(value_of(m, key_of(owner, 0, 0)), 0);
	assert_int_equal(value_of(m, key_of(owner, 0, 2)), 3000);
	assert_int_equal(value_of(m, key_of(owner, 0, 4)), 5000);
	assert_int_equal(value_of(m, key_of(owner, 0, 6)), 7000);
	sc_tile_memory_free(m);
}

static void too_large_for_it_changes_nothing(void **state)
{
	struct sc_tile_memory *m = sc_tile_memory_new(2 * BYTES);
	uint64_t owner = sc_tile_memory_owner(m);
	struct sc_tile_key key = key_of(owner, 0, 1);

	(void)state;
	put(m, key_of(owner, 0, 0), 1);
	assert_null(sc_tile_memory_add(m, &key, 2 * PIXELS));
	assert_null(sc_tile_memory_add(m, &key, SIZE_MAX / 4));
	assert_null(sc_tile_memory_add(m, &key, SIZE_MAX));
	assert_int_equal(value_of(m, key_of(owner, 0, 0)), 1);
	assert_null(sc_tile_memory_find(m, &key));
	sc_tile_memory_free(m);
}

static void one_is_removed(void **state)
{
	struct sc_tile_memory *m = sc_tile_memory_new(1 << 20);
	uint64_t owner = sc_tile_memory_owner(m);
	struct sc_tile_key key = key_of(owner, 0, 1);

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		put(m, key_of(owner, 0, i), 1000 * (i + 1));
	sc_tile_memory_remove(m, &key);
	sc_tile_memory_remove(m, &key);
	assert_int_equal(value_of(m, key_of(owner, 0, 0)), 1000);
	assert_int_equal(value_of(m, key), 0);
	assert_int_equal(value_of(m, key_of(owner, 0, 2)), 3000);
	put(m, key, 9000);
	assert_int_equal(value_of(m, key), 9000);
	sc_tile_memory_free(m);
}

static void all_of_an_owner_go(void **state)
{
	struct sc_tile_memory *m = sc_tile_memory_new(4 << 20);
	uint64_t owners[3];

	(void)state;
	for (int o = 0; o < 3; o++)
		owners[o] = sc_tile_memory_owner(m);
	for (uint32_t i = 0; i < 300; i++)
		put(m, key_of(owners[i % 3], i % 2, i), i + 1);
	sc_tile_memory_drop(m, owners[1]);
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(value_of(m, key_of(owners[i % 3], i % 2, i)),
				 i % 3 == 1 ? 0 : i + 1);
	sc_tile_memory_drop(m, owners[0]);
	sc_tile_memory_drop(m, owners[2]);
	assert_int_equal(sc_tile_memory_used(m), 0);
	put(m, key_of(owners[0], 0, 0), 5);
	assert_int_equal(value_of(m, key_of(owners[0], 0, 0)), 5);
	sc_tile_memory_free(m);
	sc_tile_memory_free(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_by_key),
		cmocka_unit_test(keeps_to_its_bound),
		cmocka_unit_test(the_least_recently_used_makes_room),
		cmocka_unit_test(too_large_for_it_changes_nothing),
		cmocka_unit_test(one_is_removed),
		cmocka_unit_test(all_of_an_owner_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

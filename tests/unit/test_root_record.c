/* SPDX-License-Identifier: MIT */
/*
 * The items that versions on memcached are kept in (src/version/root_record.h): what was
 * written is read, and nothing else is.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include "slidecache/hash.h"
#include "src/version/record.h"
#include "src/version/root_record.h"
#include "tests/lib/check.h"
#include "tests/lib/child.h"

static const struct sc_bytes root_key = { (const unsigned char *)"exact:versions", 14 };
static const struct sc_bytes image_key = { (const unsigned char *)"exact:image/7", 13 };

static struct sc_version version_of(const char *name, const char *version)
{
	struct sc_version v = { .previous = "Previou0",
				.changed_at_us = 1700000000123456,
				.changed_by = "slidecachectl (root)" };

	(void)snprintf(v.name, sizeof v.name, "%s", name);
	(void)snprintf(v.version, sizeof v.version, "%s", version);
	return v;
}

static void put(struct sc_version_set *set, const char *name, const char *version)
{
	struct sc_version v = version_of(name, version);

	sc_version_set_put(set, &v);
}

static struct sc_root sample_root(void)
{
	struct sc_root root = { .incarnation = 0x1122334455667788,
				.serial = 1700000000000001,
				.rolled = 1600000000000000,
				.base = "aZ09bY18" };

	put(&root.names, "tiles", "AAAAAAA1");
	put(&root.names, "acl", "AAAAAAA2");
	put(&root.names, "slides", "AAAAAAA3");
	put(&root.names, "#origin", "AAAAAAA6");
	put(&root.names, "#site/0002_reports", "AAAAAAA7");
	put(&root.pending, "image/7", "AAAAAAA4");
	put(&root.pending, "image/10", "AAAAAAA5");
	return root;
}

static void assert_same_version(const struct sc_version *a, const struct sc_version *b)
{
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->version, b->version);
	assert_string_equal(a->previous, b->previous);
	assert_string_equal(a->changed_by, b->changed_by);
	assert_true(a->changed_at_us == b->changed_at_us);
}

static void assert_same_set(const struct sc_version_set *a,
			    const struct sc_version_set *b)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++)
		assert_same_version(&a->items[i], &b->items[i]);
}

static void test_set(void **state)
{
	struct sc_version_set set = { .items = NULL };
	struct sc_version_set copy = { .items = NULL };
	static const char *const sorted[] = { "a", "b", "c", "d" };

	(void)state;
	assert_null(sc_version_set_find(&set, "a"));
	sc_version_set_remove(&set, "a");
	sc_version_set_copy(&copy, &set);
	assert_int_equal(copy.n, 0);
	put(&set, "c", "AAAAAAA1");
	put(&set, "a", "AAAAAAA1");
	put(&set, "d", "AAAAAAA1");
	put(&set, "b", "AAAAAAA1");
	put(&set, "c", "AAAAAAA2");
	assert_int_equal(set.n, 4);
	for (size_t i = 0; i < set.n; i++)
		assert_string_equal(set.items[i].name, sorted[i]);
	assert_string_equal(sc_version_set_find(&set, "c")->version, "AAAAAAA2");
	sc_version_set_copy(&copy, &set);
	sc_version_set_remove(&set, "c");
	assert_null(sc_version_set_find(&set, "c"));
	assert_int_equal(set.n, 3);
	assert_int_equal(copy.n, 4);
	sc_version_set_release(&set);
	sc_version_set_release(&copy);
}

static void test_root(void **state)
{
	struct sc_root root = sample_root();
	struct sc_root back;
	SC_AUTO_BUF stored = SC_BUF_INIT;

	(void)state;
	sc_root_encode(&root, root_key, &stored);
	assert_true(sc_root_decode(sc_buf_bytes(&stored), root_key, &back));
	assert_true(back.incarnation == root.incarnation);
	assert_true(back.serial == root.serial);
	assert_true(back.rolled == root.rolled);
	assert_string_equal(back.base, root.base);
	assert_same_set(&back.names, &root.names);
	assert_same_set(&back.pending, &root.pending);
	sc_root_release(&root);
	sc_root_release(&back);
}

static void fill_actors(struct sc_version_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		memset(set->items[i].changed_by, 'x',
		       sizeof set->items[i].changed_by - 1);
}

/* The largest root there may be fits into an item of memcached's default size. */
static void test_largest(void **state)
{
	struct sc_root root = { .base = "aZ09bY18" };
	struct sc_root back;
	SC_AUTO_BUF stored = SC_BUF_INIT;
	char name[SC_VERSION_NAME_MAX + 1];

	(void)state;
	for (int i = 0; i < SC_ROOT_NAMES_MAX; i++) {
		(void)snprintf(name, sizeof name, "%0128d", i);
		put(&root.names, name, "AAAAAAA1");
	}
	for (int i = 0; i < SC_ROOT_PENDING_MAX; i++) {
		(void)snprintf(name, sizeof name, "image/%lld", INT64_MAX - i * 1LL);
		put(&root.pending, name, "AAAAAAA1");
	}
	fill_actors(&root.names);
	fill_actors(&root.pending);
	sc_root_encode(&root, root_key, &stored);
	assert_in_range(stored.len, 1, 1000000);
	assert_true(sc_root_decode(sc_buf_bytes(&stored), root_key, &back));
	assert_same_set(&back.names, &root.names);
	assert_same_set(&back.pending, &root.pending);
	sc_root_release(&root);
	sc_root_release(&back);
}

static struct sc_image_record sample_image(void)
{
	return (struct sc_image_record){ .incarnation = 0x8877665544332211,
					 .serial = 1700000000000002,
					 .base = "aZ09bY18",
					 .version = version_of("image/7", "BBBBBBB1") };
}

static void test_image(void **state)
{
	struct sc_image_record image = sample_image();
	struct sc_image_record back;
	SC_AUTO_BUF stored = SC_BUF_INIT;

	(void)state;
	sc_image_record_encode(&image, image_key, &stored);
	assert_true(sc_image_record_decode(sc_buf_bytes(&stored), image_key, "image/7",
					   &back));
	assert_true(back.incarnation == image.incarnation);
	assert_true(back.serial == image.serial);
	assert_string_equal(back.base, image.base);
	assert_same_version(&back.version, &image.version);
}

/* The end of an item: the checksum of it and its key. */
static void close_item(struct sc_buf *item, struct sc_bytes key)
{
	uint64_t both[] = { sc_hash64(sc_buf_bytes(item)), sc_hash64(key) };
	uint64_t sum = htole64(sc_hash64(sc_bytes_of(both, sizeof both)));

	sc_buf_append(item, &sum, sizeof sum);
}

/* Items as they were stored before records had a previous version. */
static void test_format_1(void **state)
{
	static const char head[] = "SCR1\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0"
				   "\3\0\0\0\0\0\0\0aZ09bY18\1\0\0\0\5tiles\x1b";
	static const char record[] = "\1AAAAAAA1\0\1\0\0\0\0\0\0ctl (root)";
	static const char image_head[] = "SCI1\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0"
					 "aZ09bY18";
	struct sc_version want = { .name = "tiles",
				   .version = "AAAAAAA1",
				   .changed_at_us = 256,
				   .changed_by = "ctl (root)" };
	SC_AUTO_BUF stored = SC_BUF_INIT;
	SC_AUTO_BUF image_stored = SC_BUF_INIT;
	struct sc_image_record image;
	struct sc_root root;

	(void)state;
	sc_buf_append(&stored, head, sizeof head - 1);
	sc_buf_append(&stored, record, sizeof record - 1);
	close_item(&stored, root_key);
	assert_true(sc_root_decode(sc_buf_bytes(&stored), root_key, &root));
	assert_int_equal(root.names.n, 1);
	assert_same_version(&root.names.items[0], &want);
	sc_root_release(&root);
	sc_buf_append(&image_stored, image_head, sizeof image_head - 1);
	sc_buf_append(&image_stored, record, sizeof record - 1);
	close_item(&image_stored, image_key);
	assert_true(sc_image_record_decode(sc_buf_bytes(&image_stored), image_key,
					   "image/7", &image));
	(void)snprintf(want.name, sizeof want.name, "image/7");
	assert_same_version(&image.version, &want);
}

/* Either of the two kinds of items, so that both go through the same. */
struct kind {
	struct sc_buf stored;
	struct sc_bytes key;
	bool root;
};

static bool is_taken(const struct kind *k, struct sc_bytes stored, struct sc_bytes key)
{
	struct sc_image_record image;
	struct sc_root root;

	if (!k->root)
		return sc_image_record_decode(stored, key, "image/7", &image);
	bool taken = sc_root_decode(stored, key, &root);
	if (taken)
		sc_root_release(&root);
	return taken;
}

static void each_kind(void (*fn)(const struct kind *k))
{
	struct sc_root root = sample_root();
	struct sc_image_record image = sample_image();
	struct kind roots = { .key = root_key, .root = true };
	struct kind images = { .key = image_key };

	sc_root_encode(&root, root_key, &roots.stored);
	sc_image_record_encode(&image, image_key, &images.stored);
	fn(&roots);
	fn(&images);
	sc_buf_release(&roots.stored);
	sc_buf_release(&images.stored);
	sc_root_release(&root);
}

static void cut(const struct kind *k)
{
	/* Exactly as long, so that a sanitizer sees a byte too many. */
	for (size_t n = 0; n < k->stored.len; n++) {
		unsigned char *copy = malloc(n ? n : 1);

		assert_non_null(copy);
		memcpy(copy, k->stored.data, n);
		assert_false(is_taken(k, sc_bytes_of(copy, n), k->key));
		free(copy);
	}
	assert_true(is_taken(k, sc_buf_bytes(&k->stored), k->key));
}

static void lengthen(const struct kind *k)
{
	SC_AUTO_BUF longer = SC_BUF_INIT;

	sc_buf_append(&longer, k->stored.data, k->stored.len);
	sc_buf_append(&longer, "\0", 1);
	assert_false(is_taken(k, sc_buf_bytes(&longer), k->key));
}

static void flip(const struct kind *k)
{
	for (size_t bit = 0; bit < k->stored.len * 8; bit++) {
		k->stored.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_false(is_taken(k, sc_buf_bytes(&k->stored), k->key));
		k->stored.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

/* What is right under its own key is wrong under any other, and as the other kind. */
static void swap(const struct kind *k)
{
	struct kind other = { .root = !k->root };

	assert_false(
		is_taken(k, sc_buf_bytes(&k->stored), sc_bytes_str("exact:image/8")));
	assert_false(
		is_taken(k, sc_buf_bytes(&k->stored), sc_bytes_str("other:versions")));
	assert_false(is_taken(&other, sc_buf_bytes(&k->stored), k->key));
}

static void test_truncated(void **state)
{
	(void)state;
	each_kind(cut);
	each_kind(lengthen);
}

static void test_flipped(void **state)
{
	(void)state;
	each_kind(flip);
}

static void test_swapped(void **state)
{
	(void)state;
	each_kind(swap);
}

/* A right checksum over wrong contents: what somebody else's program might write. */
static void test_wrong_contents(void **state)
{
	struct sc_root root = sample_root();
	struct sc_root ignored;
	struct sc_version first = root.names.items[0];
	SC_AUTO_BUF unsorted = SC_BUF_INIT;
	SC_AUTO_BUF bad_version = SC_BUF_INIT;

	(void)state;
	root.names.items[0] = root.names.items[1];
	root.names.items[1] = first;
	sc_root_encode(&root, root_key, &unsorted);
	assert_false(sc_root_decode(sc_buf_bytes(&unsorted), root_key, &ignored));
	root.names.items[1] = root.names.items[0];
	root.names.items[0] = first;
	root.names.items[0].version[3] = '\n';
	sc_root_encode(&root, root_key, &bad_version);
	assert_false(sc_root_decode(sc_buf_bytes(&bad_version), root_key, &ignored));
	sc_root_release(&root);
}

/* A text that ends before its length would be another one when it is written again. */
static void test_texts_with_an_end_inside(void **state)
{
	unsigned char record[SC_VERSION_RECORD_MAX];
	struct sc_version v = version_of("tiles", "AAAAAAA1");
	struct sc_version got;
	struct sc_bytes all = sc_bytes_of(record, sc_version_encode(&v, record));

	(void)state;
	assert_true(sc_version_decode(sc_bytes_str("tiles"), all, &got));
	assert_false(sc_version_decode(sc_bytes_of("ti\0es", 5), all, &got));
	record[all.len - 2] = '\0';
	assert_false(sc_version_decode(sc_bytes_str("tiles"), all, &got));
}

static void test_noise(void **state)
{
	struct kind kinds[] = { { .key = root_key, .root = true }, { .key = image_key } };
	uint64_t seed = 42;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		SC_AUTO_BUF noise = SC_BUF_INIT;

		make_value(&noise, next_random(&seed), next_random(&seed) % 200 + 1);
		memcpy(noise.data, i % 2 ? "SCR1" : "SCI1",
		       noise.len < 4 ? noise.len : 4);
		assert_false(is_taken(&kinds[i % 2], sc_buf_bytes(&noise), root_key));
		assert_false(is_taken(&kinds[1], sc_buf_bytes(&noise), image_key));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_swapped),
		cmocka_unit_test(test_wrong_contents),
		cmocka_unit_test(test_texts_with_an_end_inside),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_format_1),
	};

	return cmocka_run_group_tests_name("root record", tests, NULL, NULL);
}

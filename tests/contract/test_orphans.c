/* SPDX-License-Identifier: MIT */
/*
 * Sweeping, with versions in each store: what they left behind is reclaimed before
 * anything else, what is current never is because of it, whenever it became current. Seen
 * by who has to go when a cache of four entries is full: without a sweep the oldest.
 */
#include <stdio.h>
#include <stdlib.h>

#include "app/orphans.h"
#include "slidecache/ledger.h"
#include "tests/lib/version_suite.h"

#define ROOM 4 /* entries */

static struct fixture *f;
static struct sc_cache *cache;

static void check(enum sc_status status)
{
	if (status)
		fail_msg("%s", f->err.text);
}

static void begin(struct fixture *fixture)
{
	SC_AUTO_FREE char *location = check_path(fixture->dir, "entries");
	const struct sc_cache_options o = { .name = "default",
					    .backend = "embedded",
					    .location = location,
					    .key_prefix = "exact",
					    .max_entries = ROOM,
					    .max_size_mb = 16,
					    .timeout_ms = 2000 };

	f = fixture;
	check(sc_cache_open(&o, &cache, &f->err));
}

static void end(void)
{
	sc_cache_close(cache);
	cache = NULL;
}

struct text {
	char of[SC_VERSION_TEXT_MAX + 1];
};

/* What is stored under two names' versions now. */
static struct text text_of(const char *a, const char *b)
{
	const char *names[] = { a, b };
	struct sc_version now[2];
	struct text text;

	check(sc_versions_get(f->versions, names, 2, now, &f->err));
	sc_version_text(now, 2, text.of);
	return text;
}

static void put(struct text text, const char *item)
{
	check(sc_cache_set(cache, text.of, sc_bytes_str(item), "text/plain",
			   sc_bytes_str("value"), &f->err));
}

static bool has(struct text text, const char *item)
{
	SC_AUTO_ENTRY entry = SC_ENTRY_INIT;

	return sc_cache_peek(cache, text.of, sc_bytes_str(item), &entry, &f->err) ==
	       SC_OK;
}

static void invalidate(const char *name)
{
	check(sc_invalidate_cache(f->versions, &name, 1, &f->err));
}

#define SEVEN "tile/7/1/1/1/0_0.png~1"
#define EIGHT "tile/8/1/1/1/0_0.png~1"

/* With two entries there already, one more than there is room for. */
static void overflow(void)
{
	struct text text = text_of("slides", "image/99");

	put(text, "info/99/1/1~1");
	put(text, "info/99/1/1~2");
	put(text, "info/99/1/1~3");
}

static void expect_to_go(struct text oldest, struct text second, bool second_goes)
{
	put(oldest, EIGHT);
	put(second, SEVEN);
	check(sc_retire_orphans(&cache, 1, f->versions, &f->err));
	overflow();
	assert_int_equal(has(oldest, EIGHT), second_goes);
	assert_int_equal(has(second, SEVEN), !second_goes);
	end();
}

static void current_goes_in_its_turn(struct fixture *fixture)
{
	begin(fixture);
	expect_to_go(text_of("tiles", "image/8"), text_of("tiles", "image/7"), false);
}

static void former_version_of_an_image_goes_first(struct fixture *fixture)
{
	struct text former;

	begin(fixture);
	former = text_of("tiles", "image/7");
	invalidate("image/7");
	expect_to_go(text_of("tiles", "image/8"), former, true);
}

static void former_version_of_a_name_goes_first(struct fixture *fixture)
{
	struct text former;

	begin(fixture);
	former = text_of("tiles", "image/7");
	invalidate("tiles");
	expect_to_go(text_of("tiles", "image/8"), former, true);
}

static void stopped_name_goes_first(struct fixture *fixture)
{
	const char *name = "acl";
	struct text former;

	begin(fixture);
	former = text_of("slides", name);
	check(sc_versions_stop(f->versions, &name, 1, &f->err));
	expect_to_go(text_of("tiles", "image/8"), former, true);
}

/* Where it stands does not matter. */
static void image_before_a_name_goes_in_its_turn(struct fixture *fixture)
{
	begin(fixture);
	expect_to_go(text_of("tiles", "image/8"), text_of("image/7", "acl"), false);
}

static void former_version_before_a_name_goes_first(struct fixture *fixture)
{
	struct text former;

	begin(fixture);
	former = text_of("image/7", "acl");
	invalidate("image/7");
	expect_to_go(text_of("image/8", "tiles"), former, true);
}

#define OF_NO_IMAGE "permissions/bob"

static void put_of_no_image_and_sweep(struct text text)
{
	put(text_of("tiles", "image/8"), EIGHT);
	put(text, OF_NO_IMAGE);
	check(sc_retire_orphans(&cache, 1, f->versions, &f->err));
}

static void image_that_no_item_names_is_found(struct fixture *fixture)
{
	struct text text;

	begin(fixture);
	text = text_of("acl", "image/1");
	put_of_no_image_and_sweep(text);
	assert_true(has(text, OF_NO_IMAGE));
	end();
}

/* Where images cannot be listed, any version may be one's. */
static void former_version_that_no_item_names(struct fixture *fixture)
{
	struct text former;

	begin(fixture);
	former = text_of("acl", "image/1");
	invalidate("acl");
	put_of_no_image_and_sweep(former);
	assert_int_equal(has(former, OF_NO_IMAGE),
			 !(fixture->store->traits & LISTS_IMAGES));
	end();
}

/* What was found of a cache before is what is current again. */
static void find_retired_and_current(struct text text, const char *item,
				     struct sc_groups *groups)
{
	*groups = (struct sc_groups){ .items = NULL };
	put(text, item);
	check(sc_cache_retire(cache, text.of, &f->err));
	check(sc_groups_find(&cache, 1, groups, &f->err));
	assert_int_equal(groups->n, 1);
	assert_true(groups->items[0].retired);
}

/* As when an old copy of the store is put back. */
static void versions_that_went_back_are_all_changed(struct fixture *fixture)
{
	struct sc_groups groups;
	struct text seven, eight;
	struct sc_version acl;

	begin(fixture);
	acl = get_one(f, "acl");
	seven = text_of("tiles", "image/7");
	eight = text_of("tiles", "image/8");
	find_retired_and_current(seven, SEVEN, &groups);
	check(sc_groups_retire(&groups, f->versions, &f->err));
	free(groups.items);
	assert_string_not_equal(text_of("tiles", "image/7").of, seven.of);
	assert_changed(f, &acl);
	assert_string_not_equal(text_of("image/8", "tiles").of, eight.of);
	/* It does so once. */
	acl = get_one(f, "acl");
	seven = text_of("tiles", "image/7");
	put(seven, SEVEN);
	check(sc_retire_orphans(&cache, 1, f->versions, &f->err));
	assert_unchanged(f, &acl);
	assert_true(has(seven, SEVEN));
	end();
}

static void versions_that_changed_are_not_changed_again(struct fixture *fixture)
{
	struct sc_version acl;

	begin(fixture);
	put(text_of("tiles", "image/7"), SEVEN);
	put(text_of("tiles", "image/8"), EIGHT);
	invalidate("image/7");
	acl = get_one(f, "acl");
	for (int i = 0; i < 3; i++)
		check(sc_retire_orphans(&cache, 1, f->versions, &f->err));
	assert_unchanged(f, &acl);
	end();
}

/* Entries of no image, under the versions of two names. */
static void other_results_go_in_their_turn(struct fixture *fixture)
{
	begin(fixture);
	expect_to_go(text_of("tiles", "image/8"), text_of("slides", "acl"), false);
}

static void texts_without_versions_are_left_alone(struct fixture *fixture)
{
	struct text by_hand = { "v1" };

	begin(fixture);
	put(text_of("tiles", "image/8"), EIGHT);
	put(by_hand, SEVEN);
	check(sc_retire_orphans(&cache, 1, f->versions, &f->err));
	overflow();
	assert_true(has(by_hand, SEVEN));
	end();
}

/* Between the two looks of a sweep a version changes, and something is stored under the
 * new one at once. */
static void current_since_a_moment_stays(struct fixture *fixture)
{
	struct sc_groups groups = { .items = NULL };
	struct text former, now;

	begin(fixture);
	former = text_of("tiles", "image/7");
	put(text_of("tiles", "image/8"), EIGHT);
	put(former, SEVEN);
	check(sc_groups_find(&cache, 1, &groups, &f->err));
	assert_int_equal(groups.n, 2);
	invalidate("image/7");
	now = text_of("tiles", "image/7");
	put(now, SEVEN);
	check(sc_groups_retire(&groups, f->versions, &f->err));
	free(groups.items);
	overflow();
	assert_false(has(former, SEVEN));
	assert_true(has(now, SEVEN));
	end();
}

#define IMAGES 50 /* more than versions are read at once */

/* Every third one was changed. The ledger tells what is taken for left behind. */
static void many_images(struct fixture *fixture)
{
	struct sc_group all[IMAGES];
	struct sc_groups groups = { .items = all, .n = IMAGES };
	uint64_t before = sc_ledger_orphaned().entries;
	char name[SC_VERSION_NAME_MAX + 1];

	begin(fixture);
	for (int i = 0; i < IMAGES; i++) {
		struct text text;

		sc_version_image_name(i + 1, name);
		text = text_of("tiles", name);
		all[i] = (struct sc_group){ .cache = cache, .image = i + 1 };
		memcpy(all[i].version, text.of, sizeof(text.of));
		if (i % 3 == 0)
			invalidate(name);
		sc_ledger_add(sc_bytes_str(text.of), 100, 0);
	}
	check(sc_groups_retire(&groups, f->versions, &f->err));
	assert_int_equal(sc_ledger_orphaned().entries - before, (IMAGES + 2) / 3);
	end();
}

static void nothing_goes_while_versions_cannot_be_read(struct fixture *fixture)
{
	struct text former, current;

	begin(fixture);
	current = text_of("tiles", "image/8");
	former = text_of("tiles", "image/7");
	invalidate("image/7");
	put(current, EIGHT);
	put(former, SEVEN);
	server_kill(f->server);
	assert_int_equal(sc_retire_orphans(&cache, 1, f->versions, &f->err),
			 SC_UNAVAILABLE);
	put(former, "tile/7/1/1/1/0_0.png~2");
	put(former, "tile/7/1/1/1/0_0.png~3");
	put(former, "tile/7/1/1/1/0_0.png~4");
	assert_false(has(current, EIGHT));
	assert_true(has(former, SEVEN));
	end();
	server_start(f->server);
}

int main(void)
{
	static const struct version_case cases[] = {
		{ "current goes in its turn", current_goes_in_its_turn, 0 },
		{ "former version of an image goes first",
		  former_version_of_an_image_goes_first, 0 },
		{ "former version of a name goes first",
		  former_version_of_a_name_goes_first, 0 },
		{ "stopped name goes first", stopped_name_goes_first, 0 },
		{ "image before a name goes in its turn",
		  image_before_a_name_goes_in_its_turn, 0 },
		{ "former version before a name goes first",
		  former_version_before_a_name_goes_first, 0 },
		{ "image that no item names is found", image_that_no_item_names_is_found,
		  0 },
		{ "former version that no item names", former_version_that_no_item_names,
		  0 },
		{ "versions that went back are all changed",
		  versions_that_went_back_are_all_changed, 0 },
		{ "versions that changed are not changed again",
		  versions_that_changed_are_not_changed_again, 0 },
		{ "other results go in their turn", other_results_go_in_their_turn, 0 },
		{ "texts without versions are left alone",
		  texts_without_versions_are_left_alone, 0 },
		{ "current since a moment stays", current_since_a_moment_stays, 0 },
		{ "many images", many_images, 0 },
		{ "nothing goes while versions cannot be read",
		  nothing_goes_while_versions_cannot_be_read, SERVER },
	};

	return run_version_cases("orphans", cases, COUNT_OF(cases));
}

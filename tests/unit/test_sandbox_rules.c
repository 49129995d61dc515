/* SPDX-License-Identifier: MIT */
/*
 * What the sandbox is made of, from values: the list of paths, the rights of each version
 * of Landlock, the backstop of addresses.
 */
#include "tests/lib/check.h"

#include <linux/landlock.h>
#include <string.h>

#include "slidecache/conf.h"
#include "src/server/sandbox_landlock.h"
#include "src/server/sandbox_limits.h"
#include "src/server/sandbox_paths.h"

#define GIB UINT64_C(1073741824)
#define MIB UINT64_C(1048576)

static struct sc_conf *conf;

static void set(const char *name, const char *value)
{
	struct sc_err err;

	if (sc_conf_set(conf, name, value, &err) != SC_OK)
		fail_msg("%s", err.text);
}

static int setup(void **state)
{
	(void)state;
	conf = sc_conf_new();
	set("slides.root", "/slides");
	set("state_dir", "/state");
	set("cache_dir", "/cache");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sc_conf_free(conf);
	return 0;
}

static struct sc_paths list(enum sc_sandbox_kind kind)
{
	struct sc_paths p = { 0 };
	struct sc_err err;

	assert_int_equal(sc_conf_finish(conf, &err), SC_OK);
	sc_paths_list(conf, kind, &p);
	return p;
}

static const struct sc_path *find(const struct sc_paths *p, const char *path)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->all[i].path, path) == 0)
			return &p->all[i];
	return NULL;
}

static void check(const struct sc_paths *p, const char *path, enum sc_path_use use,
		  enum sc_path_scope scope)
{
	const struct sc_path *found = find(p, path);

	if (!found)
		fail_msg("%s is not listed", path);
	assert_int_equal(found->use, use);
	assert_int_equal(found->scope, scope);
}

static void folders_are_listed(void **state)
{
	struct sc_paths p = list(SC_SANDBOX_SERVE);

	(void)state;
	assert_string_equal(p.all[0].path, "/slides"); /* sc_sandbox_lost_slides */
	check(&p, "/slides", SC_PATH_READ, SC_PATH_ITSELF);
	check(&p, "/state", SC_PATH_KEEP, SC_PATH_ITSELF);
	check(&p, "/cache", SC_PATH_KEEP, SC_PATH_ITSELF);
	check(&p, "/cache/tiles_cache", SC_PATH_KEEP, SC_PATH_ITSELF);
	check(&p, "/cache/tiles_cache.damaged", SC_PATH_KEEP, SC_PATH_ITSELF);
	check(&p, "/state/versions", SC_PATH_KEEP, SC_PATH_ITSELF);
	check(&p, "/state/images.json", SC_PATH_READ, SC_PATH_FOLDER);
	check(&p, "/proc/sys/kernel/random/boot_id", SC_PATH_READ, SC_PATH_ITSELF);
	assert_null(find(&p, "stderr"));
	assert_null(find(&p, "/etc"));
	sc_paths_release(&p);
}

static void settings_are_listed(void **state)
{
	struct sc_paths p;

	(void)state;
	set("access.htpasswd_file", "/s/users");
	set("access.tokens_file", "/s/tokens");
	set("access.acl_file", "/s/acl");
	set("access.signing_key_file", "/s/key");
	set("caches.default.options.secret_file", "/s/secret");
	set("log.target", "/log/file");
	p = list(SC_SANDBOX_SERVE);
	check(&p, "/s/users", SC_PATH_READ, SC_PATH_OWN_FOLDER);
	check(&p, "/s/tokens", SC_PATH_READ, SC_PATH_OWN_FOLDER);
	check(&p, "/s/acl", SC_PATH_READ, SC_PATH_OWN_FOLDER);
	check(&p, "/s/key", SC_PATH_READ, SC_PATH_OWN_FOLDER);
	check(&p, "/s/secret", SC_PATH_READ, SC_PATH_OWN_FOLDER);
	check(&p, "/log/file", SC_PATH_APPEND, SC_PATH_FOLDER);
	sc_paths_release(&p);
}

/* Nor is a server's location a path. */
static void only_a_scan_writes_the_catalogue(void **state)
{
	struct sc_paths p;

	(void)state;
	set("slides.catalogue", "/list/images.json");
	set("caches.tiles_cache.backend", "redis");
	set("caches.tiles_cache.location", "redis://127.0.0.1:1/0");
	p = list(SC_SANDBOX_SCAN);
	check(&p, "/list/images.json", SC_PATH_KEEP, SC_PATH_FOLDER);
	assert_null(find(&p, "redis://127.0.0.1:1/0"));
	sc_paths_release(&p);
}

static void shared_folders_are_known(void **state)
{
	static const char *const shared[] = {
		"/", "/etc", "/tmp", "/var", "/home", "/dev"
	};
	static const char *const own[] = { "/etc/slidecache", "/run/secrets", "/data",
					   "" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(shared); i++)
		assert_true(sc_path_is_shared(shared[i]));
	for (size_t i = 0; i < COUNT_OF(own); i++)
		assert_false(sc_path_is_shared(own[i]));
}

static void folders_of_paths(void **state)
{
	static const char *const pairs[][2] = {
		{ "/a/b", "/a" },  { "/a/b/", "/a" }, { "/a", "/" },
		{ "/a//b", "/a" }, { "/", "/" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		SC_AUTO_BUF above = SC_BUF_INIT;

		sc_path_above(pairs[i][0], &above);
		assert_string_equal((const char *)above.data, pairs[i][1]);
	}
}

/* ---- Landlock ---- */

static void nothing_may_be_executed(void **state)
{
	static const enum sc_path_use uses[] = { SC_PATH_READ, SC_PATH_KEEP,
						 SC_PATH_APPEND, SC_PATH_READ_WRITE };
	static const uint64_t never =
		LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
		LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SOCK |
		LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(uses); i++)
		for (int abi = 1; abi <= 9; abi++)
			assert_int_equal(sc_landlock_rights(uses[i], true, abi) & never,
					 0);
}

static void rights_are_of_the_abi(void **state)
{
	static const uint64_t refer = LANDLOCK_ACCESS_FS_REFER;
	static const uint64_t truncate = UINT64_C(1) << 14;
	static const uint64_t folders_only =
		LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
		LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER;

	(void)state;
	assert_int_equal(sc_landlock_rights(SC_PATH_KEEP, true, 0), 0);
	assert_int_equal(sc_landlock_rights(SC_PATH_KEEP, true, 1) & (refer | truncate),
			 0);
	assert_int_equal(sc_landlock_rights(SC_PATH_KEEP, true, 2) & (refer | truncate),
			 refer);
	assert_int_equal(sc_landlock_rights(SC_PATH_KEEP, true, 3) & (refer | truncate),
			 refer | truncate);
	assert_int_equal(sc_landlock_rights(SC_PATH_KEEP, false, 7) & folders_only, 0);
	assert_int_equal(sc_landlock_rights(SC_PATH_READ, true, 7),
			 LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
	assert_int_equal(sc_landlock_rights(SC_PATH_APPEND, true, 7) &
				 LANDLOCK_ACCESS_FS_READ_FILE,
			 0);
}

static void what_a_kernel_lacks_is_told(void **state)
{
	(void)state;
	assert_non_null(strstr(sc_landlock_lacks(0), "no Landlock"));
	for (int abi = 0; abi < SC_LANDLOCK_WHOLE; abi++)
		assert_non_null(sc_landlock_lacks(abi));
	assert_null(sc_landlock_lacks(SC_LANDLOCK_WHOLE));
	assert_null(sc_landlock_lacks(SC_LANDLOCK_WHOLE + 9));
}

/* ---- limits ---- */

static void stores_have_their_addresses(void **state)
{
	(void)state;
	set("caches.default.backend", "null");
	set("caches.tiles_cache.options.max_size_mb", "1024");
	assert_int_equal(sc_sandbox_addresses(conf), 64 * GIB + UINT64_C(4) * 1024 * MIB);
	set("caches.tiles_cache.backend", "redis");
	assert_int_equal(sc_sandbox_addresses(conf), 64 * GIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(folders_are_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(settings_are_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(only_a_scan_writes_the_catalogue, setup,
						teardown),
		cmocka_unit_test(shared_folders_are_known),
		cmocka_unit_test(folders_of_paths),
		cmocka_unit_test(nothing_may_be_executed),
		cmocka_unit_test(rights_are_of_the_abi),
		cmocka_unit_test(what_a_kernel_lacks_is_told),
		cmocka_unit_test_setup_teardown(stores_have_their_addresses, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

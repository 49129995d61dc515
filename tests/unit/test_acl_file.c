/* SPDX-License-Identifier: MIT */
/*
 * src/access/acl_file.c: what a file of access lists may say, and where and why one is
 * refused.
 */
#include "tests/lib/check.h"

#include "access/acl_file.h"
#include "slidecache/access.h"

static enum sc_status parse(const char *text, struct sc_acl_file **out,
			    struct sc_err *err)
{
	*out = NULL;
	return sc_acl_parse(sc_bytes_str(text), out, err);
}

static void the_example_is_understood(void **state)
{
	static const char text[] =
		"{\"groups\": {\"pathology\": [\"anna\", \"ben\", \"token:nightly\"]},"
		" \"images\": {\"teaching\": {\"ids\": [2, 1], \"folders\": "
		"[\"teaching\"], \"names\": [\"*_demo.svs\"]}},"
		" \"rules\": ["
		"  {\"who\": [\"strangers\"], \"images\": [\"teaching\"], \"rights\": "
		"[\"read\"]},"
		"  {\"who\": [\"group:pathology\"], \"images\": [\"all\"], \"rights\": "
		"[\"read\", \"label\"]},"
		"  {\"who\": [\"user:anna\", \"token:nightly\", \"users\"], \"images\": "
		"[\"all\", \"teaching\"], \"rights\": [\"manage\"]}]}";
	struct sc_acl_file *f = NULL;
	struct sc_err err;

	(void)state;
	assert_int_equal(parse(text, &f, &err), SC_OK);
	assert_int_equal(f->n_groups, 1);
	assert_int_equal(f->groups[0].n, 3);
	assert_int_equal(f->groups[0].members[1].kind, SC_ACL_USER);
	assert_string_equal(f->groups[0].members[1].name, "ben");
	assert_int_equal(f->groups[0].members[2].kind, SC_ACL_TOKEN);
	assert_string_equal(f->groups[0].members[2].name, "nightly");
	assert_int_equal(f->n_ids, 2);
	assert_int_equal(f->ids[0].id, 1);
	assert_string_equal(f->folders.items[0].text, "teaching");
	assert_string_equal(f->names.items[0].text, "*_demo.svs");
	assert_int_equal(f->n_rules, 3);
	assert_int_equal(f->rules[0].who[0].kind, SC_ACL_STRANGERS);
	assert_false(f->rules[0].all);
	assert_int_equal(f->rules[0].n_sets, 1);
	assert_int_equal(f->rules[1].who[0].kind, SC_ACL_GROUP);
	assert_int_equal(f->rules[1].rights, SC_RIGHT_READ | SC_RIGHT_LABEL);
	assert_true(f->rules[2].all);
	assert_int_equal(f->rules[2].n_who, 3);
	assert_int_equal(f->rules[2].who[2].kind, SC_ACL_USERS);
	sc_acl_file_free(f);
}

static void what_may_be_left_out(void **state)
{
	static const char *const good[] = {
		"{\"rules\": []}",
		"{\"rules\": [], \"groups\": {}, \"images\": {}}",
		"{\"rules\": [], \"groups\": {\"g\": []}, \"images\": {\"s\": {}}}",
		"{\"images\": {\"s\": {\"ids\": [], \"folders\": [], \"names\": []}},"
		" \"rules\": [{\"who\": [\"users\"], \"images\": [\"s\"], \"rights\": "
		"[\"read\"]}]}",
		/* A group may have the name of a set, and both that of a user. */
		"{\"groups\": {\"a\": [\"a\"]}, \"images\": {\"a\": {\"folders\": "
		"[\"a/b c/..d\"]}},"
		" \"rules\": [{\"who\": [\"group:a\", \"user:a\"], \"images\": [\"a\"], "
		"\"rights\": [\"read\"]}]}",
		"{\"groups\": {\"\xc3\xa9 x\": [\"\xc3\xa9\"]}, \"rules\": []}",
	};
	struct sc_acl_file *f = NULL;
	struct sc_err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		if (parse(good[i], &f, &err) != SC_OK)
			fail_msg("%s: %s", good[i], err.text);
		sc_acl_file_free(f);
	}
}

#define RULE(who, images, rights)                                                        \
	"{\"rules\": [{\"who\": [" who "], \"images\": [" images "], \"rights\": "       \
	"[" rights "]}]}"
#define GROUPS(text) "{\"groups\": {" text "}, \"rules\": []}"
#define SETS(text)   "{\"images\": {" text "}, \"rules\": []}"
#define NAME_OF_65   "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggg"

static const struct {
	const char *text, *says;
} bad[] = {
	/* The text. */
	{ "", "line 1, column 0: unexpected token near end of file" },
	{ "{\"rules\": []", "line 1, column 12: " },
	{ "{\n \"rules\": [],\n \"rules\": []}",
	  "line 3, column 8: duplicate object key" },
	{ "{\"rules\": []} x", "line 1, column 15: end of file expected" },
	{ "{\"rules\": [] // no\n}", "line 1, column 14: " },
	{ "{\"rules\": [\"\\u0000\"]}", "line 1, column " },
	{ "{\"rules\": [\"\xff\"]}", "line 1, column " },
	{ SETS("\"s\": {\"ids\": [99999999999999999999]}"),
	  "line 1, column 46: too big integer" },
	{ "[]", "wants an object" },
	{ "1", "wants an object" },
	{ "null", "wants an object" },
	{ "{}", "rules: is missing" },
	{ "{\"rules\": [], \"rule\": []}", "rule: there is no such field" },
	{ "{\"rules\": {}}", "rules: wants a list of objects" },
	/* Groups. */
	{ "{\"groups\": [], \"rules\": []}", "groups: wants an object" },
	{ "{\"groups\": null, \"rules\": []}", "groups: wants an object" },
	{ GROUPS("\"g\": \"anna\""), "groups.g: wants a list of strings" },
	{ GROUPS("\"g\": {}"), "groups.g: wants a list of strings" },
	{ GROUPS("\"g\": [\"anna\", 1]"),
	  "groups.g[1]: wants a string that is not empty" },
	{ GROUPS("\"g\": [\"\"]"), "groups.g[0]: wants a string that is not empty" },
	{ GROUPS("\"g\": [\"b\", \"a\", \"b\"]"), "groups.g: \"b\" is there twice" },
	{ GROUPS("\"g\": [\"token:\"]"),
	  "groups.g[0]: no user and no token can be called \"\"" },
	{ GROUPS("\"g\": [\" \"]"),
	  "groups.g[0]: no user and no token can be called \" \"" },
	{ GROUPS("\"g\": [\"" NAME_OF_65 "\"]"),
	  "groups.g[0]: no user and no token can be called \"aaaaaaaaaa" },
	{ GROUPS("\"g\": [\"b\", \"user:anna\"]"),
	  "groups.g[1]: is written without \"user:\" here: \"anna\"" },
	{ GROUPS("\"g\": [\"group:x\"]"),
	  "groups.g[0]: is no member: name \"group:x\" in the rule" },
	{ GROUPS("\"g\": [\"users\"]"),
	  "groups.g[0]: is no member: name \"users\" in the rule" },
	{ GROUPS("\"g\": [\"strangers\"]"),
	  "groups.g[0]: is no member: name \"strangers\" in the rule" },
	{ GROUPS("\"\": []"), "groups: a name wants 1 to 64 bytes" },
	{ GROUPS("\"a\\nb\": []"), "groups: a name wants 1 to 64 bytes" },
	/* Sets of images. */
	{ "{\"images\": [], \"rules\": []}", "images: wants an object" },
	{ SETS("\"s\": []"), "images.s: wants an object" },
	{ SETS("\"s\": null"), "images.s: wants an object" },
	{ SETS("\"all\": {}"), "images.all: is the name of all images" },
	{ SETS("\"s\": {\"id\": [1]}"), "images.s.id: there is no such field" },
	{ SETS("\"s\": {\"ids\": 1}"), "images.s.ids: wants a list of numbers" },
	{ SETS("\"s\": {\"ids\": [1, \"2\"]}"),
	  "images.s.ids[1]: wants the id of an image, as a number" },
	{ SETS("\"s\": {\"ids\": [0]}"), "images.s.ids[0]: wants the id" },
	{ SETS("\"s\": {\"ids\": [-1]}"), "images.s.ids[0]: wants the id" },
	{ SETS("\"s\": {\"ids\": [1.5]}"), "images.s.ids[0]: wants the id" },
	{ SETS("\"s\": {\"ids\": [3, 1, 3]}"), "images.s.ids: 3 is there twice" },
	{ SETS("\"s\": {\"folders\": \"a\"}"),
	  "images.s.folders: wants a list of strings" },
	{ SETS("\"s\": {\"folders\": [\"/a\"]}"), "images.s.folders[0]: wants a folder" },
	{ SETS("\"s\": {\"folders\": [\"a/\"]}"), "images.s.folders[0]: wants a folder" },
	{ SETS("\"s\": {\"folders\": [\"a//b\"]}"),
	  "images.s.folders[0]: wants a folder" },
	{ SETS("\"s\": {\"folders\": [\".\"]}"), "images.s.folders[0]: wants a folder" },
	{ SETS("\"s\": {\"folders\": [\"x\", \"a/../b\"]}"),
	  "images.s.folders[1]: wants a folder" },
	{ SETS("\"s\": {\"folders\": [\"x\", \"x\"]}"),
	  "images.s.folders: \"x\" is there twice" },
	{ SETS("\"s\": {\"names\": [\"a/*\"]}"),
	  "images.s.names[0]: wants a pattern of file names" },
	{ SETS("\"s\": {\"names\": [\"\"]}"), "images.s.names[0]: wants a string" },
	/* Rules. */
	{ "{\"rules\": [1]}", "rules[0]: wants an object" },
	{ "{\"rules\": [{}]}", "rules[0].who: is missing" },
	{ "{\"rules\": [{\"who\": [\"users\"]}]}", "rules[0].images: is missing" },
	{ "{\"rules\": [{\"who\": [\"users\"], \"images\": [\"all\"]}]}",
	  "rules[0].rights: is missing" },
	{ RULE("", "\"all\"", "\"read\""), "rules[0].who: is empty" },
	{ RULE("\"users\"", "", "\"read\""), "rules[0].images: is empty" },
	{ RULE("\"users\"", "\"all\"", ""), "rules[0].rights: is empty" },
	{ "{\"rules\": [{\"who\": \"users\", \"images\": [\"all\"], \"rights\": "
	  "[\"read\"]}]}",
	  "rules[0].who: wants a list of strings" },
	{ "{\"rules\": [{\"who\": [\"users\"], \"images\": [\"all\"], \"rights\": "
	  "[\"read\"], \"allow\": true}]}",
	  "rules[0].allow: there is no such field" },
	{ RULE("\"anna\"", "\"all\"", "\"read\""),
	  "rules[0].who[0]: wants \"user:NAME\"" },
	{ RULE("\"users\", \"group:x\"", "\"all\"", "\"read\""),
	  "rules[0].who[1]: no group is called \"x\"" },
	{ RULE("\"group:\"", "\"all\"", "\"read\""),
	  "rules[0].who[0]: no group is called \"\"" },
	{ RULE("\"user:\"", "\"all\"", "\"read\""),
	  "rules[0].who[0]: no user and no token can be called \"\"" },
	{ RULE("\"users\", \"users\"", "\"all\"", "\"read\""),
	  "rules[0].who: \"users\" is there twice" },
	{ RULE("\"users\"", "\"x\"", "\"read\""),
	  "rules[0].images[0]: no set of images is called \"x\"" },
	{ RULE("\"users\"", "1", "\"read\""), "rules[0].images[0]: wants a string" },
	{ RULE("\"users\"", "\"all\", \"all\"", "\"read\""),
	  "rules[0].images: \"all\" is there twice" },
	{ RULE("\"users\"", "\"all\"", "\"write\""),
	  "rules[0].rights[0]: wants \"read\", \"manage\" or \"label\", not \"write\"" },
	{ RULE("\"users\"", "\"all\"", "\"read\", \"read\""),
	  "rules[0].rights: \"read\" is there twice" },
	{ RULE("\"users\", \"strangers\"", "\"all\"", "\"read\", \"manage\""),
	  "rules[0].rights: strangers may read and nothing else" },
	{ RULE("\"strangers\"", "\"all\"", "\"label\""),
	  "rules[0].rights: strangers may" },
};

static void each_fault_has_its_place(void **state)
{
	struct sc_acl_file *f = NULL;
	struct sc_err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (parse(bad[i].text, &f, &err) != SC_INVALID)
			fail_msg("taken: %s", bad[i].text);
		assert_null(f);
		if (strncmp(err.text, bad[i].says, strlen(bad[i].says)) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", bad[i].text, err.text,
				 bad[i].says);
	}
}

static void how_large_and_how_deep(void **state)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	struct sc_acl_file *f = NULL;
	struct sc_err err;

	(void)state;
	sc_buf_str(&text, "{\"rules\": []}");
	while (text.len < SC_ACL_FILE_MAX)
		sc_buf_str(&text, " ");
	assert_int_equal(sc_acl_parse(sc_buf_bytes(&text), &f, &err), SC_OK);
	sc_acl_file_free(f);
	sc_buf_str(&text, " ");
	assert_int_equal(sc_acl_parse(sc_buf_bytes(&text), &f, &err), SC_INVALID);
	assert_string_equal(err.text, "is larger than 1048576 bytes");
	sc_buf_reset(&text);
	while (text.len < SC_ACL_FILE_MAX)
		sc_buf_str(&text, "[");
	assert_int_equal(sc_acl_parse(sc_buf_bytes(&text), &f, &err), SC_INVALID);
	assert_non_null(strstr(err.text, "maximum parsing depth"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_is_understood),
		cmocka_unit_test(what_may_be_left_out),
		cmocka_unit_test(each_fault_has_its_place),
		cmocka_unit_test(how_large_and_how_deep),
	};

	return cmocka_run_group_tests_name("acl_file", tests, NULL, NULL);
}

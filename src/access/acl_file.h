/* SPDX-License-Identifier: MIT */
/*
 * Private to src/access: what a file of access lists says, see acl.h, as tables. Pure.
 *
 * Sets and groups are known by their numbers, in the order of their names. What makes an
 * image a member of a set is in three tables for all sets together, so that an image is
 * looked up in each of them once, however many sets there are.
 */
#ifndef SRC_ACCESS_ACL_FILE_H
#define SRC_ACCESS_ACL_FILE_H

#include <stdint.h>

#include "slidecache/bytes.h"

#define SC_ACL_FILE_MAX (1 << 20) /* bytes */

enum sc_acl_kind {
	SC_ACL_STRANGERS, /* everybody */
	SC_ACL_USERS,	  /* everybody who is known */
	SC_ACL_USER,
	SC_ACL_TOKEN,
	SC_ACL_GROUP,
};

struct sc_acl_who {
	enum sc_acl_kind kind;
	const char *name; /* of a user or a token */
	size_t group;
};

struct sc_acl_group {
	struct sc_acl_who *members; /* users and tokens */
	size_t n;
};

struct sc_acl_rule {
	struct sc_acl_who *who;
	size_t n_who;
	size_t *sets;
	size_t n_sets;
	bool all; /* all images */
	unsigned rights;
};

struct sc_acl_id {
	int64_t id;
	size_t set;
};

struct sc_acl_text {
	const char *text; /* a folder, or a pattern of names */
	size_t set;
	/* Of a pattern: how many bytes stand before the first character that is no plain
	 * one, and after the last. Every name that it matches begins and ends with them.
	 */
	size_t head, tail;
};

struct sc_acl_texts {
	struct sc_acl_text *items;
	size_t n, room;
};

struct sc_acl_file {
	struct json_t *document; /* whose texts these are */
	const char **groups_by_name, **sets_by_name;
	struct sc_acl_group *groups;
	size_t n_groups, n_sets;
	struct sc_acl_id *ids; /* by id */
	size_t n_ids, room_ids;
	struct sc_acl_texts folders; /* by text */
	struct sc_acl_texts names;   /* in no order */
	struct sc_acl_rule *rules;
	size_t n_rules;
};

/* SC_INVALID: the text says where ("rules[2].who[0]: ...", or line and column) and why.
 */
SC_MUST enum sc_status sc_acl_parse(struct sc_bytes text, struct sc_acl_file **out,
				    struct sc_err *err);
void sc_acl_file_free(struct sc_acl_file *f);

#endif

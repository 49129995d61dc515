/* SPDX-License-Identifier: MIT */
/*
 * A file of access lists, strictly: what is not understood might be what keeps somebody
 * out. The first fault ends the reading and is told with its place.
 */
#include "access/acl_file.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "access/basic.h"

#define PLACE_MAX 160

struct reader {
	struct sc_acl_file *f;
	struct sc_err *err;
	char place[PLACE_MAX]; /* "rules[2].who[0]" */
};

/* Returns false, so that "return fail(...)" is one line. */
static bool SC_PRINTF(2, 3) fail(struct reader *r, const char *fmt, ...)
{
	char text[sizeof(r->err->text)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)sc_fail(r->err, SC_INVALID, "%s%s%s", r->place, *r->place ? ": " : "",
		      text);
	return false;
}

/* Goes to a field, or to an element, of where it is; returns what leave() wants. */
static size_t enter(struct reader *r, const char *field)
{
	size_t n = strlen(r->place);

	(void)snprintf(r->place + n, PLACE_MAX - n, "%s%.64s", n ? "." : "", field);
	return n;
}

static size_t enter_item(struct reader *r, size_t i)
{
	size_t n = strlen(r->place);

	(void)snprintf(r->place + n, PLACE_MAX - n, "[%zu]", i);
	return n;
}

static void leave(struct reader *r, size_t n)
{
	r->place[n] = '\0';
}

/* ----- what all parts are made of ----- */

static bool is_listed(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (strcmp(*list, name) == 0)
			return true;
	return false;
}

/* An object, NULL being none, with these fields and no others. */
static bool check_object(struct reader *r, json_t *object, const char *const *fields)
{
	const char *name = NULL;
	json_t *value = NULL;

	if (object && !json_is_object(object))
		return fail(r, "wants an object");
	json_object_foreach(object, name, value)
	{
		if (is_listed(fields, name))
			continue;
		(void)enter(r, name);
		return fail(r, "there is no such field");
	}
	return true;
}

struct texts {
	const char **items;
	size_t n;
};

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool check_twice(struct reader *r, const struct texts *t)
{
	SC_AUTO_FREE const char **sorted = sc_alloc_array(t->n + 1, sizeof(*sorted));

	memcpy(sorted, t->items, t->n * sizeof(*sorted));
	qsort(sorted, t->n, sizeof(*sorted), compare_texts);
	for (size_t i = 1; i < t->n; i++)
		if (strcmp(sorted[i - 1], sorted[i]) == 0)
			return fail(r, "\"%.64s\" is there twice", sorted[i]);
	return true;
}

static bool fill_texts(struct reader *r, const json_t *array, struct texts *out)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		size_t outer = enter_item(r, i);

		out->items[i] = json_string_value(json_array_get(array, i));
		if (!out->items[i] || !*out->items[i])
			return fail(r, "wants a string that is not empty");
		leave(r, outer);
	}
	return check_twice(r, out);
}

/* The strings of a list, each once; none if there is no list. out->items is to be freed.
 */
static bool read_texts(struct reader *r, const json_t *array, struct texts *out)
{
	out->n = json_array_size(array);
	out->items = sc_alloc_array(out->n + 1, sizeof(*out->items));
	if (array && !json_is_array(array))
		return fail(r, "wants a list of strings");
	return fill_texts(r, array, out);
}

typedef bool (*text_fn)(struct reader *r, const char *text, void *arg);

/* Each string of the object's field, at its place. */
static bool each_text(struct reader *r, const json_t *object, const char *field,
		      text_fn take, void *arg)
{
	size_t outer = enter(r, field);
	struct texts t = { NULL, 0 };
	bool good = read_texts(r, json_object_get(object, field), &t);

	for (size_t i = 0; i < t.n && good; i++) {
		size_t at = enter_item(r, i);

		good = take(r, t.items[i], arg);
		if (good)
			leave(r, at);
	}
	free(t.items);
	if (good)
		leave(r, outer);
	return good;
}

/* The names of an object's fields, sorted: what they define is known by its number. */
static bool read_names(struct reader *r, json_t *object, const char ***out, size_t *n)
{
	const char *name = NULL;
	json_t *value = NULL;

	if (object && !json_is_object(object))
		return fail(r, "wants an object");
	*out = sc_alloc_array(json_object_size(object) + 1, sizeof(**out));
	json_object_foreach(object, name, value)
	{
		if (!sc_user_name_valid(sc_bytes_str(name)))
			return fail(r,
				    "a name wants 1 to %d bytes of UTF-8, without "
				    "control characters: \"%.64s\"",
				    SC_USER_MAX, name);
		(*out)[(*n)++] = name;
	}
	qsort(*out, *n, sizeof(**out), compare_texts);
	return true;
}

/* False: there is none of that name. */
static bool find_name(const char *const *names, size_t n, const char *name, size_t *out)
{
	const char *const *found = NULL;

	if (n > 0)
		found = bsearch(&name, names, n, sizeof(*names), compare_texts);
	if (found)
		*out = (size_t)(found - names);
	return found != NULL;
}

/* ----- groups ----- */

/* What follows the prefix; NULL: it does not begin like that. */
static const char *after(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

static bool set_name(struct reader *r, enum sc_acl_kind kind, const char *name,
		     struct sc_acl_who *out)
{
	*out = (struct sc_acl_who){ .kind = kind, .name = name };
	if (sc_user_name_valid(sc_bytes_str(name)))
		return true;
	return fail(r, "no user and no token can be called \"%.64s\"", name);
}

/* Else it were the name of a user. */
static bool check_member(struct reader *r, const char *text)
{
	if (after(text, "user:"))
		return fail(r, "is written without \"user:\" here: \"%.64s\"", text + 5);
	if (after(text, "group:") || !strcmp(text, "users") || !strcmp(text, "strangers"))
		return fail(r, "is no member: name \"%.64s\" in the rule", text);
	return true;
}

static bool add_member(struct reader *r, const char *text, void *group)
{
	struct sc_acl_group *g = group;
	const char *token = after(text, "token:");

	return check_member(r, text) &&
	       set_name(r, token ? SC_ACL_TOKEN : SC_ACL_USER, token ? token : text,
			&g->members[g->n++]);
}

static bool read_group(struct reader *r, const json_t *groups, size_t i)
{
	const char *name = r->f->groups_by_name[i];
	struct sc_acl_group *g = &r->f->groups[i];
	size_t room = json_array_size(json_object_get(groups, name)) + 1;

	g->members = sc_alloc_array(room, sizeof(*g->members));
	return each_text(r, groups, name, add_member, g);
}

static bool read_groups(struct reader *r, json_t *groups)
{
	struct sc_acl_file *f = r->f;
	size_t outer = enter(r, "groups");
	bool good = read_names(r, groups, &f->groups_by_name, &f->n_groups);

	f->groups = sc_alloc_array(f->n_groups + 1, sizeof(*f->groups));
	for (size_t i = 0; i < f->n_groups && good; i++)
		good = read_group(r, groups, i);
	if (good)
		leave(r, outer);
	return good;
}

/* ----- sets of images ----- */

static struct sc_acl_text *add_text(struct sc_acl_texts *t, const char *text, size_t set)
{
	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 16;
		t->items = sc_realloc_array(t->items, t->room, sizeof(*t->items));
	}
	t->items[t->n] = (struct sc_acl_text){ .text = text, .set = set };
	return &t->items[t->n++];
}

/* As paths of images below the root are written: one spelling for each. */
static bool is_folder(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "/");

		if (n == 0 || (n == 1 && *text == '.') ||
		    (n == 2 && text[0] == '.' && text[1] == '.'))
			return false;
		text += n;
		if (*text && !*++text)
			return false;
	}
	return true;
}

static bool add_folder(struct reader *r, const char *text, void *set)
{
	if (!is_folder(text))
		return fail(r, "wants a folder below the root, like \"a\" or \"a/b\"");
	(void)add_text(&r->f->folders, text, *(const size_t *)set);
	return true;
}

static bool add_name(struct reader *r, const char *text, void *set)
{
	static const char special[] = "*?[]\\";
	size_t n = strlen(text);
	struct sc_acl_text *added = NULL;

	if (strchr(text, '/'))
		return fail(r, "wants a pattern of file names, which have no \"/\"");
	added = add_text(&r->f->names, text, *(const size_t *)set);
	added->head = strcspn(text, special);
	while (added->tail < n && !strchr(special, text[n - added->tail - 1]))
		added->tail++;
	return true;
}

static int compare_ids(const void *a, const void *b)
{
	const struct sc_acl_id *x = a;
	const struct sc_acl_id *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return (x->set > y->set) - (x->set < y->set);
}

static bool add_id(struct reader *r, const json_t *value, size_t set)
{
	struct sc_acl_file *f = r->f;

	if (json_integer_value(value) < 1) /* also what is no integer */
		return fail(r, "wants the id of an image, as a number");
	if (f->n_ids == f->room_ids) {
		f->room_ids = f->room_ids ? 2 * f->room_ids : 16;
		f->ids = sc_realloc_array(f->ids, f->room_ids, sizeof(*f->ids));
	}
	f->ids[f->n_ids++] = (struct sc_acl_id){ json_integer_value(value), set };
	return true;
}

/* Those of one set are at the end of the table. */
static bool check_ids(struct reader *r, size_t first)
{
	const struct sc_acl_file *f = r->f;

	if (f->n_ids > first)
		qsort(f->ids + first, f->n_ids - first, sizeof(*f->ids), compare_ids);
	for (size_t i = first + 1; i < f->n_ids; i++)
		if (f->ids[i - 1].id == f->ids[i].id)
			return fail(r, "%lld is there twice", (long long)f->ids[i].id);
	return true;
}

static bool read_ids(struct reader *r, const json_t *array, size_t set)
{
	size_t outer = enter(r, "ids");
	size_t first = r->f->n_ids;

	if (array && !json_is_array(array))
		return fail(r, "wants a list of numbers");
	for (size_t i = 0; i < json_array_size(array); i++) {
		size_t at = enter_item(r, i);

		if (!add_id(r, json_array_get(array, i), set))
			return false;
		leave(r, at);
	}
	if (!check_ids(r, first))
		return false;
	leave(r, outer);
	return true;
}

static bool read_set(struct reader *r, const json_t *sets, size_t set)
{
	static const char *const fields[] = { "ids", "folders", "names", NULL };
	const char *name = r->f->sets_by_name[set];
	json_t *value = json_object_get(sets, name);
	size_t outer = enter(r, name);

	if (strcmp(name, "all") == 0)
		return fail(r, "is the name of all images, and of no other set");
	if (!check_object(r, value, fields) ||
	    !read_ids(r, json_object_get(value, "ids"), set) ||
	    !each_text(r, value, "folders", add_folder, &set) ||
	    !each_text(r, value, "names", add_name, &set))
		return false;
	leave(r, outer);
	return true;
}

static int compare_rows(const void *a, const void *b)
{
	return strcmp(((const struct sc_acl_text *)a)->text,
		      ((const struct sc_acl_text *)b)->text);
}

static void sort_tables(struct sc_acl_file *f)
{
	if (f->n_ids > 0)
		qsort(f->ids, f->n_ids, sizeof(*f->ids), compare_ids);
	if (f->folders.n > 0)
		qsort(f->folders.items, f->folders.n, sizeof(*f->folders.items),
		      compare_rows);
}

static bool read_sets(struct reader *r, json_t *sets)
{
	struct sc_acl_file *f = r->f;
	size_t outer = enter(r, "images");

	if (!read_names(r, sets, &f->sets_by_name, &f->n_sets))
		return false;
	for (size_t i = 0; i < f->n_sets; i++)
		if (!read_set(r, sets, i))
			return false;
	sort_tables(f);
	leave(r, outer);
	return true;
}

/* ----- rules ----- */

static bool add_group(struct reader *r, const char *name, struct sc_acl_who *out)
{
	const struct sc_acl_file *f = r->f;

	out->kind = SC_ACL_GROUP;
	if (find_name(f->groups_by_name, f->n_groups, name, &out->group))
		return true;
	return fail(r, "no group is called \"%.64s\"", name);
}

static bool add_who(struct reader *r, const char *text, void *rule)
{
	struct sc_acl_rule *to = rule;
	struct sc_acl_who *out = &to->who[to->n_who++];
	const char *user = after(text, "user:");
	const char *token = after(text, "token:");
	const char *group = after(text, "group:");

	*out = (struct sc_acl_who){ .kind = SC_ACL_STRANGERS };
	if (user || token)
		return set_name(r, user ? SC_ACL_USER : SC_ACL_TOKEN, user ? user : token,
				out);
	if (group)
		return add_group(r, group, out);
	if (strcmp(text, "users") == 0)
		out->kind = SC_ACL_USERS;
	else if (strcmp(text, "strangers") != 0)
		return fail(r,
			    "wants \"user:NAME\", \"token:NAME\", \"group:NAME\", "
			    "\"users\" or \"strangers\", not \"%.64s\"",
			    text);
	return true;
}

static bool add_set(struct reader *r, const char *text, void *rule)
{
	struct sc_acl_rule *to = rule;

	if (strcmp(text, "all") == 0) {
		to->all = true;
		return true;
	}
	if (find_name(r->f->sets_by_name, r->f->n_sets, text, &to->sets[to->n_sets])) {
		to->n_sets++;
		return true;
	}
	return fail(r, "no set of images is called \"%.64s\"", text);
}

static bool add_right(struct reader *r, const char *text, void *rule)
{
	unsigned right = sc_right_named(text);

	((struct sc_acl_rule *)rule)->rights |= right;
	return right != SC_RIGHT_NONE ||
	       fail(r, "wants \"read\", \"manage\" or \"label\", not \"%.64s\"", text);
}

/* It would look as if anybody might do what only those may who are known. */
static bool check_strangers(struct reader *r, const struct sc_acl_rule *rule)
{
	for (size_t i = 0; i < rule->n_who; i++)
		if (rule->who[i].kind == SC_ACL_STRANGERS &&
		    rule->rights != SC_RIGHT_READ) {
			(void)enter(r, "rights");
			return fail(r, "strangers may read and nothing else; "
				       "\"users\" are all who are known");
		}
	return true;
}

/* A rule that says nothing of one of them is a mistake. */
static bool check_rule(struct reader *r, json_t *rule)
{
	static const char *const fields[] = { "who", "images", "rights", NULL };

	if (!json_is_object(rule))
		return fail(r, "wants an object");
	for (size_t i = 0; fields[i]; i++) {
		const json_t *value = json_object_get(rule, fields[i]);

		if (value && (!json_is_array(value) || json_array_size(value) > 0))
			continue;
		(void)enter(r, fields[i]);
		return fail(r, value ? "is empty" : "is missing");
	}
	return check_object(r, rule, fields);
}

static bool read_rule(struct reader *r, json_t *from, struct sc_acl_rule *out)
{
	if (!check_rule(r, from))
		return false;
	out->who = sc_alloc_array(json_array_size(json_object_get(from, "who")) + 1,
				  sizeof(*out->who));
	out->sets = sc_alloc_array(json_array_size(json_object_get(from, "images")) + 1,
				   sizeof(*out->sets));
	return each_text(r, from, "who", add_who, out) &&
	       each_text(r, from, "images", add_set, out) &&
	       each_text(r, from, "rights", add_right, out) && check_strangers(r, out);
}

static bool read_rules(struct reader *r, const json_t *rules)
{
	size_t outer = enter(r, "rules");
	size_t n = json_array_size(rules);

	if (!json_is_array(rules))
		return fail(r, rules ? "wants a list of objects" : "is missing");
	r->f->rules = sc_alloc_array(n + 1, sizeof(*r->f->rules));
	for (; r->f->n_rules < n;) {
		size_t at = enter_item(r, r->f->n_rules);
		struct sc_acl_rule *rule = &r->f->rules[r->f->n_rules];

		if (!read_rule(r, json_array_get(rules, r->f->n_rules++), rule))
			return false;
		leave(r, at);
	}
	leave(r, outer);
	return true;
}

/* ----- the file ----- */

static bool read_document(struct reader *r)
{
	static const char *const fields[] = { "groups", "images", "rules", NULL };
	json_t *all = r->f->document;

	return check_object(r, all, fields) &&
	       read_groups(r, json_object_get(all, "groups")) &&
	       read_sets(r, json_object_get(all, "images")) &&
	       read_rules(r, json_object_get(all, "rules"));
}

static json_t *read_json(struct sc_bytes text, struct sc_err *err)
{
	json_error_t at;
	json_t *document = NULL;

	if (text.len > SC_ACL_FILE_MAX) {
		(void)sc_fail(err, SC_INVALID, "is larger than %d bytes",
			      SC_ACL_FILE_MAX);
		return NULL;
	}
	document = json_loadb((const char *)text.data, text.len,
			      JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &at);
	if (!document)
		(void)sc_fail(err, SC_INVALID, "line %d, column %d: %.160s", at.line,
			      at.column, at.text);
	return document;
}

enum sc_status sc_acl_parse(struct sc_bytes text, struct sc_acl_file **out,
			    struct sc_err *err)
{
	struct reader r = { .err = err };
	json_t *document = read_json(text, err);

	if (!document)
		return err->status;
	r.f = sc_alloc(sizeof(*r.f));
	r.f->document = document;
	if (!read_document(&r)) {
		sc_acl_file_free(r.f);
		return err->status;
	}
	*out = r.f;
	return SC_OK;
}

void sc_acl_file_free(struct sc_acl_file *f)
{
	if (!f)
		return;
	for (size_t i = 0; f->groups && i < f->n_groups; i++)
		free(f->groups[i].members);
	for (size_t i = 0; i < f->n_rules; i++) {
		free(f->rules[i].who);
		free(f->rules[i].sets);
	}
	free(f->groups_by_name);
	free(f->sets_by_name);
	free(f->groups);
	free(f->ids);
	free(f->folders.items);
	free(f->names.items);
	free(f->rules);
	json_decref(f->document);
	free(f);
}

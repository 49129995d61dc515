/* SPDX-License-Identifier: MIT */
/*
 * What one caller may, see acl_grants.h.
 */
#include "access/acl_grants.h"

#include <fnmatch.h>
#include <stdlib.h>

/* ----- the caller and the rules ----- */

static bool is_named(const struct sc_acl_who *who, const struct sc_caller *caller)
{
	enum sc_caller_kind kind =
		who->kind == SC_ACL_TOKEN ? SC_CALLER_TOKEN : SC_CALLER_USER;

	return caller->kind == kind && strcmp(who->name, caller->name) == 0;
}

static bool is_member(const struct sc_acl_group *g, const struct sc_caller *caller)
{
	for (size_t i = 0; i < g->n; i++)
		if (is_named(&g->members[i], caller))
			return true;
	return false;
}

/* in: whether the caller is in each group. */
static bool is_meant(const struct sc_acl_who *who, const bool *in,
		     const struct sc_caller *caller)
{
	switch (who->kind) {
	case SC_ACL_STRANGERS:
		return true;
	case SC_ACL_USERS:
		return caller->kind != SC_CALLER_STRANGER;
	case SC_ACL_GROUP:
		return in[who->group];
	case SC_ACL_USER:
	case SC_ACL_TOKEN:
		break;
	}
	return is_named(who, caller);
}

static bool applies(const struct sc_acl_rule *rule, const bool *in,
		    const struct sc_caller *caller)
{
	for (size_t i = 0; i < rule->n_who; i++)
		if (is_meant(&rule->who[i], in, caller))
			return true;
	return false;
}

static void grant(const struct sc_acl_rule *rule, struct sc_grants *g)
{
	if (rule->all)
		g->all |= rule->rights;
	for (size_t i = 0; i < rule->n_sets; i++)
		g->on_set[rule->sets[i]] |= (unsigned char)rule->rights;
	if (rule->n_sets > 0)
		g->some |= rule->rights;
}

static void follow_rules(const struct sc_caller *caller, struct sc_grants *g)
{
	const struct sc_acl_file *f = g->file;
	SC_AUTO_FREE bool *in = sc_alloc_array(f->n_groups + 1, sizeof(*in));

	g->on_set = sc_alloc_array(f->n_sets + 1, sizeof(*g->on_set));
	for (size_t i = 0; i < f->n_groups; i++)
		in[i] = is_member(&f->groups[i], caller);
	for (size_t i = 0; i < f->n_rules; i++)
		if (applies(&f->rules[i], in, caller))
			grant(&f->rules[i], g);
}

/* ----- an image and the sets ----- */

static unsigned by_id(const struct sc_grants *g, int64_t id)
{
	const struct sc_acl_id *rows = g->file->ids;
	size_t n = g->file->n_ids;
	size_t low = 0;
	unsigned rights = 0;

	for (size_t high = n; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (rows[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < n && rows[low].id == id; low++)
		rights |= g->on_set[rows[low].set];
	return rights;
}

/* As strcmp(text, the len bytes at folder). */
static int compare_folder(const char *text, const char *folder, size_t len)
{
	int order = strncmp(text, folder, len);

	return order ? order : text[len] != '\0';
}

static unsigned by_one_folder(const struct sc_grants *g, const char *file, size_t len)
{
	const struct sc_acl_texts *rows = &g->file->folders;
	size_t low = 0;
	unsigned rights = 0;

	for (size_t high = rows->n; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (compare_folder(rows->items[middle].text, file, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < rows->n && compare_folder(rows->items[low].text, file, len) == 0;
	     low++)
		rights |= g->on_set[rows->items[low].set];
	return rights;
}

/* Each folder that it is anywhere in. */
static unsigned by_folder(const struct sc_grants *g, const char *file)
{
	unsigned rights = 0;

	for (const char *at = strchr(file, '/'); at; at = strchr(at + 1, '/'))
		rights |= by_one_folder(g, file, (size_t)(at - file));
	return rights;
}

/* Most names fail at a pattern's plain ends, for far less than fnmatch(3) takes. */
static bool name_matches(const struct sc_acl_text *p, const char *name, size_t len)
{
	size_t n = 0;

	if (len < p->tail || strncmp(p->text, name, p->head) != 0)
		return false;
	n = strlen(p->text + p->head) + p->head;
	if (memcmp(p->text + n - p->tail, name + len - p->tail, p->tail) != 0)
		return false;
	return fnmatch(p->text, name, 0) == 0;
}

/* Only patterns that would add to the rights that there are. */
static unsigned by_name(const struct sc_grants *g, const char *file, unsigned rights)
{
	const struct sc_acl_texts *rows = &g->file->names;
	const char *slash = strrchr(file, '/');
	const char *name = slash ? slash + 1 : file;
	size_t len = strlen(name);

	for (size_t i = 0; i < rows->n; i++) {
		unsigned more = g->on_set[rows->items[i].set];

		if ((more & ~rights) && name_matches(&rows->items[i], name, len))
			rights |= more;
	}
	return rights;
}

unsigned sc_grants_of_file(const struct sc_grants *g, int64_t id, const char *file)
{
	unsigned rights = g->all;

	if (g->some & ~rights)
		rights |= by_id(g, id) | by_folder(g, file);
	if (g->some & ~rights)
		rights = by_name(g, file, rights);
	return rights;
}

/* ----- what is remembered of images ----- */

#define ASKED 8U /* beside the three rights */

_Static_assert((SC_RIGHTS_ALL & ASKED) == 0 && SC_RIGHTS_ALL < 16, "half a byte");

struct sc_grants_memory {
	size_t last;		/* the image that was found last: lists go on from it */
	unsigned asked, answer; /* of sc_grants_any, while the caller's limit is most */
	unsigned most;
	unsigned char images[]; /* two in a byte */
};

static unsigned recall(const struct sc_grants_memory *m, size_t at)
{
	return ((unsigned)m->images[at / 2] >> (at % 2 * 4)) & 15U;
}

static void note(struct sc_grants_memory *m, size_t at, unsigned rights)
{
	m->images[at / 2] |= (unsigned char)((rights | ASKED) << (at % 2 * 4));
}

/* count: there is none. */
static size_t index_of(const struct sc_catalogue *c, int64_t id)
{
	size_t n = sc_catalogue_count(c);
	size_t low = 0;

	for (size_t high = n; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (sc_catalogue_at(c, middle)->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && sc_catalogue_at(c, low)->id == id ? low : n;
}

static bool is_at(const struct sc_catalogue *c, size_t at, int64_t id)
{
	const struct sc_image *im = sc_catalogue_at(c, at);

	return im && im->id == id;
}

/* Lists ask for one after the other; and ids are given from 1, and never taken away but
 * by hand. */
static size_t find(const struct sc_grants *g, int64_t id)
{
	size_t next = g->memory ? g->memory->last + 1 : 0;
	size_t at = (size_t)id - 1;

	if (is_at(g->catalogue, next, id))
		at = next;
	else if (!is_at(g->catalogue, at, id))
		at = index_of(g->catalogue, id);
	if (g->memory)
		g->memory->last = at;
	return at;
}

/* Of the image at this place of the catalogue. */
static unsigned on(const struct sc_grants *g, size_t at)
{
	const struct sc_image *im = sc_catalogue_at(g->catalogue, at);
	unsigned rights = g->memory ? recall(g->memory, at) : 0;

	if (rights & ASKED)
		return rights & g->most;
	rights = sc_grants_of_file(g, im->id, im->file);
	if (g->memory)
		note(g->memory, at, rights);
	return rights & g->most;
}

unsigned sc_grants_on(const struct sc_grants *g, int64_t image)
{
	unsigned rights = g->all & g->most;
	size_t at = 0;

	if (image == 0 || (g->some & g->most & ~rights) == 0)
		return rights;
	at = find(g, image);
	return at < sc_catalogue_count(g->catalogue) ? on(g, at) : rights;
}

static bool look_for(const struct sc_grants *g, unsigned right)
{
	for (size_t i = 0; i < sc_catalogue_count(g->catalogue); i++)
		if (sc_catalogue_at(g->catalogue, i)->state != SC_IMAGE_GONE &&
		    (on(g, i) & right))
			return true;
	return false;
}

static bool look_for_once(const struct sc_grants *g, unsigned right)
{
	struct sc_grants_memory *m = g->memory;

	if (m->most != g->most)
		m->asked = m->answer = 0;
	m->most = g->most;
	if (!(m->asked & right) && look_for(g, right))
		m->answer |= right;
	m->asked |= right;
	return m->answer & right;
}

bool sc_grants_any(const struct sc_grants *g, enum sc_right right)
{
	if (g->all & g->most & right)
		return true;
	if (!(g->some & g->most & right))
		return false;
	return g->memory ? look_for_once(g, right) : look_for(g, right);
}

void sc_grants_resolve(const struct sc_acl_file *f, const struct sc_caller *caller,
		       const struct sc_catalogue *c, bool remember, struct sc_grants *out)
{
	*out = (struct sc_grants){ .file = f, .catalogue = c, .most = caller->rights };
	follow_rules(caller, out);
	if (remember)
		out->memory =
			sc_alloc(sizeof(*out->memory) + sc_catalogue_count(c) / 2 + 1);
}

void sc_grants_release(struct sc_grants *g)
{
	free(g->on_set);
	free(g->memory);
	*g = (struct sc_grants){ .file = NULL };
}

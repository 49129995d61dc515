/* SPDX-License-Identifier: MIT */
/*
 * Access lists as a process has them, see acl.h: the file, read again when it changes,
 * and what was found out of callers, which is dropped when anything changes that it was
 * found out from.
 */
#include "slidecache/acl.h"

#include <stdlib.h>

#include "access/acl_grants.h"
#include "access/reread.h"
#include "slidecache/hash.h"
#include "slidecache/log.h"
#include "slidecache/version.h"

#define CALLERS_MAX 256

/* What a caller was found out from, but for the caller. */
struct basis {
	char version[SC_VERSION_LEN + 1]; /* of "acl"; "": of nothing that is kept */
	const struct sc_catalogue *catalogue;
	uint64_t generation; /* of the catalogue */
};

struct known_caller {
	enum sc_caller_kind kind;
	char name[SC_USER_MAX + 1];
	uint64_t used; /* by the handle's own clock */
	struct sc_grants grants;
};

struct sc_acl {
	struct sc_reread reader;  /* of a path that is NULL or "" where there is none */
	struct sc_buf text;	  /* of file */
	struct sc_acl_file *file; /* NULL: it was wrong when it was read last */
	char said[sizeof(((struct sc_err *)0)->text)]; /* of that, in the log; "" */
	struct basis basis;
	uint64_t hashes[CALLERS_MAX]; /* of callers, by which they are looked up */
	struct known_caller *callers[CALLERS_MAX];
	size_t n;
	uint64_t clock;
	struct sc_grants passing; /* of a caller who is not remembered */
};

/* ----- the file ----- */

/* Its sentences begin with the path: they are for the administrator. */
static struct sc_reread reader_of(const char *path)
{
	return (struct sc_reread){ .path = path, .option = path, .max = SC_ACL_FILE_MAX };
}

static enum sc_status parse(const char *path, const struct sc_buf *text,
			    struct sc_acl_file **out, struct sc_err *err)
{
	SC_AUTO_BUF prefix = SC_BUF_INIT;

	if (sc_acl_parse(sc_buf_bytes(text), out, err) == SC_OK)
		return SC_OK;
	sc_buf_printf(&prefix, "%.100s", path);
	return sc_fail_in(err, (const char *)prefix.data);
}

enum sc_status sc_acl_check(const char *file, struct sc_err *err)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	struct sc_reread reader = reader_of(file);
	struct sc_acl_file *parsed = NULL;
	bool fresh = false;

	if (sc_reread(&reader, &text, &fresh, err) != SC_OK ||
	    parse(file, &text, &parsed, err) != SC_OK)
		return err->status;
	sc_acl_file_free(parsed);
	return SC_OK;
}

bool sc_acl_is_set(const struct sc_acl *acl)
{
	return acl->reader.path && *acl->reader.path;
}

static void forget_callers(struct sc_acl *acl)
{
	for (size_t i = 0; i < acl->n; i++) {
		sc_grants_release(&acl->callers[i]->grants);
		free(acl->callers[i]);
	}
	acl->n = 0;
	sc_grants_release(&acl->passing);
}

static void drop_file(struct sc_acl *acl)
{
	forget_callers(acl);
	sc_acl_file_free(acl->file);
	acl->file = NULL;
	sc_buf_release(&acl->text);
}

/* Once for each thing that is wrong, however often it is looked at. */
static void say_wrong(struct sc_acl *acl, const struct sc_err *err)
{
	if (strcmp(acl->said, err->text) == 0)
		return;
	memcpy(acl->said, err->text, sizeof(acl->said));
	sc_log_error("access.acl_file: %s; until it is right nobody may anything",
		     err->text);
}

static void say_right(struct sc_acl *acl)
{
	if (acl->said[0])
		sc_log_info("access.acl_file: %s: is right again", acl->reader.path);
	acl->said[0] = '\0';
}

/* The same text as before, written once more, changes nothing. */
static enum sc_status take_text(struct sc_acl *acl, struct sc_buf *text,
				struct sc_err *err)
{
	if (acl->file && sc_bytes_equal(sc_buf_bytes(text), sc_buf_bytes(&acl->text)))
		return SC_OK;
	drop_file(acl);
	acl->text = sc_buf_take(text);
	return parse(acl->reader.path, &acl->text, &acl->file, err);
}

static enum sc_status refresh(struct sc_acl *acl, struct sc_err *err)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	bool fresh = false;
	enum sc_status status = sc_reread(&acl->reader, &text, &fresh, err);

	if (!status && fresh)
		status = take_text(acl, &text, err);
	if (status) {
		drop_file(acl);
		say_wrong(acl, err);
	} else if (acl->file) {
		say_right(acl);
		return SC_OK;
	}
	return sc_fail(err, SC_UNAVAILABLE, "the access lists cannot be read");
}

/* ----- callers ----- */

struct sc_acl *sc_acl_new(const char *file)
{
	struct sc_acl *acl = sc_alloc(sizeof(*acl));

	acl->reader = reader_of(file);
	return acl;
}

void sc_acl_free(struct sc_acl *acl)
{
	if (!acl)
		return;
	drop_file(acl);
	free(acl);
}

/* False: it is of another moment, and nothing that is remembered holds any more. */
static bool is_basis(const struct sc_acl *acl, const char *version,
		     const struct sc_catalogue *c)
{
	const struct basis *b = &acl->basis;

	return strcmp(b->version, version) == 0 && b->catalogue == c &&
	       b->generation == sc_catalogue_generation(c);
}

static void set_basis(struct sc_acl *acl, const char *version,
		      const struct sc_catalogue *c)
{
	forget_callers(acl);
	acl->basis = (struct basis){ .catalogue = c,
				     .generation = sc_catalogue_generation(c) };
	memcpy(acl->basis.version, version, strnlen(version, SC_VERSION_LEN));
}

static uint64_t hash_of(const struct sc_caller *caller)
{
	return sc_hash64(sc_bytes_str(caller->name)) ^ (uint64_t)caller->kind;
}

static struct known_caller *find_caller(const struct sc_acl *acl,
					const struct sc_caller *caller)
{
	uint64_t hash = hash_of(caller);

	for (size_t i = 0; i < acl->n; i++)
		if (acl->hashes[i] == hash && acl->callers[i]->kind == caller->kind &&
		    strcmp(acl->callers[i]->name, caller->name) == 0)
			return acl->callers[i];
	return NULL;
}

/* The place of whoever was not here for longest, if there is no other. */
static size_t make_room(struct sc_acl *acl)
{
	size_t oldest = 0;

	if (acl->n < CALLERS_MAX)
		return acl->n++;
	for (size_t i = 1; i < acl->n; i++)
		if (acl->callers[i]->used < acl->callers[oldest]->used)
			oldest = i;
	sc_grants_release(&acl->callers[oldest]->grants);
	free(acl->callers[oldest]);
	return oldest;
}

static struct known_caller *add_caller(struct sc_acl *acl, const struct sc_caller *caller,
				       const struct sc_catalogue *c)
{
	struct known_caller *out = sc_alloc(sizeof(*out));
	size_t at = make_room(acl);

	out->kind = caller->kind;
	memcpy(out->name, caller->name, sizeof(out->name));
	sc_grants_resolve(acl->file, caller, c, true, &out->grants);
	acl->hashes[at] = hash_of(caller);
	acl->callers[at] = out;
	return out;
}

static const struct sc_grants *remembered(struct sc_acl *acl,
					  const struct sc_caller *caller,
					  const struct sc_catalogue *c)
{
	struct known_caller *found = find_caller(acl, caller);

	if (!found)
		found = add_caller(acl, caller, c);
	found->used = ++acl->clock;
	found->grants.most = caller->rights;
	return &found->grants;
}

static const struct sc_grants *pass(struct sc_acl *acl, const struct sc_caller *caller,
				    const struct sc_catalogue *c)
{
	sc_grants_release(&acl->passing);
	sc_grants_resolve(acl->file, caller, c, false, &acl->passing);
	return &acl->passing;
}

/* Of a file that was read. */
static const struct sc_grants *grants_of(struct sc_acl *acl,
					 const struct sc_caller *caller,
					 const char *version,
					 const struct sc_catalogue *c)
{
	if (!*version)
		return pass(acl, caller, c);
	if (!is_basis(acl, version, c))
		set_basis(acl, version, c);
	return remembered(acl, caller, c);
}

enum sc_status sc_acl_grants(struct sc_acl *acl, const struct sc_caller *caller,
			     const char *version, const struct sc_catalogue *c,
			     const struct sc_grants **out, struct sc_err *err)
{
	if (!sc_acl_is_set(acl)) {
		acl->passing = (struct sc_grants){ .most = caller->rights,
						   .all = SC_RIGHTS_ALL };
		*out = &acl->passing;
		return SC_OK;
	}
	if (refresh(acl, err) != SC_OK)
		return err->status;
	*out = grants_of(acl, caller, version, c);
	return SC_OK;
}

bool sc_acl_is_public(struct sc_acl *acl, const char *version,
		      const struct sc_catalogue *c, int64_t image)
{
	static const struct sc_caller stranger = { .rights = SC_RIGHT_READ };
	struct sc_err ignored;

	if (!sc_acl_is_set(acl))
		return true;
	if (!acl->file && refresh(acl, &ignored) != SC_OK)
		return false;
	return sc_grants_on(grants_of(acl, &stranger, version, c), image) & SC_RIGHT_READ;
}

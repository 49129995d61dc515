/* SPDX-License-Identifier: MIT */
/*
 * Access lists: what a caller may do with which image.
 *
 * acl_file is a JSON object. Rules only grant: what a caller may do is the sum of all
 * rules that name them, cut to what their token may at most. Nothing is granted without a
 * rule, to strangers neither.
 *
 *   {
 *     "groups": {"pathology": ["anna", "ben", "token:nightly"]},
 *     "images": {"teaching": {"ids": [1, 2], "folders": ["teaching"],
 *                             "names": ["*_demo.svs"]}},
 *     "rules": [
 *       {"who": ["strangers"],       "images": ["teaching"], "rights": ["read"]},
 *       {"who": ["group:pathology"], "images": ["all"],      "rights": ["read",
 * "label"]},
 *       {"who": ["user:anna", "token:nightly"], "images": ["all"], "rights": ["manage"]}
 *     ]
 *   }
 *
 * who: "user:NAME", "token:NAME", "group:NAME", "users" (all users and tokens that are
 * known), "strangers" (everybody, known or not). images: names of sets, or "all". A
 * member of a group is a user's name (none that reads like a rule's who), or
 * "token:NAME". An image is in a set by its id, by a folder below the root that it is
 * anywhere in, or by its file's name without folders, matched as fnmatch(3) does without
 * flags. Strangers can be given "read" only. Unknown keys, names, sets and groups are
 * errors, with the place in the file, and what is there twice, and a rule that leaves out
 * or empties one of its three parts. At most 1 MiB.
 *
 * Without an acl_file everybody may read, and users and tokens may manage and see labels.
 *
 * What a caller may is resolved over the whole catalogue once and remembered by the
 * process under the version that the versioned cache "acl" has for this very request, the
 * file as it is now and the catalogue as it is now. So a change of the file, or
 * "slidecachectl invalidate acl", holds from the next request on. It is not kept in a
 * cache's store: those are trusted with forgetting only.
 *
 * A file that cannot be read or is wrong grants nothing and says SC_UNAVAILABLE: an error
 * of the administrator must not open what was closed. "slidecachectl acl check FILE"
 * looks at a new one before it is moved there.
 */
#ifndef SLIDECACHE_ACL_H
#define SLIDECACHE_ACL_H

#include "slidecache/access.h"
#include "slidecache/catalogue.h"

struct sc_acl;
/* One handle a process. file: NULL or "": none; must outlive it. Reads nothing yet. */
struct sc_acl *sc_acl_new(const char *file);
void sc_acl_free(struct sc_acl *acl);
/* Reads the file once. SC_INVALID: "FILE: ...", with place and reason; SC_UNAVAILABLE,
 * SC_DENIED. */
SC_MUST enum sc_status sc_acl_check(const char *file, struct sc_err *err);
bool sc_acl_is_set(const struct sc_acl *acl);

/* What one caller may; of the handle, valid until its next call. */
struct sc_grants;
/* version: of "acl", as read for this request; "": unknown or not versioned, then nothing
 * is remembered. SC_UNAVAILABLE: see above. */
SC_MUST enum sc_status sc_acl_grants(struct sc_acl *acl, const struct sc_caller *caller,
				     const char *version, const struct sc_catalogue *c,
				     const struct sc_grants **out, struct sc_err *err);
/* A set of SC_RIGHT_... on an image, also one that the catalogue does not have (then by
 * "all" alone); 0: on all images, those of tomorrow too. */
unsigned sc_grants_on(const struct sc_grants *g, int64_t image);
/* Whether it is a right on any image of the catalogue, or on all. */
bool sc_grants_any(const struct sc_grants *g, enum sc_right right);
/* Whether strangers may read the image: decides "public" in Cache-Control. Errors: no. By
 * the file as the last sc_acl_grants found it, if there was one: that decides with it. */
bool sc_acl_is_public(struct sc_acl *acl, const char *version,
		      const struct sc_catalogue *c, int64_t image);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Private to src/access: what one caller may, by the tables of a file and the catalogue.
 * Pure.
 *
 * Of the caller a look at the rules once, which gives rights on each set; of an image a
 * look at the sets that it is in, when it is asked about for the first time. Whoever
 * keeps this keeps both: four bits an image.
 */
#ifndef SRC_ACCESS_ACL_GRANTS_H
#define SRC_ACCESS_ACL_GRANTS_H

#include "access/acl_file.h"
#include "slidecache/acl.h"

struct sc_grants_memory;

struct sc_grants {
	const struct sc_acl_file *file;	      /* NULL: all has everything */
	const struct sc_catalogue *catalogue; /* the one that memory is about */
	unsigned most;			      /* no right but these; not remembered */
	unsigned all;			      /* on all images */
	unsigned some;			      /* on a set at least */
	unsigned char *on_set;		      /* by the set's number */
	struct sc_grants_memory *memory;      /* NULL: nothing is remembered */
};

/* f and c must outlive it. remember: what is found out of images. */
void sc_grants_resolve(const struct sc_acl_file *f, const struct sc_caller *caller,
		       const struct sc_catalogue *c, bool remember,
		       struct sc_grants *out);
void sc_grants_release(struct sc_grants *g);
/* By the sets that a file of this id and path is in, without regard to most; nothing is
 * remembered. */
unsigned sc_grants_of_file(const struct sc_grants *g, int64_t id, const char *file);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Private to src/app: what whoever manages over HTTP does: reading and changing versions,
 * and that each change is written down.
 *
 * What a store says of itself (its place, its server) is for the log; those who ask learn
 * that it is out of reach.
 */
#ifndef SRC_APP_MANAGE_H
#define SRC_APP_MANAGE_H

#include "app/context.h"

/* Well formed, and if it is image/ID, of an image that there is: SC_INVALID,
 * SC_NOT_FOUND. Touches no store. */
enum sc_status sc_version_name_known(const struct sc_app *app, const char *name,
				     struct sc_err *err);
bool sc_is_image_name(const char *name);

/* All of them by *out, to be freed. */
enum sc_status sc_read_all_versions(struct sc_app *app, struct sc_version **out,
				    size_t *n, struct sc_err *err);
/* Of n names, however many: in the order of names, of which each was found good by
 * sc_version_name_known. */
enum sc_status sc_read_named_versions(struct sc_app *app, const char *const *names,
				      size_t n, struct sc_version *out,
				      struct sc_err *err);

/* A change of n names, or of all: recorded with who it was, with a line in
 * the log: audit.h. */
struct sc_change {
	const char *done; /* "invalidated" */
	enum sc_status (*run)(struct sc_versions *v, const char *const *names, size_t n,
			      struct sc_err *err);
};
extern const struct sc_change sc_change_invalidate, sc_change_start, sc_change_stop;
/* n 0: all versioned caches. SC_UNAVAILABLE: it may have happened or not. */
enum sc_status sc_change_versions(struct sc_request *rq, const struct sc_change *change,
				  const char *const *names, size_t n, struct sc_err *err);
/* A change that happened, but what is current now cannot be read: says so in err. Returns
 * its status. */
enum sc_status sc_fail_after_change(struct sc_err *err);

#endif

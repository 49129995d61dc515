/* SPDX-License-Identifier: MIT */
/*
 * The handle on versions, and what the files that implement its calls share.
 */
#ifndef SRC_VERSION_HANDLE_H
#define SRC_VERSION_HANDLE_H

#include <sys/types.h>

#include "version/memory.h"
#include "version/store.h"

/* Names that are read at once. */
#define SC_VERSIONS_GET_MAX 16
/* What was made can go missing again before it is read; not time after time. */
#define SC_VERSIONS_TRIES 10

struct sc_versions {
	const struct sc_store_ops *ops;
	void *store;
	pid_t pid;
	char actor[sizeof(((struct sc_version *)0)->changed_by)];
	struct sc_memory memory;
	char *memory_path;	/* NULL: this handle's memory is all there is */
	bool unsaved;		/* the file has less than memory */
	bool learned;		/* the store was listed once */
	int64_t learn_at_us;	/* monotonic: not before */
	int64_t complain_at_us; /* monotonic: not before */
};

/* SC_INTERNAL in a process that did not open it. */
SC_MUST enum sc_status sc_versions_check_process(const struct sc_versions *v,
						 struct sc_err *err);
/* A store's failure in terms of the contract: 503 for whatever is not the caller's. */
enum sc_status sc_versions_fail(struct sc_err *err);
/* SC_UNAVAILABLE: after that many tries. */
enum sc_status sc_versions_fail_forgetful(struct sc_err *err);
/* As this handle's actor. *changed: how many names. */
SC_MUST enum sc_status sc_versions_apply(struct sc_versions *v,
					 struct sc_version_change *c, size_t *changed,
					 struct sc_err *err);
SC_MUST enum sc_status sc_versions_check_names(const char *const *names, size_t n,
					       struct sc_err *err);

/* recall.c: what the store forgot comes back, and what there is then is noted. All
 * records but images', sorted by name; *out by malloc. */
SC_MUST enum sc_status sc_versions_recall(struct sc_versions *v, struct sc_version **out,
					  size_t *n, struct sc_err *err);
/* NULL: none of these, which are sorted, has that name. */
const struct sc_version *sc_versions_find(const struct sc_version *records, size_t n,
					  const char *name);
/* SC_NOT_FOUND for a name that none of these has; an image needs none. */
SC_MUST enum sc_status sc_versions_check_there(const struct sc_version *records, size_t n,
					       const char *name, struct sc_err *err);
/* As recall; a failure is nobody's business and made up for soon. */
void sc_versions_learn(struct sc_versions *v);

/* steps.c: one step of that kind for each name, sorted, without repetitions; returns how
 * many. */
size_t sc_versions_steps(const char *const *names, size_t n,
			 enum sc_version_action action, struct sc_version_step *out);
void sc_versions_sort(struct sc_version_step *steps, size_t n);

#endif

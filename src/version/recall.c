/* SPDX-License-Identifier: MIT */
/*
 * What a store forgets comes back: which names there were is remembered, by each handle
 * or in its file, with the origin of the store that had them. A store of another origin
 * has forgotten, or was told to forget; what is remembered is made again, under versions
 * never used before. In a store of the same origin, what is missing was stopped by
 * somebody.
 */
#include <stdlib.h>
#include <string.h>

#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "version/handle.h"
#include "version/memory_file.h"
#include "version/versions.h"

#define LEARN_PAUSE_US	  SC_US_PER_S
#define COMPLAIN_PAUSE_US (60 * SC_US_PER_S)

static int compare(const void *name, const void *record)
{
	return strcmp(name, ((const struct sc_version *)record)->name);
}

const struct sc_version *sc_versions_find(const struct sc_version *records, size_t n,
					  const char *name)
{
	return n > 0 ? bsearch(name, records, n, sizeof *records, compare) : NULL;
}

static void complain(struct sc_versions *v, const struct sc_err *err)
{
	int64_t now = sc_mono_us();

	if (now < v->complain_at_us)
		return;
	v->complain_at_us = now + COMPLAIN_PAUSE_US;
	sc_log_warning("%s", err->text);
}

/* -1: nothing can be written. */
static int lock_file(struct sc_versions *v)
{
	struct sc_err err;
	int lock = -1;

	if (v->memory_path && sc_memory_file_lock(v->memory_path, &lock, &err) != SC_OK)
		complain(v, &err);
	return lock;
}

/* The file knows what other processes noted; unless it could not be written. */
static void read_file(struct sc_versions *v)
{
	struct sc_memory noted;

	if (!v->memory_path || v->unsaved || !sc_memory_file_read(v->memory_path, &noted))
		return;
	sc_memory_release(&v->memory);
	v->memory = noted;
}

static void write_file(struct sc_versions *v, int lock)
{
	struct sc_err err;

	if (!v->memory_path || v->memory.origin[0] == '\0')
		return;
	v->unsaved = true;
	if (lock < 0)
		return;
	if (sc_memory_file_write(v->memory_path, &v->memory, &err) == SC_OK)
		v->unsaved = false;
	else
		complain(v, &err);
}

static void say(size_t forgotten)
{
	if (forgotten > 0)
		sc_log_info("version store: it forgot %zu names, which begin anew now",
			    forgotten);
}

/* All that is remembered, and the origin; there: that one does not have to be made. */
static enum sc_status make_remembered(struct sc_versions *v, bool there,
				      struct sc_err *err)
{
	struct sc_version_change c = { .n = v->memory.n + 1 };
	size_t changed = 0;
	struct sc_version_step *steps = sc_alloc_array(c.n, sizeof *steps);

	for (size_t i = 0; i < v->memory.n; i++)
		steps[i] = (struct sc_version_step){ v->memory.names[i], SC_MAKE, NULL };
	steps[v->memory.n] = (struct sc_version_step){ SC_ORIGIN, SC_MAKE, NULL };
	sc_versions_sort(steps, c.n);
	c.steps = steps;
	enum sc_status status = sc_versions_apply(v, &c, &changed, err);
	free(steps);
	if (status == SC_OK)
		say(there || changed == 0 ? changed : changed - 1);
	return status;
}

/* Only a store that has an origin can be listed. */
static enum sc_status make_origin(struct sc_versions *v, struct sc_err *err)
{
	const char *name = SC_ORIGIN;
	struct sc_version origin;
	bool found = false;

	if (v->ops->read(v->store, &name, 1, &origin, &found, err) != SC_OK)
		return sc_versions_fail(err);
	return found ? SC_OK : make_remembered(v, false, err);
}

/* Whether these are all records that there should be: those of the store that is
 * remembered, whatever was stopped there, or of one that has forgotten nothing. */
static bool is_whole(const struct sc_versions *v, const struct sc_version *records,
		     size_t n)
{
	const struct sc_version *origin = sc_versions_find(records, n, SC_ORIGIN);

	if (!origin || strcmp(origin->version, v->memory.origin) == 0)
		return origin != NULL;
	for (size_t i = 0; i < v->memory.n; i++)
		if (!sc_versions_find(records, n, v->memory.names[i]))
			return false;
	return true;
}

/* Until a list has all of it: a store can forget again at any moment, between two calls,
 * too. What is noted, and may lack what was remembered, is one that was whole. */
static enum sc_status recall(struct sc_versions *v, struct sc_version **out, size_t *n,
			     struct sc_err *err)
{
	enum sc_status status = SC_OK;

	for (int i = 0; i < SC_VERSIONS_TRIES; i++) {
		SC_AUTO_FREE struct sc_version *records = NULL;

		if (make_origin(v, err) != SC_OK)
			return err->status;
		status = v->ops->list(v->store, false, &records, n, err);
		if (status == SC_OK && is_whole(v, records, *n)) {
			*out = records;
			records = NULL;
			return SC_OK;
		}
		if (status == SC_OK && make_remembered(v, true, err) != SC_OK)
			return err->status;
	}
	return status == SC_OK ? sc_versions_fail_forgetful(err) : sc_versions_fail(err);
}

enum sc_status sc_versions_recall(struct sc_versions *v, struct sc_version **out,
				  size_t *n, struct sc_err *err)
{
	SC_AUTO_FD lock = lock_file(v);

	read_file(v);
	enum sc_status status = recall(v, out, n, err);
	if (status != SC_OK)
		return status;
	v->learned = true;
	sc_memory_take(&v->memory, *out, *n);
	write_file(v, lock);
	return SC_OK;
}

void sc_versions_learn(struct sc_versions *v)
{
	SC_AUTO_FREE struct sc_version *records = NULL;
	size_t n = 0;
	struct sc_err err;

	v->learned = false;
	if (sc_mono_us() >= v->learn_at_us &&
	    sc_versions_recall(v, &records, &n, &err) != SC_OK)
		v->learn_at_us = sc_mono_us() + LEARN_PAUSE_US;
}

enum sc_status sc_versions_records(struct sc_versions *v, struct sc_version **out,
				   size_t *n, struct sc_err *err)
{
	enum sc_status status = sc_versions_check_process(v, err);

	return status == SC_OK ? sc_versions_recall(v, out, n, err) : status;
}

enum sc_status sc_versions_remember(struct sc_versions *v, struct sc_err *err)
{
	SC_AUTO_FREE struct sc_version *records = NULL;
	size_t n = 0;

	return sc_versions_records(v, &records, &n, err);
}

/* SPDX-License-Identifier: MIT */
/*
 * versions, invalidate, invalidateversionedcaches, start, stop: the version store from
 * the command line.
 */
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>

#include "slidecache/app.h"
#include "slidecache/catalogue.h"
#include "slidecache/clock.h"
#include "slidecache/json.h"
#include "slidecache/ledger.h"
#include "slidecache/parse.h"

#define NAMES_MAX 256
#define AT_ONCE	  16 /* what sc_versions_get takes */

/* What the last change of each left behind, on this machine; free it. */
static struct sc_held *held_behind(const struct sc_version *v, size_t n)
{
	struct sc_held *held = sc_alloc_array(n, sizeof(*held));
	const char **previous = sc_alloc_array(n, sizeof(*previous));

	for (size_t i = 0; i < n; i++)
		previous[i] = v[i].previous;
	sc_ledger_orphaned_by_each(previous, n, held);
	free(previous);
	return held;
}

/* "7 entries (1.3 MB)", with what stands before and after it; or nothing at all. */
static void print_held(const struct sc_held *held, const char *before, const char *after)
{
	if (held->entries > 0)
		printf("%s%llu %s (%.1f MB)%s", before, (unsigned long long)held->entries,
		       held->entries == 1 ? "entry" : "entries",
		       (double)held->bytes / 1e6, after);
}

static void print_text(const struct sc_version *v, size_t n)
{
	SC_AUTO_FREE struct sc_held *held = held_behind(v, n);
	char time[SC_TIME_LEN];

	for (size_t i = 0; i < n; i++) {
		sc_time_text(v[i].changed_at_us, time);
		printf("%-24s %s  %s  %s", v[i].name, v[i].version, time,
		       v[i].changed_by);
		print_held(&held[i], "  ", " out of reach since");
		(void)putchar('\n');
	}
}

static void print_json(const struct sc_version *v, size_t n)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_json_begin(&out, '{');
	for (size_t i = 0; i < n; i++) {
		sc_json_key(&out, v[i].name);
		sc_version_json(&v[i], &out);
	}
	sc_json_end(&out, '}');
	sc_ctl_print(&out);
}

enum sc_status sc_cmd_versions(const struct sc_ctl *ctl, struct sc_err *err)
{
	SC_AUTO_FREE struct sc_version *all = NULL;
	struct sc_versions *store = NULL;
	size_t n = 0;
	enum sc_status status = sc_ctl_arguments(ctl, 0, 0, err);

	if (!status)
		status = sc_ctl_open_versions(ctl, &store, err);
	if (status)
		return status;
	sc_app_map_ledger(ctl->conf);
	status = sc_versions_list(store, &all, &n, err);
	if (!status)
		(ctl->json ? print_json : print_text)(all, n);
	sc_versions_close(store);
	return status;
}

/* Names from the command line, in its order. */
struct names {
	const char *all[NAMES_MAX];
	size_t n;
	char images[NAMES_MAX][SC_VERSION_NAME_MAX + 1]; /* that --image stands for */
};

static enum sc_status check_image(const struct sc_ctl *ctl, int64_t id,
				  struct sc_err *err)
{
	struct sc_catalogue *c = NULL;
	bool found = false;
	enum sc_status status = sc_catalogue_open(ctl->conf->slides.catalogue, &c, err);

	if (status)
		return status;
	found = sc_catalogue_find(c, id) != NULL;
	sc_catalogue_close(c);
	return found ? SC_OK
		     : sc_fail(err, SC_NOT_FOUND, "no image has the id %lld",
			       (long long)id);
}

/* The name that "--image 7" stands for; SC_INVALID for what is no id. */
static enum sc_status image_name(const struct sc_ctl *ctl, const char *text, char *out,
				 struct sc_err *err)
{
	uint64_t id = 0;

	if (!sc_parse_u64(sc_bytes_str(text), INT64_MAX, &id) || id == 0)
		return sc_fail(err, SC_INVALID, "--image wants an id, not %.32s", text);
	sc_version_image_name((int64_t)id, out);
	return check_image(ctl, (int64_t)id, err);
}

/* Names, and --image ID where images may be meant, in any order. */
static enum sc_status collect(const struct sc_ctl *ctl, bool images, struct names *names,
			      struct sc_err *err)
{
	enum sc_status status = sc_ctl_arguments(ctl, 1, NAMES_MAX, err);

	for (int i = 0; i < ctl->argc && !status; i++) {
		names->all[names->n] = ctl->argv[i];
		if (images && strcmp(ctl->argv[i], "--image") == 0) {
			if (++i == ctl->argc)
				return sc_fail(err, SC_INVALID, "--image wants an id");
			status = image_name(ctl, ctl->argv[i], names->images[names->n],
					    err);
			names->all[names->n] = names->images[names->n];
		} else if (ctl->argv[i][0] == '-') {
			return sc_fail(err, SC_INVALID, "unknown option %.32s",
				       ctl->argv[i]);
		}
		names->n++;
	}
	return status;
}

struct verb {
	const char *done;
	enum sc_status (*run)(struct sc_versions *v, const char *const *names, size_t n,
			      struct sc_err *err);
	bool ends; /* afterwards there are no versions of these names */
};
static const struct verb invalidate = { "Invalidated", sc_invalidate_cache, false };
static const struct verb start = { "Started versioning of", sc_versions_start, false };
static const struct verb stop = { "Stopped versioning of", sc_versions_stop, true };

/* What is there after a change that was made; it shall not look undone because it cannot
 * be read: then only the names are there. */
static void read_again(struct sc_versions *store, const struct names *names,
		       struct sc_version *out)
{
	struct sc_err err;

	for (size_t at = 0; at < names->n; at += AT_ONCE) {
		size_t n = names->n - at < AT_ONCE ? names->n - at : AT_ONCE;

		if (sc_versions_get(store, names->all + at, n, out + at, &err) == SC_OK)
			continue;
		for (size_t i = at; i < at + n; i++)
			(void)snprintf(out[i].name, sizeof(out[i].name), "%s",
				       names->all[i]);
	}
}

static void print_names(const struct names *names, const char *done)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_json_begin(&out, '[');
	for (size_t i = 0; i < names->n; i++) {
		sc_json_str(&out, names->all[i]);
		if (done)
			printf("%s %s.\n", done, names->all[i]);
	}
	sc_json_end(&out, ']');
	if (!done)
		sc_ctl_print(&out);
}

static void print_changed(const struct sc_version *v, size_t n, const char *done)
{
	SC_AUTO_FREE struct sc_held *held = held_behind(v, n);

	for (size_t i = 0; i < n; i++) {
		printf("%s %s.", done, v[i].name);
		print_held(&held[i], " Out of reach now: ", ".");
		(void)putchar('\n');
	}
}

static void tell(const struct sc_ctl *ctl, const struct verb *verb,
		 struct sc_versions *store, const struct names *names)
{
	SC_AUTO_FREE struct sc_version *v = sc_alloc_array(names->n, sizeof(*v));

	if (verb->ends) {
		print_names(names, ctl->json ? NULL : verb->done);
		return;
	}
	read_again(store, names, v);
	if (ctl->json)
		print_json(v, names->n);
	else
		print_changed(v, names->n, verb->done);
}

static enum sc_status change(const struct sc_ctl *ctl, const struct verb *verb,
			     const struct names *names, struct sc_err *err)
{
	struct sc_versions *store = NULL;
	enum sc_status status = sc_ctl_open_versions(ctl, &store, err);

	if (status)
		return status;
	sc_app_map_ledger(ctl->conf);
	status = verb->run(store, names->all, names->n, err);
	if (!status)
		tell(ctl, verb, store, names);
	sc_versions_close(store);
	if (!status)
		sc_ctl_sweep(ctl);
	return status;
}

static enum sc_status change_named(const struct sc_ctl *ctl, const struct verb *verb,
				   struct sc_err *err)
{
	SC_AUTO_FREE struct names *names = sc_alloc(sizeof(*names));
	enum sc_status status = collect(ctl, verb == &invalidate, names, err);

	return status ? status : change(ctl, verb, names, err);
}

enum sc_status sc_cmd_invalidate(const struct sc_ctl *ctl, struct sc_err *err)
{
	if (ctl->argc == 1 && strcmp(ctl->argv[0], "--all") == 0) {
		struct sc_ctl none = *ctl;

		none.argc = 0;
		return sc_cmd_invalidate_all(&none, err);
	}
	return change_named(ctl, &invalidate, err);
}

enum sc_status sc_cmd_invalidate_all(const struct sc_ctl *ctl, struct sc_err *err)
{
	struct sc_versions *store = NULL;
	enum sc_status status = sc_ctl_arguments(ctl, 0, 0, err);

	if (!status)
		status = sc_ctl_open_versions(ctl, &store, err);
	if (status)
		return status;
	sc_app_map_ledger(ctl->conf);
	status = sc_invalidate_all_caches(store, err);
	sc_versions_close(store);
	if (status)
		return status;
	puts(ctl->json ? "{\"all\":true}" : "Invalidated all versioned caches.");
	sc_ctl_sweep(ctl);
	return SC_OK;
}

enum sc_status sc_cmd_start(const struct sc_ctl *ctl, struct sc_err *err)
{
	return change_named(ctl, &start, err);
}

enum sc_status sc_cmd_stop(const struct sc_ctl *ctl, struct sc_err *err)
{
	return change_named(ctl, &stop, err);
}

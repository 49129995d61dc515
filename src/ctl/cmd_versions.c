/* SPDX-License-Identifier: MIT */
/*
 * versions, invalidate, invalidateversionedcaches, start, stop: the version store from
 * the command line.
 */
#include "ctl/names.h"

#include <stdio.h>
#include <stdlib.h>

#include "slidecache/app.h"
#include "slidecache/clock.h"
#include "slidecache/json.h"
#include "slidecache/ledger.h"

#define AT_ONCE 16 /* what sc_versions_get takes */
#define KIB	1024
#define MIB	(1024 * KIB)

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

static void print_size(uint64_t bytes)
{
	if (bytes < KIB)
		printf("%llu bytes", (unsigned long long)bytes);
	else if (bytes < MIB - KIB / 2)
		printf("%.0f KiB", (double)bytes / KIB);
	else
		printf("%.1f MiB", (double)bytes / MIB);
}

/* "7 entries (1.3 MB)", with what stands before and after it; or nothing at all. */
static void print_held(const struct sc_held *held, const char *before, const char *after)
{
	if (held->entries == 0)
		return;
	printf("%s%llu %s (", before, (unsigned long long)held->entries,
	       held->entries == 1 ? "entry" : "entries");
	print_size(held->bytes);
	printf(")%s", after);
}

/* The last line of a change. */
static void print_left(const struct sc_held *held)
{
	print_held(held, "Left behind by the change: ", ".\n");
}

static void print_text(const struct sc_version *v, size_t n)
{
	SC_AUTO_FREE struct sc_held *held = held_behind(v, n);
	char time[SC_TIME_LEN];

	for (size_t i = 0; i < n; i++) {
		SC_AUTO_BUF by = SC_BUF_INIT;

		/* A store of many users may hold what a terminal takes for a command. */
		sc_ctl_put_printable(&by, v[i].changed_by);
		sc_time_text_utc(v[i].changed_at_us, time);
		printf("%-24s %s  %s  %.*s", v[i].name, v[i].version, time, (int)by.len,
		       (const char *)by.data);
		print_held(&held[i], "  ", " left behind by the change");
		(void)putchar('\n');
	}
}

static void print_json(const struct sc_version *v, size_t n)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_versions_json(v, n, &out);
	sc_ctl_print(&out);
}

/* Whether there is a name that somebody started: images' versions are there by
 * themselves. */
static bool has_names(const struct sc_version *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sc_version_image_id(v[i].name) == 0)
			return true;
	return false;
}

static void print_all(const struct sc_ctl *ctl, const struct sc_version *v, size_t n)
{
	(ctl->json ? print_json : print_text)(v, n);
	if (!ctl->json && !has_names(v, n))
		(void)fputs("slidecachectl: no cache is versioned yet: "
			    "slidecachectl migrate\n",
			    stderr);
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
		print_all(ctl, all, n);
	sc_versions_close(store);
	return status;
}

/* "; slidecachectl ...": what helps whoever named a cache that is not there. */
static enum sc_status fail_unknown(struct sc_versions *store, struct sc_err *err)
{
	SC_AUTO_FREE struct sc_version *all = NULL;
	struct sc_err said = *err;
	struct sc_err ignored;
	size_t n = 0;

	if (sc_versions_list(store, &all, &n, &ignored))
		return err->status;
	return sc_fail(err, said.status, "%.200s; slidecachectl %s", said.text,
		       has_names(all, n) ? "versions lists them" : "migrate starts them");
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
static void read_again(struct sc_versions *store, const struct sc_ctl_names *names,
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

static void print_names(const struct sc_ctl_names *names, const char *done)
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
	struct sc_held sum = { .entries = 0 };

	for (size_t i = 0; i < n; i++) {
		printf("%s %s.\n", done, v[i].name);
		sum.entries += held[i].entries;
		sum.bytes += held[i].bytes;
	}
	/* An entry of two of them is counted with one: only the sum says something. */
	print_left(&sum);
}

static void tell(const struct sc_ctl *ctl, const struct verb *verb,
		 struct sc_versions *store, const struct sc_ctl_names *names)
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
			     const struct sc_ctl_names *names, struct sc_err *err)
{
	struct sc_versions *store = NULL;
	enum sc_status status = sc_ctl_open_versions(ctl, &store, err);

	if (status)
		return status;
	sc_app_map_ledger(ctl->conf);
	status = verb->run(store, names->all, names->n, err);
	if (status == SC_NOT_FOUND)
		status = fail_unknown(store, err);
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
	SC_AUTO_FREE struct sc_ctl_names *names = sc_alloc(sizeof(*names));
	enum sc_status status = sc_ctl_read_names(ctl, verb == &invalidate, names, err);

	return status ? status : change(ctl, verb, names, err);
}

static void tell_all(const struct sc_ctl *ctl, const struct sc_held *held)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	if (!ctl->json) {
		(void)puts("Invalidated all versioned caches.");
		return;
	}
	sc_json_begin(&out, '{');
	sc_json_key(&out, "all");
	sc_json_bool(&out, true);
	sc_json_key(&out, "orphaned_entries");
	sc_json_int(&out, (int64_t)held->entries);
	sc_json_key(&out, "orphaned_bytes");
	sc_json_int(&out, (int64_t)held->bytes);
	sc_json_end(&out, '}');
	sc_ctl_print(&out);
}

/* Others remove entries at the same time. */
static uint64_t grown(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

/* *held: what that left behind. By the growth of the whole: to list all versions, of
 * every image, would take longer than the change. */
static enum sc_status change_all(const struct sc_ctl *ctl, struct sc_held *held,
				 struct sc_err *err)
{
	struct sc_versions *store = NULL;
	struct sc_held before;
	struct sc_held after;
	enum sc_status status = sc_ctl_open_versions(ctl, &store, err);

	if (status)
		return status;
	sc_app_map_ledger(ctl->conf);
	before = sc_ledger_orphaned();
	status = sc_invalidate_all_caches(store, err);
	after = sc_ledger_orphaned();
	sc_versions_close(store);
	held->entries = grown(before.entries, after.entries);
	held->bytes = grown(before.bytes, after.bytes);
	return status;
}

/* left: says what is left behind, too, in text; in JSON it always is there. */
static enum sc_status invalidate_all(const struct sc_ctl *ctl, bool left,
				     struct sc_err *err)
{
	struct sc_held held;
	enum sc_status status = change_all(ctl, &held, err);

	if (status)
		return status;
	tell_all(ctl, &held);
	if (left && !ctl->json)
		print_left(&held);
	sc_ctl_sweep(ctl);
	return SC_OK;
}

/* Its text is this one line, whatever was left behind. */
enum sc_status sc_cmd_invalidate_all(const struct sc_ctl *ctl, struct sc_err *err)
{
	enum sc_status status = sc_ctl_arguments(ctl, 0, 0, err);

	return status ? status : invalidate_all(ctl, false, err);
}

enum sc_status sc_cmd_invalidate(const struct sc_ctl *ctl, struct sc_err *err)
{
	for (int i = 0; i < ctl->argc; i++)
		if (strcmp(ctl->argv[i], "--all") == 0)
			return ctl->argc == 1
				       ? invalidate_all(ctl, true, err)
				       : sc_fail(err, SC_INVALID, "--all takes no names");
	return change_named(ctl, &invalidate, err);
}

enum sc_status sc_cmd_start(const struct sc_ctl *ctl, struct sc_err *err)
{
	return change_named(ctl, &start, err);
}

enum sc_status sc_cmd_stop(const struct sc_ctl *ctl, struct sc_err *err)
{
	return change_named(ctl, &stop, err);
}

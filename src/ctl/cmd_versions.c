/* SPDX-License-Identifier: MIT */
/*
 * versions, invalidate, invalidateversionedcaches: the version store from the command
 * line.
 */
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>

#include "slidecache/catalogue.h"
#include "slidecache/clock.h"
#include "slidecache/json.h"
#include "slidecache/parse.h"

static void print_text(const struct sc_version *v, size_t n)
{
	char time[SC_TIME_LEN];

	for (size_t i = 0; i < n; i++) {
		sc_time_text(v[i].changed_at_us, time);
		printf("%-24s %s  %s  %s\n", v[i].name, v[i].version, time,
		       v[i].changed_by);
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
	status = sc_versions_list(store, &all, &n, err);
	if (!status)
		(ctl->json ? print_json : print_text)(all, n);
	sc_versions_close(store);
	return status;
}

static enum sc_status invalidate_names(const struct sc_ctl *ctl, const char *const *names,
				       size_t n, struct sc_err *err)
{
	struct sc_versions *store = NULL;
	enum sc_status status = sc_ctl_open_versions(ctl, &store, err);

	if (status)
		return status;
	status = names ? sc_invalidate_cache(store, names, n, err)
		       : sc_invalidate_all_caches(store, err);
	sc_versions_close(store);
	return status;
}

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

#define NAMES_MAX 256

/* Names and --image ID in any order, into names; image names live in storage. */
static enum sc_status collect(const struct sc_ctl *ctl, const char **names, size_t *n,
			      char (*storage)[SC_VERSION_NAME_MAX + 1],
			      struct sc_err *err)
{
	enum sc_status status = sc_ctl_arguments(ctl, 1, NAMES_MAX, err);

	for (int i = 0; i < ctl->argc && !status; i++) {
		names[*n] = ctl->argv[i];
		if (strcmp(ctl->argv[i], "--image") == 0) {
			if (++i == ctl->argc)
				return sc_fail(err, SC_INVALID, "--image wants an id");
			status = image_name(ctl, ctl->argv[i], storage[*n], err);
			names[*n] = storage[*n];
		} else if (ctl->argv[i][0] == '-') {
			return sc_fail(err, SC_INVALID, "unknown option %.32s",
				       ctl->argv[i]);
		}
		(*n)++;
	}
	return status;
}

static void print_done(const struct sc_ctl *ctl, const char *const *names, size_t n)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_json_begin(&out, '[');
	for (size_t i = 0; i < n; i++) {
		sc_json_str(&out, names[i]);
		if (!ctl->json)
			printf("Invalidated %s.\n", names[i]);
	}
	sc_json_end(&out, ']');
	if (ctl->json)
		sc_ctl_print(&out);
}

enum sc_status sc_cmd_invalidate(const struct sc_ctl *ctl, struct sc_err *err)
{
	SC_AUTO_FREE char(*storage)[SC_VERSION_NAME_MAX + 1] =
		sc_alloc_array(NAMES_MAX, sizeof(*storage));
	const char *names[NAMES_MAX];
	size_t n = 0;
	enum sc_status status = SC_OK;

	if (ctl->argc == 1 && strcmp(ctl->argv[0], "--all") == 0) {
		struct sc_ctl none = *ctl;

		none.argc = 0;
		return sc_cmd_invalidate_all(&none, err);
	}
	status = collect(ctl, names, &n, storage, err);
	if (!status)
		status = invalidate_names(ctl, names, n, err);
	if (!status)
		print_done(ctl, names, n);
	return status;
}

enum sc_status sc_cmd_invalidate_all(const struct sc_ctl *ctl, struct sc_err *err)
{
	enum sc_status status = sc_ctl_arguments(ctl, 0, 0, err);

	if (!status)
		status = invalidate_names(ctl, NULL, 0, err);
	if (!status)
		puts(ctl->json ? "{\"all\":true}" : "Invalidated all versioned caches.");
	return status;
}

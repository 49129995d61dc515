/* SPDX-License-Identifier: MIT */
/*
 * The last step of a configuration: what was left empty is derived, paths are made
 * absolute, and what belongs together is checked. Touches no file.
 *
 * What a backend's name means is not known here: src/server and src/app check it when
 * they open it.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "options.h"

#define WORKERS_MIN    4
#define KEY_PREFIX_MAX 32
#define SYNC_MARGIN_S  2

static void set_path(char **at, char *value)
{
	free(*at);
	*at = value;
}

/* "" becomes dir/name. */
static void derive(char **at, const char *dir, const char *name)
{
	SC_AUTO_BUF path = SC_BUF_INIT;

	if (**at)
		return;
	sc_buf_printf(&path, "%s/%s", dir, name);
	set_path(at, sc_strdup((const char *)path.data));
}

static enum sc_status make_absolute(char **at, const char *name, struct sc_err *err)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	SC_AUTO_FREE char *here = NULL;
	size_t n = strlen(*at);

	if (n == 0)
		return sc_fail(err, SC_INVALID, "%s: must not be empty", name);
	while (n > 1 && (*at)[n - 1] == '/')
		(*at)[--n] = '\0';
	if (**at == '/')
		return SC_OK;
	here = getcwd(NULL, 0);
	if (!here)
		return sc_fail(err, SC_INVALID, "%s: no working directory: %s", name,
			       strerror(errno));
	if (strcmp(*at, ".") == 0)
		sc_buf_str(&path, here);
	else
		sc_buf_printf(&path, "%s/%s", strcmp(here, "/") ? here : "", *at);
	set_path(at, sc_strdup((const char *)path.data));
	return SC_OK;
}

static enum sc_status check_prefix(const char *prefix, const char *name,
				   struct sc_err *err)
{
	size_t n = strlen(prefix);

	for (const char *p = prefix; *p; p++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			    "0123456789_.-",
			    *p))
			return sc_fail(err, SC_INVALID,
				       "%s: may have A-Z a-z 0-9 _ . - only", name);
	if (n < 1 || n > KEY_PREFIX_MAX)
		return sc_fail(err, SC_INVALID, "%s: wants 1..%d bytes", name,
			       KEY_PREFIX_MAX);
	return SC_OK;
}

static enum sc_status finish_cache(struct sc_conf *c, int i, struct sc_err *err)
{
	struct sc_conf_cache *cache = &c->caches[i];
	char name[64];

	(void)snprintf(name, sizeof(name), "caches.%s.key_prefix",
		       sc_conf_cache_names[i]);
	if (check_prefix(cache->key_prefix, name, err) != SC_OK)
		return err->status;
	(void)snprintf(name, sizeof(name), "caches.%s.options.secret_file",
		       sc_conf_cache_names[i]);
	if (*cache->secret_file && make_absolute(&cache->secret_file, name, err) != SC_OK)
		return err->status;
	/* Other backends' locations are no paths. */
	if (strcmp(cache->backend, "embedded") != 0)
		return SC_OK;
	derive(&cache->location, c->cache_dir, sc_conf_cache_names[i]);
	(void)snprintf(name, sizeof(name), "caches.%s.location", sc_conf_cache_names[i]);
	return make_absolute(&cache->location, name, err);
}

static enum sc_status finish_access(struct sc_conf *c, struct sc_err *err)
{
	const struct {
		char **path;
		const char *name;
	} files[] = {
		{ &c->access.htpasswd_file, "access.htpasswd_file" },
		{ &c->access.tokens_file, "access.tokens_file" },
		{ &c->access.acl_file, "access.acl_file" },
		{ &c->access.signing_key_file, "access.signing_key_file" },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (**files[i].path &&
		    make_absolute(files[i].path, files[i].name, err) != SC_OK)
			return err->status;
	return SC_OK;
}

static enum sc_status finish_paths(struct sc_conf *c, struct sc_err *err)
{
	bool own_versions = strcmp(c->versions.backend, "embedded") == 0;

	if (make_absolute(&c->state_dir, "state_dir", err) != SC_OK ||
	    make_absolute(&c->cache_dir, "cache_dir", err) != SC_OK ||
	    make_absolute(&c->slides.root, "slides.root", err) != SC_OK)
		return err->status;
	if (check_prefix(c->versions.key_prefix, "versions.key_prefix", err) != SC_OK)
		return err->status;
	derive(&c->slides.catalogue, c->state_dir, "images.json");
	if (own_versions)
		derive(&c->versions.location, c->state_dir, "versions");
	if (own_versions &&
	    make_absolute(&c->versions.location, "versions.location", err) != SC_OK)
		return err->status;
	if (make_absolute(&c->migrations_dir, "migrations_dir", err) != SC_OK)
		return err->status;
	if (finish_access(c, err) != SC_OK)
		return err->status;
	if (strcmp(c->log.target, "stderr") != 0 &&
	    make_absolute(&c->log.target, "log.target", err) != SC_OK)
		return err->status;
	return make_absolute(&c->slides.catalogue, "slides.catalogue", err);
}

/* One segment of base_path: n bytes at s. */
static bool segment_ok(const char *s, size_t n)
{
	if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
		return false;
	for (size_t i = 0; i < n; i++)
		if (s[i] <= 0x20 || s[i] > 0x7e || strchr("?#%\\\"<>", s[i]))
			return false;
	return true;
}

/* "/a/b/" becomes "/a/b", "/" becomes "". */
static enum sc_status finish_base_path(char *path, struct sc_err *err)
{
	size_t n = strlen(path);

	if (n > 0 && path[n - 1] == '/')
		path[--n] = '\0';
	for (const char *at = path; *at;) {
		size_t len = strcspn(at + 1, "/");

		if (*at != '/' || !segment_ok(at + 1, len))
			return sc_fail(
				err, SC_INVALID,
				"base_path: wants \"\" or /a/b, each segment "
				"printable ASCII without ? # %% \\ and no . or .., "
				"not \"%.60s\"",
				path);
		at += 1 + len;
	}
	return SC_OK;
}

static enum sc_status check_mode(const char *mode, struct sc_err *err)
{
	size_t n = strlen(mode);

	if (n < 3 || n > 4 || strspn(mode, "01234567") != n || (n == 4 && *mode != '0'))
		return sc_fail(
			err, SC_INVALID,
			"socket_mode: wants three octal digits as in \"0660\", not "
			"\"%.20s\"",
			mode);
	return SC_OK;
}

/* The cores that this process may use, which a container may have cut. */
static int64_t default_workers(void)
{
	cpu_set_t set;
	int64_t workers = 0;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		workers = 2 * (int64_t)CPU_COUNT(&set);
	if (workers > 512)
		workers = 512;
	return workers < WORKERS_MIN ? WORKERS_MIN : workers;
}

/* Who waits for a job has to answer before the master's deadline. */
static void finish_sync_limit(struct sc_conf *c)
{
	int64_t most_s = c->request_timeout_s - SYNC_MARGIN_S;

	if (most_s < 0)
		most_s = 0;
	if (c->warm.sync_limit_s > most_s)
		c->warm.sync_limit_s = most_s;
}

enum sc_status sc_conf_finish(struct sc_conf *c, struct sc_err *err)
{
	if (finish_paths(c, err) != SC_OK ||
	    finish_base_path(c->base_path, err) != SC_OK ||
	    check_mode(c->socket_mode, err) != SC_OK)
		return err->status;
	for (int i = 0; i < SC_CONF_CACHES; i++)
		if (finish_cache(c, i, err) != SC_OK)
			return err->status;
	if (c->deepzoom.overlap >= c->deepzoom.tile_size)
		return sc_fail(
			err, SC_INVALID,
			"deepzoom.overlap: must be smaller than deepzoom.tile_size");
	if (c->workers == 0)
		c->workers = default_workers();
	finish_sync_limit(c);
	return SC_OK;
}

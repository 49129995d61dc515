/* SPDX-License-Identifier: MIT */
/*
 * From a command line to a finished configuration: the file first, then what the command
 * line says over it. Shared by slidecached and slidecachectl, so that both always mean
 * the same stores.
 */
#include "slidecache/conf.h"

#include <stdlib.h>
#include <unistd.h>

static enum sc_status add(struct sc_conf_overrides *o, struct sc_bytes name,
			  const char *value, struct sc_err *err)
{
	if (o->n == SC_CONF_OVERRIDES_MAX)
		return sc_fail(err, SC_INVALID,
			       "more than %d options on the command line",
			       SC_CONF_OVERRIDES_MAX);
	o->items[o->n].name = sc_alloc(name.len + 1);
	memcpy(o->items[o->n].name, name.data, name.len);
	o->items[o->n].value = sc_strdup(value);
	o->n++;
	return SC_OK;
}

enum sc_status sc_conf_override(struct sc_conf_overrides *o, const char *name,
				const char *value, struct sc_err *err)
{
	return add(o, sc_bytes_str(name), value, err);
}

enum sc_status sc_conf_override_set(struct sc_conf_overrides *o, const char *text,
				    struct sc_err *err)
{
	const char *eq = strchr(text, '=');

	if (!eq || eq == text)
		return sc_fail(err, SC_INVALID, "--set wants NAME=VALUE, not %.64s",
			       text);
	return add(o, sc_bytes_of(text, (size_t)(eq - text)), eq + 1, err);
}

enum sc_status sc_conf_override_state_dir(struct sc_conf_overrides *o, const char *dir,
					  struct sc_err *err)
{
	SC_AUTO_BUF cache = SC_BUF_INIT;
	enum sc_status status = sc_conf_override(o, "state_dir", dir, err);

	if (status)
		return status;
	/* Who names cache_dir by itself, before or after, means it. */
	for (size_t i = 0; i < o->n; i++)
		if (strcmp(o->items[i].name, "cache_dir") == 0)
			return SC_OK;
	sc_buf_printf(&cache, "%s/cache", dir);
	return sc_conf_override(o, "cache_dir", (const char *)cache.data, err);
}

void sc_conf_overrides_release(struct sc_conf_overrides *o)
{
	for (size_t i = 0; i < o->n; i++) {
		free(o->items[i].name);
		free(o->items[i].value);
	}
	o->n = 0;
}

static enum sc_status load_file(struct sc_conf *c, const char *config, struct sc_err *err)
{
	if (config)
		return sc_conf_load(c, config, err);
	if (access(SC_CONF_DEFAULT_FILE, F_OK) != 0)
		return SC_OK;
	return sc_conf_load(c, SC_CONF_DEFAULT_FILE, err);
}

enum sc_status sc_conf_open(const struct sc_conf_overrides *o, struct sc_conf **out,
			    struct sc_err *err)
{
	struct sc_conf *c = sc_conf_new();
	enum sc_status status = load_file(c, o->config, err);

	for (size_t i = 0; i < o->n && !status; i++)
		status = sc_conf_set(c, o->items[i].name, o->items[i].value, err);
	if (!status)
		status = sc_conf_finish(c, err);
	if (status) {
		sc_conf_free(c);
		return status;
	}
	*out = c;
	return SC_OK;
}

/* SPDX-License-Identifier: MIT */
/*
 * Configurations that come and go, see settings.h.
 */
#include "settings.h"

#include <stdlib.h>

#include "slidecache/log.h"
#include "user.h"

/* The listening socket, the user and the locks are those of the start. */
static const struct {
	const char *name;
	size_t offset; /* of a char * in struct sc_conf */
} fixed[] = {
	{ "listen", offsetof(struct sc_conf, listen) },
	{ "socket_mode", offsetof(struct sc_conf, socket_mode) },
	{ "socket_group", offsetof(struct sc_conf, socket_group) },
	{ "user", offsetof(struct sc_conf, user) },
	{ "state_dir", offsetof(struct sc_conf, state_dir) },
};
#define FIXED (sizeof(fixed) / sizeof(fixed[0]))

enum sc_status sc_settings_new(struct sc_conf *conf, struct sc_settings **out,
			       struct sc_err *err)
{
	struct sc_settings *s = sc_alloc(sizeof(*s));

	*s = (struct sc_settings){ .conf = conf };
	if (sc_upkeep_new(conf, &s->upkeep, err) != SC_OK) {
		sc_settings_free(s);
		return err->status;
	}
	sc_user_peers(conf, &s->peers, &s->npeers);
	*out = s;
	return SC_OK;
}

void sc_settings_free(struct sc_settings *s)
{
	if (!s)
		return;
	sc_upkeep_free(s->upkeep);
	free(s->peers);
	sc_conf_free(s->conf);
	free(s);
}

static const char *value_of(const struct sc_conf *c, size_t row)
{
	const void *at = (const char *)c + fixed[row].offset;

	return *(char *const *)at;
}

/* Appends, as overrides, the values that stay; names has those. */
static enum sc_status keep_fixed(struct sc_conf_overrides *o, const struct sc_conf *now,
				 const struct sc_conf *wanted, struct sc_buf *names,
				 struct sc_err *err)
{
	for (size_t i = 0; i < FIXED; i++) {
		const char *value = value_of(now, i);

		if (strcmp(value, value_of(wanted, i)) == 0)
			continue;
		sc_buf_printf(names, "%s%s", names->len ? ", " : "", fixed[i].name);
		if (sc_conf_override(o, fixed[i].name, value, err) != SC_OK)
			return err->status;
	}
	return SC_OK;
}

/* All that is derived from a value that stays has to be derived from it again. */
static enum sc_status read_kept(const struct sc_conf_overrides *how,
				const struct sc_conf *now, struct sc_conf **conf,
				struct sc_err *err)
{
	struct sc_conf_overrides with = *how;
	SC_AUTO_BUF names = SC_BUF_INIT;
	struct sc_conf *kept = NULL;
	enum sc_status status = keep_fixed(&with, now, *conf, &names, err);

	if (status == SC_OK && names.len > 0)
		status = sc_conf_open(&with, &kept, err);
	if (kept) {
		sc_log_warning("only a restart changes %s: as before until then",
			       (const char *)names.data);
		sc_conf_free(*conf);
		*conf = kept;
	}
	for (size_t i = how->n; i < with.n; i++) {
		free(with.items[i].name);
		free(with.items[i].value);
	}
	return status;
}

enum sc_status sc_settings_read(const struct sc_conf_overrides *how,
				const struct sc_conf *now, struct sc_conf **out,
				struct sc_err *err)
{
	struct sc_conf *conf = NULL;

	if (sc_conf_open(how, &conf, err) != SC_OK)
		return err->status;
	if (read_kept(how, now, &conf, err) != SC_OK) {
		sc_conf_free(conf);
		return err->status;
	}
	*out = conf;
	return SC_OK;
}

static enum sc_log_level level_of(const struct sc_conf *conf)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	int level = SC_LOG_INFO;

	for (int i = 0; i < (int)(sizeof(names) / sizeof(names[0])); i++)
		if (strcmp(conf->log.level, names[i]) == 0)
			level = i;
	return (enum sc_log_level)level;
}

enum sc_status sc_settings_open_log(const struct sc_conf *conf, struct sc_err *err)
{
	return sc_log_open(conf->log.target, level_of(conf), err);
}

enum sc_status sc_settings_prepare_log(const struct sc_conf *conf, struct sc_err *err)
{
	return sc_log_prepare(conf->log.target, level_of(conf), err);
}

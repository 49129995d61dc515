/* SPDX-License-Identifier: MIT */
/*
 * What a configuration comes to in the master: itself, who may connect, the upkeep. One
 * at the start, another one with each reload; each generation of workers has its own.
 */
#ifndef SC_SERVER_SETTINGS_H
#define SC_SERVER_SETTINGS_H

#include <stddef.h>
#include <sys/types.h>

#include "slidecache/conf.h"
#include "upkeep.h"

struct sc_settings {
	struct sc_conf *conf;
	uid_t *peers; /* who may connect */
	size_t npeers;
	struct sc_upkeep *upkeep;
};

/* Takes conf, also when it fails. Call as who we stay. */
SC_MUST enum sc_status sc_settings_new(struct sc_conf *conf, struct sc_settings **out,
				       struct sc_err *err);
void sc_settings_free(struct sc_settings *s);

/* Reads the configuration again, as the command line said it. What only a restart changes
 * stays as it is in now; the log names what differs. */
SC_MUST enum sc_status sc_settings_read(const struct sc_conf_overrides *how,
					const struct sc_conf *now, struct sc_conf **out,
					struct sc_err *err);
/* Opens the log that the configuration names. */
SC_MUST enum sc_status sc_settings_open_log(const struct sc_conf *conf,
					    struct sc_err *err);
/* Opens it for sc_log_switch. */
SC_MUST enum sc_status sc_settings_prepare_log(const struct sc_conf *conf,
					       struct sc_err *err);

#endif

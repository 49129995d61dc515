/* SPDX-License-Identifier: MIT */
/*
 * Private to src/ctl: what a command of slidecachectl gets, and the table of commands.
 *
 * A command prints its result to stdout, as text or, with --json, as one JSON document,
 * and returns a status; main writes the error to stderr and makes the exit code: 0 ok, 1
 * failed, 2 usage (SC_INVALID).
 */
#ifndef SLIDECACHE_CTL_H
#define SLIDECACHE_CTL_H

#include <stdbool.h>

#include "slidecache/conf.h"
#include "slidecache/jobs.h"
#include "slidecache/migration.h"
#include "slidecache/version.h"

/* How long a change of versions may take: somebody waits. */
#define SC_CTL_WAIT_MS 2000

struct sc_ctl {
	const struct sc_conf *conf;
	const char *config; /* the file that conf was read from; it may not be there */
	bool json;
	char actor[64]; /* who changes versions: recorded with the change */
	int argc;	/* of the command's own arguments */
	char **argv;	/* without the command's name */
};

struct sc_command {
	const char *name;
	const char *usage; /* the arguments, for people */
	const char *help;  /* one sentence, and what its arguments are if that is much */
	enum sc_status (*run)(const struct sc_ctl *ctl, struct sc_err *err);
	int least; /* arguments that it needs */
};

enum sc_status sc_cmd_versions(const struct sc_ctl *ctl, struct sc_err *err);
enum sc_status sc_cmd_invalidate(const struct sc_ctl *ctl, struct sc_err *err);
enum sc_status sc_cmd_invalidate_all(const struct sc_ctl *ctl, struct sc_err *err);
enum sc_status sc_cmd_start(const struct sc_ctl *ctl, struct sc_err *err);
enum sc_status sc_cmd_stop(const struct sc_ctl *ctl, struct sc_err *err);
enum sc_status sc_cmd_migrate(const struct sc_ctl *ctl, struct sc_err *err);
enum sc_status sc_cmd_showmigrations(const struct sc_ctl *ctl, struct sc_err *err);
enum sc_status sc_cmd_images(const struct sc_ctl *ctl, struct sc_err *err);
enum sc_status sc_cmd_acl(const struct sc_ctl *ctl, struct sc_err *err);
enum sc_status sc_cmd_explain(const struct sc_ctl *ctl, struct sc_err *err);
enum sc_status sc_cmd_warm(const struct sc_ctl *ctl, struct sc_err *err);
enum sc_status sc_cmd_jobs(const struct sc_ctl *ctl, struct sc_err *err);
enum sc_status sc_cmd_sign(const struct sc_ctl *ctl, struct sc_err *err);
enum sc_status sc_cmd_token(const struct sc_ctl *ctl, struct sc_err *err);
enum sc_status sc_cmd_stats(const struct sc_ctl *ctl, struct sc_err *err);
enum sc_status sc_cmd_doctor(const struct sc_ctl *ctl, struct sc_err *err);

/* SC_INVALID with "COMMAND: takes ..." unless the arguments are min to max in number. */
enum sc_status sc_ctl_arguments(const struct sc_ctl *ctl, int min, int max,
				struct sc_err *err);
/* A wrong --state-dir must not look like a state in which all is well, nor another user's
 * like a broken one. */
enum sc_status sc_ctl_check_state(const struct sc_conf *conf, struct sc_err *err);
/* A failure with something below state_dir: says whose that is, if that is why. */
enum sc_status sc_ctl_fail_foreign(const struct sc_conf *conf, struct sc_err *err);
/* As root: becomes the user whom state_dir belongs to. */
enum sc_status sc_ctl_become_owner(const struct sc_conf *conf, struct sc_err *err);
/* Whether a service runs on this state. */
bool sc_ctl_service_runs(const struct sc_conf *conf);
/* Whether what this backend keeps is kept by a server, for whomever. */
bool sc_ctl_is_server(const char *backend);
/* Opens the configured version store; a change may take SC_CTL_WAIT_MS, and changes are
 * recorded as this user's. */
enum sc_status sc_ctl_open_versions(const struct sc_ctl *ctl, struct sc_versions **out,
				    struct sc_err *err);
/* After a change of versions: tells the caches what is out of reach now. A failure is a
 * warning: the caches find it later. */
void sc_ctl_sweep(const struct sc_ctl *ctl);
/* The configured folder's migrations. A bad file is no matter of usage: SC_DAMAGED. */
enum sc_status sc_ctl_load_migrations(const struct sc_ctl *ctl,
				      struct sc_migrations **out, struct sc_err *err);
/* Appends "jobs": [...] to an object. */
void sc_ctl_put_jobs(struct sc_buf *out, const struct sc_job *jobs, size_t n);
/* Prints a finished JSON document and a newline. */
void sc_ctl_print(const struct sc_buf *json);
/* Appends text for a terminal: what it would take for a command, and what is no UTF-8, is
 * written as \xHH. */
void sc_ctl_put_printable(struct sc_buf *out, const char *text);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * slidecached as a function: the command line, the start, the stop.
 */
#ifndef SC_SERVER_SERVER_H
#define SC_SERVER_SERVER_H

#include "slidecache/conf.h"

/* What the command line asks for. */
enum sc_action { SC_RUN, SC_EXIT_OK, SC_EXIT_FAILED, SC_EXIT_USAGE };

/* Prints what was asked for, or what is wrong. how: what was set, to read the
 * configuration again; the caller's to release. SC_RUN: *conf is complete, and the
 * caller's. */
enum sc_action sc_command_line(int argc, char **argv, struct sc_conf_overrides *how,
			       struct sc_conf **conf);

/* What can be wrong though every option is valid by itself; touches no store. SC_DENIED:
 * all but a secret file that this user may not read. */
SC_MUST enum sc_status sc_server_check(const struct sc_conf *conf, struct sc_err *err);
/* What only the user that the service runs as can tell: folders and stores. */
SC_MUST enum sc_status sc_server_check_access(const struct sc_conf *conf,
					      struct sc_err *err);
/* Runs until it is told to stop. Takes conf. */
SC_MUST enum sc_status sc_server_run(struct sc_conf *conf,
				     const struct sc_conf_overrides *how,
				     struct sc_err *err);

/* All of the program but its name; the exit code: 0 ok, 1 failed, 2 usage. */
int sc_server_main(int argc, char **argv);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The command line of slidecached: a table of flags, most of them names of options.
 *
 * Values win over the file's, whatever the order; --config FILE must exist, the default
 * file need not.
 */
#include <getopt.h>

#include "folders.h"
#include "server.h"
#include "upkeep.h"

#define FLAG_KNOWN 1 /* what getopt_long returns for a row of the table */

enum flag {
	FLAG_CONFIG,
	FLAG_CHECK,
	FLAG_PRINT,
	FLAG_SET,
	FLAG_STATE_DIR,
	FLAG_OPTION, /* sets the option of its row */
	FLAG_HELP,
	FLAG_VERSION,
};

static const struct {
	const char *name, *value; /* value: its name in --help; NULL: takes none */
	enum flag flag;
	const char *option; /* of FLAG_OPTION */
	const char *help;
} flags[] = {
	{ "config", "FILE", FLAG_CONFIG, NULL,
	  "read FILE (default: " SC_CONF_DEFAULT_FILE ", when it exists)" },
	{ "check-config", NULL, FLAG_CHECK, NULL, "say what is wrong and exit" },
	{ "print-config", NULL, FLAG_PRINT, NULL,
	  "print the effective values, passwords in locations too, and exit" },
	{ "slides", "DIR", FLAG_OPTION, "slides.root", "the folder of the slides" },
	{ "listen", "ADDR", FLAG_OPTION, "listen",
	  "unix:/path, HOST:PORT, fd:0 or systemd" },
	{ "workers", "N", FLAG_OPTION, "workers", "number of worker processes" },
	{ "state-dir", "DIR", FLAG_STATE_DIR, NULL,
	  "directory of the state; cache_dir becomes DIR/cache unless it is set" },
	{ "set", "NAME=VALUE", FLAG_SET, NULL,
	  "set any option, NAME as the configuration has it" },
	{ "help", NULL, FLAG_HELP, NULL, "print this and exit" },
	{ "version", NULL, FLAG_VERSION, NULL, "print the version and exit" },
};
#define FLAGS (sizeof(flags) / sizeof(flags[0]))

struct command {
	struct sc_conf_overrides *overrides;
	bool check, print;
};

static enum sc_action print_help(FILE *out)
{
	(void)fprintf(out,
		      "Usage: slidecached [FLAG...]\n"
		      "Serves whole-slide images as Deep Zoom tiles over FastCGI.\n\n");
	for (size_t i = 0; i < FLAGS; i++) {
		char text[40];

		(void)snprintf(text, sizeof(text), "--%s%s%s", flags[i].name,
			       flags[i].value ? " " : "",
			       flags[i].value ? flags[i].value : "");
		(void)fprintf(out, "  %-20s  %s\n", text, flags[i].help);
	}
	(void)fprintf(out, "\nOptions, in the JSON file as nested objects:\n");
	sc_conf_print_options(out);
	(void)fprintf(
		out,
		"\nSignals: SIGHUP reads the configuration again, replaces the "
		"workers without losing a\nrequest and looks for slides; SIGUSR1 opens "
		"log.target again; SIGTERM and SIGINT answer\nwhat waits, for 10 s at "
		"most, and stop.\n"
		"Exit codes: 0 ok, 1 failed, 2 usage.\n");
	return SC_EXIT_OK;
}

static enum sc_action print_version(void)
{
	(void)printf("slidecached %s\n", SC_PROGRAM_VERSION);
	return SC_EXIT_OK;
}

static enum sc_action report(const struct sc_err *err, enum sc_action then)
{
	(void)fprintf(stderr, "slidecached: %s\n", err->text);
	return then;
}

static enum sc_status take_flag(struct command *cmd, size_t row, struct sc_err *err)
{
	struct sc_conf_overrides *o = cmd->overrides;

	switch (flags[row].flag) {
	case FLAG_CONFIG:
		o->config = optarg;
		break;
	case FLAG_SET:
		return sc_conf_override_set(o, optarg, err);
	case FLAG_STATE_DIR:
		return sc_conf_override_state_dir(o, optarg, err);
	case FLAG_OPTION:
		return sc_conf_override(o, flags[row].option, optarg, err);
	default:
		cmd->check |= flags[row].flag == FLAG_CHECK;
		cmd->print |= flags[row].flag == FLAG_PRINT;
		break;
	}
	return SC_OK;
}

/* Fills cmd; anything but SC_RUN: a flag was wrong, or said all there is to do. */
static enum sc_action take_flags(int argc, char **argv, struct command *cmd)
{
	struct option options[FLAGS + 1];
	struct sc_err err = { SC_OK, "" };
	int found = 0;
	int row = 0;

	memset(options, 0, sizeof(options));
	for (size_t i = 0; i < FLAGS; i++)
		options[i] =
			(struct option){ flags[i].name,
					 flags[i].value ? required_argument : no_argument,
					 NULL, FLAG_KNOWN };
	optind = 0; /* from the start, also when a process parses twice */
	while ((found = getopt_long(argc, argv, "", options, &row)) == FLAG_KNOWN) {
		if (flags[row].flag == FLAG_HELP)
			return print_help(stdout);
		if (flags[row].flag == FLAG_VERSION)
			return print_version();
		if (take_flag(cmd, (size_t)row, &err) != SC_OK)
			return report(&err, SC_EXIT_USAGE);
	}
	if (found == -1 && optind == argc)
		return SC_RUN;
	if (found == -1)
		(void)fprintf(stderr, "slidecached: \"%s\" is no flag\n", argv[optind]);
	(void)fprintf(stderr, "slidecached --help lists the flags\n");
	return SC_EXIT_USAGE;
}

/* Flags are tried by themselves first: a wrong one is a matter of usage, not of the
 * file. */
static enum sc_status check_flags(const struct command *cmd, struct sc_err *err)
{
	struct sc_conf *scratch = sc_conf_new();
	enum sc_status s = SC_OK;

	for (size_t i = 0; i < cmd->overrides->n && s == SC_OK; i++)
		s = sc_conf_set(scratch, cmd->overrides->items[i].name,
				cmd->overrides->items[i].value, err);
	sc_conf_free(scratch);
	return s;
}

/* What only another user may read is checked when the service has become that user. */
static bool passes(const struct command *cmd, const struct sc_conf *conf)
{
	struct sc_err err = { SC_OK, "" };
	enum sc_status s = sc_server_check(conf, &err);

	/* The service runs with bad migrations, too: with those that are applied. */
	if (s == SC_OK && cmd->check)
		s = sc_upkeep_check(conf, &err);
	if (s == SC_OK && cmd->check)
		s = sc_folders_foresee(conf, &err);
	if (s == SC_DENIED && cmd->check)
		(void)fprintf(stderr, "slidecached: not checked: %s\n", err.text);
	else if (s != SC_OK && s != SC_DENIED)
		(void)report(&err, SC_EXIT_FAILED);
	return s == SC_OK || s == SC_DENIED;
}

static enum sc_action fill(const struct command *cmd, struct sc_conf **out)
{
	struct sc_err err = { SC_OK, "" };
	struct sc_conf *conf = NULL;

	if (check_flags(cmd, &err) != SC_OK)
		return report(&err, SC_EXIT_USAGE);
	if (sc_conf_open(cmd->overrides, &conf, &err) != SC_OK)
		return report(&err, SC_EXIT_FAILED);
	if (!passes(cmd, conf)) {
		sc_conf_free(conf);
		return SC_EXIT_FAILED;
	}
	if (cmd->print)
		sc_conf_print(conf, stdout);
	if (!cmd->print && !cmd->check) {
		*out = conf;
		return SC_RUN;
	}
	sc_conf_free(conf);
	return SC_EXIT_OK;
}

enum sc_action sc_command_line(int argc, char **argv, struct sc_conf_overrides *how,
			       struct sc_conf **conf)
{
	struct command cmd = { .overrides = how };
	enum sc_action then = take_flags(argc, argv, &cmd);

	return then == SC_RUN ? fill(&cmd, conf) : then;
}

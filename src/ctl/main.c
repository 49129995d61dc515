/* SPDX-License-Identifier: MIT */
/*
 * slidecachectl: the management command. Global options, the table of commands, exit
 * code. It works on the same stores as the service, through the same calls, whether the
 * service runs or not.
 */
#include "ctl/ctl.h"

#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "slidecache/app.h"
#include "slidecache/descriptors.h"
#include "slidecache/log.h"
#include "slidecache/parse.h"

static const struct sc_command commands[] = {
	{ "images",
	  "list | scan | add FILE | remove ID | quarantine [release FILE|ID...]",
	  "the catalogue of slides:\n"
	  "        quarantine         slides that processes died of: not read for a "
	  "while\n"
	  "        quarantine release FILE|ID... | --all    lets them be read again",
	  sc_cmd_images, 1 },
	{ "versions", "", "versioned caches: current version, changed when and by whom",
	  sc_cmd_versions, 0 },
	{ "invalidate", "NAME... | --image ID | --all", "gives caches a new version",
	  sc_cmd_invalidate, 1 },
	{ "invalidateversionedcaches", "", "gives all versioned caches a new version",
	  sc_cmd_invalidate_all, 0 },
	{ "start", "NAME...", "begins the versioning of caches, all of them or none",
	  sc_cmd_start, 1 },
	{ "stop", "NAME...", "ends the versioning of caches, all of them or none",
	  sc_cmd_stop, 1 },
	{ "migrate", "[NAME | APP.NAME | APP.zero | zero] [--plan]",
	  "applies and reverses migrations; --plan only says which", sc_cmd_migrate, 0 },
	{ "showmigrations", "", "migrations, and which of them are applied",
	  sc_cmd_showmigrations, 0 },
	{ "warm", "ID... | --all [OPTION...]",
	  "renders and stores tiles before anybody asks for them:\n"
	  "        --mem-size-mb N    at most so many MiB a slide (5)\n"
	  "        --z-dimension N, --frame N    of this plane (1, 1)\n"
	  "        --jobs N           so many slides at a time (1)\n"
	  "        --threads N        so many threads a slide (0: as there are cores)\n"
	  "        --background       the service does it; prints the jobs' ids",
	  sc_cmd_warm, 1 },
	{ "jobs", "list | show ID | cancel ID...",
	  "what the service warms, and has warmed lately:\n"
	  "        list               all of them\n"
	  "        show ID            one: how far it is, and why it failed\n"
	  "        cancel ID...       ends what waits or runs, forgets what has ended",
	  sc_cmd_jobs, 1 },
	{ "sign", "IMAGE [--expires TIME]",
	  "addresses of one image, by its id or file, that let whoever has them read it "
	  "for\n"
	  "      a while: of its viewer, and of its DZI for other viewers\n"
	  "        --expires TIME     30s, 15m, 1h, 7d; at most 366d (1h)",
	  sc_cmd_sign, 1 },
	{ "acl", "check [FILE] | show USER|token:NAME|strangers",
	  "access lists:\n"
	  "        check [FILE]       whether acl_file, or another one, is right\n"
	  "        show WHO           what they may, and on which images",
	  sc_cmd_acl, 1 },
	{ "token", "add NAME --rights RIGHT,... [--expires TIME] | list | revoke NAME",
	  "what scripts send to say who they are (access.tokens_file):\n"
	  "        add NAME           makes a token and prints it, this once\n"
	  "        --rights LIST      of read, manage, label, with commas between\n"
	  "        --expires TIME     12h, 90d, at most 3650d, or never (never)\n"
	  "        list               names, rights and times of all of them\n"
	  "        revoke NAME        it is wrong from the next request on",
	  sc_cmd_token, 1 },
	{ "explain", "URL", "which key, which versions, stored or not, and why",
	  sc_cmd_explain, 1 },
	{ "stats", "", "counters of the running service, entries and bytes of its caches",
	  sc_cmd_stats, 0 },
	{ "doctor", "", "what is wrong with configuration, stores, machine, and its fix",
	  sc_cmd_doctor, 0 },
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *out)
{
	(void)fputs("usage: slidecachectl [OPTION...] COMMAND [ARGUMENT...]\n\n"
		    "  --config FILE      configuration (default " SC_CONF_DEFAULT_FILE
		    ")\n"
		    "  --state-dir DIR    as slidecached's option\n"
		    "  --slides DIR       as slidecached's option\n"
		    "  --set NAME=VALUE   any other option of the configuration\n"
		    "  --json             print JSON\n"
		    "  --help             print this and exit\n"
		    "  --version          print the version and exit\n\n",
		    out);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		(void)fprintf(out, "  %s%s%s\n      %s\n", commands[i].name,
			      *commands[i].usage ? " " : "", commands[i].usage,
			      commands[i].help);
	(void)fputs(
		"\nA server that keeps the versions has 2 seconds for a change of them; "
		"then the command\nfails, and the change may have happened or not.\n"
		"\nExit code: 0 ok, 1 failed, 2 usage.\n",
		out);
}

static void print_command_help(const struct sc_command *command)
{
	(void)printf("usage: slidecachectl [OPTION...] %s%s%s\n\n%s\n\n"
		     "Options of every command: slidecachectl --help\n",
		     command->name, *command->usage ? " " : "", command->usage,
		     command->help);
}

enum sc_status sc_ctl_arguments(const struct sc_ctl *ctl, int min, int max,
				struct sc_err *err)
{
	if (ctl->argc < min)
		return sc_fail(err, SC_INVALID, "an argument is missing; see --help");
	if (ctl->argc > max)
		return sc_fail(err, SC_INVALID, "too many arguments: %s", ctl->argv[max]);
	return SC_OK;
}

enum sc_status sc_ctl_open_versions(const struct sc_ctl *ctl, struct sc_versions **out,
				    struct sc_err *err)
{
	/* What the log would say of a server is the command's own failure, or does not
	 * matter: a change that was made shall not look otherwise. */
	enum sc_status status = sc_log_open("stderr", SC_LOG_ERROR, err);

	if (!status)
		status = sc_app_versions_open(ctl->conf, SC_CTL_WAIT_MS, SC_CTL_WAIT_MS,
					      out, err);
	if (status)
		return sc_ctl_fail_foreign(ctl->conf, err);
	sc_versions_set_actor(*out, ctl->actor);
	return SC_OK;
}

void sc_ctl_sweep(const struct sc_ctl *ctl)
{
	SC_AUTO_BUF why = SC_BUF_INIT;
	struct sc_err err;

	if (sc_app_sweep(ctl->conf, &err) == SC_OK)
		return;
	sc_ctl_put_printable(&why, err.text);
	(void)fprintf(stderr,
		      "slidecachectl: done; but what is out of reach now is not removed "
		      "first: %s\n",
		      (const char *)why.data);
}

bool sc_ctl_is_server(const char *backend)
{
	return strcmp(backend, "embedded") != 0 && strcmp(backend, "null") != 0;
}

/* "slidecachectl (root)": whoever called, also where sudo or sc_ctl_become_owner changes
 * the user. */
static void name_actor(struct sc_ctl *ctl)
{
	const char *login = getenv("SUDO_USER");
	const struct passwd *pw = getpwuid(getuid());

	if (login && *login && pw)
		(void)snprintf(ctl->actor, sizeof(ctl->actor),
			       "slidecachectl (%.20s as %.20s)", login, pw->pw_name);
	else if (pw)
		(void)snprintf(ctl->actor, sizeof(ctl->actor), "slidecachectl (%.40s)",
			       pw->pw_name);
	else
		(void)snprintf(ctl->actor, sizeof(ctl->actor), "slidecachectl (uid %u)",
			       (unsigned)getuid());
}

void sc_ctl_print(const struct sc_buf *json)
{
	(void)printf("%s\n", (const char *)json->data);
}

/* Bytes at text that a terminal would not show but obey; 0: it shows the next one. */
static size_t unprintable(const char *text, bool utf8)
{
	unsigned char byte = (unsigned char)*text;
	unsigned code = 0;

	if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !utf8))
		return 1;
	return sc_utf8_steering(text, &code);
}

void sc_ctl_put_printable(struct sc_buf *out, const char *text)
{
	bool utf8 = sc_utf8_valid(sc_bytes_str(text));

	while (*text) {
		size_t n = unprintable(text, utf8);

		if (n == 0)
			sc_buf_append(out, text++, 1);
		for (; n > 0; n--)
			sc_buf_printf(out, "\\x%02X", (unsigned)(unsigned char)*text++);
	}
}

enum { OPT_CONFIG = 256, OPT_STATE_DIR, OPT_SLIDES, OPT_SET, OPT_HELP, OPT_VERSION };

static const struct option long_options[] = {
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "state-dir", required_argument, NULL, OPT_STATE_DIR },
	{ "slides", required_argument, NULL, OPT_SLIDES },
	{ "set", required_argument, NULL, OPT_SET },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

static const struct sc_command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static enum sc_status take_option(int opt, struct sc_conf_overrides *o,
				  struct sc_err *err)
{
	switch (opt) {
	case OPT_CONFIG:
		o->config = optarg;
		return SC_OK;
	case OPT_STATE_DIR:
		return sc_conf_override_state_dir(o, optarg, err);
	case OPT_SLIDES:
		return sc_conf_override(o, "slides.root", optarg, err);
	case OPT_SET:
		return sc_conf_override_set(o, optarg, err);
	default:
		return sc_fail(err, SC_INVALID, "unknown option; see --help");
	}
}

/* SC_MISS: --help or --version answered everything. */
static enum sc_status parse_options(int argc, char **argv, struct sc_conf_overrides *o,
				    struct sc_err *err)
{
	enum sc_status status = SC_OK;

	for (int opt = 0; !status;) {
		opt = getopt_long(argc, argv, "+", long_options, NULL);
		if (opt == -1)
			break;
		if (opt == OPT_HELP)
			print_help(stdout);
		if (opt == OPT_VERSION)
			puts("slidecachectl " SC_PROGRAM_VERSION);
		if (opt == OPT_HELP || opt == OPT_VERSION)
			return SC_MISS;
		status = take_option(opt, o, err);
	}
	return status;
}

/* --json may stand anywhere, also behind the command. */
static int take_json(int argc, char **argv, bool *json)
{
	int kept = 0;

	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], "--json") == 0)
			*json = true;
		else
			argv[kept++] = argv[i];
	argv[kept] = NULL;
	return kept;
}

/* COMMAND --help: answered whatever else is there, or is not there. */
static bool help_with(int argc, char **argv)
{
	const struct sc_command *command = argc > 0 ? find_command(argv[0]) : NULL;

	for (int i = 1; i < argc && command; i++)
		if (strcmp(argv[i], "--help") == 0) {
			print_command_help(command);
			return true;
		}
	return false;
}

static enum sc_status check_usage(const struct sc_command *command,
				  const struct sc_ctl *ctl, struct sc_err *err)
{
	if (ctl->argc >= command->least)
		return SC_OK;
	return sc_fail(err, SC_INVALID, "an argument is missing: %s %s", command->name,
		       command->usage);
}

static enum sc_status run_command(const char *name, const struct sc_ctl *ctl,
				  struct sc_err *err)
{
	const struct sc_command *command = find_command(name);
	enum sc_status status = SC_OK;

	if (!command)
		return sc_fail(err, SC_INVALID, "unknown command %.64s; see --help",
			       name);
	/* Whatever state there is. */
	status = check_usage(command, ctl, err);
	/* Its file is root's, as the configuration is, and may be there before any state.
	 */
	if (!status && command->run == sc_cmd_token)
		return sc_cmd_token(ctl, err);
	/* The doctor has its own words for it. */
	if (!status && command->run != sc_cmd_doctor)
		status = sc_ctl_check_state(ctl->conf, err);
	if (!status)
		status = sc_ctl_become_owner(ctl->conf, err);
	return status ? status : command->run(ctl, err);
}

static enum sc_status run(int argc, char **argv, struct sc_err *err)
{
	struct sc_conf_overrides overrides = { .config = NULL };
	struct sc_ctl ctl = { .json = false };
	struct sc_conf *conf = NULL;
	enum sc_status status = SC_OK;

	argc = take_json(argc, argv, &ctl.json);
	status = parse_options(argc, argv, &overrides, err);

	if (!status && optind == argc) {
		print_help(stderr);
		status = sc_fail(err, SC_INVALID, "a command is missing");
	}
	if (!status && help_with(argc - optind, argv + optind))
		status = SC_MISS;
	if (!status)
		status = sc_conf_open(&overrides, &conf, err);
	sc_conf_overrides_release(&overrides);
	if (status)
		return status;
	name_actor(&ctl);
	ctl.conf = conf;
	ctl.config = overrides.config ? overrides.config : SC_CONF_DEFAULT_FILE;
	ctl.argc = argc - optind - 1;
	ctl.argv = argv + optind + 1;
	status = run_command(argv[optind], &ctl, err);
	sc_conf_free(conf);
	return status;
}

int main(int argc, char **argv)
{
	struct sc_buf text = SC_BUF_INIT;
	struct sc_err err;
	enum sc_status status = sc_descriptors_fill(&err);

	if (!status)
		status = sc_log_open("stderr", SC_LOG_WARNING, &err);
	if (!status)
		status = run(argc, argv, &err);
	if (status == SC_OK || status == SC_MISS)
		return 0;
	sc_ctl_put_printable(&text, err.text);
	(void)fprintf(stderr, "slidecachectl: %s\n", (const char *)text.data);
	sc_buf_release(&text);
	return status == SC_INVALID ? 2 : 1;
}

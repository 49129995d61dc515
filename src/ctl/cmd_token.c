/* SPDX-License-Identifier: MIT */
/*
 * token add NAME | list | revoke NAME: what scripts send to say who they are.
 */
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/life.h"
#include "slidecache/clock.h"
#include "slidecache/json.h"
#include "slidecache/parse.h"
#include "slidecache/tokens.h"

#define LIFE_MAX_DAYS 3650

/* ----- arguments of add ----- */

static const struct option long_options[] = {
	{ "rights", required_argument, NULL, 'r' },
	{ "expires", required_argument, NULL, 'e' },
	{ NULL, 0, NULL, 0 },
};

static enum sc_status parse_rights(const char *list, unsigned *out, struct sc_err *err)
{
	SC_AUTO_FREE char *names = sc_strdup(list);
	unsigned rights = 0;

	for (char *name = names; name;) {
		char *comma = strchr(name, ',');
		enum sc_right right = SC_RIGHT_NONE;

		if (comma)
			*comma++ = '\0';
		right = sc_right_named(name);
		if (!right)
			return sc_fail(err, SC_INVALID,
				       "--rights wants read, manage, label, with commas "
				       "between, not %.32s",
				       name);
		rights |= right;
		name = comma;
	}
	*out = rights;
	return SC_OK;
}

static enum sc_status parse_expires(const char *text, int64_t *out_us, struct sc_err *err)
{
	int64_t life_s = 0;

	*out_us = 0;
	if (strcmp(text, "never") == 0)
		return SC_OK;
	if (sc_ctl_parse_life(text, LIFE_MAX_DAYS, &life_s, err) != SC_OK)
		return err->status;
	*out_us = sc_wall_us() + life_s * SC_US_PER_S;
	return SC_OK;
}

static enum sc_status take_option(int opt, struct sc_token *want, struct sc_err *err)
{
	switch (opt) {
	case 'r':
		return parse_rights(optarg, &want->rights, err);
	case 'e':
		return parse_expires(optarg, &want->expires_us, err);
	default:
		return sc_fail(err, SC_INVALID,
			       "token add: an option is unknown or lacks its value; see "
			       "--help");
	}
}

static enum sc_status take_name(const char *name, struct sc_token *want,
				struct sc_err *err)
{
	if (strlen(name) > SC_USER_MAX)
		return sc_fail(err, SC_INVALID, "a token's name has at most %d bytes",
			       SC_USER_MAX);
	memcpy(want->name, name, strlen(name) + 1);
	return SC_OK;
}

/* The word before the arguments, "add", is getopt's program. */
static enum sc_status read_wanted(const struct sc_ctl *ctl, struct sc_token *want,
				  struct sc_err *err)
{
	enum sc_status status = SC_OK;
	int opt = 0;

	optind = 0; /* anew: main has read its own */
	opterr = 0;
	while (!status &&
	       (opt = getopt_long(ctl->argc, ctl->argv, "", long_options, NULL)) != -1)
		status = take_option(opt, want, err);
	if (status)
		return status;
	if (ctl->argc - optind != 1)
		return sc_fail(err, SC_INVALID, "token add wants one name");
	if (!want->rights)
		return sc_fail(err, SC_INVALID,
			       "token add wants --rights: of read, manage, label");
	(void)snprintf(want->created_by, sizeof(want->created_by), "%s", ctl->actor);
	return take_name(ctl->argv[optind], want, err);
}

/* ----- the commands ----- */

static void put_rights(struct sc_buf *out, unsigned rights)
{
	for (const char *comma = ""; rights; rights &= rights - 1, comma = ",")
		sc_buf_printf(out, "%s%s", comma, sc_right_name(rights));
}

static void put_moment_json(struct sc_buf *out, const char *key, int64_t wall_us)
{
	char text[SC_TIME_LEN];

	sc_json_key(out, key);
	if (wall_us == 0) {
		sc_json_null(out);
		return;
	}
	sc_time_text_utc(wall_us, text);
	sc_json_str(out, text);
}

/* text: the token itself; NULL: only what it is. */
static void put_json(struct sc_buf *out, const struct sc_token *t, const char *text)
{
	sc_json_begin(out, '{');
	sc_json_key(out, "name");
	sc_json_str(out, t->name);
	if (text) {
		sc_json_key(out, "token");
		sc_json_str(out, text);
	}
	sc_json_key(out, "rights");
	sc_json_begin(out, '[');
	for (unsigned rights = t->rights; rights; rights &= rights - 1)
		sc_json_str(out, sc_right_name(rights));
	sc_json_end(out, ']');
	if (!text)
		put_moment_json(out, "created", t->created_us);
	put_moment_json(out, "expires", t->expires_us);
	sc_json_key(out, "expired");
	sc_json_bool(out, sc_token_expired(t, sc_wall_us()));
	sc_json_key(out, "created_by");
	sc_json_str(out, t->created_by);
	sc_json_end(out, '}');
}

static void print_made(const struct sc_ctl *ctl, const struct sc_token *t,
		       const char *text)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	if (!ctl->json) {
		(void)printf("%s\n", text);
		(void)fflush(stdout);
		(void)fputs("slidecachectl: this is the token; it is not shown again, as "
			    "only a hash of it is kept\n",
			    stderr);
		return;
	}
	put_json(&out, t, text);
	sc_ctl_print(&out);
	sc_wipe(out.data, out.len);
}

/* Root's new file is the service's to read. */
static gid_t group_of_service(const struct sc_conf *conf)
{
	const struct passwd *pw = *conf->user ? getpwnam(conf->user) : NULL;
	struct stat state;

	if (geteuid() != 0)
		return (gid_t)-1;
	if (pw)
		return pw->pw_gid;
	return stat(conf->state_dir, &state) == 0 ? state.st_gid : (gid_t)-1;
}

static enum sc_status add_token(const struct sc_ctl *ctl, const char *file,
				struct sc_err *err)
{
	struct sc_token want = { .rights = 0 };
	char text[SC_TOKEN_TEXT_LEN];
	enum sc_status status = read_wanted(ctl, &want, err);

	if (!status)
		status = sc_tokens_add(file, &want, group_of_service(ctl->conf), text,
				       err);
	if (status)
		return status;
	print_made(ctl, &want, text);
	sc_wipe(text, sizeof(text));
	return SC_OK;
}

static void put_moment(struct sc_buf *out, int64_t wall_us)
{
	char text[SC_TIME_LEN];

	if (wall_us == 0) {
		sc_buf_printf(out, "%-23s", "never");
		return;
	}
	sc_time_text(wall_us, text);
	sc_buf_printf(out, "%.10s %.8s UTC", text, text + 11);
}

static void put_row(struct sc_buf *out, const struct sc_token *t, int64_t now_us)
{
	SC_AUTO_BUF name = SC_BUF_INIT;
	SC_AUTO_BUF rights = SC_BUF_INIT;

	sc_ctl_put_printable(&name, t->name);
	put_rights(&rights, t->rights);
	sc_buf_printf(out, "%-20s  %-17s  ", (const char *)name.data,
		      (const char *)rights.data);
	put_moment(out, t->created_us);
	sc_buf_str(out, "  ");
	put_moment(out, t->expires_us);
	sc_buf_printf(out, "  %-7s  ", sc_token_expired(t, now_us) ? "expired" : "valid");
	sc_ctl_put_printable(out, t->created_by);
	sc_buf_str(out, "\n");
}

static void print_list(const struct sc_tokens *t)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_buf_printf(&out, "%-20s  %-17s  %-23s  %-23s  %-7s  %s\n", "name", "rights",
		      "created at", "expires at", "state", "by");
	for (size_t i = 0; i < t->n; i++)
		put_row(&out, &t->items[i], sc_wall_us());
	(void)fputs((const char *)out.data, stdout);
}

static void print_list_json(const struct sc_tokens *t)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_json_begin(&out, '{');
	sc_json_key(&out, "tokens");
	sc_json_begin(&out, '[');
	for (size_t i = 0; i < t->n; i++)
		put_json(&out, &t->items[i], NULL);
	sc_json_end(&out, ']');
	sc_json_end(&out, '}');
	sc_ctl_print(&out);
}

static enum sc_status list_tokens(const struct sc_ctl *ctl, const char *file,
				  struct sc_err *err)
{
	SC_AUTO_TOKENS tokens = SC_TOKENS_INIT;

	if (sc_ctl_arguments(ctl, 1, 1, err) != SC_OK ||
	    sc_tokens_load(file, &tokens, err) != SC_OK)
		return err->status;
	if (ctl->json)
		print_list_json(&tokens);
	else
		print_list(&tokens);
	return SC_OK;
}

static enum sc_status revoke_token(const struct sc_ctl *ctl, const char *file,
				   struct sc_err *err)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	if (sc_ctl_arguments(ctl, 2, 2, err) != SC_OK ||
	    sc_tokens_revoke(file, ctl->argv[1], err) != SC_OK)
		return err->status;
	if (ctl->json) {
		sc_json_begin(&out, '{');
		sc_json_key(&out, "revoked");
		sc_json_str(&out, ctl->argv[1]);
		sc_json_end(&out, '}');
		sc_ctl_print(&out);
		return SC_OK;
	}
	sc_buf_str(&out, "revoked ");
	sc_ctl_put_printable(&out, ctl->argv[1]);
	(void)puts((const char *)out.data);
	return SC_OK;
}

static const struct {
	const char *name;
	enum sc_status (*run)(const struct sc_ctl *ctl, const char *file,
			      struct sc_err *err);
} rows[] = {
	{ "add", add_token },
	{ "list", list_tokens },
	{ "revoke", revoke_token },
};

enum sc_status sc_cmd_token(const struct sc_ctl *ctl, struct sc_err *err)
{
	const char *file = ctl->conf->access.tokens_file;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(ctl->argv[0], rows[i].name) != 0)
			continue;
		if (!*file)
			return sc_fail(err, SC_UNAVAILABLE,
				       "tokens are not set up: the option "
				       "access.tokens_file names their file");
		return rows[i].run(ctl, file, err);
	}
	return sc_fail(err, SC_INVALID, "token wants add, list or revoke");
}

/* SPDX-License-Identifier: MIT */
/*
 * explain URL: the application tells; this prints.
 */
#include "ctl/ctl.h"

#include <stdio.h>

#include "slidecache/app.h"
#include "slidecache/json.h"

/* Names of files among them may hold what a terminal takes for a command. */
static void print_line(const struct sc_fact *fact)
{
	SC_AUTO_BUF value = SC_BUF_INIT;

	sc_ctl_put_printable(&value, fact->value);
	printf("%-13s %.*s\n", fact->name, (int)value.len, (const char *)value.data);
}

static void print_facts(const struct sc_ctl *ctl, const struct sc_fact *facts, size_t n)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_json_begin(&out, '{');
	for (size_t i = 0; i < n; i++) {
		sc_json_key(&out, facts[i].name);
		sc_json_str(&out, facts[i].value);
		if (!ctl->json)
			print_line(&facts[i]);
	}
	sc_json_end(&out, '}');
	if (ctl->json)
		sc_ctl_print(&out);
}

enum sc_status sc_cmd_explain(const struct sc_ctl *ctl, struct sc_err *err)
{
	struct sc_fact facts[SC_FACTS_MAX];
	struct sc_app *app = NULL;
	size_t n = 0;
	enum sc_status status = sc_ctl_arguments(ctl, 1, 1, err);

	if (!status)
		status = sc_app_open(ctl->conf, SC_APP_LOOK, &app, err);
	if (status)
		return status;
	status = sc_app_explain(app, ctl->argv[0], facts, &n, err);
	print_facts(ctl, facts, n);
	sc_app_close(app);
	/* An address that leads nowhere is a result, not a wrong use of this command. */
	return status == SC_INVALID ? SC_NOT_FOUND : status;
}

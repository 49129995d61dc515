/* SPDX-License-Identifier: MIT */
/*
 * explain URL: the application tells; this prints.
 */
#include "ctl/ctl.h"

#include <stdio.h>

#include "slidecache/app.h"
#include "slidecache/json.h"

static void print_facts(const struct sc_ctl *ctl, const struct sc_fact *facts, size_t n)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_json_begin(&out, '{');
	for (size_t i = 0; i < n; i++) {
		sc_json_key(&out, facts[i].name);
		sc_json_str(&out, facts[i].value);
		if (!ctl->json)
			printf("%-13s %s\n", facts[i].name, facts[i].value);
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

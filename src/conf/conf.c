/* SPDX-License-Identifier: MIT */
/*
 * Life of a configuration: defaults, one option by name, the end.
 */
#include <stdlib.h>

#include "options.h"

struct sc_conf *sc_conf_new(void)
{
	struct sc_conf *c = sc_alloc(sizeof(*c));
	struct sc_err err = { SC_OK, "" };

	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < sc_options_count; i++)
		if (sc_option_set(c, &sc_options[i], sc_options[i].fallback, &err) !=
		    SC_OK)
			abort(); /* a default that its own row refuses: a bug in the table
				  */
	return c;
}

void sc_conf_free(struct sc_conf *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < sc_options_count; i++)
		if (sc_option_is_text(&sc_options[i]))
			free(*sc_option_text(c, &sc_options[i]));
	free(c);
}

enum sc_status sc_conf_set(struct sc_conf *c, const char *name, const char *text,
			   struct sc_err *err)
{
	const struct sc_option *o = sc_option_find(name);

	return o ? sc_option_set(c, o, text, err) : sc_option_unknown(name, err);
}

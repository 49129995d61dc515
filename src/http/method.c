/* SPDX-License-Identifier: MIT */
/*
 * Methods as bits and as texts. Pure.
 */
#include "slidecache/http.h"

static const struct {
	enum sc_method method;
	const char *name;
} methods[] = {
	{ SC_GET, "GET" }, { SC_HEAD, "HEAD" },	  { SC_POST, "POST" },
	{ SC_PUT, "PUT" }, { SC_PATCH, "PATCH" }, { SC_DELETE, "DELETE" },
};
#define METHOD_COUNT (sizeof(methods) / sizeof(methods[0]))

enum sc_method sc_method_parse(const char *s)
{
	for (size_t i = 0; i < METHOD_COUNT; i++)
		if (strcmp(methods[i].name, s) == 0)
			return methods[i].method;
	return SC_OTHER;
}

const char *sc_methods_text(unsigned allowed, struct sc_arena *a)
{
	const char *text = "";

	for (size_t i = 0; i < METHOD_COUNT; i++)
		if (allowed & methods[i].method)
			text = sc_arena_printf(a, "%s%s%s", text, *text ? ", " : "",
					       methods[i].name);
	return text;
}

/* SPDX-License-Identifier: MIT */
/*
 * Prefer: 1#( token [ "=" word ] *( ";" [ token [ "=" word ] ] ) ), where a word is a
 * token or a text in quotes, which may hold commas. See prefer.h.
 */
#include "app/prefer.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define SPACE " \t"
#define TOKEN                                                                            \
	"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static const char *skip_space(const char *s)
{
	return s + strspn(s, SPACE);
}

/* After the closing quote; NULL: there is none. *empty: nothing was inside. */
static const char *skip_quoted(const char *s, bool *empty)
{
	*empty = *s == '"';
	for (; *s && *s != '"'; s++)
		if (*s == '\\' && !*++s)
			return NULL;
	return *s ? s + 1 : NULL;
}

/* "NAME" or "NAME=WORD". Returns what follows it; NULL when it is none. *plain: it has no
 * value, or an empty one. */
static const char *skip_pair(const char *s, bool *plain)
{
	size_t n = strspn(s, TOKEN);

	*plain = true;
	if (n == 0)
		return NULL;
	s = skip_space(s + n);
	if (*s != '=')
		return s;
	s = skip_space(s + 1);
	if (*s == '"') {
		s = skip_quoted(s + 1, plain);
		return s ? skip_space(s) : NULL;
	}
	n = strspn(s, TOKEN);
	*plain = n == 0;
	return skip_space(s + n);
}

/* "; NAME=WORD", also without any. */
static const char *skip_parameters(const char *s)
{
	bool plain = false;

	while (s && *s == ';') {
		s = skip_space(s + 1);
		if (*s && *s != ';' && *s != ',')
			s = skip_pair(s, &plain);
	}
	return s && (*s == '\0' || *s == ',') ? s : NULL;
}

static bool is_async(const char *s)
{
	static const char name[] = "respond-async";
	size_t n = sizeof(name) - 1;

	return strspn(s, TOKEN) == n && strncasecmp(s, name, n) == 0;
}

bool sc_prefers_async(const char *prefer)
{
	const char *s = prefer ? prefer : "";
	bool found = false;

	/* A list may have empty members. */
	for (s += strspn(s, SPACE ","); *s; s += strspn(s, SPACE ",")) {
		bool async = is_async(s);
		bool plain = false;

		s = skip_pair(s, &plain);
		s = s ? skip_parameters(s) : NULL;
		if (!s)
			return false;
		found = found || (async && plain);
	}
	return found;
}

/* SPDX-License-Identifier: MIT */
/*
 * Where a key stands in a JSON text, for messages: jansson keeps no lines of values.
 *
 * Pure. Assumes a text that was parsed before, so it checks nothing but its own bounds; a
 * key that is written with escapes is not found, and a message then has no line.
 */
#include "options.h"

struct scan {
	struct sc_bytes json;
	size_t at;
	int line;
	int depth;	    /* of open objects and arrays */
	size_t matched;	    /* how many segments of the path the open objects match */
	const char *dotted; /* what is looked for */
};

/* Moves over a string; the bytes between the quotes. */
static struct sc_bytes take_string(struct scan *s)
{
	size_t start = ++s->at;

	while (s->at < s->json.len && s->json.data[s->at] != '"')
		s->at += s->json.data[s->at] == '\\' ? 2 : 1;
	if (s->at >= s->json.len)
		return sc_bytes_of(NULL, 0);
	return sc_bytes_of(s->json.data + start, s->at++ - start);
}

/* The n-th segment of the dotted path. */
static struct sc_bytes segment(const char *dotted, size_t n)
{
	for (; n > 0 && dotted; n--) {
		dotted = strchr(dotted, '.');
		dotted = dotted ? dotted + 1 : NULL;
	}
	return sc_bytes_of(dotted, dotted ? strcspn(dotted, ".") : 0);
}

static bool is_key(const struct scan *s)
{
	size_t at = s->at;

	while (at < s->json.len && memchr(" \t\r\n", s->json.data[at], 4))
		at++;
	return at < s->json.len && s->json.data[at] == ':';
}

/* A string that may be the next key of the path: true when it is the last one. */
static bool visit_string(struct scan *s)
{
	struct sc_bytes text = take_string(s);

	if (s->depth != (int)s->matched + 1 || !is_key(s))
		return false;
	if (!sc_bytes_equal(text, segment(s->dotted, s->matched)))
		return false;
	s->matched++;
	return segment(s->dotted, s->matched).len == 0;
}

int sc_json_key_line(struct sc_bytes json, const char *dotted)
{
	struct scan s = { .json = json, .line = 1, .dotted = dotted };

	while (s.at < json.len) {
		unsigned char c = json.data[s.at];

		if (c == '"') {
			if (visit_string(&s))
				return s.line;
			continue;
		}
		s.line += c == '\n';
		s.depth += c == '{' || c == '[';
		if (c == '}' || c == ']') {
			s.depth--;
			if ((int)s.matched > s.depth)
				s.matched = (size_t)(s.depth > 0 ? s.depth : 0);
		}
		s.at++;
	}
	return 0;
}

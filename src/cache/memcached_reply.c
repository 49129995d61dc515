/* SPDX-License-Identifier: MIT */
/*
 * Parsing of memcached's answers, line by line. Pure.
 */
#include "cache/memcached_reply.h"

#include "slidecache/parse.h"

size_t sc_memcached_line(struct sc_bytes in, bool *bad)
{
	const unsigned char *end = in.len ? memchr(in.data, '\n', in.len) : NULL;
	size_t n = end ? (size_t)(end - in.data) + 1 : 0;

	*bad = end ? n < 2 || end[-1] != '\r' || n > SC_MEMCACHED_LINE_MAX
		   : in.len >= SC_MEMCACHED_LINE_MAX;
	return n;
}

static bool starts_with(struct sc_bytes s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.len >= n && memcmp(s.data, prefix, n) == 0;
}

enum sc_memcached_word sc_memcached_word_of(struct sc_bytes line)
{
	static const struct {
		const char *text;
		bool more; /* the line goes on */
		enum sc_memcached_word word;
	} words[] = {
		{ "VALUE ", true, SC_MEMCACHED_VALUE },
		{ "END", false, SC_MEMCACHED_END },
		{ "STORED", false, SC_MEMCACHED_STORED },
		{ "NOT_STORED", false, SC_MEMCACHED_NOT_STORED },
		{ "EXISTS", false, SC_MEMCACHED_EXISTS },
		{ "NOT_FOUND", false, SC_MEMCACHED_NOT_FOUND },
		{ "DELETED", false, SC_MEMCACHED_DELETED },
		{ "STAT ", true, SC_MEMCACHED_STAT },
		{ "SERVER_ERROR object too large for cache", false,
		  SC_MEMCACHED_TOO_LARGE },
		{ "SERVER_ERROR out of memory storing object", false, SC_MEMCACHED_FULL },
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (words[i].more ? starts_with(line, words[i].text)
				  : sc_bytes_is(line, words[i].text))
			return words[i].word;
	return SC_MEMCACHED_REFUSAL;
}

enum sc_fault sc_memcached_fault_of(struct sc_bytes line)
{
	static const struct {
		const char *prefix;
		enum sc_fault fault;
	} refusals[] = {
		{ "ERROR Too many open connections", SC_FAULT_BUSY },
		{ "SERVER_ERROR out of memory", SC_FAULT_FULL },
		{ "SERVER_ERROR Out of memory", SC_FAULT_FULL },
		{ "SERVER_ERROR ", SC_FAULT_OTHER },
		{ "CLIENT_ERROR unauthenticated", SC_FAULT_DENIED },
		{ "CLIENT_ERROR authentication", SC_FAULT_DENIED },
	};

	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
		if (starts_with(line, refusals[i].prefix))
			return refusals[i].fault;
	return SC_FAULT_PROTOCOL;
}

/* Cuts a word, and the space after it, from the front. */
static struct sc_bytes take_word(struct sc_bytes *s)
{
	const unsigned char *space = s->len ? memchr(s->data, ' ', s->len) : NULL;
	struct sc_bytes word =
		sc_bytes_of(s->data, space ? (size_t)(space - s->data) : s->len);
	size_t used = word.len + (space != NULL);

	*s = sc_bytes_of(s->data + used, s->len - used);
	return word;
}

bool sc_memcached_parse_value(struct sc_bytes line, struct sc_memcached_value_line *out)
{
	struct sc_memcached_value_line v = { .len = 0 };
	uint64_t flags = 0;
	uint64_t len = 0;

	if (!sc_bytes_is(take_word(&line), "VALUE"))
		return false;
	v.key = take_word(&line);
	if (v.key.len == 0 || !sc_parse_u64(take_word(&line), UINT32_MAX, &flags) ||
	    !sc_parse_u64(take_word(&line), SIZE_MAX, &len) ||
	    !sc_parse_u64(line, UINT64_MAX, &v.cas))
		return false;
	v.len = (size_t)len;
	*out = v;
	return true;
}

bool sc_memcached_parse_stat(struct sc_bytes line, struct sc_bytes *name,
			     struct sc_bytes *value)
{
	if (!sc_bytes_is(take_word(&line), "STAT"))
		return false;
	struct sc_bytes word = take_word(&line);
	if (word.len == 0)
		return false;
	*name = word;
	*value = line;
	return true;
}

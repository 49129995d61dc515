/* SPDX-License-Identifier: MIT */
/*
 * The remembered names of a version store, from records and to text and back.
 */
#include "version/memory.h"

#include <stdlib.h>
#include <string.h>

#include "slidecache/hash.h"
#include "version/store.h"
#include "version/version_name.h"

#define HEAD "slidecache versions 1 "
#define END  "end "

void sc_memory_release(struct sc_memory *m)
{
	free(m->names);
	*m = (struct sc_memory){ .names = NULL };
}

static void add(struct sc_memory *m, const char *name)
{
	memcpy(m->names[m->n++], name, strlen(name) + 1);
}

void sc_memory_take(struct sc_memory *m, const struct sc_version *records, size_t n)
{
	struct sc_memory next = { .n = 0 };

	next.names = sc_alloc_array(n, sizeof *next.names);
	for (size_t i = 0; i < n; i++)
		if (strcmp(records[i].name, SC_ORIGIN) == 0)
			memcpy(next.origin, records[i].version, sizeof next.origin);
		else if (!sc_version_name_is_image(records[i].name))
			add(&next, records[i].name);
	if (next.origin[0] == '\0') {
		sc_memory_release(&next);
		return;
	}
	sc_memory_release(m);
	*m = next;
}

static void add_checksum(struct sc_bytes text, struct sc_buf *out)
{
	char hex[SC_HEX64_LEN];

	sc_hex64(sc_hash64(text), hex);
	sc_buf_str(out, END);
	sc_buf_str(out, hex);
	sc_buf_str(out, "\n");
}

void sc_memory_print(const struct sc_memory *m, struct sc_buf *out)
{
	SC_AUTO_BUF text = SC_BUF_INIT;

	sc_buf_printf(&text, HEAD "%s\n", m->origin);
	for (size_t i = 0; i < m->n; i++)
		sc_buf_printf(&text, "%s\n", m->names[i]);
	sc_buf_append(out, text.data, text.len);
	add_checksum(sc_buf_bytes(&text), out);
}

/* Takes a line, without its end, off the beginning of text. */
static bool take_line(struct sc_bytes *text, struct sc_bytes *line)
{
	const unsigned char *end =
		text->len > 0 ? memchr(text->data, '\n', text->len) : NULL;

	if (!end)
		return false;
	*line = sc_bytes_of(text->data, (size_t)(end - text->data));
	text->data += line->len + 1;
	text->len -= line->len + 1;
	return true;
}

static bool begins_with(struct sc_bytes s, const char *beginning)
{
	size_t n = strlen(beginning);

	return s.len >= n && memcmp(s.data, beginning, n) == 0;
}

/* Whether text ends with the checksum of what is before it; cuts that off. */
static bool take_checksum(struct sc_bytes *text)
{
	size_t len = strlen(END) + SC_HEX64_LEN;
	SC_AUTO_BUF end = SC_BUF_INIT;

	if (text->len < len)
		return false;
	struct sc_bytes before = sc_bytes_of(text->data, text->len - len);
	add_checksum(before, &end);
	if (!sc_bytes_equal(sc_buf_bytes(&end),
			    sc_bytes_of(text->data + before.len, len)))
		return false;
	*text = before;
	return true;
}

static bool take_head(struct sc_bytes *text, struct sc_memory *m)
{
	struct sc_bytes line;

	if (!take_line(text, &line) || !begins_with(line, HEAD) ||
	    line.len != strlen(HEAD) + SC_VERSION_LEN ||
	    memchr(line.data, '\0', line.len))
		return false;
	memcpy(m->origin, line.data + strlen(HEAD), SC_VERSION_LEN);
	return true;
}

/* A name as stores have them, reserved ones with their mark. */
static bool is_name(const char *name)
{
	struct sc_err err;

	if (strcmp(name, SC_ORIGIN) == 0 || sc_version_name_is_image(name))
		return false;
	return sc_version_name_check(name[0] == SC_RESERVED ? name + 1 : name, &err) ==
	       SC_OK;
}

static bool take_name(struct sc_bytes *text, struct sc_memory *m)
{
	struct sc_bytes line;
	sc_memory_name name = "";

	if (!take_line(text, &line) || line.len >= sizeof name ||
	    memchr(line.data, '\0', line.len))
		return false;
	memcpy(name, line.data, line.len);
	if (!is_name(name) || (m->n > 0 && strcmp(m->names[m->n - 1], name) >= 0))
		return false;
	add(m, name);
	return true;
}

static size_t count_lines(struct sc_bytes text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += text.data[i] == '\n';
	return n;
}

bool sc_memory_parse(struct sc_bytes text, struct sc_memory *out)
{
	struct sc_memory m = { .n = 0 };
	bool good = take_checksum(&text) && take_head(&text, &m);

	m.names = sc_alloc_array(count_lines(text), sizeof *m.names);
	while (good && text.len > 0)
		good = take_name(&text, &m);
	if (good)
		*out = m;
	else
		sc_memory_release(&m);
	return good;
}

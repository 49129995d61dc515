/* SPDX-License-Identifier: MIT */
/*
 * What a transaction puts in and takes out, by version: noted while it goes on, told to
 * the ledger when it is committed, forgotten when it is not.
 */
#include "cache/embedded.h"
#include "cache/ledger_table.h"

struct note {
	char version[SC_KEY_VERSION_MAX];
	size_t len;
	int64_t entries;
	int64_t bytes;
};

/* Most transactions have one version, or several after each other. */
static struct note *note_of(struct sc_buf *held, struct sc_bytes version)
{
	struct note fresh = { .len = version.len };
	struct note *last = NULL;

	if (held->len > 0) {
		last = (struct note *)(void *)(held->data + held->len - sizeof *last);
		if (sc_bytes_equal(sc_bytes_of(last->version, last->len), version))
			return last;
	}
	memcpy(fresh.version, version.data, version.len);
	sc_buf_append(held, &fresh, sizeof fresh);
	return (struct note *)(void *)(held->data + held->len - sizeof *last);
}

void sc_embedded_held_note(struct sc_embedded_work *w, struct sc_bytes key,
			   int64_t entries, int64_t bytes)
{
	struct sc_key_parts parts;

	if (!sc_key_split(key, &parts))
		return;
	struct note *note = note_of(w->held, parts.version);
	note->entries += entries;
	note->bytes += bytes;
}

void sc_embedded_held_tell(const struct sc_embedded_work *w, unsigned slot)
{
	const struct note *notes = (const struct note *)(const void *)w->held->data;

	for (size_t i = 0; i < w->held->len / sizeof *notes; i++)
		sc_ledger_change(SC_LEDGER_EMBEDDED + slot,
				 sc_bytes_of(notes[i].version, notes[i].len),
				 notes[i].entries, notes[i].bytes);
}

void sc_embedded_held_none(unsigned slot)
{
	sc_ledger_forget(SC_LEDGER_EMBEDDED + slot);
}

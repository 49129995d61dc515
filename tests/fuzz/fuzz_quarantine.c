/* SPDX-License-Identifier: MIT */
/*
 * The records of the quarantine: what is read is the same when it was printed, stays
 * within its bounds whatever strikes come, and texts of marks are cut between characters.
 * Input: the time, a mark's length and name, the file.
 */
#include <stdlib.h>

#include "slide/quarantine_records.h"
#include "slidecache/parse.h"
#include "tests/fuzz/fuzz.h"

static void check_records(const struct sc_quarantine_records *r)
{
	FUZZ_MUST(r->n <= SC_QUARANTINE_FILES);
	for (size_t i = 0; i < r->n; i++) {
		const struct sc_quarantine_record *rec = &r->items[i];

		FUZZ_MUST(rec->key != 0 && rec->n >= 1 && rec->n <= SC_STRIKES_KEPT);
		FUZZ_MUST(memchr(rec->file, '\0', sizeof(rec->file)) && rec->file[0]);
		FUZZ_MUST(memchr(rec->reason, '\0', sizeof(rec->reason)));
	}
}

static void check_printed(const struct sc_quarantine_records *r)
{
	static struct sc_quarantine_records again;
	SC_AUTO_BUF text = SC_BUF_INIT;
	SC_AUTO_BUF other = SC_BUF_INIT;

	sc_records_print(r, &text);
	FUZZ_MUST(sc_records_parse(sc_buf_bytes(&text), &again));
	sc_records_print(&again, &other);
	FUZZ_MUST(sc_bytes_equal(sc_buf_bytes(&text), sc_buf_bytes(&other)));
	FUZZ_MUST(again.n == r->n);
}

static void check_strikes(struct sc_quarantine_records *r, const char *name,
			  int64_t now_s)
{
	struct sc_quarantine_record who = { .key = 1 + (uint64_t)now_s % 3 };
	bool shut = false;

	memcpy(who.file, name, sizeof(who.file));
	sc_records_prune(r, now_s);
	check_records(r);
	for (int i = 0; i < SC_STRIKES; i++) {
		shut = sc_records_strike(r, &who, now_s) || shut;
		check_records(r);
	}
	const struct sc_quarantine_record *rec = sc_records_shut(r, who.key, now_s);
	FUZZ_MUST(rec && rec->until_s - now_s <= SC_QUARANTINE_S);
	FUZZ_MUST(sc_record_last(rec) >= now_s);
	check_printed(r);
	FUZZ_MUST(sc_records_release(r, who.file) >= 1);
	FUZZ_MUST(!sc_records_shut(r, who.key, now_s));
}

static void check_name(struct sc_bytes from, char out[SC_MARK_FILE_MAX])
{
	char mark[SC_MARK_FILE_MAX] = "";

	if (from.len > 0)
		memcpy(mark, from.data, from.len);
	sc_mark_name(mark, out);
	size_t n = strlen(out);
	FUZZ_MUST(n < SC_MARK_FILE_MAX && memcmp(mark, out, n) == 0);
	for (size_t i = n; i < SC_MARK_FILE_MAX; i++)
		FUZZ_MUST(out[i] == '\0');
	size_t whole = strnlen(mark, sizeof(mark));
	FUZZ_MUST(n == whole || n + 5 >= SC_MARK_FILE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sc_quarantine_records r;
	struct sc_bytes in = sc_bytes_of(data, size);
	int64_t now_s = fuzz_i64(&in) & 0xffffffff;
	struct sc_bytes mark = fuzz_take(&in, fuzz_byte(&in) % (SC_MARK_FILE_MAX + 1));
	char name[SC_MARK_FILE_MAX];
	SC_AUTO_FREE unsigned char *text = fuzz_copy(in);

	check_name(mark, name);
	if (!sc_records_parse(sc_bytes_of(text, in.len), &r)) {
		FUZZ_MUST(r.n == 0);
	} else {
		check_records(&r);
		check_printed(&r);
	}
	if (name[0] && sc_utf8_valid(sc_bytes_str(name)))
		check_strikes(&r, name, now_s);
	return 0;
}

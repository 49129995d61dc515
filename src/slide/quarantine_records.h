/* SPDX-License-Identifier: MIT */
/*
 * Private to src/slide: the records of the quarantine as values. Who has strikes, which
 * of them still count, who makes room; their JSON. Pure: the time is an argument.
 */
#ifndef SC_SLIDE_QUARANTINE_RECORDS_H
#define SC_SLIDE_QUARANTINE_RECORDS_H

#include <stdatomic.h>

#include "slidecache/bytes.h"
#include "slidecache/quarantine.h"

#define SC_STRIKES_KEPT 16 /* of one file; the oldest makes room */
#define SC_REASON_MAX	200

struct sc_quarantine_record {
	uint64_t key;
	char file[SC_MARK_FILE_MAX];
	char reason[SC_REASON_MAX];
	int64_t strikes_s[SC_STRIKES_KEPT]; /* wall clock; in the order they came */
	int n;
	int64_t until_s; /* 0: not in quarantine */
};

struct sc_quarantine_records {
	struct sc_quarantine_record items[SC_QUARANTINE_FILES];
	size_t n;
};

/* Forgets what has ended by now, and what a clock that was set back left in the future.
 */
void sc_records_prune(struct sc_quarantine_records *r, int64_t now_s);
/* Adds a strike to pruned records: whether it puts the file into quarantine. */
bool sc_records_strike(struct sc_quarantine_records *r,
		       const struct sc_quarantine_record *who, int64_t now_s);
/* The pruned record of a file that is in quarantine; NULL: it is not. */
const struct sc_quarantine_record *sc_records_shut(const struct sc_quarantine_records *r,
						   uint64_t key, int64_t now_s);
/* Drops a file's records, or all: how many files had one. */
int sc_records_release(struct sc_quarantine_records *r, const char *file);
int64_t sc_record_last(const struct sc_quarantine_record *rec);

/* quarantine_json.c. false: it is no text of records. */
bool sc_records_parse(struct sc_bytes text, struct sc_quarantine_records *out);
void sc_records_print(const struct sc_quarantine_records *r, struct sc_buf *out);

/* Copies as much as max bytes hold, the NUL among them: whole characters. from may lack
 * its NUL when it has max bytes. What is behind the text is zero. */
void sc_mark_text(const char *from, size_t max, char *out);
void sc_mark_name(const char *from, char out[SC_MARK_FILE_MAX]);
/* quarantine_names.c: whether a record's name is the file's, or a file's of the image
 * that is the one which is looked for. */
struct sc_file_wish {
	bool (*is_it)(void *arg, const char *file);
	void *arg;
};
bool sc_record_is_file(const char *name, const char *file);
bool sc_record_is_image(const char *name, const struct sc_image *im,
			const struct sc_file_wish *wish);
/* mark.c: this process is about to read the file. */
void sc_mark_file(const char *file, uint64_t key);

#endif

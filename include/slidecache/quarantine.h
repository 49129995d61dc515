/* SPDX-License-Identifier: MIT */
/*
 * Quarantine: slides that processes died of are not read for a while.
 *
 * A process notes in its mark, which is memory that it shares with the master, which file
 * it is about to read. When it then dies of a fault, or is killed at its deadline, the
 * master has the death recorded: a strike. SC_STRIKES of them within SC_STRIKE_WINDOW_S
 * put the file into quarantine for SC_QUARANTINE_S: whoever wants to read it gets
 * SC_UNAVAILABLE with a sentence before OpenSlide sees the file. Tiles that a cache holds
 * are served on. A changed file is another file (another identity): not in quarantine.
 * kill -9 by somebody else is nobody's strike.
 *
 * The records are a JSON file, state_dir/quarantine.json, replaced as a whole under a
 * lock beside it. Times in it are of the wall clock, in seconds; what a clock that jumped
 * makes doubtful has ended. A damaged file counts as empty, which each process that meets
 * it says once in the log; the next strike writes it anew.
 */
#ifndef SLIDECACHE_QUARANTINE_H
#define SLIDECACHE_QUARANTINE_H

#include "slidecache/catalogue.h"

#define SC_QUARANTINE_FILE  "quarantine.json" /* below state_dir */
#define SC_STRIKES	    2
#define SC_STRIKE_WINDOW_S  600
#define SC_QUARANTINE_S	    3600
#define SC_QUARANTINE_FILES 64 /* recorded at most; the oldest strike makes room */

/* Where a process says what it reads. In shared memory, which whoever reads it copies and
 * distrusts: file may lack its end and hold anything. */
#define SC_MARK_FILE_MAX 248
struct sc_mark {
	_Atomic uint64_t key;	     /* of file and identity; 0: reads nothing */
	char file[SC_MARK_FILE_MAX]; /* as far as it fits; complete before key is set */
};

/* From now on this process marks there; NULL, as at first: nowhere. Before any thread. */
void sc_mark_at(struct sc_mark *mark);
/* The request, or the job, is over: nothing is being read. Costs nothing when nothing
 * was. */
void sc_mark_clear(void);

/* For one process after fork; admit may be called by any of its threads. path: the file
 * of the records, which need not exist. */
struct sc_quarantine;
struct sc_quarantine *sc_quarantine_new(const char *path);
void sc_quarantine_free(struct sc_quarantine *q);
/* An sc_slide_admit_fn, arg is the quarantine: marks the file, or SC_UNAVAILABLE. Looks
 * at the records again when their file has changed: one stat(2). */
enum sc_status sc_quarantine_admit(void *arg, const char *file,
				   const struct sc_identity *id, struct sc_err *err);

/* What the records and marks call this content of the file; never 0. */
uint64_t sc_quarantine_key(const char *file, const struct sc_identity *id);
/* Seconds for which the file is still in quarantine, and the sentence of admit in err; 0:
 * it is not. Marks nothing. Any thread. */
int64_t sc_quarantine_left(struct sc_quarantine *q, const char *file,
			   const struct sc_identity *id, struct sc_err *err);

/* The same of an image as it is listed: whether a file of it is in quarantine. root: to
 * see whether it is still that file; it is not opened. */
bool sc_quarantine_of_image(struct sc_quarantine *q, struct sc_slide_root *root,
			    const struct sc_image *im, struct sc_err *err);

/* Records a death. mark: a copy, of which nothing is believed but that it is memory;
 * reason: "worker 4711 died of signal 11 (Segmentation fault)". *shut: whether this put
 * the file into quarantine. SC_INVALID: the mark names no file. */
SC_MUST enum sc_status sc_quarantine_strike(const char *path, const struct sc_mark *mark,
					    const char *reason, bool *shut,
					    struct sc_err *err);

struct sc_quarantined {
	uint64_t key; /* of the mark: sc_quarantine_key */
	char *file;   /* as in the mark: a long name lacks its end */
	char *reason; /* of the last strike */
	int strikes;
	int64_t last_s, until_s; /* wall clock; until_s 0: not in quarantine yet */
};
struct sc_quarantine_list {
	struct sc_quarantined *items; /* those with strikes that still count */
	size_t n;
};
SC_MUST enum sc_status
sc_quarantine_read(const char *path, struct sc_quarantine_list *out, struct sc_err *err);
void sc_quarantine_list_release(struct sc_quarantine_list *l);
/* Whether that is the record's file, or one of the image's: by name, whatever the file
 * holds by now. */
bool sc_quarantined_is_file(const struct sc_quarantined *q, const char *file);
bool sc_quarantined_is_image(const struct sc_quarantined *q, const struct sc_image *im);
/* Forgets the file's strikes; file NULL: everyone's. *released: how many files had some.
 */
SC_MUST enum sc_status sc_quarantine_release(const char *path, const char *file,
					     int *released, struct sc_err *err);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The quarantine's file: read when it has changed, replaced as a whole under the lock
 * beside it. It is not synced to the disk: after a power failure an empty quarantine is
 * no harm, and the master, which writes it, must not wait for a disk.
 */
#include "slidecache/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slide/catalogue.h"
#include "slide/quarantine_records.h"
#include "slidecache/clock.h"
#include "slidecache/file.h"
#include "slidecache/filelock.h"
#include "slidecache/hash.h"
#include "slidecache/log.h"
#include "slidecache/parse.h"

#define FILE_BYTES_MAX (1 << 20)
#define LOCK_WAIT_MS   500 /* it is held for a moment; the master waits */
#define SAID_US	       (10 * SC_US_PER_S)

struct sc_quarantine {
	char *path;
	pthread_mutex_t lock; /* of all below */
	struct stat seen;     /* of the file that was looked at last, zeroed: none */
	int64_t said_us;      /* that it cannot be read: monotonic; 0: never */
	struct sc_quarantine_records records;
};

static int64_t now_s(void)
{
	return sc_wall_us() / SC_US_PER_S;
}

uint64_t sc_quarantine_key(const char *file, const struct sc_identity *id)
{
	uint64_t parts[] = { sc_hash64(sc_bytes_str(file)),
			     id->device,
			     id->inode,
			     (uint64_t)id->size,
			     (uint64_t)id->mtime_ns,
			     (uint64_t)id->ctime_ns };
	uint64_t key = sc_hash64(sc_bytes_of(parts, sizeof(parts)));

	return key ? key : 1;
}

static enum sc_status read_text(const char *path, struct sc_buf *out, struct stat *st,
				struct sc_err *err)
{
	SC_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);

	*st = (struct stat){ 0 };
	if (fd < 0 && errno == ENOENT)
		return SC_MISS;
	if (fd < 0 && errno == ELOOP) {
		(void)stat(path, st); /* as refresh looks at it */
		return sc_fail(err, SC_DAMAGED, "not a file");
	}
	if (fd < 0 || fstat(fd, st) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "%s", strerror(errno));
	if (!S_ISREG(st->st_mode))
		return sc_fail(err, SC_DAMAGED, "not a file");
	return sc_file_read(fd, FILE_BYTES_MAX, out, err);
}

/* What a damaged file holds counts as empty, and that is a line in the log: slides come
 * before their quarantine. SC_UNAVAILABLE: whether there is something is not known now;
 * out is as before. */
static enum sc_status load(const char *path, struct sc_quarantine_records *out,
			   struct stat *st, struct sc_err *err)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	enum sc_status status = read_text(path, &text, st, err);

	if (status == SC_UNAVAILABLE)
		return status;
	memset(out, 0, sizeof(*out));
	if (status == SC_MISS)
		return SC_OK;
	if (!status && !sc_records_parse(sc_buf_bytes(&text), out))
		status = sc_fail(err, SC_DAMAGED, "it is damaged");
	if (status)
		sc_log_warning("quarantine: %s counts as empty: %s", path, err->text);
	return status;
}

struct sc_quarantine *sc_quarantine_new(const char *path)
{
	struct sc_quarantine *q = sc_alloc(sizeof(*q));

	*q = (struct sc_quarantine){ .path = sc_strdup(path) };
	(void)pthread_mutex_init(&q->lock, NULL);
	return q;
}

void sc_quarantine_free(struct sc_quarantine *q)
{
	if (!q)
		return;
	(void)pthread_mutex_destroy(&q->lock);
	free(q->path);
	free(q);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void say_unread(struct sc_quarantine *q, const struct sc_err *why)
{
	int64_t now = sc_mono_us();

	if (q->said_us && now - q->said_us < SAID_US)
		return;
	q->said_us = now;
	sc_log_warning("quarantine: %s cannot be read, what it held counts: %s", q->path,
		       why->text);
}

/* A damaged file is remembered like a good one: it is not said at every call. One that
 * cannot be read now is looked at again. */
static void refresh(struct sc_quarantine *q)
{
	struct stat st, now;
	struct sc_err why;

	if (stat(q->path, &st) < 0)
		st = (struct stat){ 0 };
	if (same_file(&st, &q->seen))
		return;
	if (load(q->path, &q->records, &now, &why) == SC_UNAVAILABLE)
		say_unread(q, &why);
	else
		q->seen = now;
}

static void say_shut(const struct sc_quarantine_record *rec, struct sc_err *err)
{
	char until[SC_TIME_LEN];

	sc_time_text_utc(rec->until_s * SC_US_PER_S, until);
	SC_IGNORE(sc_fail(err, SC_UNAVAILABLE,
			  "the slide is in quarantine until %.19sZ: %s", until,
			  rec->reason));
}

static int64_t look(struct sc_quarantine *q, uint64_t key, struct sc_err *err)
{
	const struct sc_quarantine_record *rec = NULL;
	int64_t now = now_s();
	int64_t left_s = 0;

	(void)pthread_mutex_lock(&q->lock);
	refresh(q);
	rec = sc_records_shut(&q->records, key, now);
	if (rec) {
		left_s = rec->until_s - now;
		say_shut(rec, err);
	}
	(void)pthread_mutex_unlock(&q->lock);
	return left_s;
}

enum sc_status sc_quarantine_admit(void *arg, const char *file,
				   const struct sc_identity *id, struct sc_err *err)
{
	uint64_t key = sc_quarantine_key(file, id);

	if (look(arg, key, err) > 0)
		return err->status;
	sc_mark_file(file, key);
	return SC_OK;
}

int64_t sc_quarantine_left(struct sc_quarantine *q, const char *file,
			   const struct sc_identity *id, struct sc_err *err)
{
	return look(q, sc_quarantine_key(file, id), err);
}

struct content {
	struct sc_slide_root *root;
	uint64_t key;
};

static bool is_content(void *arg, const char *file)
{
	const struct content *c = arg;
	struct sc_identity now;
	struct sc_err ignored;

	return sc_slide_identity(c->root, file, &now, &ignored) == SC_OK &&
	       sc_quarantine_key(file, &now) == c->key;
}

/* Whether the record is the image's, and of what its file is now. */
static bool is_of(const struct sc_quarantine_record *rec, struct sc_slide_root *root,
		  const struct sc_image *im)
{
	struct content now = { root, rec->key };
	struct sc_file_wish wish = { is_content, &now };

	return sc_record_is_image(rec->file, im, &wish);
}

bool sc_quarantine_of_image(struct sc_quarantine *q, struct sc_slide_root *root,
			    const struct sc_image *im, struct sc_err *err)
{
	const struct sc_quarantine_record *rec = NULL;
	int64_t now = now_s();

	(void)pthread_mutex_lock(&q->lock);
	refresh(q);
	for (size_t i = 0; i < q->records.n && !rec; i++)
		if (is_of(&q->records.items[i], root, im))
			rec = sc_records_shut(&q->records, q->records.items[i].key, now);
	if (rec)
		say_shut(rec, err);
	(void)pthread_mutex_unlock(&q->lock);
	return rec != NULL;
}

/* Whoever changes the records holds the lock from reading to replacing them. */
struct edit {
	const char *path;
	int lock_fd;
	struct sc_quarantine_records records;
};

static void end_edit(struct edit *e)
{
	sc_close_fd(&e->lock_fd); /* ends the lock */
}
#define AUTO_EDIT __attribute__((cleanup(end_edit))) struct edit

static enum sc_status begin_edit(struct edit *e, struct sc_err *err)
{
	SC_AUTO_BUF lock = SC_BUF_INIT;
	struct stat st;

	sc_buf_printf(&lock, "%s.lock", e->path);
	if (sc_filelock_open((const char *)lock.data, &e->lock_fd, err) != SC_OK)
		return sc_fail_in(err, "quarantine");
	sc_give_to_folder_owner(e->path, e->lock_fd);
	if (sc_filelock_take(e->lock_fd, 0, LOCK_WAIT_MS, NULL, err) != SC_OK)
		return sc_fail_in(err, "quarantine");
	if (load(e->path, &e->records, &st, err) == SC_UNAVAILABLE)
		return sc_fail_in(err, "quarantine");
	/* What is damaged was said, and is written anew. */
	sc_records_prune(&e->records, now_s());
	return SC_OK;
}

static bool write_all(int fd, struct sc_bytes text)
{
	while (text.len > 0) {
		ssize_t n = write(fd, text.data, text.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text = sc_bytes_of(text.data + n, text.len - (size_t)n);
	}
	return true;
}

/* Not for everybody: file names of slides can name patients. */
static bool write_file(const char *path, struct sc_bytes text)
{
	SC_AUTO_FD fd = -1;

	(void)unlink(path); /* what a dead writer, perhaps another user, left */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return false;
	sc_give_to_folder_owner(path, fd);
	return write_all(fd, text);
}

static enum sc_status save(const struct edit *e, struct sc_err *err)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	SC_AUTO_BUF fresh = SC_BUF_INIT;
	const char *path = NULL;

	sc_records_print(&e->records, &text);
	sc_buf_printf(&fresh, "%s.new", e->path);
	path = (const char *)fresh.data;
	if (write_file(path, sc_buf_bytes(&text)) && rename(path, e->path) == 0)
		return SC_OK;
	SC_IGNORE(sc_fail(err, SC_UNAVAILABLE, "quarantine: %s cannot be written: %s",
			  e->path, strerror(errno)));
	(void)unlink(path);
	return err->status;
}

/* Of a mark, which may hold anything. */
static enum sc_status read_mark(const struct sc_mark *mark, const char *reason,
				struct sc_quarantine_record *out, struct sc_err *err)
{
	*out = (struct sc_quarantine_record){ .key = atomic_load(&mark->key) };
	sc_mark_name(mark->file, out->file);
	sc_mark_text(sc_utf8_valid(sc_bytes_str(reason)) ? reason : "a process died",
		     sizeof(out->reason), out->reason);
	if (out->key == 0 || out->file[0] == '\0' ||
	    !sc_utf8_valid(sc_bytes_str(out->file)))
		return sc_fail(err, SC_INVALID, "the mark names no file");
	return SC_OK;
}

enum sc_status sc_quarantine_strike(const char *path, const struct sc_mark *mark,
				    const char *reason, bool *shut, struct sc_err *err)
{
	AUTO_EDIT e = { .path = path, .lock_fd = -1 };
	struct sc_quarantine_record who;
	bool is_shut = false;

	if (read_mark(mark, reason, &who, err) != SC_OK || begin_edit(&e, err) != SC_OK)
		return err->status;
	is_shut = sc_records_strike(&e.records, &who, now_s());
	if (save(&e, err) != SC_OK)
		return err->status;
	*shut = is_shut;
	return SC_OK;
}

static void add_item(struct sc_quarantine_list *l, const struct sc_quarantine_record *rec)
{
	l->items[l->n++] = (struct sc_quarantined){
		.key = rec->key,
		.file = sc_strdup(rec->file),
		.reason = sc_strdup(rec->reason),
		.strikes = rec->n,
		.last_s = sc_record_last(rec),
		.until_s = rec->until_s,
	};
}

enum sc_status sc_quarantine_read(const char *path, struct sc_quarantine_list *out,
				  struct sc_err *err)
{
	SC_AUTO_FREE struct sc_quarantine_records *r = sc_alloc(sizeof(*r));
	struct stat st;

	if (load(path, r, &st, err) == SC_UNAVAILABLE)
		return err->status;
	sc_records_prune(r, now_s());
	*out = (struct sc_quarantine_list){
		.items = sc_alloc_array(r->n + 1, sizeof(*out->items)),
	};
	for (size_t i = 0; i < r->n; i++)
		add_item(out, &r->items[i]);
	return SC_OK;
}

bool sc_quarantined_is_file(const struct sc_quarantined *q, const char *file)
{
	return sc_record_is_file(q->file, file);
}

static bool any_will_do(void *arg, const char *file)
{
	(void)arg;
	(void)file;
	return true;
}

bool sc_quarantined_is_image(const struct sc_quarantined *q, const struct sc_image *im)
{
	static const struct sc_file_wish any = { any_will_do, NULL };

	return sc_record_is_image(q->file, im, &any);
}

void sc_quarantine_list_release(struct sc_quarantine_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->items[i].file);
		free(l->items[i].reason);
	}
	free(l->items);
	*l = (struct sc_quarantine_list){ 0 };
}

enum sc_status sc_quarantine_release(const char *path, const char *file, int *released,
				     struct sc_err *err)
{
	AUTO_EDIT e = { .path = path, .lock_fd = -1 };
	int n = 0;

	if (begin_edit(&e, err) != SC_OK)
		return err->status;
	n = sc_records_release(&e.records, file);
	if (n > 0 && save(&e, err) != SC_OK)
		return err->status;
	*released = n;
	return SC_OK;
}

/* SPDX-License-Identifier: MIT */
/*
 * An htpasswd file in memory: read, cut into rows, read again when it changed.
 */
#include "access/htpasswd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "access/basic.h"
#include "access/password.h"
#include "slidecache/clock.h"
#include "slidecache/file.h"
#include "slidecache/hash.h"
#include "slidecache/log.h"

#define FILE_BYTES_MAX (1 << 20)
#define TOLD_MAX       10 /* line numbers in one log line */
/* A file may change twice within one tick of its clock, so a time that has only just
 * passed does not tell yet which content it belongs to. */
#define SETTLED_US SC_US_PER_S

struct row {
	const char *user, *hash;
};

struct sc_htpasswd {
	const char *path;
	bool known;	    /* rows are those of the file that st describes */
	struct stat st;	    /* as it was before the file was read */
	int64_t read_us;    /* wall clock, of that moment */
	struct sc_buf text; /* what rows point into */
	struct row *rows;
	size_t n, room;
	struct sc_buf unused; /* what was said of lines that cannot be used */
};

struct sc_htpasswd *sc_htpasswd_new(const char *path)
{
	struct sc_htpasswd *h = sc_alloc(sizeof(*h));

	h->path = path;
	return h;
}

static void forget(struct sc_htpasswd *h)
{
	h->known = false;
	h->n = 0;
	if (h->text.data)
		sc_wipe(h->text.data, h->text.len);
	sc_buf_reset(&h->text);
}

void sc_htpasswd_free(struct sc_htpasswd *h)
{
	if (!h)
		return;
	forget(h);
	sc_buf_release(&h->text);
	sc_buf_release(&h->unused);
	free(h->rows);
	free(h);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size && same_time(&a->st_mtim, &b->st_mtim) &&
	       same_time(&a->st_ctim, &b->st_ctim);
}

/* Of both times the later one: a file may be given the times of another. */
static bool is_settled(const struct stat *st, int64_t read_us)
{
	int64_t changed_s = st->st_mtim.tv_sec > st->st_ctim.tv_sec ? st->st_mtim.tv_sec
								    : st->st_ctim.tv_sec;

	return read_us - (changed_s + 1) * SC_US_PER_S > SETTLED_US;
}

bool sc_htpasswd_is_current(const struct stat *st, int64_t read_us,
			    const struct stat *now)
{
	return is_settled(st, read_us) && same_file(st, now);
}

static enum sc_status check_file(int fd, struct stat *st, struct sc_err *err)
{
	if (fstat(fd, st) != 0 || !S_ISREG(st->st_mode))
		return sc_fail(err, SC_INVALID,
			       "access.htpasswd_file: is no regular file");
	return SC_OK;
}

static enum sc_status read_text(int fd, struct sc_buf *out, struct sc_err *err)
{
	enum sc_status status = sc_file_read(fd, FILE_BYTES_MAX, out, err);

	if (status == SC_TOO_LARGE)
		return sc_fail(err, SC_INVALID,
			       "access.htpasswd_file: is larger than %d bytes",
			       FILE_BYTES_MAX);
	return status ? sc_fail_in(err, "access.htpasswd_file") : SC_OK;
}

static enum sc_status read_file(struct sc_htpasswd *h, struct sc_err *err)
{
	/* A pipe has no writer yet, maybe never. */
	SC_AUTO_FD fd = open(h->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return sc_fail(err, errno == EACCES ? SC_DENIED : SC_UNAVAILABLE,
			       "access.htpasswd_file: %s", strerror(errno));
	h->read_us = sc_wall_us();
	if (check_file(fd, &h->st, err) != SC_OK)
		return err->status;
	return read_text(fd, &h->text, err);
}

static void add_row(struct sc_htpasswd *h, const char *user, const char *hash)
{
	if (h->n == h->room) {
		h->room = h->room ? 2 * h->room : 16;
		h->rows = sc_realloc_array(h->rows, h->room, sizeof(*h->rows));
	}
	h->rows[h->n++] = (struct row){ user, hash };
}

/* The line's n bytes end with a NUL. False: it cannot be used. */
static bool take_line(struct sc_htpasswd *h, char *line, size_t n)
{
	char *colon = strchr(line, ':');

	if (strlen(line) != n || !colon)
		return false;
	*colon = '\0';
	if (!sc_user_name_valid(sc_bytes_str(line)) || !sc_hash_is_taken(colon + 1))
		return false;
	add_row(h, line, colon + 1);
	return true;
}

static void note_unused(struct sc_buf *out, size_t number, size_t before)
{
	if (before < TOLD_MAX)
		sc_buf_printf(out, "%s%zu", before ? ", " : "", number);
}

/* Each worker reads the file, so each says it; but not again with every reading. */
static void say_unused(struct sc_htpasswd *h, struct sc_buf *now, size_t n)
{
	if (n > TOLD_MAX)
		sc_buf_printf(now, " and %zu more", n - TOLD_MAX);
	if (n > 0 && !sc_bytes_equal(sc_buf_bytes(now), sc_buf_bytes(&h->unused)))
		sc_log_warning(
			"access.htpasswd_file: not used: line %s; wanted is USER:HASH as "
			"htpasswd -B, -2 or -5 writes it",
			(const char *)now->data);
	sc_buf_release(&h->unused);
	h->unused = sc_buf_take(now);
}

static void cut_rows(struct sc_htpasswd *h)
{
	SC_AUTO_BUF unused = SC_BUF_INIT;
	char *end = NULL;
	size_t number = 0;
	size_t bad = 0;

	sc_buf_append(&h->text, "", 1);
	end = (char *)h->text.data + h->text.len - 1;
	for (char *line = (char *)h->text.data; line < end; number++) {
		char *stop = memchr(line, '\n', (size_t)(end - line));
		char *next = stop ? stop + 1 : end;
		size_t n = (size_t)((stop ? stop : end) - line);

		n -= n > 0 && line[n - 1] == '\r';
		line[n] = '\0';
		if (n > 0 && line[0] != '#' && !take_line(h, line, n))
			note_unused(&unused, number + 1, bad++);
		line = next;
	}
	say_unused(h, &unused, bad);
}

enum sc_status sc_htpasswd_refresh(struct sc_htpasswd *h, struct sc_err *err)
{
	struct stat st;
	enum sc_status status = SC_OK;

	if (h->known && stat(h->path, &st) == 0 &&
	    sc_htpasswd_is_current(&h->st, h->read_us, &st))
		return SC_OK;
	forget(h);
	status = read_file(h, err);
	if (status) {
		forget(h);
		return status;
	}
	cut_rows(h);
	h->known = true;
	return SC_OK;
}

static bool same_user(const char *a, const char *b)
{
	size_t n = strlen(a);

	return n == strlen(b) && sc_equal_in_constant_time(a, b, n);
}

bool sc_htpasswd_matches(const struct sc_htpasswd *h, const char *user,
			 const char *password)
{
	const struct row *found = NULL;
	bool matches = false;

	for (size_t i = 0; i < h->n; i++)
		if (same_user(h->rows[i].user, user) && !found)
			found = &h->rows[i];
	if (h->n == 0)
		return false;
	/* Who asks for a user that is none is not to learn it from the clock. */
	matches = sc_password_matches(password, found ? found->hash : h->rows[0].hash);
	return matches && found;
}

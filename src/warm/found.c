/* SPDX-License-Identifier: MIT */
/*
 * The list of images that the scan found, see jobs_file.h. Text, of any length, read a
 * line at a time. A line's number says whether it is done with, so that the list need not
 * be written for each job that is made of it, and whoever dies between two writes leaves
 * neither a line out nor one to be done twice. Its ';' says that it is complete.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/log.h"
#include "slidecache/parse.h"
#include "warm/jobs_file.h"

#define LINE_MAX_BYTES 128
#define TRIM_LINES     1024 /* that are done with */

static void close_file(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}
#define AUTO_FILE __attribute__((cleanup(close_file))) FILE

static void name_list(const struct sc_jobs *j, const char *end, struct sc_buf *out)
{
	sc_buf_printf(out, "%s.found%s", j->path, end);
}

static enum sc_status fail_list(const struct sc_jobs *j, struct sc_err *err)
{
	return sc_fail(err, SC_UNAVAILABLE, "jobs %.150s.found: %s", j->path,
		       strerror(errno));
}

/* One number and what ends it. */
static bool take_number(const char **at, char end, int64_t *out)
{
	size_t n = strspn(*at, "0123456789");
	const char *from = *at;

	if (from[n] != end)
		return false;
	*at += n + 1;
	return sc_parse_i64(sc_bytes_of(from, n), 1, INT64_MAX, out);
}

static bool parse_line(const char *text, struct sc_jobs_line *out)
{
	struct sc_warm_request *want = &out->want;
	int64_t bytes = 0;

	if (!take_number(&text, ' ', &out->number) ||
	    !take_number(&text, ' ', &want->image) ||
	    !take_number(&text, ' ', &want->z) ||
	    !take_number(&text, ' ', &want->frame) || !take_number(&text, ';', &bytes))
		return false;
	want->budget_bytes = (uint64_t)bytes;
	return *text == '\0' || strcmp(text, "\n") == 0;
}

/* One line with its end, if it has one; what is too long is cut. False: there is none. */
static bool read_line(FILE *f, char text[LINE_MAX_BYTES])
{
	size_t n = 0;
	int c = 0;

	while (c != '\n' && (c = getc_unlocked(f)) != EOF)
		if (n < LINE_MAX_BYTES - 1)
			text[n++] = (char)c;
	text[n] = '\0';
	return n > 0;
}

/* The next line that is one; what is damaged is passed over. */
static bool next_line(FILE *f, struct sc_jobs_line *out)
{
	char text[LINE_MAX_BYTES];

	while (read_line(f, text))
		if (parse_line(text, out))
			return true;
	return false;
}

/* NULL: there is no list, or *err says why it cannot be read. */
static FILE *open_list(const struct sc_jobs *j, struct sc_err *err)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	FILE *f = NULL;
	int fd = -1;

	err->status = SC_OK;
	name_list(j, "", &path);
	fd = open((const char *)path.data,
		  O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0)
		f = fdopen(fd, "r");
	if (!f && errno != ENOENT)
		(void)fail_list(j, err);
	if (!f)
		sc_close_fd(&fd);
	return f;
}

int64_t sc_jobs_found_last(const struct sc_jobs *j)
{
	struct sc_err err;
	AUTO_FILE *f = open_list(j, &err);
	struct sc_jobs_line line;
	int64_t last = 0;

	while (f && next_line(f, &line))
		if (line.number > last)
			last = line.number;
	return last;
}

enum sc_status sc_jobs_found_first(struct sc_jobs *j, struct sc_jobs_line *out,
				   struct sc_err *err)
{
	AUTO_FILE *f = open_list(j, err);
	struct sc_jobs_line line;
	size_t done = 0;

	*out = (struct sc_jobs_line){ .number = 0 };
	while (f && next_line(f, &line)) {
		if (line.number > j->head.found_done) {
			*out = line;
			out->done = done;
			return SC_OK;
		}
		done++;
	}
	return err->status;
}

/* ---- appending ---- */

/* What the list has of the images that are to be appended. */
struct known {
	const struct sc_warm_request **wants; /* by their images */
	bool *listed;			      /* by the same index */
	size_t n;
	int64_t last; /* number */
};

static int compare_want(const void *a, const void *b)
{
	const struct sc_warm_request *const *x = a, *const *y = b;

	return ((*x)->image > (*y)->image) - ((*x)->image < (*y)->image);
}

static void note(struct known *k, const struct sc_jobs_line *line)
{
	const struct sc_warm_request *key = &line->want;
	const struct sc_warm_request **at =
		bsearch(&key, k->wants, k->n, sizeof(*k->wants), compare_want);

	if (at)
		k->listed[at - k->wants] = true;
}

static enum sc_status look_through(struct sc_jobs *j, struct known *k, struct sc_err *err)
{
	AUTO_FILE *f = open_list(j, err);
	struct sc_jobs_line line;

	k->last = j->head.found_done;
	while (f && next_line(f, &line)) {
		if (line.number > j->head.found_done)
			note(k, &line);
		if (line.number > k->last)
			k->last = line.number;
	}
	return err->status;
}

static void put_line(int64_t number, const struct sc_warm_request *want,
		     struct sc_buf *out)
{
	sc_buf_printf(out, "%lld %lld %lld %lld %llu;\n", (long long)number,
		      (long long)want->image, (long long)want->z, (long long)want->frame,
		      (unsigned long long)want->budget_bytes);
}

/* Another one may have died in the middle of a line, which is to get an end. */
static bool is_line_open(int fd, off_t size)
{
	char last = '\n';

	return size > 0 && (pread(fd, &last, 1, size - 1) != 1 || last != '\n');
}

/* All of it, or nothing. */
static enum sc_status append(const struct sc_jobs *j, const struct sc_buf *text,
			     struct sc_err *err)
{
	const int flags =
		O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	SC_AUTO_BUF path = SC_BUF_INIT;
	struct stat st;

	name_list(j, "", &path);
	SC_AUTO_FD fd = open((const char *)path.data, flags, 0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_list(j, err);
	size_t skip = is_line_open(fd, st.st_size) ? 0 : 1;
	errno = ENOSPC; /* of a write that was cut short */
	if (write(fd, text->data + skip, text->len - skip) ==
		    (ssize_t)(text->len - skip) &&
	    fdatasync(fd) == 0)
		return sc_jobs_sync_folder(j->path, err);
	(void)fail_list(j, err);
	if (ftruncate(fd, st.st_size) < 0)
		sc_log_warning("jobs %s.found: %s", j->path, strerror(errno));
	return err->status;
}

static enum sc_status append_new(struct sc_jobs *j, const struct sc_warm_request *wants,
				 size_t n, struct sc_err *err)
{
	SC_AUTO_FREE const struct sc_warm_request **sorted =
		sc_alloc_array(n + 1, sizeof(struct sc_warm_request *));
	SC_AUTO_FREE bool *listed = sc_alloc_array(n + 1, sizeof(bool));
	struct known k = { .wants = sorted, .listed = listed, .n = n };
	SC_AUTO_BUF text = SC_BUF_INIT;

	memset(listed, 0, n * sizeof(bool));
	for (size_t i = 0; i < n; i++)
		sorted[i] = &wants[i];
	qsort(sorted, n, sizeof(struct sc_warm_request *), compare_want);
	if (look_through(j, &k, err) != SC_OK)
		return err->status;
	sc_buf_str(&text, "\n"); /* the end of another one's line, see append */
	for (size_t i = 0; i < n; i++)
		if (!listed[i])
			put_line(++k.last, sorted[i], &text);
	return text.len > 1 ? append(j, &text, err) : SC_OK;
}

enum sc_status sc_jobs_found(struct sc_jobs *j, const struct sc_warm_request *wants,
			     size_t n, struct sc_err *err)
{
	enum sc_status status = n > 0 ? sc_jobs_lock(j, err) : SC_OK;

	if (status || n == 0)
		return status;
	status = append_new(j, wants, n, err);
	sc_jobs_tell(j);
	sc_jobs_unlock(j);
	return status;
}

/* ---- leaving out ---- */

static bool copy_rest(const struct sc_jobs *j, FILE *from, FILE *to)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	struct sc_jobs_line line;

	while (next_line(from, &line)) {
		if (line.number <= j->head.found_done)
			continue;
		sc_buf_reset(&text);
		put_line(line.number, &line.want, &text);
		if (fwrite(text.data, 1, text.len, to) != text.len)
			return false;
	}
	return !ferror(from) && fflush(to) == 0 && fsync(fileno(to)) == 0;
}

static bool write_rest(const struct sc_jobs *j, const char *to_path)
{
	struct sc_err err;
	AUTO_FILE *from = open_list(j, &err);
	AUTO_FILE *to = NULL;
	int fd = open(to_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		      0600);

	if (fd >= 0)
		to = fdopen(fd, "w");
	if (!to)
		sc_close_fd(&fd);
	return from && to && copy_rest(j, from, to);
}

/* A list that cannot be made shorter stays as it is. */
void sc_jobs_found_trim(const struct sc_jobs *j, const struct sc_jobs_line *line)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	SC_AUTO_BUF next = SC_BUF_INIT;

	if (line->done < TRIM_LINES)
		return;
	name_list(j, "", &path);
	name_list(j, ".new", &next);
	if (!write_rest(j, (const char *)next.data) ||
	    rename((const char *)next.data, (const char *)path.data) < 0)
		sc_log_warning("jobs %s: cannot be made shorter: %s",
			       (const char *)path.data, strerror(errno));
}

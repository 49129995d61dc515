/* SPDX-License-Identifier: MIT */
/*
 * Log lines: built in one stack buffer, escaped, written with one write(2).
 * The target and level, or the function that takes the lines, are the only state of this
 * process-wide facility; beside them the target to come, and numbers, which processes may
 * share, that say how often the target was to be opened anew and which one was switched
 * to.
 */
#include "slidecache/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "slidecache/bytes.h"
#include "slidecache/log_file.h"

#define LINE_MAX_BYTES 2048

/* What processes share. */
struct told {
	_Atomic unsigned turn; /* grows with each sc_log_reopen */
	_Atomic unsigned
		switched; /* the number of the next target that was switched to */
};

/* Other threads may write at any time: once it is not stderr, the number stays. */
static _Atomic int log_fd = STDERR_FILENO;
static char *log_path; /* NULL: stderr */
static struct told own;
static struct told *told = &own;
static _Atomic unsigned seen; /* of the turns, by this process */
static _Atomic int log_level = SC_LOG_INFO;
static atomic_flag following = ATOMIC_FLAG_INIT;
static struct {
	_Atomic unsigned number; /* 0: there is none */
	unsigned turn;		 /* when it was opened */
	int fd;
	char *path; /* NULL: stderr */
	enum sc_log_level level;
} next;
static sc_log_fn log_say;
static void *log_arg;

static enum sc_status open_target(const char *target, int *out, struct sc_err *err)
{
	const char *why = NULL;

	*out = STDERR_FILENO;
	if (strcmp(target, "stderr") != 0)
		why = sc_log_file_open(target, out);
	return why ? sc_fail(err, SC_INVALID, "log.target %s: %s", target, why) : SC_OK;
}

static char *path_of(const char *target)
{
	return strcmp(target, "stderr") == 0 ? NULL : sc_strdup(target);
}

/* Closes fd, unless it is one that stays. */
static void close_other(int fd)
{
	if (fd != STDERR_FILENO && fd != log_fd)
		(void)close(fd);
}

/* Takes fd. False: errno says why not. */
static bool write_to(int fd)
{
	bool done = true;

	if (log_fd == STDERR_FILENO) {
		log_fd = fd;
	} else if (fd != log_fd) {
		done = dup3(fd, log_fd, O_CLOEXEC) >= 0;
		close_other(fd);
	}
	return done;
}

/* Takes path. */
static void use(int fd, char *path, enum sc_log_level level)
{
	(void)write_to(fd);
	log_level = (int)level;
	free(log_path);
	log_path = path;
}

enum sc_status sc_log_open(const char *target, enum sc_log_level level,
			   struct sc_err *err)
{
	int fd = -1;

	if (open_target(target, &fd, err) != SC_OK)
		return err->status;
	use(fd, path_of(target), level);
	return SC_OK;
}

void sc_log_give(uid_t uid, gid_t gid)
{
	if (log_path)
		sc_log_file_give(log_fd, log_path, uid, gid);
}

void sc_log_to(sc_log_fn say, void *arg)
{
	log_say = say;
	log_arg = arg;
}

int sc_log_enabled(enum sc_log_level level)
{
	sc_log_follow();
	return (int)level <= log_level;
}

/* Is what we write to, stderr or a copy of it, what whoever starts us has connected to
 * the journal? stream: its "DEV:INODE". */
static bool is_journal(const char *stream)
{
	char ours[48];
	struct stat st;

	if (!stream || fstat(log_fd, &st) < 0)
		return false;
	(void)snprintf(ours, sizeof(ours), "%llu:%llu", (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino);
	return strcmp(ours, stream) == 0;
}

static size_t put_time(char *line)
{
	struct timespec now = { 0, 0 };
	struct tm tm;
	size_t n = 0;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	n = strftime(line, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	return n + (size_t)snprintf(line + n, 16, ".%03ldZ ", now.tv_nsec / 1000000);
}

/* The journal has the time of a line itself, and the level from its first bytes. */
static size_t put_head(char *line, enum sc_log_level level)
{
	static const struct {
		const char *name, *priority;
	} levels[] = { { "error", "<3>" },
		       { "warning", "<4>" },
		       { "info", "<6>" },
		       { "debug", "<7>" } };
	size_t n = 0;

	if (is_journal(getenv("JOURNAL_STREAM")))
		n = (size_t)snprintf(line, 8, "%s", levels[level].priority);
	else
		n = put_time(line);
	return n + (size_t)snprintf(line + n, 32, "%s [%d] ", levels[level].name,
				    (int)getpid());
}

/* Copies text, escaped, while a whole escape and the newline still fit. */
static size_t put_escaped(char *line, size_t n, const char *text)
{
	static const char hex[] = "0123456789abcdef";

	for (; *text && n + 5 < LINE_MAX_BYTES; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= 0x20 && c <= 0x7e && c != '\\') {
			line[n++] = (char)c;
			continue;
		}
		line[n++] = '\\';
		line[n++] = 'x';
		line[n++] = hex[c >> 4];
		line[n++] = hex[c & 15];
	}
	return n;
}

static void put_line(enum sc_log_level level, const char *text)
{
	char line[LINE_MAX_BYTES];
	size_t n = put_escaped(line, put_head(line, level), text);

	line[n++] = '\n';
	/* A log that cannot be written is nobody's request's problem. */
	if (write(log_fd, line, n) < 0)
		errno = 0;
}

static void reopen_file(void)
{
	char text[LINE_MAX_BYTES];
	int fd = -1;
	const char *why = sc_log_file_open(log_path, &fd);

	if (!why && !write_to(fd))
		why = strerror(errno);
	if (!why)
		return;
	(void)snprintf(text, sizeof(text), "log.target %s: not opened again: %s",
		       log_path, why);
	put_line(SC_LOG_ERROR, text);
}

void sc_log_share(void)
{
	struct told *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return;
	told = page;
	atomic_store(&told->turn, atomic_load(&seen));
}

void sc_log_reopen(void)
{
	atomic_fetch_add(&told->turn, 1);
	sc_log_follow();
}

/* ---- another target ---- */

static void forget_next(void)
{
	next.number = 0;
	next.path = NULL;
	next.fd = -1;
}

void sc_log_drop(void)
{
	if (!next.number)
		return;
	close_other(next.fd);
	free(next.path);
	forget_next();
}

enum sc_status sc_log_prepare(const char *target, enum sc_log_level level,
			      struct sc_err *err)
{
	static unsigned last;
	bool is_open = log_path && strcmp(log_path, target) == 0;
	int fd = -1;

	sc_log_drop();
	if (open_target(target, &fd, err) != SC_OK) {
		if (!is_open)
			return err->status;
		sc_log_warning("%s; goes on in the open one", err->text);
		fd = log_fd;
	}
	next.turn = atomic_load(&told->turn);
	next.fd = fd;
	next.path = path_of(target);
	next.level = level;
	next.number = ++last;
	return SC_OK;
}

void sc_log_switch(void)
{
	atomic_store(&told->switched, next.number);
	sc_log_follow();
}

static bool is_to_switch(void)
{
	unsigned number = atomic_load_explicit(&next.number, memory_order_relaxed);

	return number &&
	       number == atomic_load_explicit(&told->switched, memory_order_acquire);
}

static bool is_to_reopen(void)
{
	return atomic_load_explicit(&told->turn, memory_order_relaxed) !=
	       atomic_load_explicit(&seen, memory_order_relaxed);
}

/* The next target may itself have been renamed since it was opened. */
static void catch_up(void)
{
	unsigned turn = atomic_load(&told->turn);
	bool reopens = turn != atomic_load(&seen);

	if (is_to_switch()) {
		reopens = turn != next.turn;
		use(next.fd, next.path, next.level);
		forget_next();
	}
	atomic_store(&seen, turn);
	if (reopens && log_path)
		reopen_file();
}

/* Of several threads one does it; the others write where they did. */
void sc_log_follow(void)
{
	int saved = errno;

	if (!is_to_switch() && !is_to_reopen())
		return;
	if (atomic_flag_test_and_set(&following))
		return;
	catch_up();
	atomic_flag_clear(&following);
	errno = saved;
}

static void say_line(enum sc_log_level level, const char *text)
{
	char line[LINE_MAX_BYTES];

	line[put_escaped(line, 0, text)] = '\0';
	log_say(log_arg, level, line);
}

void sc_log(enum sc_log_level level, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	int saved = errno;
	va_list ap;

	sc_log_follow();
	if ((int)level > log_level)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (log_say)
		say_line(level, text);
	else
		put_line(level, text);
	errno = saved;
}

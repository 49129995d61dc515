/* SPDX-License-Identifier: MIT */
/*
 * Log lines: built in one stack buffer, escaped, written with one write(2).
 * The target and level, or the function that takes the lines, are the only state of this
 * process-wide facility.
 */
#include "slidecache/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

static int log_fd = STDERR_FILENO;
static enum sc_log_level log_level = SC_LOG_INFO;
static sc_log_fn log_say;
static void *log_arg;

enum sc_status sc_log_open(const char *target, enum sc_log_level level,
			   struct sc_err *err)
{
	int fd = STDERR_FILENO;

	if (strcmp(target, "stderr") != 0)
		fd = open(target, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		return sc_fail(err, SC_INVALID, "log.target %s: %s", target,
			       strerror(errno));
	if (log_fd != STDERR_FILENO)
		(void)close(log_fd);
	log_fd = fd;
	log_level = level;
	return SC_OK;
}

void sc_log_to(sc_log_fn say, void *arg)
{
	log_say = say;
	log_arg = arg;
}

int sc_log_enabled(enum sc_log_level level)
{
	return level <= log_level;
}

static size_t put_head(char *line, enum sc_log_level level)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	struct timespec now = { 0, 0 };
	struct tm tm;
	size_t n = 0;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	n = strftime(line, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(line + n, 64, ".%03ldZ %s [%d] ", now.tv_nsec / 1000000,
			      names[level], (int)getpid());
	return n;
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

static void write_line(enum sc_log_level level, const char *text)
{
	char line[LINE_MAX_BYTES];
	size_t n = put_escaped(line, put_head(line, level), text);

	line[n++] = '\n';
	/* A log that cannot be written is nobody's request's problem. */
	if (write(log_fd, line, n) < 0)
		errno = 0;
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

	if (level > log_level)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (log_say)
		say_line(level, text);
	else
		write_line(level, text);
	errno = saved;
}

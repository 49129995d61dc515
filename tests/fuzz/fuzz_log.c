/* SPDX-License-Identifier: MIT */
/*
 * Log lines: whatever text comes, a line is one line of printable bytes and bounded, and
 * says the text's beginning, byte for byte, when it is read back.
 * Input: a text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "slidecache/log.h"
#include "tests/fuzz/fuzz.h"

#define LINE_MAX_BYTES 2048

static int digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	FUZZ_MUST(at);
	return (int)(at - digits);
}

/* "\xHH" back to bytes; there are no other escapes. */
static void unescape(const char *line, struct sc_buf *out)
{
	for (; *line; line++) {
		unsigned char c = (unsigned char)*line;

		if (c == '\\') {
			FUZZ_MUST(line[1] == 'x');
			c = (unsigned char)(digit(line[2]) << 4 | digit(line[3]));
			FUZZ_MUST(c < 0x20 || c > 0x7e || c == '\\');
			line += 3;
		}
		sc_buf_append(out, &c, 1);
	}
}

static void check_said(const char *line, const char *text)
{
	SC_AUTO_BUF back = SC_BUF_INIT;

	FUZZ_MUST(fuzz_is_printable(line) && strlen(line) < LINE_MAX_BYTES);
	unescape(line, &back);
	FUZZ_MUST(back.len <= strlen(text));
	FUZZ_MUST(back.len == 0 || memcmp(back.data, text, back.len) == 0);
	/* Cut only where there is no more room. */
	FUZZ_MUST(back.len == strlen(text) || strlen(line) + 64 > LINE_MAX_BYTES);
}

static void take_line(void *arg, enum sc_log_level level, const char *line)
{
	FUZZ_MUST(level == SC_LOG_WARNING);
	check_said(line, arg);
}

/* "TIME warning [PID] TEXT" and a line end. */
static void check_written(char *line, size_t n, const char *text)
{
	char head[32];

	(void)snprintf(head, sizeof(head), " warning [%d] ", (int)getpid());
	FUZZ_MUST(n > 0 && n <= LINE_MAX_BYTES && line[n - 1] == '\n');
	line[n - 1] = '\0';
	char *at = strstr(line, head);
	FUZZ_MUST(strlen(line) == n - 1 && at && at - line <= 24);
	check_said(at + strlen(head), text);
}

/* To a file, once it is the target; there is no other input of the process. */
static void check_file(const char *text)
{
	static bool is_open;
	char line[LINE_MAX_BYTES + 1] = "";
	const char *path = fuzz_file(sc_bytes_of(NULL, 0));
	struct sc_err err;

	if (!is_open)
		FUZZ_MUST(sc_log_open(path, SC_LOG_INFO, &err) == SC_OK);
	is_open = true;
	sc_log_warning("%s", text);
	ssize_t n = pread(fuzz_file_fd(), line, sizeof(line), 0);
	FUZZ_MUST(n > 0);
	check_written(line, (size_t)n, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SC_AUTO_FREE char *text = fuzz_text(sc_bytes_of(data, size));

	sc_log_to(take_line, text);
	sc_log_warning("%s", text);
	sc_log_to(NULL, NULL);
	check_file(text);
	return 0;
}

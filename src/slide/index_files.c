/* SPDX-License-Identifier: MIT */
/*
 * OpenSlide joins the file names in an index to the index's folder and opens whatever
 * comes out, so that a hostile index could name any file of this machine. Here every such
 * name is looked at first; it must be a plain one.
 *
 * A line scanner, laxer than OpenSlide's parser in what it takes for a key: sections,
 * repeated keys and lines that are no "key = value" make no difference. That a plain name
 * may be a symbolic link is the kernel's matter.
 */
#include "slide/index_files.h"

#include <errno.h>
#include <strings.h>
#include <unistd.h>

#include "slide/root.h"
#include "slidecache/bytes.h"

/* OpenSlide takes no larger index either. */
#define INDEX_BYTES_MAX (1 << 20)
#define BLANKS		" \t\r\v\f"

/* Keys that begin so have a file's name as their value: Hamamatsu's, then MIRAX's. */
static const char *const file_keys[] = { "ImageFile",  "MapFile",   "OptimisationFile",
					 "MacroImage", "INDEXFILE", "FILE_" };

static bool names_a_file(const char *line)
{
	for (size_t i = 0; i < sizeof(file_keys) / sizeof(file_keys[0]); i++)
		if (strncasecmp(line, file_keys[i], strlen(file_keys[i])) == 0)
			return true;
	return false;
}

/* A backslash also begins the escapes of such files, so "\s.." is caught as well. */
static bool is_plain_name(const char *value)
{
	size_t len = strcspn(value, BLANKS);

	return !strpbrk(value, "/\\") && !(len == 2 && memcmp(value, "..", 2) == 0);
}

static bool is_line_good(const char *line)
{
	const char *value;

	line += strspn(line, BLANKS);
	value = strchr(line, '=');
	if (!value || !names_a_file(line))
		return true;
	value++;
	return is_plain_name(value + strspn(value, BLANKS));
}

/* text ends with NUL; a NUL inside ends its line, as it does for OpenSlide. */
static bool are_lines_good(char *text, size_t len)
{
	char *end = text + len;

	for (char *line = text, *next; line < end; line = next) {
		char *stop = memchr(line, '\n', (size_t)(end - line));

		if (stop)
			*stop = '\0';
		if (!is_line_good(line))
			return false;
		next = stop ? stop + 1 : end;
	}
	return true;
}

/* SC_TOO_LARGE: longer than any index. */
static enum sc_status read_text(int fd, char *text, size_t *len, struct sc_err *err)
{
	ssize_t n;

	*len = 0;
	do {
		n = pread(fd, text + *len, INDEX_BYTES_MAX + 1 - *len, (off_t)*len);
		if (n > 0)
			*len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return sc_fail(err, SC_UNAVAILABLE, "the slide's index: %s",
			       strerror(errno));
	if (*len > INDEX_BYTES_MAX)
		return sc_fail(err, SC_TOO_LARGE, "the slide's index is too long");
	text[*len] = '\0';
	return SC_OK;
}

static enum sc_status check_index(int fd, struct sc_err *err)
{
	SC_AUTO_FREE char *text = sc_alloc(INDEX_BYTES_MAX + 2);
	size_t len;

	if (read_text(fd, text, &len, err) != SC_OK)
		return err->status;
	if (!are_lines_good(text, len))
		return sc_fail(err, SC_UNREADABLE,
			       "the slide's index names files outside its folder");
	return SC_OK;
}

/* NAME.mrxs is a picture; what names files is NAME/Slidedat.ini. */
static enum sc_status check_slidedat(const struct sc_source_file *f, struct sc_err *err)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	SC_AUTO_FD fd = -1;
	struct sc_identity id;
	size_t stem = (size_t)(sc_file_suffix(f->file) - f->file) - 1;
	enum sc_status status;

	sc_buf_printf(&path, "%.*s/Slidedat.ini", (int)stem, f->file);
	if (sc_slide_root_read(f->root, (const char *)path.data, &id, &fd, err) != SC_OK)
		/* Without one it is no MIRAX slide, as OpenSlide is going to say. */
		return err->status == SC_NOT_FOUND ? SC_OK : err->status;
	status = check_index(fd, err);
	if (status == SC_TOO_LARGE)
		return sc_fail(err, SC_UNREADABLE, "the slide's index is too long");
	return status;
}

enum sc_status sc_check_index_files(const struct sc_source_file *f, struct sc_err *err)
{
	enum sc_status status = check_index(f->fd, err);

	/* Whatever its suffix, OpenSlide looks whether it is a Hamamatsu index; what is
	 * too long for one is a picture. */
	if (status != SC_OK && status != SC_TOO_LARGE)
		return status;
	if (strcasecmp(sc_file_suffix(f->file), "mrxs") == 0)
		return check_slidedat(f, err);
	return SC_OK;
}

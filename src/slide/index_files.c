/* SPDX-License-Identifier: MIT */
/*
 * OpenSlide joins the file names in an index to the index's folder and opens whatever
 * comes out, so that a hostile index could name any file of this machine. And it makes
 * room for as many files, levels and pixels as an index says, in numbers of 32 bits whose
 * products it does not check. Here every such name is looked at first; it must be a plain
 * one; and every such number, which must be one that a scanner could have written.
 *
 * A line scanner, laxer than OpenSlide's parser in what it takes for a key: sections,
 * repeated keys and lines that are no "key = value" make no difference. What a plain name
 * stands for now must be a file beneath the root (a FIFO would be waited for, and a link
 * may lead anywhere); that it is put there a moment later is the kernel's matter.
 */
#include "slide/index_files.h"

#include <errno.h>
#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slide/root.h"
#include "slidecache/bytes.h"

/* OpenSlide takes no larger index either. */
#define INDEX_BYTES_MAX (1 << 20)
#define BLANKS		" \t\r\v\f"

/* Keys that begin so have a file's name as their value: Hamamatsu's, then MIRAX's. */
static const char *const file_keys[] = { "ImageFile",  "MapFile",   "OptimisationFile",
					 "MacroImage", "INDEXFILE", "FILE_" };

/* Keys whose value counts something, and the most of it: Hamamatsu's, then MIRAX's. The
 * products of any two stay within 31 bits, of pixels within SC_SLIDE_TILE_MAX squared. */
static const struct {
	const char *begins, *ends;
	int64_t max;
} count_keys[] = {
	{ "NoJpegColumns", "", 1024 },
	{ "NoJpegRows", "", 1024 },
	{ "NoLayers", "", 1024 },
	{ "FILE_COUNT", "", 4096 },
	{ "HIER_", "COUNT", 4096 },
	{ "NONHIER_", "COUNT", 4096 },
	{ "IMAGENUMBER_", "", 15000 },
	{ "CameraImageDivisionsPerSide", "", 1024 },
	{ "DIGITIZER_WIDTH", "", SC_SLIDE_TILE_MAX },
	{ "DIGITIZER_HEIGHT", "", SC_SLIDE_TILE_MAX },
};

static bool names_a_file(const char *line)
{
	for (size_t i = 0; i < sizeof(file_keys) / sizeof(file_keys[0]); i++)
		if (strncasecmp(line, file_keys[i], strlen(file_keys[i])) == 0)
			return true;
	return false;
}

/* An index: what its names are relative to. */
struct index {
	struct sc_slide_root *root;
	struct sc_bytes folder; /* below the root, with its slash */
};

/* A backslash also begins the escapes of such files, so "\s.." is caught as well. */
static bool is_plain_name(const char *value)
{
	size_t len = strcspn(value, BLANKS);

	return !strpbrk(value, "/\\") && !(len == 2 && memcmp(value, "..", 2) == 0);
}

/* What is not there is OpenSlide's to refuse, and so is what cannot be looked at now. */
static bool is_file(const struct index *x, const char *name, size_t len)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	SC_AUTO_FD fd = -1;
	struct sc_err err;
	struct stat st;

	sc_buf_printf(&path, "%.*s%.*s", (int)x->folder.len, x->folder.data, (int)len,
		      name);
	if (sc_slide_root_fd(x->root, (const char *)path.data, O_PATH, &fd, &err) !=
	    SC_OK)
		return err.status != SC_UNREADABLE;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* With the blanks at its end, and without. */
static bool names_good_file(const struct index *x, const char *value)
{
	size_t len = strcspn(value, "\r");

	if (len > 0 && !is_file(x, value, len))
		return false;
	while (len > 0 && strchr(BLANKS, value[len - 1]))
		len--;
	return len == 0 || is_file(x, value, len);
}

static bool is_key(const char *key, size_t len, size_t row)
{
	size_t begins = strlen(count_keys[row].begins);
	size_t ends = strlen(count_keys[row].ends);

	return len >= begins + ends &&
	       strncasecmp(key, count_keys[row].begins, begins) == 0 &&
	       strncasecmp(key + len - ends, count_keys[row].ends, ends) == 0;
}

/* As GLib reads numbers: what follows the digits does not matter. */
static bool is_over(const char *value, int64_t max)
{
	int64_t n = 0;

	value += strspn(value, BLANKS);
	value += *value == '+';
	for (; *value >= '0' && *value <= '9' && n <= max; value++)
		n = n * 10 + (*value - '0');
	return n > max;
}

static bool is_count_good(const char *line, const char *equals)
{
	size_t len = (size_t)(equals - line);

	while (len > 0 && strchr(BLANKS, line[len - 1]))
		len--;
	for (size_t i = 0; i < sizeof(count_keys) / sizeof(count_keys[0]); i++)
		if (is_key(line, len, i) && is_over(equals + 1, count_keys[i].max))
			return false;
	return true;
}

static const char *judge_line(const struct index *x, const char *line)
{
	const char *value;

	line += strspn(line, BLANKS);
	value = strchr(line, '=');
	if (!value)
		return NULL;
	if (!is_count_good(line, value))
		return "the slide's index counts more than any slide has";
	value++;
	value += strspn(value, BLANKS);
	if (names_a_file(line) && (!is_plain_name(value) || !names_good_file(x, value)))
		return "the slide's index names files outside its folder";
	return NULL;
}

/* What is wrong with the first bad line, or NULL. text ends with NUL; a NUL inside ends
 * its line, as it does for OpenSlide. */
static const char *judge_lines(const struct index *x, char *text, size_t len)
{
	char *end = text + len;
	const char *fault;

	for (char *line = text, *next; line < end; line = next) {
		char *stop = memchr(line, '\n', (size_t)(end - line));

		if (stop)
			*stop = '\0';
		fault = judge_line(x, line);
		if (fault)
			return fault;
		next = stop ? stop + 1 : end;
	}
	return NULL;
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

static enum sc_status check_index(const struct index *x, int fd, struct sc_err *err)
{
	SC_AUTO_FREE char *text = sc_alloc(INDEX_BYTES_MAX + 2);
	const char *fault;
	size_t len;

	if (read_text(fd, text, &len, err) != SC_OK)
		return err->status;
	fault = judge_lines(x, text, len);
	return fault ? sc_fail(err, SC_UNREADABLE, "%s", fault) : SC_OK;
}

/* NAME.mrxs is a picture; what names files is NAME/Slidedat.ini. */
static enum sc_status check_slidedat(const struct sc_source_file *f, struct sc_err *err)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	SC_AUTO_FD fd = -1;
	struct sc_identity id;
	size_t stem = (size_t)(sc_file_suffix(f->file) - f->file) - 1;
	struct index x = { .root = f->root };
	enum sc_status status;

	sc_buf_printf(&path, "%.*s/Slidedat.ini", (int)stem, f->file);
	x.folder = sc_bytes_of(path.data, stem + 1);
	if (sc_slide_root_read(f->root, (const char *)path.data, &id, &fd, err) != SC_OK)
		/* Without one it is no MIRAX slide, as OpenSlide is going to say. */
		return err->status == SC_NOT_FOUND ? SC_OK : err->status;
	status = check_index(&x, fd, err);
	if (status == SC_TOO_LARGE)
		return sc_fail(err, SC_UNREADABLE, "the slide's index is too long");
	return status;
}

enum sc_status sc_check_index_files(const struct sc_source_file *f, struct sc_err *err)
{
	const char *slash = strrchr(f->file, '/');
	size_t folder = slash ? (size_t)(slash - f->file) + 1 : 0;
	struct index x = { f->root, sc_bytes_of(f->file, folder) };
	enum sc_status status = check_index(&x, f->fd, err);

	/* Whatever its suffix, OpenSlide looks whether it is a Hamamatsu index; what is
	 * too long for one is a picture. */
	if (status != SC_OK && status != SC_TOO_LARGE)
		return status;
	if (strcasecmp(sc_file_suffix(f->file), "mrxs") == 0)
		return check_slidedat(f, err);
	return SC_OK;
}

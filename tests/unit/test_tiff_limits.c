/* SPDX-License-Identifier: MIT */
/*
 * src/slide/tiff_limits.c: each limit from both sides, in TIFF files of every kind, which
 * are written here byte by byte.
 */
#include "tests/lib/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "slide/tiff_limits.h"

#define ZEROS 10000

enum { ASCII = 2, SHORT = 3, LONG = 4, LONG8 = 16 };

/* A file that is being written. */
struct file {
	char kind[8]; /* "II", "MM", then "8": BigTIFF, "n": NDPI */
	unsigned char *bytes;
	size_t len, max;
	size_t link; /* where the place of the next directory is to be written */
	size_t open; /* the directory that is being written */
	unsigned entries;
	size_t zeros;	/* where ZEROS bytes of them are, for lengths of tiles */
	uint64_t holes; /* bytes that the file is longer */
};

static bool is_big(const struct file *f)
{
	return strchr(f->kind, '8') != NULL;
}

static bool is_ndpi(const struct file *f)
{
	return strchr(f->kind, 'n') != NULL;
}

static void put_at(struct file *f, size_t at, uint64_t v, size_t n)
{
	assert_true(at + n <= f->max);
	for (size_t i = 0; i < n; i++)
		f->bytes[at + i] =
			(unsigned char)(v >> 8 * (f->kind[0] == 'M' ? n - 1 - i : i));
	f->len = at + n > f->len ? at + n : f->len;
}

static void put(struct file *f, uint64_t v, size_t n)
{
	put_at(f, f->len, v, n);
}

static size_t word(const struct file *f)
{
	return is_big(f) ? 8 : 4;
}

static struct file begin(const char *kind)
{
	struct file f = { .max = 8 << 20 };

	(void)snprintf(f.kind, sizeof(f.kind), "%s", kind);
	f.bytes = sc_alloc(f.max);
	memset(f.bytes, 0, f.max);
	memcpy(f.bytes, kind, 2);
	f.len = 2;
	put(&f, is_big(&f) ? 43 : 42, 2);
	if (is_big(&f))
		put(&f, 8, 4); /* 8, 0 */
	if (is_big(&f) && kind[0] == 'M')
		put_at(&f, 4, 8 << 16, 4);
	f.link = f.len;
	put(&f, 0, is_ndpi(&f) ? 8 : word(&f));
	f.zeros = f.len;
	f.len += ZEROS;
	return f;
}

static void open_directory(struct file *f)
{
	put_at(f, f->link, f->len, is_ndpi(f) ? 8 : word(f));
	f->open = f->len;
	f->entries = 0;
	put(f, 0, is_big(f) ? 8 : 2);
}

static void entry(struct file *f, unsigned tag, unsigned type, uint64_t count,
		  uint64_t value)
{
	static const size_t bytes[] = {
		[ASCII] = 1, [SHORT] = 2, [LONG] = 4, [LONG8] = 8
	};
	size_t one = bytes[type], end;

	f->entries++;
	put(f, tag, 2);
	put(f, type, 2);
	put(f, count, word(f));
	end = f->len + word(f);
	put(f, value, count * one <= word(f) ? one : word(f));
	f->len = end;
}

static void close_directory(struct file *f)
{
	put_at(f, f->open, f->entries, is_big(f) ? 8 : 2);
	f->link = f->len;
	put(f, 0, is_ndpi(f) ? 8 : word(f));
}

struct size {
	uint64_t width, height, tile_width, tile_height;
	uint64_t offsets, byte_counts; /* how many */
};

/* The numbers in the types that scanners use: sizes short, or long where they must be. */
static void picture(struct file *f, const struct size *s)
{
	entry(f, 256, LONG, 1, s->width);
	entry(f, 257, LONG, 1, s->height);
	entry(f, 322, s->tile_width < 65536 ? SHORT : LONG, 1, s->tile_width);
	entry(f, 323, s->tile_height < 65536 ? SHORT : LONG, 1, s->tile_height);
	entry(f, 324, is_big(f) ? LONG8 : LONG, s->offsets, f->zeros);
	entry(f, 325, LONG, s->byte_counts, f->zeros);
	if (is_ndpi(f))
		entry(f, 65420, LONG, 1, 1);
}

static void directory(struct file *f, const struct size *s)
{
	open_directory(f);
	picture(f, s);
	close_directory(f);
}

/* Frees the bytes. says: NULL for a file within the limits. */
static void end(struct file *f, const char *says)
{
	char *dir = check_mkdir();
	SC_AUTO_FREE char *path = check_path(dir, "f.tif");
	struct sc_err err = { SC_OK, "" };
	enum sc_status status;
	int fd;

	check_write(path, f->bytes, f->len);
	if (f->holes)
		assert_int_equal(truncate(path, (off_t)f->holes), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	status = sc_tiff_check(fd, &err);
	if (status != (says ? SC_UNREADABLE : SC_OK) || (says && !strstr(err.text, says)))
		fail_msg("%s: status %d, \"%s\" instead of \"%s\"", f->kind, status,
			 err.text, says ? says : "");
	assert_int_equal(close(fd), 0);
	free(f->bytes);
	check_rmdir(dir);
}

static const char *const kinds[] = { "II", "MM", "II8", "MM8", "IIn" };
static const struct size good = { 1000, 1000, 500, 500, 4, 4 };

static void a_plain_slide(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		struct file f = begin(kinds[i]);

		for (int n = 0; n < 3; n++)
			directory(&f, &good);
		end(&f, NULL);
	}
}

static void size_of_a_tile(void **state)
{
	static const struct size sizes[] = {
		{ 4096, 4096, 4096, 4096, 1, 1 },   { 4097, 4096, 4097, 16, 256, 256 },
		{ 4096, 4097, 16, 4097, 256, 256 }, { 40000, 40000, 40000, 40000, 1, 1 },
		{ 1, 1, 0x80000000U, 1, 1, 1 },
	};

	(void)state;
	for (size_t k = 0; k < COUNT_OF(kinds); k++)
		for (size_t i = 0; i < COUNT_OF(sizes); i++) {
			struct file f = begin(kinds[k]);
			char says[64];

			directory(&f, &good);
			directory(&f, &sizes[i]);
			(void)snprintf(says, sizeof(says),
				       "directory 1 has tiles of %llu x %llu pixels",
				       (unsigned long long)sizes[i].tile_width,
				       (unsigned long long)sizes[i].tile_height);
			end(&f, i == 0 ? NULL : says);
		}
}

static void number_of_tiles(void **state)
{
	static const struct {
		struct size size;
		bool fits;
	} cases[] = {
		{ { 1000, 1000, 500, 500, 4, 4 }, true },
		{ { 1000, 1000, 500, 500, 5, 4 }, true },
		{ { 1000, 1000, 500, 500, 3, 4 }, false },
		{ { 1000, 1000, 500, 500, 4, 3 }, false },
		{ { 1001, 1000, 500, 500, 4, 4 }, false },
		{ { 1 << 20, 1 << 20, 16, 16, 4, 4 }, false },
		{ { UINT32_MAX, UINT32_MAX, 1, 1, 4, 4 }, false },
		{ { 1000, 1000, 0, 0, 4, 4 }, true }, /* damaged: not ours to say */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct file f = begin("II");

		directory(&f, &cases[i].size);
		end(&f, cases[i].fits ? NULL : "more tiles than places");
	}
}

static void number_of_directories(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT_OF(kinds); k++)
		for (int n = SC_TIFF_DIRECTORIES_MAX; n <= SC_TIFF_DIRECTORIES_MAX + 1;
		     n++) {
			struct file f = begin(kinds[k]);

			for (int i = 0; i < n; i++)
				directory(&f, &good);
			end(&f, n == SC_TIFF_DIRECTORIES_MAX ? NULL : "over 1024 TIFF");
		}
}

static void a_loop_of_directories(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT_OF(kinds); k++)
		for (int n = 1; n <= 3; n++) {
			struct file f = begin(kinds[k]);
			size_t first = f.len;

			for (int i = 0; i < n; i++)
				directory(&f, &good);
			put_at(&f, f.link, first, is_ndpi(&f) ? 8 : word(&f));
			end(&f, "they form a loop");
		}
}

static void number_of_entries(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT_OF(kinds); k++)
		for (unsigned n = SC_TIFF_ENTRIES_MAX; n <= SC_TIFF_ENTRIES_MAX + 1;
		     n++) {
			struct file f = begin(kinds[k]);

			open_directory(&f);
			picture(&f, &good);
			while (f.entries < n)
				entry(&f, 40000, SHORT, 1, 1);
			close_directory(&f);
			/* Too long a directory is not looked at for what it says. */
			if (is_ndpi(&f) && n > SC_TIFF_ENTRIES_MAX)
				f.kind[2] = '\0';
			end(&f, n == SC_TIFF_ENTRIES_MAX ? NULL : "has 4097 entries");
		}
}

/* All of them may stand on the same bytes: a small file with much to read. */
static void bytes_of_all_values(void **state)
{
	const uint64_t half = SC_TIFF_METADATA_MAX / 2;

	(void)state;
	for (size_t k = 0; k < COUNT_OF(kinds); k++)
		for (int over = 0; over <= 1; over++) {
			struct file f = begin(kinds[k]);

			for (int i = 0; i < 2; i++) {
				open_directory(&f);
				if (is_ndpi(&f) && i == 0)
					entry(&f, 65420, LONG, 1, 1);
				entry(&f, 40000, SHORT,
				      half / 2 - (i == 0 && is_ndpi(&f) ? 2 : 0) +
					      (uint64_t)(i * over),
				      8);
				close_directory(&f);
			}
			end(&f, over ? "hold over 64 MiB" : NULL);
		}
}

static void more_bytes_than_can_be_counted(void **state)
{
	static const uint64_t counts[] = { UINT64_MAX, UINT64_MAX / 8 + 1, 1ULL << 61 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(counts); i++) {
		struct file f = begin("II8");

		open_directory(&f);
		picture(&f, &good);
		entry(&f, 40000, LONG8, counts[i], 8);
		close_directory(&f);
		end(&f, "hold over 64 MiB");
	}
}

static void length_of_texts(void **state)
{
	static const struct {
		unsigned tag;
		uint64_t count;
		const char *begins;
		bool fits;
	} cases[] = {
		{ 270, SC_TIFF_TEXT_MAX, "Aperio", true },
		{ 270, SC_TIFF_TEXT_MAX + 1, "Aperio", false },
		{ 305, SC_TIFF_TEXT_MAX + 1, "<xml", false },
		{ 270, SC_TIFF_TEXT_MAX + 1, "<?xml", true },
		{ 270, SC_TIFF_TEXT_MAX + 1, "\xef\xbb\xbf<?xml", true },
		{ 65449, SC_TIFF_TEXT_MAX + 1, "Created=", false },
	};

	(void)state;
	for (size_t k = 0; k < COUNT_OF(kinds); k++)
		for (size_t i = 0; i < COUNT_OF(cases); i++) {
			struct file f = begin(kinds[k]);
			size_t at;

			open_directory(&f);
			picture(&f, &good);
			at = f.len;
			entry(&f, cases[i].tag, ASCII, cases[i].count, 0);
			close_directory(&f);
			put_at(&f, at + 4 + word(&f), f.len, word(&f));
			memcpy(f.bytes + f.len, cases[i].begins, strlen(cases[i].begins));
			f.len += strlen(cases[i].begins);
			end(&f, cases[i].fits ? NULL : "over the limit");
		}
}

/* Which of the two counts is not for a file to choose. */
static void a_tag_that_counts_twice(void **state)
{
	static const unsigned tags[] = { 256, 257, 322, 323, 324, 325 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(tags); i++) {
		struct file f = begin("II");

		open_directory(&f);
		picture(&f, &good);
		entry(&f, tags[i], SHORT, 1, 16);
		close_directory(&f);
		end(&f, "twice");
	}
}

/* As many bytes as the file has, and one more; the last of them all counts too. */
static void bytes_of_a_stored_tile(void **state)
{
	static const struct size sizes[] = { { 1000, 1000, 500, 500, 4, 4 },
					     { 500, 500, 500, 500, 1, 1 },
					     { 5000, 5000, 100, 100, 2500, 2500 } };

	(void)state;
	for (size_t k = 0; k < COUNT_OF(kinds); k++)
		for (size_t i = 0; i < COUNT_OF(sizes); i++)
			for (uint64_t over = 0; over <= 1; over++) {
				struct file f = begin(kinds[k]);
				uint64_t n = sizes[i].byte_counts;
				size_t at;

				directory(&f, &good);
				open_directory(&f);
				picture(&f, &sizes[i]);
				at = f.len - word(&f) - (is_ndpi(&f) ? 12 : 0);
				close_directory(&f);
				if (n * 4 > word(&f)) {
					put_at(&f, at, f.len, word(&f));
					at = f.len;
				}
				f.len = at + n * 4 > f.len ? at + n * 4 : f.len;
				put_at(&f, at + (n - 1) * 4, f.len + over, 4);
				end(&f, over ? "directory 1 has a tile of more" : NULL);
			}
}

static void lengths_that_are_not_all_there(void **state)
{
	(void)state;
	for (uint64_t over = 0; over <= 1; over++) {
		struct size size = { 500, 500, 500, 500, 1, (2 * ZEROS) / 4 + over };
		struct file f = begin("II");

		directory(&f, &size);
		f.zeros = f.len;
		put_at(&f, f.zeros + 2 * ZEROS - 1, 0, 1);
		/* Where the lengths are: of the sixth entry, behind tag, type and count.
		 */
		put_at(&f, f.open + 2 + 5 * 12 + 8, f.zeros, 4);
		end(&f, over ? "is not whole" : NULL);
	}
}

/* libtiff does not mind; directories of strips are not looked at. */
static void tiles_by_the_tags_of_strips(void **state)
{
	static const struct {
		unsigned offsets, byte_counts;
		bool is_tiled;
		const char *says;
	} cases[] = {
		{ 273, 325, true, "more tiles than places" },
		{ 324, 279, true, "more tiles than places" },
		{ 273, 279, true, "more tiles than places" },
		{ 273, 279, false, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct file f = begin("II");

		open_directory(&f);
		entry(&f, 256, LONG, 1, 1000);
		entry(&f, 257, LONG, 1, 1000);
		if (cases[i].is_tiled) {
			entry(&f, 322, SHORT, 1, 16);
			entry(&f, 323, SHORT, 1, 16);
		}
		entry(&f, cases[i].offsets, LONG, 4, f.zeros);
		entry(&f, cases[i].byte_counts, LONG, 4, f.zeros);
		close_directory(&f);
		end(&f, cases[i].says);
	}
}

static void a_stored_tile_of_a_large_file(void **state)
{
	(void)state;
	for (uint64_t over = 0; over <= 1; over++) {
		struct size size = { 500, 500, 500, 500, 1, 1 };
		struct file f = begin("II8");
		size_t at;

		f.holes = 1ULL << 40;
		open_directory(&f);
		picture(&f, &size);
		at = f.len - word(&f);
		close_directory(&f);
		put_at(&f, at, SC_TIFF_STORED_MAX + over, 4);
		end(&f, over ? "over the limit" : NULL);
	}
}

/* A size that does not stand in its entry. */
static void a_number_elsewhere(void **state)
{
	struct file f = begin("MM");
	size_t at;

	(void)state;
	open_directory(&f);
	entry(&f, 323, SHORT, 1, 16);
	at = f.len;
	entry(&f, 322, LONG8, 1, 0);
	close_directory(&f);
	put_at(&f, at + 8, f.len, 4);
	put(&f, 5000, 8);
	end(&f, "5000 x 16");
}

/* Whatever ends early is for its reader to refuse. */
static void cut_anywhere(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT_OF(kinds); k++)
		for (size_t n = 0; n < ZEROS + 300; n += n == 21 ? ZEROS - 21 : 3) {
			struct file f = begin(kinds[k]);

			directory(&f, &good);
			directory(&f, &good);
			f.len = n < f.len ? n : f.len;
			end(&f, NULL);
		}
}

static void what_is_no_tiff(void **state)
{
	static const char *const texts[] = {
		"", "I", "II", "IM*\0\b\0\0\0", "II,\0\b\0\0\0", "SQLite format 3"
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct file f = begin("II");

		memset(f.bytes, 0, f.len);
		memcpy(f.bytes, texts[i], strlen(texts[i]));
		end(&f, NULL);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_slide),
		cmocka_unit_test(size_of_a_tile),
		cmocka_unit_test(number_of_tiles),
		cmocka_unit_test(number_of_directories),
		cmocka_unit_test(a_loop_of_directories),
		cmocka_unit_test(number_of_entries),
		cmocka_unit_test(bytes_of_all_values),
		cmocka_unit_test(more_bytes_than_can_be_counted),
		cmocka_unit_test(length_of_texts),
		cmocka_unit_test(a_tag_that_counts_twice),
		cmocka_unit_test(bytes_of_a_stored_tile),
		cmocka_unit_test(a_stored_tile_of_a_large_file),
		cmocka_unit_test(lengths_that_are_not_all_there),
		cmocka_unit_test(tiles_by_the_tags_of_strips),
		cmocka_unit_test(a_number_elsewhere),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(what_is_no_tiff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

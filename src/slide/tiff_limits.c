/* SPDX-License-Identifier: MIT */
/*
 * The limits of TIFF files, by their directories alone and by our own reading.
 *
 * OpenSlide and libtiff believe what a file says while they open it: 20 000 directories
 * take over a second, a million tiles that are not stored a gigabyte, and Aperio's JPEG
 * 2000 tiles, of whatever size, are allocated and decoded at once. So each directory is
 * looked at here first, at a cost that has bounds of its own: a few small reads for each,
 * and the lengths of its tiles.
 *
 * The chain of directories is the one that OpenSlide 3.4.1 follows: Hamamatsu's NDPI is a
 * classic TIFF whose links have eight bytes.
 */
#include "slide/tiff_limits.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/bytes.h"

#define NDPI_TAG	65420
#define DESCRIPTION_TAG 270
#define ASCII		2
#define ENTRY_MAX	20	   /* bytes; BigTIFF's */
#define PIECE		(16 << 10) /* bytes, whole values of any type */

struct reader {
	int fd;
	bool is_big_endian;
	size_t word;	     /* bytes of a count and an offset: 4, or 8 of BigTIFF */
	size_t link;	     /* bytes of the next directory's place */
	uint64_t metadata;   /* bytes of values so far */
	uint64_t stored_max; /* bytes of a tile as it is stored */
};

struct entry {
	uint64_t tag, type, count, bytes;
	uint64_t first; /* of its values; 0 when it cannot be read */
	uint64_t place; /* of its values in the file */
	size_t one;	/* bytes of a value; 0 unknown */
};

/* The tags that tell how much a directory's tiles are. libtiff takes those of strips for
 * tiles as well. */
enum field { WIDTH, HEIGHT, TILE_WIDTH, TILE_HEIGHT, OFFSETS, BYTE_COUNTS, FIELDS };
static const struct {
	uint64_t tag;
	enum field field;
} field_tags[] = {
	{ 256, WIDTH },	  { 257, HEIGHT },	{ 322, TILE_WIDTH }, { 323, TILE_HEIGHT },
	{ 324, OFFSETS }, { 325, BYTE_COUNTS }, { 273, OFFSETS },    { 279, BYTE_COUNTS },
};

struct directory {
	unsigned number;
	bool has[FIELDS];
	struct entry of[FIELDS];
	uint64_t next; /* place of the next one, 0: there is none */
};

/* By the number of its type. */
static const unsigned char type_bytes[] = { 0, 1, 1, 2, 4, 8, 1, 1, 2, 4,
					    8, 4, 8, 4, 0, 0, 8, 8, 8 };

static uint64_t number_of(const struct reader *r, const unsigned char *at, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | at[r->is_big_endian ? i : n - 1 - i];
	return v;
}

static bool read_at(const struct reader *r, void *to, size_t n, uint64_t at)
{
	unsigned char *out = to;

	while (n > 0) {
		ssize_t got = at > INT64_MAX ? -1 : pread(r->fd, out, n, (off_t)at);

		if (got < 0 && errno == EINTR && at <= INT64_MAX)
			continue;
		if (got <= 0)
			return false;
		out += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return true;
}

static bool read_number(const struct reader *r, size_t n, uint64_t at, uint64_t *out)
{
	unsigned char bytes[8];

	if (!read_at(r, bytes, n, at))
		return false;
	*out = number_of(r, bytes, n);
	return true;
}

static size_t entry_bytes(const struct reader *r)
{
	return 4 + 2 * r->word;
}

static size_t count_bytes(const struct reader *r)
{
	return r->word == 8 ? 8 : 2;
}

/* Values stand in the entry itself, which is at that place of the file, when all of them
 * have room there. */
static struct entry entry_of(const struct reader *r, const unsigned char *at,
			     uint64_t place)
{
	const unsigned char *value = at + 4 + r->word;
	struct entry e = {
		.tag = number_of(r, at, 2),
		.type = number_of(r, at + 2, 2),
		.count = number_of(r, at + 4, r->word),
		.place = place + 4 + r->word,
	};

	e.one = e.type < sizeof(type_bytes) ? type_bytes[e.type] : 0;
	if (__builtin_mul_overflow(e.count, e.one, &e.bytes))
		e.bytes = UINT64_MAX;
	if (e.bytes > r->word)
		e.place = number_of(r, value, r->word);
	if (e.bytes > r->word)
		(void)read_number(r, e.one, e.place, &e.first);
	else if (e.bytes > 0)
		e.first = number_of(r, value, e.one);
	return e;
}

static enum sc_status check_text(const struct entry *e, unsigned number,
				 struct sc_err *err)
{
	/* XML, as Philips and Leica have it, with pictures in it, does not become
	 * properties. It begins so, or with the mark of its encoding. */
	bool is_xml = e->tag == DESCRIPTION_TAG && (e->first == '<' || e->first == 0xef);

	if (e->type != ASCII || e->bytes <= SC_TIFF_TEXT_MAX || is_xml)
		return SC_OK;
	return sc_fail(err, SC_UNREADABLE,
		       "the slide's TIFF directory %u has a text of %llu bytes, over the "
		       "limit",
		       number, (unsigned long long)e->bytes);
}

/* One tag twice: of two libraries one would take the first and one the last. */
static enum sc_status keep_field(struct directory *d, const struct entry *e,
				 struct sc_err *err)
{
	for (size_t i = 0; i < sizeof(field_tags) / sizeof(field_tags[0]); i++) {
		enum field field = field_tags[i].field;

		if (field_tags[i].tag != e->tag)
			continue;
		if (d->has[field])
			return sc_fail(err, SC_UNREADABLE,
				       "the slide's TIFF directory %u has tag %u twice",
				       d->number, (unsigned)e->tag);
		d->has[field] = true;
		d->of[field] = *e;
	}
	return SC_OK;
}

static enum sc_status take_entry(struct reader *r, struct directory *d,
				 const struct entry *e, struct sc_err *err)
{
	if (__builtin_add_overflow(r->metadata, e->bytes, &r->metadata) ||
	    r->metadata > SC_TIFF_METADATA_MAX)
		return sc_fail(err, SC_UNREADABLE,
			       "the slide's TIFF directories hold over %llu MiB",
			       (unsigned long long)SC_TIFF_METADATA_MAX >> 20);
	if (check_text(e, d->number, err) != SC_OK)
		return err->status;
	return keep_field(d, e, err);
}

static uint64_t divide_up(uint64_t a, uint64_t b)
{
	return a / b + (a % b != 0);
}

/* A tile is decoded whole, however little of it is asked for; some when the slide is
 * opened. Hamamatsu's tiles are strips, and strips have no tile's tags. */
static enum sc_status check_tile(const struct directory *d, struct sc_err *err)
{
	uint64_t w = d->of[TILE_WIDTH].first, h = d->of[TILE_HEIGHT].first;

	if ((!d->has[TILE_WIDTH] || w <= SC_SLIDE_TILE_MAX) &&
	    (!d->has[TILE_HEIGHT] || h <= SC_SLIDE_TILE_MAX))
		return SC_OK;
	return sc_fail(err, SC_UNREADABLE,
		       "the slide's TIFF directory %u has tiles of %llu x %llu pixels, "
		       "over the limit",
		       d->number, (unsigned long long)w, (unsigned long long)h);
}

/* For tiles without a place libtiff makes one up, and OpenSlide remembers each. */
static enum sc_status check_places(const struct directory *d, struct sc_err *err)
{
	uint64_t tiles;

	for (int i = 0; i < BYTE_COUNTS; i++)
		if (!d->has[i])
			return SC_OK;
	if (d->of[TILE_WIDTH].first == 0 || d->of[TILE_HEIGHT].first == 0)
		return SC_OK; /* damaged: whoever reads it says so */
	if (!__builtin_mul_overflow(
		    divide_up(d->of[WIDTH].first, d->of[TILE_WIDTH].first),
		    divide_up(d->of[HEIGHT].first, d->of[TILE_HEIGHT].first), &tiles) &&
	    tiles <= d->of[OFFSETS].count &&
	    (!d->has[BYTE_COUNTS] || tiles <= d->of[BYTE_COUNTS].count))
		return SC_OK;
	return sc_fail(err, SC_UNREADABLE,
		       "the slide's TIFF directory %u has more tiles than places for "
		       "them",
		       d->number);
}

/* OpenSlide makes room for a tile as long as its count says, and dies when there is none.
 * Counts that are not all in the file are not left to libtiff, which takes what it finds.
 */
static enum sc_status check_stored(const struct reader *r, const struct directory *d,
				   struct sc_err *err)
{
	const struct entry *e = &d->of[BYTE_COUNTS];
	bool is_tiled = d->has[TILE_WIDTH] || d->has[TILE_HEIGHT];
	unsigned char piece[PIECE];
	uint64_t n;

	for (uint64_t at = 0; is_tiled && at < e->bytes; at += n) {
		n = e->bytes - at < PIECE ? e->bytes - at : PIECE;
		if (!read_at(r, piece, n, e->place + at))
			return sc_fail(err, SC_UNREADABLE,
				       "the slide's TIFF directory %u is not whole",
				       d->number);
		for (uint64_t i = 0; i < n; i += e->one)
			if (number_of(r, piece + i, e->one) > r->stored_max)
				return sc_fail(err, SC_UNREADABLE,
					       "the slide's TIFF directory %u has a tile "
					       "of more bytes than the file, or over the "
					       "limit",
					       d->number);
	}
	return SC_OK;
}

/* The entries of the directory at that place, to be freed; NULL: cannot be read. *n: how
 * many it says it has. */
static unsigned char *read_entries(const struct reader *r, uint64_t at, uint64_t *n)
{
	unsigned char *entries;

	if (!read_number(r, count_bytes(r), at, n) || *n > SC_TIFF_ENTRIES_MAX)
		return NULL;
	entries = sc_alloc_array(*n + 1, ENTRY_MAX);
	if (read_at(r, entries, *n * entry_bytes(r), at + count_bytes(r)))
		return entries;
	free(entries);
	return NULL;
}

static enum sc_status take_entries(struct reader *r, struct directory *d, uint64_t at,
				   struct sc_err *err)
{
	uint64_t n = 0;
	SC_AUTO_FREE unsigned char *entries = read_entries(r, at, &n);

	if (n > SC_TIFF_ENTRIES_MAX)
		return sc_fail(err, SC_UNREADABLE,
			       "the slide's TIFF directory %u has %llu entries, over the "
			       "limit of %d",
			       d->number, (unsigned long long)n, SC_TIFF_ENTRIES_MAX);
	for (uint64_t i = 0; entries && i < n; i++) {
		uint64_t place = at + count_bytes(r) + i * entry_bytes(r);
		struct entry e = entry_of(r, entries + i * entry_bytes(r), place);

		if (take_entry(r, d, &e, err) != SC_OK)
			return err->status;
	}
	/* What cannot be read ends the chain. */
	if (!entries ||
	    !read_number(r, r->link, at + count_bytes(r) + n * entry_bytes(r), &d->next))
		d->next = 0;
	return SC_OK;
}

static bool has_ndpi_tag(const struct reader *r, uint64_t at)
{
	uint64_t n = 0;
	SC_AUTO_FREE unsigned char *entries = read_entries(r, at, &n);

	for (uint64_t i = 0; entries && i < n; i++)
		if (number_of(r, entries + i * entry_bytes(r), 2) == NDPI_TAG)
			return true;
	return false;
}

/* False: no TIFF, or one that ends in its header. */
static bool read_header(struct reader *r, uint64_t *first)
{
	unsigned char head[4];
	uint64_t version = 0;

	if (!read_at(r, head, sizeof(head), 0) || head[0] != head[1] ||
	    (head[0] != 'I' && head[0] != 'M'))
		return false;
	r->is_big_endian = head[0] == 'M';
	version = number_of(r, head + 2, 2);
	r->word = r->link = version == 43 ? 8 : 4;
	if (version != 42 && version != 43)
		return false;
	if (version == 42 && !r->is_big_endian && read_number(r, 8, 4, first) &&
	    has_ndpi_tag(r, *first)) {
		r->link = 8;
		return true;
	}
	return read_number(r, r->word, r->word == 8 ? 8 : 4, first);
}

enum sc_status sc_tiff_check(int fd, struct sc_err *err)
{
	struct reader r = { .fd = fd, .stored_max = SC_TIFF_STORED_MAX };
	struct stat st;
	struct directory d = { .number = 0 };
	uint64_t at = 0;

	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size < r.stored_max)
		r.stored_max = (uint64_t)st.st_size;
	if (!read_header(&r, &at))
		return SC_OK;
	for (unsigned n = 0; at != 0; n++, at = d.next) {
		if (n == SC_TIFF_DIRECTORIES_MAX)
			return sc_fail(err, SC_UNREADABLE,
				       "the slide has over %d TIFF directories, or they "
				       "form a loop",
				       SC_TIFF_DIRECTORIES_MAX);
		d = (struct directory){ .number = n };
		if (take_entries(&r, &d, at, err) != SC_OK ||
		    check_tile(&d, err) != SC_OK || check_places(&d, err) != SC_OK ||
		    check_stored(&r, &d, err) != SC_OK)
			return err->status;
	}
	return SC_OK;
}

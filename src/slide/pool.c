/* SPDX-License-Identifier: MIT */
/*
 * The pool of open slides, and the only caller of the sources: limits, identity checks
 * around every open and read, closing after errors, a short memory for slides that failed
 * to open. After fork, one thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "slide/root.h"
#include "slide/source.h"
#include "slide/tiff_file.h"
#include "slidecache/clock.h"
#include "slidecache/hash.h"
#include "slidecache/metrics.h"

/* A viewer asks for about 20 tiles of a broken slide at once: the first opens it. */
#define FAILURES   64
#define FAILURE_US (5 * SC_US_PER_S)

struct sc_slide {
	const struct sc_slide_pool *pool;
	struct sc_slide_root *root;
	char *file;
	int fd;
	struct sc_identity identity;
	uint64_t epoch;
	const struct sc_source_ops *ops;
	void *state; /* NULL once closed, after an error */
	struct sc_slide_info info;
	int64_t used_us; /* monotonic */
};

struct failure {
	uint64_t key;
	int64_t until_us; /* monotonic */
	struct sc_err err;
};

struct sc_slide_pool {
	struct sc_slide_root *root;
	struct sc_slide **slides; /* n used of max, the most recently used last */
	int n, max;
	struct failure failures[FAILURES];
	unsigned next_failure;
	struct sc_tile_memory *memory;
	sc_slide_admit_fn admit; /* NULL: everything is */
	void *admit_arg;
};

enum sc_status sc_slide_pool_new(struct sc_slide_root *r, int max_open,
				 struct sc_slide_pool **out, struct sc_err *err)
{
	struct sc_slide_pool *p;

	if (max_open < 1)
		return sc_fail(err, SC_INVALID, "a slide pool needs at least one place");
	sc_tiff_quiet();
	p = sc_alloc(sizeof(*p));
	*p = (struct sc_slide_pool){
		.root = r,
		.slides = sc_alloc_array((size_t)max_open, sizeof(*p->slides)),
		.max = max_open,
		.memory = sc_tile_memory_new(SC_SLIDE_TILES_MAX),
	};
	*out = p;
	return SC_OK;
}

void sc_slide_pool_admit(struct sc_slide_pool *p, sc_slide_admit_fn admit, void *arg)
{
	p->admit = admit;
	p->admit_arg = arg;
}

static void close_source(struct sc_slide *s)
{
	if (s->state)
		s->ops->close(s->state);
	s->state = NULL;
	sc_close_fd(&s->fd);
}

static void free_slide(struct sc_slide *s)
{
	close_source(s);
	free(s->file);
	free(s);
}

static void drop_slide(struct sc_slide_pool *p, int i)
{
	free_slide(p->slides[i]);
	p->n--;
	memmove(&p->slides[i], &p->slides[i + 1],
		(size_t)(p->n - i) * sizeof(*p->slides));
}

void sc_slide_pool_free(struct sc_slide_pool *p)
{
	if (!p)
		return;
	while (p->n > 0)
		drop_slide(p, p->n - 1);
	free(p->slides);
	sc_tile_memory_free(p->memory);
	free(p);
}

int sc_slide_pool_open_count(const struct sc_slide_pool *p)
{
	int n = 0;

	for (int i = 0; i < p->n; i++)
		n += p->slides[i]->state != NULL;
	return n;
}

void sc_slide_pool_trim(struct sc_slide_pool *p, int64_t idle_us)
{
	int64_t limit = sc_mono_us() - idle_us;

	for (int i = p->n - 1; i >= 0; i--)
		if (!p->slides[i]->state || p->slides[i]->used_us <= limit)
			drop_slide(p, i);
}

/* A slide of that name that is fit to be used again, moved to the most recent place. */
static struct sc_slide *find_slide(struct sc_slide_pool *p, const char *file,
				   const struct sc_identity *want, uint64_t epoch)
{
	struct sc_slide *found = NULL;

	for (int i = p->n - 1; i >= 0; i--) {
		struct sc_slide *s = p->slides[i];

		if (s->state && strcmp(s->file, file) != 0)
			continue;
		if (!s->state || !want || s->epoch != epoch ||
		    !sc_identity_equal(&s->identity, want)) {
			drop_slide(p, i);
			continue;
		}
		memmove(&p->slides[i], &p->slides[i + 1],
			(size_t)(p->n - 1 - i) * sizeof(*p->slides));
		p->slides[p->n - 1] = s;
		found = s;
	}
	return found;
}

static uint64_t failure_key(const char *file, const struct sc_identity *id,
			    uint64_t epoch)
{
	uint64_t parts[3] = { sc_hash64(sc_bytes_str(file)),
			      sc_hash64(sc_bytes_of(id, sizeof(*id))), epoch };

	return sc_hash64(sc_bytes_of(parts, sizeof(parts)));
}

static const struct failure *find_failure(const struct sc_slide_pool *p, uint64_t key)
{
	int64_t now = sc_mono_us();

	for (size_t i = 0; i < FAILURES; i++)
		if (p->failures[i].key == key && now < p->failures[i].until_us)
			return &p->failures[i];
	return NULL;
}

static void remember_failure(struct sc_slide_pool *p, uint64_t key,
			     const struct sc_err *err)
{
	if (err->status != SC_UNREADABLE)
		return;
	p->failures[p->next_failure] = (struct failure){
		.key = key,
		.until_us = sc_mono_us() + FAILURE_US,
		.err = *err,
	};
	p->next_failure = (p->next_failure + 1) % FAILURES;
}

static enum sc_status check_geometry(const struct sc_geometry *g, struct sc_err *err)
{
	static const struct sc_dz_options plain = { .tile_size = 256 };
	struct sc_dz dz;

	return sc_dz_init(&dz, g, &plain, err);
}

static enum sc_status admit(const struct sc_slide_pool *p, const char *file,
			    const struct sc_identity *id, struct sc_err *err)
{
	return p->admit ? p->admit(p->admit_arg, file, id, err) : SC_OK;
}

/* What OpenSlide, which does not say why it failed, has open at once, and more. */
#define DESCRIPTORS 8

static bool can_open(int n)
{
	SC_AUTO_FD fd = n > 0 ? open("/", O_PATH | O_CLOEXEC) : -1;

	return n == 0 || (fd < 0 ? errno != EMFILE && errno != ENFILE : can_open(n - 1));
}

/* Want of descriptors is no fault of the slide's. */
static enum sc_status prefer_starved(enum sc_status status, struct sc_err *err)
{
	if (status != SC_UNREADABLE || can_open(DESCRIPTORS))
		return status;
	return sc_fail(err, SC_UNAVAILABLE, "no file can be opened now");
}

/* Asks the sources in order. */
static enum sc_status ask_sources(struct sc_slide *s, struct sc_tile_memory *memory,
				  struct sc_err *err)
{
	struct sc_source_file f = {
		.fd = s->fd,
		.file = s->file,
		.root = s->root,
		.memory = memory,
	};

	for (size_t i = 0; sc_sources[i]; i++) {
		enum sc_status st = sc_sources[i]->open(&f, &s->state, &s->info, err);

		if (st == SC_MISS)
			continue;
		s->ops = sc_sources[i];
		return st != SC_OK ? st : check_geometry(&s->info.geometry, err);
	}
	return sc_fail(err, SC_UNREADABLE, "not a slide format this version can read");
}

static enum sc_status open_source(struct sc_slide *s, struct sc_tile_memory *memory,
				  struct sc_err *err)
{
	return prefer_starved(ask_sources(s, memory, err), err);
}

static enum sc_status check_identity(struct sc_slide_root *root, const char *file,
				     const struct sc_identity *want, struct sc_err *err)
{
	struct sc_identity now;

	if (sc_slide_identity(root, file, &now, err) != SC_OK)
		return err->status;
	if (!sc_identity_equal(&now, want))
		return sc_fail(err, SC_CHANGED, "the slide's file was replaced");
	return SC_OK;
}

static void cleanup_slide(struct sc_slide **s)
{
	if (*s)
		free_slide(*s);
}

static enum sc_status open_slide(struct sc_slide_pool *p, const char *file,
				 const struct sc_identity *want, struct sc_slide **out,
				 struct sc_err *err)
{
	struct sc_slide_root *root = p->root;
	__attribute__((cleanup(cleanup_slide))) struct sc_slide *s = sc_alloc(sizeof(*s));
	enum sc_status status;

	*s = (struct sc_slide){
		.pool = p, .root = root, .file = sc_strdup(file), .fd = -1
	};
	status = sc_slide_root_read(root, file, &s->identity, &s->fd, err);
	if (!status && !sc_identity_equal(&s->identity, want))
		return sc_fail(err, SC_CHANGED, "the slide's file was replaced");
	if (!status)
		status = open_source(s, p->memory, err);
	if (!status)
		status = check_identity(root, file, want, err);
	if (status)
		return status;
	*out = s;
	s = NULL;
	return SC_OK;
}

static enum sc_status open_new(struct sc_slide_pool *p, const char *file,
			       const struct sc_identity *want, uint64_t epoch,
			       struct sc_slide **out, struct sc_err *err)
{
	uint64_t key = failure_key(file, want, epoch);
	const struct failure *failure = find_failure(p, key);

	if (failure)
		return sc_fail(err, failure->err.status, "%s", failure->err.text);
	if (admit(p, file, want, err) != SC_OK)
		return err->status;
	while (p->n >= p->max)
		drop_slide(p, 0);
	if (open_slide(p, file, want, out, err) != SC_OK) {
		remember_failure(p, key, err);
		return err->status;
	}
	(*out)->epoch = epoch;
	sc_count(SC_M_SLIDE_OPENS, 1);
	p->slides[p->n++] = *out;
	return SC_OK;
}

enum sc_status sc_slide_get(struct sc_slide_pool *p, const char *file,
			    const struct sc_identity *want, uint64_t epoch,
			    struct sc_slide **out, struct sc_err *err)
{
	struct sc_slide *s;

	if (check_identity(p->root, file, want, err) != SC_OK) {
		(void)find_slide(p, file, NULL, 0); /* closes what is open of it */
		return err->status;
	}
	s = find_slide(p, file, want, epoch);
	if (!s && open_new(p, file, want, epoch, &s, err) != SC_OK)
		return err->status;
	s->used_us = sc_mono_us();
	*out = s;
	return SC_OK;
}

const struct sc_slide_info *sc_slide_info(const struct sc_slide *s)
{
	return &s->info;
}

static enum sc_status check_region(const struct sc_slide *s,
				   const struct sc_slide_region *r, struct sc_err *err)
{
	const struct sc_geometry *g = &s->info.geometry;

	if (!s->state)
		return sc_fail(err, SC_UNREADABLE, "the slide was closed after an error");
	if (r->level < 0 || r->level >= g->levels || !g->usable[r->level])
		return sc_fail(err, SC_INVALID, "the slide's level %d cannot be read",
			       r->level);
	if (r->width < 1 || r->height < 1)
		return sc_fail(err, SC_INVALID, "a region has at least one pixel");
	if (r->width > SC_SLIDE_READ_MAX || r->height > SC_SLIDE_READ_MAX)
		return sc_fail(err, SC_TOO_LARGE, "a region has at most %d pixels a side",
			       SC_SLIDE_READ_MAX);
	return SC_OK;
}

/* Whether any pixel of the region is in the slide; in double, as any x and y may come. */
static bool touches(const struct sc_slide *s, const struct sc_slide_region *r)
{
	const struct sc_geometry *g = &s->info.geometry;
	double ds = g->downsample[r->level];
	double x = (double)r->x / ds, y = (double)r->y / ds;

	return x < (double)g->width[r->level] && y < (double)g->height[r->level] &&
	       x + r->width > 0 && y + r->height > 0;
}

static enum sc_status read_checked(struct sc_slide *s, const struct sc_slide_region *r,
				   struct sc_pixels *p, struct sc_err *err)
{
	if (check_identity(s->root, s->file, &s->identity, err) != SC_OK ||
	    sc_pixels_new(p, r->width, r->height, err) != SC_OK)
		return err->status;
	if (touches(s, r) &&
	    s->ops->read(s->state, r, (uint32_t *)(void *)p->rgbx, err) != SC_OK)
		return prefer_starved(err->status, err);
	return check_identity(s->root, s->file, &s->identity, err);
}

enum sc_status sc_slide_read(struct sc_slide *s, const struct sc_slide_region *r,
			     const uint32_t *background, struct sc_pixels *out,
			     struct sc_err *err)
{
	SC_AUTO_PIXELS p = SC_PIXELS_INIT;

	if (check_region(s, r, err) != SC_OK)
		return err->status;
	if (touches(s, r) && admit(s->pool, s->file, &s->identity, err) != SC_OK)
		return err->status;
	if (read_checked(s, r, &p, err) != SC_OK) {
		close_source(s);
		return err->status;
	}
	sc_pixels_from_argb(&p, background ? *background : s->info.background);
	*out = sc_pixels_take(&p);
	return SC_OK;
}

enum sc_status sc_slide_call(struct sc_slide *s, sc_source_call_fn call, void *arg,
			     struct sc_err *err)
{
	enum sc_status status = SC_OK;

	if (!s->state)
		return sc_fail(err, SC_UNREADABLE, "the slide was closed after an error");
	if (admit(s->pool, s->file, &s->identity, err) != SC_OK)
		return err->status;
	status = check_identity(s->root, s->file, &s->identity, err);
	if (!status)
		status = prefer_starved(call(s->ops, s->state, arg, err), err);
	if (!status)
		status = check_identity(s->root, s->file, &s->identity, err);
	if (status)
		close_source(s);
	return status;
}

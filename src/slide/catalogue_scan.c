/* SPDX-License-Identifier: MIT */
/*
 * The catalogue's writers: scan, add, remove. Each holds the lock file beside the
 * catalogue for its whole run, so two of them never mix; readers need no lock.
 *
 * An image belongs to a path for ever. The identity written down is the one from before
 * the probe: a file that was still being copied differs at the next scan and is probed
 * again then. What says nothing of a slide (this machine's trouble, a file that is being
 * written) changes nothing, or leaves no identity behind, so that the next scan tries
 * again.
 */
#include <stdlib.h>
#include <unistd.h>

#include "slide/catalogue.h"
#include "slidecache/clock.h"
#include "slidecache/filelock.h"
#include "slidecache/log.h"
#include "slidecache/parse.h"

#define LOCK_WAIT_MS  60000
#define PROBE_LIMIT_S 10
/* A scan of a large folder takes hours: what it found shows after this long, and stays.
 */
#define SAVE_EVERY_US (5 * SC_US_PER_S)

/* A writer's view: the catalogue, locked. */
struct edit {
	const char *path;
	int lock_fd;
	struct sc_slide_root *root; /* NULL for remove */
	struct sc_images images;
	bool dirty;
	int64_t saved_us; /* monotonic; or when it began */
	struct sc_scan_result result;
	sc_scan_found_fn found; /* NULL: nobody wants to know */
	void *arg;
	int64_t *ids; /* found since it was saved */
	size_t nids, room;
};

/* What a first look at a file says: err.status is SC_OK or why there is no identity. */
struct sighting {
	struct sc_identity identity;
	struct sc_err err;
};

static const struct sc_identity no_identity = { 0 };

static void end_edit(struct edit *e)
{
	free(e->ids);
	sc_images_release(&e->images);
	sc_slide_root_close(e->root);
	sc_close_fd(&e->lock_fd); /* ends the lock */
}
#define AUTO_EDIT __attribute__((cleanup(end_edit))) struct edit

static enum sc_status begin_edit(struct edit *e, const char *root, struct sc_err *err)
{
	SC_AUTO_BUF lock = SC_BUF_INIT;
	struct stat st;

	sc_buf_printf(&lock, "%s.lock", e->path);
	if (root && sc_slide_root_open(root, &e->root, err) != SC_OK)
		return sc_fail_in(err, root);
	if (sc_filelock_open((const char *)lock.data, &e->lock_fd, err) != SC_OK)
		return err->status;
	sc_give_to_folder_owner(e->path, e->lock_fd);
	if (sc_filelock_take(e->lock_fd, 0, LOCK_WAIT_MS, NULL, err) != SC_OK)
		return sc_fail_in(err, "catalogue");
	e->saved_us = sc_mono_us();
	return sc_images_load(e->path, &e->images, &st, err);
}

static void note_found(struct edit *e, const struct sc_image *im)
{
	if (!e->found || im->state != SC_IMAGE_OK)
		return;
	if (e->nids == e->room) {
		e->room = e->room ? 2 * e->room : 64;
		e->ids = sc_realloc_array(e->ids, e->room, sizeof(*e->ids));
	}
	e->ids[e->nids++] = im->id;
}

/* Who hears of an image finds it in the catalogue. */
static void tell_found(struct edit *e)
{
	if (e->nids > 0)
		e->found(e->arg, e->ids, e->nids);
	e->nids = 0;
}

static enum sc_status finish_edit(struct edit *e, struct sc_err *err)
{
	if (e->dirty && sc_images_save(e->path, &e->images, err) != SC_OK)
		return err->status;
	e->dirty = false;
	e->saved_us = sc_mono_us();
	tell_found(e);
	return SC_OK;
}

/* Between two images, so that each one that is written down is complete. */
static enum sc_status save_sometimes(struct edit *e, struct sc_err *err)
{
	if (!e->dirty || sc_mono_us() - e->saved_us < SAVE_EVERY_US)
		return SC_OK;
	return finish_edit(e, err);
}

static void look(struct edit *e, const char *file, struct sighting *s)
{
	*s = (struct sighting){ .err = { .status = SC_OK } };
	SC_IGNORE(sc_slide_identity(e->root, file, &s->identity, &s->err)); /* in s */
}

/* The slide itself is refused or not there, for which there is a state. */
static bool is_about_the_slide(const struct sc_err *why)
{
	return why->status == SC_OK || why->status == SC_UNREADABLE ||
	       why->status == SC_NOT_FOUND;
}

static void leave_for_later(const char *file, const struct sc_err *why)
{
	sc_log(why->status == SC_CHANGED ? SC_LOG_INFO : SC_LOG_WARNING,
	       "catalogue: %s: left for the next scan: %s", file, why->text);
}

static void set_state(struct edit *e, struct sc_image *im, enum sc_image_state state,
		      const char *reason)
{
	if (im->state == state && strcmp(im->reason, reason) == 0)
		return;
	im->state = state;
	sc_image_set_text(&im->reason, reason);
	e->dirty = true;
}

static void mark_gone(struct edit *e, struct sc_image *im)
{
	if (im->state == SC_IMAGE_GONE)
		return;
	set_state(e, im, SC_IMAGE_GONE, "its file is not there any more");
	e->result.gone++;
}

static void take_probe(struct edit *e, struct sc_image *im, const struct sc_probe *p)
{
	set_state(e, im, p->ok ? SC_IMAGE_OK : SC_IMAGE_UNREADABLE, p->reason);
	sc_image_set_text(&im->vendor, p->vendor);
	im->width = p->width;
	im->height = p->height;
	im->mpp = p->mpp;
	im->objective_power = p->ok ? p->objective_power : 1;
}

/* A passing failure that is written down already; it is no news. */
static bool is_known_failure(const struct sc_image *im, const struct sc_probe *p)
{
	return p->passing && im->state == SC_IMAGE_UNREADABLE &&
	       sc_identity_equal(&im->identity, &no_identity) &&
	       strcmp(im->reason, p->reason) == 0;
}

static enum sc_status probe_image(struct edit *e, struct sc_image *im,
				  const struct sc_identity *id, bool is_new,
				  struct sc_err *err)
{
	struct sc_probe p;

	if (sc_probe(e->root, im->file, id, PROBE_LIMIT_S, &p, err) != SC_OK)
		return err->status;
	if (is_known_failure(im, &p))
		return SC_OK;
	if (p.unknown && !is_new && im->state == SC_IMAGE_OK) {
		sc_log_warning("catalogue: %s: left for the next scan: %s", im->file,
			       p.reason);
		return SC_OK;
	}
	take_probe(e, im, &p);
	im->identity = p.passing ? no_identity : *id;
	im->removed = false;
	e->dirty = true;
	e->result.changed += !is_new;
	note_found(e, im);
	return SC_OK;
}

static void update_planes(struct edit *e, struct sc_image *im, bool is_new)
{
	int depth, frames;

	sc_count_planes(e->root, im->file, &depth, &frames);
	if (depth == im->depth && frames == im->frames)
		return;
	im->depth = depth;
	im->frames = frames;
	e->dirty = true;
	e->result.changed += !is_new;
}

/* The file cannot even be looked at: it is gone, or refused by the kernel for good. */
static void take_failure(struct edit *e, struct sc_image *im, bool is_new,
			 const struct sc_err *why)
{
	switch (why->status) {
	case SC_NOT_FOUND:
		mark_gone(e, im);
		return;
	case SC_UNREADABLE:
		e->result.changed += !is_new && im->state != SC_IMAGE_UNREADABLE;
		set_state(e, im, SC_IMAGE_UNREADABLE, why->text);
		im->removed = false;
		im->identity = no_identity;
		return;
	default:
		leave_for_later(im->file, why);
	}
}

/* Brings one image up to date; is_new: it was added a moment ago. */
static enum sc_status update_image(struct edit *e, struct sc_image *im, bool is_new,
				   const struct sighting *seen, struct sc_err *err)
{
	const struct sc_identity *id = &seen->identity;
	bool same = !is_new && sc_identity_equal(id, &im->identity);

	if (seen->err.status != SC_OK) {
		take_failure(e, im, is_new, &seen->err);
		return SC_OK;
	}
	if (same && im->removed)
		return SC_OK;
	if ((!same || im->state == SC_IMAGE_GONE) &&
	    probe_image(e, im, id, is_new, err) != SC_OK)
		return err->status;
	update_planes(e, im, is_new);
	return SC_OK;
}

static enum sc_status add_image(struct edit *e, const char *file,
				const struct sighting *seen, int64_t *id,
				struct sc_err *err)
{
	struct sc_image *im = sc_images_add(&e->images, file);

	e->dirty = true;
	e->result.added++;
	*id = im->id;
	return update_image(e, im, true, seen, err);
}

static enum sc_status update_known(struct edit *e, struct sc_image *im,
				   struct sc_err *err)
{
	struct sighting seen;

	look(e, im->file, &seen);
	if (update_image(e, im, false, &seen, err) != SC_OK)
		return err->status;
	return save_sometimes(e, err);
}

static enum sc_status add_found(struct edit *e, const char *file, struct sc_err *err)
{
	struct sighting seen;
	int64_t id;

	look(e, file, &seen);
	if (!is_about_the_slide(&seen.err)) {
		leave_for_later(file, &seen.err);
		return SC_OK;
	}
	if (add_image(e, file, &seen, &id, err) != SC_OK)
		return err->status;
	return save_sometimes(e, err);
}

static int compare_file(const void *a, const void *b)
{
	const struct sc_image *const *x = a, *const *y = b;

	return strcmp((*x)->file, (*y)->file);
}

/* The images of before the scan, in the order of their paths. */
static const struct sc_image **sort_by_file(const struct sc_images *l)
{
	const struct sc_image **v = sc_alloc_array(l->n + 1, sizeof(struct sc_image *));

	for (size_t i = 0; i < l->n; i++)
		v[i] = &l->items[i];
	qsort(v, l->n, sizeof(*v), compare_file);
	return v;
}

/* Which of the sorted files no image has. Both lists are sorted by path. */
static void find_new(const struct sc_images *l, const struct sc_files *files,
		     bool *is_new)
{
	SC_AUTO_FREE const struct sc_image **v = sort_by_file(l);
	size_t at = 0;

	for (size_t i = 0; i < files->n; i++) {
		while (at < l->n && strcmp(v[at]->file, files->items[i]) < 0)
			at++;
		is_new[i] = at >= l->n || strcmp(v[at]->file, files->items[i]) != 0;
	}
}

static enum sc_status update_all(struct edit *e, const struct sc_files *files,
				 struct sc_err *err)
{
	SC_AUTO_FREE bool *is_new = sc_alloc_array(files->n + 1, sizeof(bool));
	size_t known = e->images.n;

	find_new(&e->images, files, is_new);
	for (size_t i = 0; i < known; i++)
		if (update_known(e, &e->images.items[i], err) != SC_OK)
			return err->status;
	for (size_t i = 0; i < files->n; i++)
		if (is_new[i] && add_found(e, files->items[i], err) != SC_OK)
			return err->status;
	return SC_OK;
}

static void count_states(struct edit *e)
{
	for (size_t i = 0; i < e->images.n; i++) {
		e->result.total += e->images.items[i].state != SC_IMAGE_GONE;
		e->result.unreadable += e->images.items[i].state == SC_IMAGE_UNREADABLE;
	}
}

enum sc_status sc_catalogue_scan(const char *path, const char *root,
				 struct sc_scan_result *out, struct sc_err *err)
{
	return sc_catalogue_scan_found(path, root, NULL, NULL, out, err);
}

enum sc_status sc_catalogue_scan_found(const char *path, const char *root,
				       sc_scan_found_fn found, void *arg,
				       struct sc_scan_result *out, struct sc_err *err)
{
	AUTO_EDIT e = { .path = path,
			.lock_fd = -1,
			.images = SC_IMAGES_INIT,
			.found = found,
			.arg = arg };
	SC_AUTO_FILES files = SC_FILES_INIT;
	struct sc_err kept;

	if (begin_edit(&e, root, err) != SC_OK || sc_walk(e.root, &files, err) != SC_OK)
		return err->status;
	if (update_all(&e, &files, err) != SC_OK) {
		/* What was found out so far is kept; the next scan goes on from there. */
		if (finish_edit(&e, &kept) != SC_OK)
			sc_log_warning("%s", kept.text);
		return err->status;
	}
	if (finish_edit(&e, err) != SC_OK)
		return err->status;
	count_states(&e);
	*out = e.result;
	return SC_OK;
}

/* "a/b.svs": no empty part, no "." and no "..", so that a file has one name. */
static bool is_plain_path(const char *file)
{
	const char *part = file;

	for (;;) {
		size_t len = strcspn(part, "/");

		if (len == 0 || (len == 1 && part[0] == '.') ||
		    (len == 2 && part[0] == '.' && part[1] == '.'))
			return false;
		if (part[len] == '\0')
			return true;
		part += len + 1;
	}
}

static struct sc_image *find_file(const struct sc_images *l, const char *file)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->items[i].file, file) == 0)
			return &l->items[i];
	return NULL;
}

static enum sc_status add_or_update(struct edit *e, const char *file,
				    const struct sighting *seen, int64_t *id,
				    struct sc_err *err)
{
	struct sc_image *im = find_file(&e->images, file);

	if (!im)
		return add_image(e, file, seen, id, err);
	/* Somebody asks for it: what was removed comes back, what failed is tried again.
	 */
	if (im->state != SC_IMAGE_OK)
		im->identity = (struct sc_identity){ 0 };
	im->removed = false;
	*id = im->id;
	return update_image(e, im, false, seen, err);
}

enum sc_status sc_catalogue_add(const char *path, const char *root, const char *file,
				int64_t *id, struct sc_err *err)
{
	AUTO_EDIT e = { .path = path, .lock_fd = -1, .images = SC_IMAGES_INIT };
	struct sighting seen;
	int64_t found;

	if (!is_plain_path(file) || strlen(file) >= SC_IMAGE_FILE_MAX ||
	    !sc_utf8_valid(sc_bytes_str(file)))
		return sc_fail(
			err, SC_INVALID,
			"the file's name must be a UTF-8 path below the slide folder");
	if (begin_edit(&e, root, err) != SC_OK)
		return err->status;
	look(&e, file, &seen);
	if (seen.err.status != SC_OK)
		return sc_fail(err, seen.err.status, "%s", seen.err.text);
	if (add_or_update(&e, file, &seen, &found, err) != SC_OK ||
	    finish_edit(&e, err) != SC_OK)
		return err->status;
	*id = found;
	return SC_OK;
}

enum sc_status sc_catalogue_remove(const char *path, int64_t id, struct sc_err *err)
{
	AUTO_EDIT e = { .path = path, .lock_fd = -1, .images = SC_IMAGES_INIT };
	struct sc_image *im;

	if (begin_edit(&e, NULL, err) != SC_OK)
		return err->status;
	im = sc_images_find(&e.images, id);
	if (!im)
		return sc_fail(err, SC_NOT_FOUND, "there is no image %lld",
			       (long long)id);
	if (!im->removed) {
		im->removed = e.dirty = true;
		set_state(&e, im, SC_IMAGE_GONE, "removed from the catalogue");
	}
	return finish_edit(&e, err);
}

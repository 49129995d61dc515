/* SPDX-License-Identifier: MIT */
/*
 * The catalogue's writers: scan, add, remove. Each holds the lock file beside the
 * catalogue for its whole run, so two of them never mix; readers need no lock.
 *
 * An image belongs to a path for ever. The identity written down is the one from before
 * the probe: a file that was still being copied differs at the next scan and is probed
 * again then.
 */
#include <stdlib.h>
#include <unistd.h>

#include "slide/catalogue.h"
#include "slidecache/filelock.h"
#include "slidecache/log.h"
#include "slidecache/parse.h"

#define LOCK_WAIT_MS  60000
#define PROBE_LIMIT_S 10

/* A writer's view: the catalogue, locked. */
struct edit {
	const char *path;
	int lock_fd;
	struct sc_slide_root *root; /* NULL for remove */
	struct sc_images images;
	bool dirty;
	struct sc_scan_result result;
};

static void end_edit(struct edit *e)
{
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
		return err->status;
	if (sc_filelock_open((const char *)lock.data, &e->lock_fd, err) != SC_OK)
		return err->status;
	sc_give_to_folder_owner(e->path, e->lock_fd);
	if (sc_filelock_take(e->lock_fd, 0, LOCK_WAIT_MS, NULL, err) != SC_OK)
		return sc_fail_in(err, "catalogue");
	return sc_images_load(e->path, &e->images, &st, err);
}

static enum sc_status finish_edit(struct edit *e, struct sc_err *err)
{
	return e->dirty ? sc_images_save(e->path, &e->images, err) : SC_OK;
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

static enum sc_status probe_image(struct edit *e, struct sc_image *im,
				  const struct sc_identity *id, bool is_new,
				  struct sc_err *err)
{
	struct sc_probe p;

	if (sc_probe(e->root, im->file, id, PROBE_LIMIT_S, &p, err) != SC_OK)
		return err->status;
	take_probe(e, im, &p);
	im->identity = *id;
	im->removed = false;
	e->dirty = true;
	e->result.changed += !is_new;
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
static enum sc_status take_failure(struct edit *e, struct sc_image *im, bool is_new,
				   const struct sc_err *why, struct sc_err *err)
{
	static const struct sc_identity nothing = { 0 };

	switch (why->status) {
	case SC_NOT_FOUND:
		mark_gone(e, im);
		return SC_OK;
	case SC_UNREADABLE:
		e->result.changed += !is_new && im->state != SC_IMAGE_UNREADABLE;
		set_state(e, im, SC_IMAGE_UNREADABLE, why->text);
		im->removed = false;
		im->identity = nothing;
		return SC_OK;
	default: /* this machine's trouble says nothing about the slide */
		return sc_fail(err, why->status, "%s", why->text);
	}
}

/* Brings one image up to date; is_new: it was added a moment ago. */
static enum sc_status update_image(struct edit *e, struct sc_image *im, bool is_new,
				   struct sc_err *err)
{
	struct sc_identity id;
	struct sc_err why;
	bool same;

	if (sc_slide_identity(e->root, im->file, &id, &why) != SC_OK)
		return take_failure(e, im, is_new, &why, err);
	same = !is_new && sc_identity_equal(&id, &im->identity);
	if (same && im->removed)
		return SC_OK;
	if ((!same || im->state == SC_IMAGE_GONE) &&
	    probe_image(e, im, &id, is_new, err) != SC_OK)
		return err->status;
	update_planes(e, im, is_new);
	return SC_OK;
}

static enum sc_status add_image(struct edit *e, const char *file, int64_t *id,
				struct sc_err *err)
{
	struct sc_image *im = sc_images_add(&e->images, file);

	e->dirty = true;
	e->result.added++;
	if (id)
		*id = im->id;
	return update_image(e, im, true, err);
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
		if (update_image(e, &e->images.items[i], false, err) != SC_OK)
			return err->status;
	for (size_t i = 0; i < files->n; i++)
		if (is_new[i] && add_image(e, files->items[i], NULL, err) != SC_OK)
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
	AUTO_EDIT e = { .path = path, .lock_fd = -1, .images = SC_IMAGES_INIT };
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

static enum sc_status add_or_update(struct edit *e, const char *file, int64_t *id,
				    struct sc_err *err)
{
	struct sc_image *im = find_file(&e->images, file);

	if (!im)
		return add_image(e, file, id, err);
	/* Somebody asks for it: what was removed comes back, what failed is tried again.
	 */
	if (im->state != SC_IMAGE_OK)
		im->identity = (struct sc_identity){ 0 };
	im->removed = false;
	*id = im->id;
	return update_image(e, im, false, err);
}

enum sc_status sc_catalogue_add(const char *path, const char *root, const char *file,
				int64_t *id, struct sc_err *err)
{
	AUTO_EDIT e = { .path = path, .lock_fd = -1, .images = SC_IMAGES_INIT };
	struct sc_identity identity;
	int64_t found;

	if (!is_plain_path(file) || strlen(file) >= SC_IMAGE_FILE_MAX ||
	    !sc_utf8_valid(sc_bytes_str(file)))
		return sc_fail(
			err, SC_INVALID,
			"the file's name must be a UTF-8 path below the slide folder");
	if (begin_edit(&e, root, err) != SC_OK ||
	    sc_slide_identity(e.root, file, &identity, err) != SC_OK ||
	    add_or_update(&e, file, &found, err) != SC_OK ||
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

/* SPDX-License-Identifier: MIT */
/*
 * The catalogue as its readers have it: loaded, looked up, loaded again when its file
 * changed. Must not know how slides are found or probed (catalogue_scan.c).
 */
#include "slide/catalogue.h"

#include <stdio.h>
#include <stdlib.h>

#include "slidecache/clock.h"

struct sc_catalogue {
	char *path;
	struct stat seen; /* of the file that was looked at last, zeroed: none */
	struct sc_images images;
	uint64_t generation;
};

static void release_image(struct sc_image *im)
{
	free(im->name);
	free(im->file);
	free(im->reason);
	free(im->vendor);
}

void sc_images_release(struct sc_images *l)
{
	for (size_t i = 0; i < l->n; i++)
		release_image(&l->items[i]);
	free(l->items);
	*l = (struct sc_images)SC_IMAGES_INIT;
}

void sc_image_set_text(char **text, const char *value)
{
	char *copy = sc_strdup(value);

	free(*text);
	*text = copy;
}

struct sc_image *sc_images_add(struct sc_images *l, const char *file)
{
	struct sc_image *im;

	l->items = sc_realloc_array(l->items, l->n + 1, sizeof(*l->items));
	im = &l->items[l->n++];
	*im = (struct sc_image){
		.id = l->next_id++,
		.name = sc_strdup(file + sc_file_folder_len(file)),
		.file = sc_strdup(file),
		.depth = 1,
		.frames = 1,
		.state = SC_IMAGE_GONE,
		.reason = sc_strdup(""),
		.vendor = sc_strdup(""),
		.objective_power = 1,
		.added_us = sc_wall_us(),
	};
	return im;
}

static int compare_id(const void *key, const void *item)
{
	int64_t a = *(const int64_t *)key, b = ((const struct sc_image *)item)->id;

	return (a > b) - (a < b);
}

struct sc_image *sc_images_find(const struct sc_images *l, int64_t id)
{
	if (l->n == 0)
		return NULL;
	return bsearch(&id, l->items, l->n, sizeof(*l->items), compare_id);
}

size_t sc_file_folder_len(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash ? (size_t)(slash + 1 - file) : 0;
}

size_t sc_file_stem_len(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && dot != name ? (size_t)(dot - name) : strlen(name);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static enum sc_status load(struct sc_catalogue *c, struct sc_err *err)
{
	SC_AUTO_IMAGES fresh = SC_IMAGES_INIT;
	struct sc_images old = c->images;
	struct stat st;
	enum sc_status status = sc_images_load(c->path, &fresh, &st, err);

	/* Remembered also when it is damaged: it is not read again at every request. What
	 * could not be read is. */
	if (status != SC_UNAVAILABLE)
		c->seen = st;
	if (status)
		return status;
	c->images = fresh;
	c->generation++;
	fresh = old;
	return SC_OK;
}

struct sc_catalogue *sc_catalogue_new(const char *path)
{
	struct sc_catalogue *c = sc_alloc(sizeof(*c));

	*c = (struct sc_catalogue){ .path = sc_strdup(path), .images = SC_IMAGES_INIT };
	return c;
}

enum sc_status sc_catalogue_open(const char *path, struct sc_catalogue **out,
				 struct sc_err *err)
{
	struct sc_catalogue *c = sc_catalogue_new(path);

	if (load(c, err) != SC_OK) {
		sc_catalogue_close(c);
		return err->status;
	}
	*out = c;
	return SC_OK;
}

void sc_catalogue_close(struct sc_catalogue *c)
{
	if (!c)
		return;
	sc_images_release(&c->images);
	free(c->path);
	free(c);
}

enum sc_status sc_catalogue_refresh(struct sc_catalogue *c, struct sc_err *err)
{
	struct stat st;

	if (stat(c->path, &st) < 0)
		st = (struct stat){ 0 };
	return same_file(&st, &c->seen) ? SC_OK : load(c, err);
}

uint64_t sc_catalogue_generation(const struct sc_catalogue *c)
{
	return c->generation;
}

size_t sc_catalogue_count(const struct sc_catalogue *c)
{
	return c->images.n;
}

const struct sc_image *sc_catalogue_at(const struct sc_catalogue *c, size_t i)
{
	return i < c->images.n ? &c->images.items[i] : NULL;
}

const struct sc_image *sc_catalogue_find(const struct sc_catalogue *c, int64_t id)
{
	return sc_images_find(&c->images, id);
}

const char *sc_image_state_name(enum sc_image_state s)
{
	return sc_image_state_names()[s];
}

bool sc_image_has_file(const struct sc_image *im, const char *file)
{
	size_t folder = sc_file_folder_len(im->file), stem = sc_file_stem_len(im->name);
	size_t len = strlen(file), name = strlen(im->name);

	if (strcmp(file, im->file) == 0)
		return true;
	/* STEM/{z}_{frame}_{NAME}: no other slide has such a name. */
	return (im->depth > 1 || im->frames > 1) && len > folder + stem + 1 + name &&
	       strncmp(file, im->file, folder) == 0 &&
	       strncmp(file + folder, im->name, stem) == 0 &&
	       file[folder + stem] == '/' && file[len - name - 1] == '_' &&
	       strcmp(file + len - name, im->name) == 0;
}

enum sc_status sc_image_plane_file(const struct sc_image *im, int64_t z, int64_t frame,
				   char out[SC_IMAGE_FILE_MAX], struct sc_err *err)
{
	int folder = (int)sc_file_folder_len(im->file);
	int n;

	if (z < 1 || z > im->depth)
		return sc_fail(err, SC_NOT_FOUND, "z plane %lld is not one of 1 to %d",
			       (long long)z, im->depth);
	if (frame < 1 || frame > im->frames)
		return sc_fail(err, SC_NOT_FOUND, "frame %lld is not one of 1 to %d",
			       (long long)frame, im->frames);
	if (im->depth == 1 && im->frames == 1)
		n = snprintf(out, SC_IMAGE_FILE_MAX, "%s", im->file);
	else
		n = snprintf(out, SC_IMAGE_FILE_MAX, "%.*s%.*s/%lld_%lld_%s", folder,
			     im->file, (int)sc_file_stem_len(im->name), im->name,
			     (long long)z, (long long)frame, im->name);
	if (n >= SC_IMAGE_FILE_MAX)
		return sc_fail(err, SC_NOT_FOUND, "the plane's file name is too long");
	return SC_OK;
}

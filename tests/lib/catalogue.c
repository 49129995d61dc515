/* SPDX-License-Identifier: MIT */
/*
 * Slides come and go by rename, as careful people copy them. Anything that fails ends the
 * test.
 */
#include "tests/lib/catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const struct sample sample_one_level = { .seed = 9,
					 .levels = 1,
					 .level = { { 300, 200, 128, false } } };
const struct sample sample_two_levels = { .seed = 8,
					  .levels = 2,
					  .level = { { 500, 400, 128, false },
						     { 250, 200, 128, false } } };

int catalogue_set_up(void **state)
{
	struct fixture *f = sc_alloc(sizeof(*f));

	f->dir = check_mkdir();
	f->root = check_path(f->dir, "root");
	f->path = check_path(f->dir, "images.json");
	f->c = NULL;
	assert_int_equal(mkdir(f->root, 0755), 0);
	*state = f;
	return 0;
}

int catalogue_tear_down(void **state)
{
	struct fixture *f = *state;

	sc_catalogue_close(f->c);
	check_rmdir(f->dir);
	free(f->root);
	free(f->path);
	free(f);
	return 0;
}

void catalogue_put_slide(struct fixture *f, const char *name, const struct sample *s)
{
	SC_AUTO_FREE char *fresh = check_path(f->dir, "fresh");
	SC_AUTO_FREE char *path = check_path(f->root, name);

	sample_write(fresh, s);
	assert_int_equal(rename(fresh, path), 0);
}

void catalogue_put_text(struct fixture *f, const char *name, const char *text)
{
	SC_AUTO_FREE char *path = check_path(f->root, name);

	check_write(path, text, strlen(text));
}

void catalogue_put_folder(struct fixture *f, const char *name)
{
	SC_AUTO_FREE char *path = check_path(f->root, name);

	assert_int_equal(mkdir(path, 0755), 0);
}

void catalogue_put_link(struct fixture *f, const char *target, const char *name)
{
	SC_AUTO_FREE char *path = check_path(f->root, name);

	assert_int_equal(symlink(target, path), 0);
}

void catalogue_drop_file(struct fixture *f, const char *name)
{
	SC_AUTO_FREE char *path = check_path(f->root, name);

	assert_int_equal(unlink(path), 0);
}

struct sc_scan_result catalogue_scan(struct fixture *f)
{
	struct sc_scan_result r;
	struct sc_err err;

	if (sc_catalogue_scan(f->path, f->root, &r, &err) != SC_OK)
		fail_msg("%s", err.text);
	if (!f->c)
		assert_int_equal(sc_catalogue_open(f->path, &f->c, &err), SC_OK);
	assert_int_equal(sc_catalogue_refresh(f->c, &err), SC_OK);
	return r;
}

const struct sc_image *catalogue_find(const struct fixture *f, const char *file)
{
	for (size_t i = 0; i < sc_catalogue_count(f->c); i++)
		if (strcmp(sc_catalogue_at(f->c, i)->file, file) == 0)
			return sc_catalogue_at(f->c, i);
	return NULL;
}

int64_t catalogue_id_of(const struct fixture *f, const char *file)
{
	assert_non_null(catalogue_find(f, file));
	return catalogue_find(f, file)->id;
}

void catalogue_expect_state(const struct fixture *f, const char *file,
			    enum sc_image_state state)
{
	const struct sc_image *im = catalogue_find(f, file);

	if (!im)
		fail_msg("%s is not in the catalogue", file);
	if (im->state != state)
		fail_msg("%s is %s: %s", file, sc_image_state_name(im->state),
			 im->reason);
	assert_int_equal(im->reason[0] == '\0', state == SC_IMAGE_OK);
	assert_null(strchr(im->reason, '/'));
	assert_int_equal(im->width > 0, state == SC_IMAGE_OK);
}

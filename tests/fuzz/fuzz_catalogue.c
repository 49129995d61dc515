/* SPDX-License-Identifier: MIT */
/*
 * The catalogue's file: what is read has growing ids and paths that fit, and is the same
 * when it was written and is read again.
 * Input: the file.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "slide/catalogue.h"
#include "tests/fuzz/fuzz.h"

static void check_planes(const struct sc_image *im)
{
	char file[SC_IMAGE_FILE_MAX];
	struct sc_err err;

	for (int z = 0; z <= im->depth + 1; z += im->depth)
		for (int frame = 0; frame <= im->frames + 1; frame += im->frames) {
			bool there = z >= 1 && z <= im->depth && frame >= 1 &&
				     frame <= im->frames;
			enum sc_status status =
				sc_image_plane_file(im, z, frame, file, &err);

			FUZZ_MUST(there || status == SC_NOT_FOUND);
			if (status == SC_OK)
				FUZZ_MUST(file[0] && sc_image_has_file(im, file));
			else
				fuzz_check_error(status, &err);
		}
}

static void check_image(const struct sc_image *im)
{
	FUZZ_MUST(im->id >= 1 && im->file[0] && strlen(im->file) < SC_IMAGE_FILE_MAX);
	FUZZ_MUST(im->name && im->reason && im->vendor);
	FUZZ_MUST(im->depth >= 1 && im->frames >= 1);
	FUZZ_MUST(im->width >= 0 && im->height >= 0 && im->mpp >= 0);
	FUZZ_MUST(im->objective_power >= 0);
	FUZZ_MUST(sc_image_state_name(im->state));
	check_planes(im);
}

static bool same(const struct sc_image *a, const struct sc_image *b)
{
	return a->id == b->id && strcmp(a->name, b->name) == 0 &&
	       strcmp(a->file, b->file) == 0 && a->depth == b->depth &&
	       a->frames == b->frames && a->state == b->state &&
	       a->removed == b->removed && strcmp(a->reason, b->reason) == 0 &&
	       strcmp(a->vendor, b->vendor) == 0 && a->width == b->width &&
	       a->height == b->height && a->added_us == b->added_us &&
	       memcmp(&a->mpp, &b->mpp, sizeof(double)) == 0 &&
	       memcmp(&a->objective_power, &b->objective_power, sizeof(double)) == 0 &&
	       sc_identity_equal(&a->identity, &b->identity);
}

static void check_saved(const struct sc_images *l)
{
	static char *path;
	SC_AUTO_IMAGES again = SC_IMAGES_INIT;
	struct stat st;
	struct sc_err err;

	if (!path)
		path = fuzz_path("images.json");
	FUZZ_MUST(sc_images_save(path, l, &err) == SC_OK);
	FUZZ_MUST(sc_images_load(path, &again, &st, &err) == SC_OK);
	FUZZ_MUST(again.n == l->n && again.next_id == l->next_id);
	for (size_t i = 0; i < l->n; i++)
		FUZZ_MUST(same(&l->items[i], &again.items[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SC_AUTO_IMAGES l = SC_IMAGES_INIT;
	struct stat st;
	struct sc_err err;
	enum sc_status status =
		sc_images_load(fuzz_file(sc_bytes_of(data, size)), &l, &st, &err);

	if (status != SC_OK) {
		fuzz_check_error(status, &err);
		FUZZ_MUST(status == SC_DAMAGED && l.n == 0);
		return 0;
	}
	for (size_t i = 0; i < l.n; i++) {
		check_image(&l.items[i]);
		FUZZ_MUST(l.items[i].id > (i ? l.items[i - 1].id : 0));
		FUZZ_MUST(sc_images_find(&l, l.items[i].id) == &l.items[i]);
	}
	FUZZ_MUST(l.next_id > (l.n ? l.items[l.n - 1].id : 0));
	check_saved(&l);
	return 0;
}

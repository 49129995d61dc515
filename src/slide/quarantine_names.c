/* SPDX-License-Identifier: MIT */
/*
 * Which file of an image a record of the quarantine is of: its name lacks its end when it
 * is long, and what was cut off is the image's to say.
 */
#include <stdio.h>

#include "slide/catalogue.h"
#include "slide/quarantine_records.h"

#define CUT_MIN (SC_MARK_FILE_MAX - 4) /* bytes of a name that was cut, at least */

bool sc_record_is_file(const char *name, const char *file)
{
	char cut[SC_MARK_FILE_MAX];

	sc_mark_name(file, cut);
	return strcmp(cut, name) == 0;
}

/* As far as the name goes it is one of the plane's. */
static bool may_be_plane(const char *name, const struct sc_image *im, int z)
{
	size_t stem = sc_file_folder_len(im->file) + sc_file_stem_len(im->name);
	SC_AUTO_BUF begins = SC_BUF_INIT;
	size_t len = strlen(name);

	sc_buf_printf(&begins, "%.*s/%d_", (int)stem, im->file, z);
	return memcmp(name, begins.data, len < begins.len ? len : begins.len) == 0;
}

static bool find_frame(const char *name, const struct sc_image *im, int z,
		       const struct sc_file_wish *wish)
{
	char file[SC_IMAGE_FILE_MAX];
	struct sc_err ignored;

	for (int frame = 1; frame <= im->frames; frame++)
		if (sc_image_plane_file(im, z, frame, file, &ignored) == SC_OK &&
		    sc_record_is_file(name, file) && wish->is_it(wish->arg, file))
			return true;
	return false;
}

bool sc_record_is_image(const char *name, const struct sc_image *im,
			const struct sc_file_wish *wish)
{
	if (sc_record_is_file(name, im->file) && wish->is_it(wish->arg, im->file))
		return true;
	if (sc_image_has_file(im, name) && wish->is_it(wish->arg, name))
		return true;
	if (strlen(name) < CUT_MIN)
		return false;
	for (int z = 1; z <= im->depth; z++)
		if (may_be_plane(name, im, z) && find_frame(name, im, z, wish))
			return true;
	return false;
}

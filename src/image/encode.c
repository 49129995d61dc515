/* SPDX-License-Identifier: MIT */
/*
 * The table of encoders, and what all of them share: names, checks.
 *
 * A new format is one value of enum sc_format, one row here and one file.
 */
#include "encoders.h"

static const struct sc_encoder encoders[SC_FORMAT_COUNT] = {
	[SC_JPEG] = { "jpeg", "image/jpeg", sc_encode_jpeg },
	[SC_PNG] = { "png", "image/png", sc_encode_png },
};

const struct sc_encoder *sc_encoder_of(enum sc_format f)
{
	return &encoders[f];
}

enum sc_status sc_format_parse(struct sc_bytes name, enum sc_format *out,
			       struct sc_err *err)
{
	for (int i = 0; i < SC_FORMAT_COUNT; i++) {
		if (!sc_bytes_is(name, encoders[i].name))
			continue;
		*out = (enum sc_format)i;
		return SC_OK;
	}
	return sc_fail(err, SC_NOT_FOUND, "format is not one of jpeg, png");
}

static enum sc_status check_range(const char *what, int value, int low, int high,
				  struct sc_err *err)
{
	if (value >= low && value <= high)
		return SC_OK;
	return sc_fail(err, SC_INVALID, "%s %d is not within %d to %d", what, value, low,
		       high);
}

enum sc_status sc_encode(enum sc_format f, const struct sc_pixels *p,
			 const struct sc_encode_options *o, struct sc_buf *out,
			 struct sc_err *err)
{
	enum sc_status st = check_range("jpeg quality", o->jpeg_quality, 1, 100, err);

	if (!st)
		st = check_range("png compression", o->png_compression, 0, 9, err);
	if (!st && !p->rgbx)
		st = sc_fail(err, SC_INVALID, "picture has no pixels");
	return st ? st : encoders[f].encode(p, o, out, err);
}

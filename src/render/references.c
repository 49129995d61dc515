/* SPDX-License-Identifier: MIT */
/*
 * Tiles of one colour: encoded once for many of one size and colour, stored as a few
 * bytes that stand for them, and turned back into what a client gets.
 *
 * A reference is bound to its tile by the key that it is stored under, as all bytes are;
 * what it says is checked only for what any tile can be.
 */
#include "render/renderer.h"

#define KEPT_MAX ((size_t)256 << 10) /* bytes of a row at most */

void sc_blanks_release(struct sc_blanks *b)
{
	for (size_t i = 0; i < SC_BLANKS; i++)
		sc_buf_release(&b->rows[i].bytes);
}

static bool is_same(const struct sc_blank *a, const struct sc_blank *b)
{
	return a->width == b->width && a->height == b->height && a->colour == b->colour;
}

static struct sc_blank_row *find_row(struct sc_blanks *b, enum sc_format format,
				     const struct sc_blank *blank)
{
	for (size_t i = 0; i < SC_BLANKS; i++)
		if (b->rows[i].format == format && is_same(&b->rows[i].blank, blank))
			return &b->rows[i];
	return NULL;
}

static struct sc_blank_row *oldest_row(struct sc_blanks *b)
{
	struct sc_blank_row *oldest = &b->rows[0];

	for (size_t i = 1; i < SC_BLANKS; i++)
		if (b->rows[i].used < oldest->used)
			oldest = &b->rows[i];
	return oldest;
}

static void keep(struct sc_blanks *b, enum sc_format format, const struct sc_blank *blank,
		 struct sc_bytes bytes)
{
	struct sc_blank_row *row = oldest_row(b);

	if (bytes.len > KEPT_MAX)
		return;
	sc_buf_reset(&row->bytes);
	sc_buf_append(&row->bytes, bytes.data, bytes.len);
	row->format = format;
	row->blank = *blank;
	row->used = ++b->clock;
}

static void fill(struct sc_pixels *p, uint32_t colour)
{
	const unsigned char pixel[4] = { (unsigned char)(colour >> 16),
					 (unsigned char)(colour >> 8),
					 (unsigned char)colour, 0xff };

	for (size_t i = 0; i < (size_t)p->width * p->height; i++)
		memcpy(p->rgbx + 4 * i, pixel, sizeof pixel);
}

static enum sc_status encode(const struct sc_conf *conf, enum sc_format format,
			     const struct sc_blank *blank, struct sc_buf *out,
			     struct sc_err *err)
{
	SC_AUTO_PIXELS pixels = SC_PIXELS_INIT;
	enum sc_status status = sc_pixels_new(&pixels, blank->width, blank->height, err);

	if (status)
		return status;
	fill(&pixels, blank->colour);
	return sc_encode_as(conf, format, &pixels, out, err);
}

enum sc_status sc_blank_encode(struct sc_renderer *r, enum sc_format format,
			       const struct sc_blank *blank, struct sc_buf *out,
			       struct sc_err *err)
{
	struct sc_blank_row *row = find_row(&r->blanks, format, blank);
	size_t before = out->len;
	enum sc_status status = SC_OK;

	if (row) {
		row->used = ++r->blanks.clock;
		sc_buf_append(out, row->bytes.data, row->bytes.len);
		return SC_OK;
	}
	status = encode(r->conf, format, blank, out, err);
	if (!status)
		keep(&r->blanks, format, blank,
		     sc_bytes_of(out->data + before, out->len - before));
	return status;
}

struct sc_bytes sc_rendered_value(const struct sc_plan *plan, const struct sc_rendered *r,
				  const char **mime)
{
	bool is_reference = r->reference[0] != '\0';

	*mime = is_reference ? SC_REFERENCE_MIME : plan->mime;
	return is_reference ? sc_bytes_str(r->reference) : sc_buf_bytes(&r->bytes);
}

static enum sc_status resolve(struct sc_renderer *r, const struct sc_plan *plan,
			      struct sc_entry *entry, struct sc_err *err)
{
	const struct sc_conf *conf = r->conf;
	uint32_t side = (uint32_t)(conf->deepzoom.tile_size + 2 * conf->deepzoom.overlap);
	struct sc_blank blank;

	if (plan->item.kind != SC_KIND_TILE ||
	    !sc_blank_parse(sc_buf_bytes(&entry->value), side, &blank))
		return sc_fail(err, SC_MISS, "a reference that this item cannot have");
	sc_buf_reset(&entry->value);
	(void)memccpy(entry->mime, plan->mime, '\0', sizeof entry->mime);
	return sc_blank_encode(r, plan->item.format, &blank, &entry->value, err);
}

/* For every hit: what is no reference costs a look at its first byte. */
enum sc_status sc_render_resolve(struct sc_renderer *r, const struct sc_plan *plan,
				 struct sc_entry *entry, struct sc_err *err)
{
	if (strcmp(entry->mime, SC_REFERENCE_MIME) != 0)
		return SC_OK;
	return resolve(r, plan, entry, err);
}

/* SPDX-License-Identifier: MIT */
/*
 * The table of EXACT's image fields. What a catalogue of files cannot know (annotations,
 * image sets, frame descriptions) has EXACT's default.
 */
#include "app/image_fields.h"

#include "slidecache/clock.h"

#define NUMBER_FIELD(id, expression)                                                     \
	static struct sc_field_value id(const struct sc_image *im, struct sc_arena *a)   \
	{                                                                                \
		(void)im;                                                                \
		(void)a;                                                                 \
		return (struct sc_field_value){ .number = (expression) };                \
	}
#define REAL_FIELD(id, expression)                                                       \
	static struct sc_field_value id(const struct sc_image *im, struct sc_arena *a)   \
	{                                                                                \
		(void)a;                                                                 \
		return (struct sc_field_value){ .real = (expression) };                  \
	}
#define TEXT_FIELD(id, expression)                                                       \
	static struct sc_field_value id(const struct sc_image *im, struct sc_arena *a)   \
	{                                                                                \
		(void)a;                                                                 \
		return (struct sc_field_value){ .text = (expression) };                  \
	}

NUMBER_FIELD(get_id, im->id)
NUMBER_FIELD(get_height, im->height)
NUMBER_FIELD(get_width, im->width)
NUMBER_FIELD(get_depth, im->depth)
NUMBER_FIELD(get_frames, im->frames)
NUMBER_FIELD(get_channels, 3)
NUMBER_FIELD(get_zero, 0)
NUMBER_FIELD(get_image_set, 1)
REAL_FIELD(get_mpp, im->mpp)
REAL_FIELD(get_power, im->objective_power)
TEXT_FIELD(get_name, im->name)
TEXT_FIELD(get_file, im->file)
TEXT_FIELD(get_state, sc_image_state_name(im->state))
TEXT_FIELD(get_reason, im->reason)

static struct sc_field_value get_time(const struct sc_image *im, struct sc_arena *a)
{
	char *text = sc_arena_alloc(a, SC_TIME_LEN);

	sc_time_text(im->added_us, text);
	return (struct sc_field_value){ .text = text };
}

const struct sc_image_field sc_image_fields[] = {
	{ "id", SC_FIELD_INT, get_id },
	{ "name", SC_FIELD_TEXT, get_name },
	{ "filename", SC_FIELD_TEXT, get_file },
	{ "time", SC_FIELD_TEXT, get_time },
	{ "height", SC_FIELD_INT, get_height },
	{ "width", SC_FIELD_INT, get_width },
	{ "depth", SC_FIELD_INT, get_depth },
	{ "frames", SC_FIELD_INT, get_frames },
	{ "channels", SC_FIELD_INT, get_channels },
	{ "mpp", SC_FIELD_DOUBLE, get_mpp },
	{ "objectivePower", SC_FIELD_DOUBLE, get_power },
	{ "FrameDescriptions", SC_FIELD_EMPTY_LIST, NULL },
	{ "defaultFrame", SC_FIELD_INT, get_zero },
	{ "image_type", SC_FIELD_INT, get_zero },
	{ "image_set", SC_FIELD_INT, get_image_set },
	{ "annotations", SC_FIELD_EMPTY_LIST, NULL },
	{ "state", SC_FIELD_TEXT, get_state },
	{ "reason", SC_FIELD_TEXT, get_reason },
};
const size_t sc_image_fields_count = sizeof(sc_image_fields) / sizeof(sc_image_fields[0]);

const struct sc_image_field *sc_image_field_find(struct sc_bytes name)
{
	for (size_t i = 0; i < sc_image_fields_count; i++)
		if (sc_bytes_is(name, sc_image_fields[i].name))
			return &sc_image_fields[i];
	return NULL;
}

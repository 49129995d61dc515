/* SPDX-License-Identifier: MIT */
/*
 * The catalogue's file: JSON in, JSON out, replaced atomically and durably.
 *
 * One table has a row for each field of an image; reading and writing both follow it.
 * Somebody may edit the file by hand, so everything in it is checked. Error texts name
 * lines, never the file's path.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "slide/catalogue.h"
#include "slidecache/clock.h"
#include "slidecache/file.h"
#include "slidecache/log.h"
#include "slidecache/parse.h"

#define FILE_BYTES_MAX (256 << 20)
#define PLANES_MAX     9999
#define MICROS_LEN     6

#define AUTO_JSON __attribute__((cleanup(release_json))) json_t

static void release_json(json_t **j)
{
	json_decref(*j);
}

static const char *const state_names[] = {
	[SC_IMAGE_OK] = "ok",
	[SC_IMAGE_UNREADABLE] = "unreadable",
	[SC_IMAGE_GONE] = "gone",
	NULL,
};

const char *const *sc_image_state_names(void)
{
	return state_names;
}

/* Each pair reads a value into a field, false when it does not fit, and writes it. */

static bool get_int(const json_t *v, void *field)
{
	int64_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 1 || n > PLANES_MAX)
		return false;
	*(int *)field = (int)n;
	return true;
}

static json_t *put_int(const void *field)
{
	return json_integer(*(const int *)field);
}

static bool get_size(const json_t *v, void *field)
{
	int64_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 0)
		return false;
	*(int64_t *)field = n;
	return true;
}

static json_t *put_size(const void *field)
{
	return json_integer(*(const int64_t *)field);
}

static bool get_real(const json_t *v, void *field)
{
	double n = json_number_value(v);

	if (!json_is_number(v) || !isfinite(n) || n < 0)
		return false;
	*(double *)field = n;
	return true;
}

static json_t *put_real(const void *field)
{
	return json_real(*(const double *)field);
}

static bool get_bool(const json_t *v, void *field)
{
	*(bool *)field = json_is_true(v);
	return json_is_boolean(v);
}

static json_t *put_bool(const void *field)
{
	return json_boolean(*(const bool *)field);
}

static bool get_text(const json_t *v, void *field)
{
	if (!json_is_string(v))
		return false;
	sc_image_set_text(field, json_string_value(v));
	return true;
}

static json_t *put_text(const void *field)
{
	return json_string(*(char *const *)field);
}

static bool get_state(const json_t *v, void *field)
{
	for (int i = 0; json_is_string(v) && state_names[i]; i++)
		if (strcmp(state_names[i], json_string_value(v)) == 0) {
			*(enum sc_image_state *)field = (enum sc_image_state)i;
			return true;
		}
	return false;
}

static json_t *put_state(const void *field)
{
	return json_string(state_names[*(const enum sc_image_state *)field]);
}

/* What sc_time_text writes. */
static bool get_time(const json_t *v, void *field)
{
	const char *text = json_string_value(v);
	struct tm tm = { 0 };
	uint64_t micros;
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

	if (!rest || *rest != '.' || strlen(rest + 1) != MICROS_LEN ||
	    !sc_parse_u64(sc_bytes_str(rest + 1), SC_US_PER_S - 1, &micros))
		return false;
	*(int64_t *)field = (int64_t)timegm(&tm) * SC_US_PER_S + (int64_t)micros;
	return true;
}

static json_t *put_time(const void *field)
{
	char text[SC_TIME_LEN];

	sc_time_text(*(const int64_t *)field, text);
	return json_string(text);
}

#define IDENTITY_PARTS 5

static bool get_identity(const json_t *v, void *field)
{
	const char *at = json_string_value(v);
	int64_t part[IDENTITY_PARTS];
	struct sc_identity *id = field;

	for (int i = 0; i < IDENTITY_PARTS; i++) {
		size_t len = at ? strcspn(at, ":") : 0;

		if (!at ||
		    !sc_parse_i64(sc_bytes_of(at, len), INT64_MIN, INT64_MAX, &part[i]))
			return false;
		at += len;
		if (*at != (i < IDENTITY_PARTS - 1 ? ':' : '\0'))
			return false;
		at++;
	}
	*id = (struct sc_identity){ (uint64_t)part[0], (uint64_t)part[1], part[2],
				    part[3], part[4] };
	return true;
}

static json_t *put_identity(const void *field)
{
	const struct sc_identity *id = field;

	return json_sprintf("%lld:%lld:%lld:%lld:%lld", (long long)id->device,
			    (long long)id->inode, (long long)id->size,
			    (long long)id->mtime_ns, (long long)id->ctime_ns);
}

static const struct field {
	const char *name;
	size_t offset;
	bool (*get)(const json_t *v, void *field);
	json_t *(*put)(const void *field);
	bool required;
} fields[] = {
#define FIELD(name, type, required)                                                      \
	{                                                                                \
#name, offsetof(struct sc_image, name), get_##type, put_##type, required \
	}
	FIELD(id, size, true),
	FIELD(name, text, true),
	FIELD(file, text, true),
	FIELD(depth, int, false),
	FIELD(frames, int, false),
	FIELD(state, state, true),
	FIELD(removed, bool, false),
	FIELD(reason, text, false),
	FIELD(vendor, text, false),
	FIELD(width, size, false),
	FIELD(height, size, false),
	FIELD(mpp, real, false),
	FIELD(objective_power, real, false),
#undef FIELD
	{ "added", offsetof(struct sc_image, added_us), get_time, put_time, false },
	{ "identity", offsetof(struct sc_image, identity), get_identity, put_identity,
	  false },
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static enum sc_status damaged(struct sc_err *err, size_t image, const char *what)
{
	return sc_fail(err, SC_DAMAGED, "catalogue: image number %zu: %s", image + 1,
		       what);
}

static enum sc_status read_fields(const json_t *j, struct sc_image *im, size_t number,
				  struct sc_err *err)
{
	for (size_t i = 0; i < FIELDS; i++) {
		const json_t *v = json_object_get(j, fields[i].name);
		char text[64];

		if (!v && !fields[i].required)
			continue;
		if (v && fields[i].get(v, (char *)im + fields[i].offset))
			continue;
		(void)snprintf(text, sizeof(text), "%s is %s", fields[i].name,
			       v ? "not valid" : "missing");
		return damaged(err, number, text);
	}
	return SC_OK;
}

static enum sc_status read_image(const json_t *j, struct sc_images *l, struct sc_err *err)
{
	size_t number = l->n;
	int64_t before = number > 0 ? l->items[number - 1].id : 0;
	struct sc_image *im = sc_images_add(l, "");

	if (!json_is_object(j))
		return damaged(err, number, "not an object");
	if (read_fields(j, im, number, err) != SC_OK)
		return err->status;
	if (im->id <= before)
		return damaged(err, number, "ids must grow");
	if (im->file[0] == '\0' || strlen(im->file) >= SC_IMAGE_FILE_MAX)
		return damaged(err, number, "file is not valid");
	return SC_OK;
}

static enum sc_status read_document(const json_t *doc, struct sc_images *l,
				    struct sc_err *err)
{
	const json_t *images = json_object_get(doc, "images");
	const json_t *next = json_object_get(doc, "next_id");
	size_t i;
	json_t *j;

	if (!json_is_array(images) || !json_is_integer(next))
		return sc_fail(err, SC_DAMAGED,
			       "catalogue: next_id or images is missing");
	json_array_foreach(images, i,
			   j) if (read_image(j, l, err) != SC_OK) return err->status;
	l->next_id = json_integer_value(next);
	if (l->next_id < 1 || (l->n > 0 && l->next_id <= l->items[l->n - 1].id))
		return sc_fail(err, SC_DAMAGED,
			       "catalogue: next_id was given to an image");
	return SC_OK;
}

/* SC_UNAVAILABLE says nothing of what the file holds. */
static enum sc_status read_json(int fd, off_t size, json_t **doc, struct sc_err *err)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	json_error_t at;
	enum sc_status status = sc_file_read(fd, (size_t)size, &text, err);

	if (status == SC_TOO_LARGE)
		return sc_fail(err, SC_DAMAGED, "catalogue: it grew while it was read");
	if (status)
		return sc_fail_in(err, "catalogue");
	*doc = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &at);
	if (*doc)
		return SC_OK;
	return sc_fail(err,
		       json_error_code(&at) == json_error_out_of_memory ? SC_UNAVAILABLE
									: SC_DAMAGED,
		       "catalogue: line %d, column %d: %s", at.line, at.column, at.text);
}

enum sc_status sc_images_load(const char *path, struct sc_images *out, struct stat *st,
			      struct sc_err *err)
{
	SC_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	SC_AUTO_IMAGES l = SC_IMAGES_INIT;
	AUTO_JSON *doc = NULL;

	*st = (struct stat){ 0 };
	if (fd < 0 && errno == ENOENT)
		return SC_OK;
	if (fd < 0 || fstat(fd, st) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "catalogue: %s", strerror(errno));
	if (!S_ISREG(st->st_mode) || st->st_size > FILE_BYTES_MAX)
		return sc_fail(err, SC_DAMAGED, "catalogue: not a file, or too large");
	if (read_json(fd, st->st_size, &doc, err) != SC_OK ||
	    read_document(doc, &l, err) != SC_OK)
		return err->status;
	*out = l;
	l = (struct sc_images)SC_IMAGES_INIT;
	return SC_OK;
}

static json_t *write_image(const struct sc_image *im)
{
	json_t *j = json_object();

	for (size_t i = 0; i < FIELDS; i++)
		if (json_object_set_new(
			    j, fields[i].name,
			    fields[i].put((const char *)im + fields[i].offset)))
			break; /* found by its size in write_document */
	return j;
}

static json_t *write_document(const struct sc_images *l)
{
	AUTO_JSON *doc =
		json_pack("{s:I, s:[]}", "next_id", (json_int_t)l->next_id, "images");
	json_t *images = json_object_get(doc, "images");

	for (size_t i = 0; i < l->n; i++) {
		json_t *j = write_image(&l->items[i]);

		if (json_object_size(j) != FIELDS || json_array_append(images, j) < 0) {
			json_decref(j);
			return NULL;
		}
		json_decref(j);
	}
	return json_incref(doc);
}

static void name_folder(const char *path, struct sc_buf *out)
{
	if (sc_file_folder_len(path) > 0)
		sc_buf_append(out, path, sc_file_folder_len(path));
	else
		sc_buf_str(out, "./");
}

void sc_give_to_folder_owner(const char *path, int fd)
{
	SC_AUTO_BUF dir = SC_BUF_INIT;
	struct stat st;

	name_folder(path, &dir);
	if (geteuid() == 0 && stat((const char *)dir.data, &st) == 0 &&
	    fchown(fd, st.st_uid, st.st_gid) < 0)
		sc_log_debug("catalogue: a file keeps its owner: %s", strerror(errno));
}

/* Not for everybody: file names of slides can name patients. */
static enum sc_status write_synced(const char *path, const json_t *doc,
				   struct sc_err *err)
{
	SC_AUTO_FD fd = -1;

	(void)unlink(path); /* what a dead writer, perhaps another user, left */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd >= 0)
		sc_give_to_folder_owner(path, fd);
	if (fd < 0 || json_dumpfd(doc, fd, JSON_INDENT(1)) < 0 || fsync(fd) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "catalogue: cannot be written: %s",
			       strerror(errno));
	return SC_OK;
}

static enum sc_status sync_folder(const char *path, struct sc_err *err)
{
	SC_AUTO_BUF dir = SC_BUF_INIT;
	SC_AUTO_FD fd = -1;

	name_folder(path, &dir);
	fd = open((const char *)dir.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "catalogue: its folder: %s",
			       strerror(errno));
	return SC_OK;
}

enum sc_status sc_images_save(const char *path, const struct sc_images *l,
			      struct sc_err *err)
{
	AUTO_JSON *doc = write_document(l);
	SC_AUTO_BUF fresh = SC_BUF_INIT;

	if (!doc)
		return sc_fail(err, SC_INTERNAL, "catalogue: cannot be put into JSON");
	/* One name suffices: writers hold the lock; what a dead one left is overwritten.
	 */
	sc_buf_printf(&fresh, "%s.new", path);
	if (write_synced((const char *)fresh.data, doc, err) != SC_OK) {
		(void)unlink((const char *)fresh.data);
		return err->status;
	}
	if (rename((const char *)fresh.data, path) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "catalogue: cannot be replaced: %s",
			       strerror(errno));
	return sync_folder(path, err);
}

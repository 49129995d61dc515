/* SPDX-License-Identifier: MIT */
/*
 * Which versioned caches a command line means: names, and images by their ids, each once.
 */
#include "ctl/names.h"

#include <errno.h>
#include <unistd.h>

#include "slidecache/catalogue.h"
#include "slidecache/parse.h"

/* The name that "--image 7" stands for; SC_INVALID for what is no id. */
static enum sc_status image_name(const char *text, char out[SC_VERSION_NAME_MAX + 1],
				 struct sc_err *err)
{
	uint64_t id = 0;

	if (!sc_parse_u64(sc_bytes_str(text), INT64_MAX, &id) || id == 0)
		return sc_fail(err, SC_INVALID, "--image wants an id, not %.32s", text);
	sc_version_image_name((int64_t)id, out);
	return SC_OK;
}

/* The argument at *i, and --image's own, as the last of the names. */
static enum sc_status take(const struct sc_ctl *ctl, bool images, int *i,
			   struct sc_ctl_names *names, struct sc_err *err)
{
	const char *arg = ctl->argv[*i];
	char *image = names->images[names->n];

	image[0] = '\0';
	names->all[names->n] = arg;
	if (arg[0] != '-')
		return SC_OK;
	if (!images || strcmp(arg, "--image") != 0)
		return sc_fail(err, SC_INVALID, "unknown option %.32s", arg);
	if (++*i == ctl->argc)
		return sc_fail(err, SC_INVALID, "--image wants an id");
	names->all[names->n] = image;
	return image_name(ctl->argv[*i], image, err);
}

static bool is_new(const struct sc_ctl_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->all[i], names->all[names->n]) == 0)
			return false;
	return true;
}

/* The image that is to be there for the i-th name; 0: none. */
static int64_t wanted_image(const struct sc_ctl_names *names, size_t i, bool catalogue)
{
	return catalogue || names->images[i][0] ? sc_version_image_id(names->all[i]) : 0;
}

static enum sc_status check_images(const struct sc_ctl *ctl,
				   const struct sc_ctl_names *names, struct sc_err *err)
{
	const char *path = ctl->conf->slides.catalogue;
	bool catalogue = access(path, F_OK) == 0 || errno != ENOENT;
	struct sc_catalogue *c = NULL;
	enum sc_status status = SC_OK;

	for (size_t i = 0; i < names->n && !status; i++) {
		int64_t id = wanted_image(names, i, catalogue);

		if (id == 0)
			continue;
		if (!c)
			status = sc_catalogue_open(path, &c, err);
		if (!status && !sc_catalogue_find(c, id))
			status = sc_fail(err, SC_NOT_FOUND, "no image has the id %lld",
					 (long long)id);
	}
	sc_catalogue_close(c);
	return status;
}

enum sc_status sc_ctl_read_names(const struct sc_ctl *ctl, bool images,
				 struct sc_ctl_names *names, struct sc_err *err)
{
	enum sc_status status = sc_ctl_arguments(ctl, 1, SC_CTL_NAMES_MAX, err);

	names->n = 0;
	for (int i = 0; i < ctl->argc && !status; i++) {
		status = take(ctl, images, &i, names, err);
		if (!status && is_new(names))
			names->n++;
	}
	return status || !images ? status : check_images(ctl, names, err);
}

/* SPDX-License-Identifier: MIT */
/*
 * What the catalogue's files share: the list of images in memory, its JSON file, the walk
 * over the slide folder, the probe of one file.
 */
#ifndef SC_SLIDE_CATALOGUE_PRIVATE_H
#define SC_SLIDE_CATALOGUE_PRIVATE_H

#include <sys/stat.h>

#include "slidecache/catalogue.h"

/* Owned; images are in the order of their ids. */
struct sc_images {
	struct sc_image *items;
	size_t n;
	int64_t next_id;
};
#define SC_IMAGES_INIT                                                                   \
	{                                                                                \
		NULL, 0, 1                                                               \
	}
#define SC_AUTO_IMAGES __attribute__((cleanup(sc_images_release))) struct sc_images

void sc_images_release(struct sc_images *l);
/* A new last image with the next id, plane 1, 1 and empty texts. */
struct sc_image *sc_images_add(struct sc_images *l, const char *file);
struct sc_image *sc_images_find(const struct sc_images *l, int64_t id);
/* Replaces *text with a copy of value. */
void sc_image_set_text(char **text, const char *value);
/* Length of the file's folder with its slash, and of the stem of its name. */
size_t sc_file_folder_len(const char *file);
size_t sc_file_stem_len(const char *name);

/* catalogue_json.c. A file that is not there is an empty list and a zeroed *st. */
SC_MUST enum sc_status sc_images_load(const char *path, struct sc_images *out,
				      struct stat *st, struct sc_err *err);
/* Atomic and durable. The caller holds the lock. */
SC_MUST enum sc_status sc_images_save(const char *path, const struct sc_images *l,
				      struct sc_err *err);
const char *const *sc_image_state_names(void);
/* What root's command writes must stay open to the service: the file that is open as fd
 * gets the owner of path's folder. Does nothing for others than root. */
void sc_give_to_folder_owner(const char *path, int fd);

/* walk.c: files that may be slides, sorted by path; owned. */
struct sc_files {
	char **items;
	size_t n;
};
#define SC_FILES_INIT                                                                    \
	{                                                                                \
		NULL, 0                                                                  \
	}
#define SC_AUTO_FILES __attribute__((cleanup(sc_files_release))) struct sc_files

void sc_files_release(struct sc_files *f);
SC_MUST enum sc_status sc_walk(struct sc_slide_root *root, struct sc_files *out,
			       struct sc_err *err);
/* How many planes and frames STEM/{z}_{frame}_{NAME} name beside the file, at least 1. */
void sc_count_planes(struct sc_slide_root *root, const char *file, int *depth,
		     int *frames);

/* probe.c: what one file is, found out by a child process. */
struct sc_probe {
	bool ok;
	bool passing; /* not ok, but not the slide's fault: a later probe may differ */
	bool unknown; /* passing, and nothing was learnt of the slide */
	char reason[256]; /* when not ok */
	char vendor[64];
	int64_t width, height;
	double mpp, objective_power;
};
/* Fails only when there can be no child (SC_UNAVAILABLE). */
SC_MUST enum sc_status sc_probe(struct sc_slide_root *root, const char *file,
				const struct sc_identity *id, int limit_s,
				struct sc_probe *out, struct sc_err *err);

#endif

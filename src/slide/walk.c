/* SPDX-License-Identifier: MIT */
/*
 * The walk over the slide folder: which files may be slides, and how many planes one has.
 *
 * Folders are entered only as themselves, never through symbolic links, and every path is
 * resolved beneath the root, so there is no way out and no loop. A file is a candidate by
 * its suffix, or because it begins as a TIFF does; nothing more of it is read here.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "slide/catalogue.h"
#include "slide/root.h"
#include "slidecache/log.h"
#include "slidecache/parse.h"

#define FOLDERS_DEEP 32
#define PATH_BYTES_MAX                                                                   \
	(SC_IMAGE_FILE_MAX - 300) /* room for a plane's folder and name                  \
				   */
#define MAGIC_LEN  4
#define PLANES_MAX 9999

static const char *const suffixes[] = {
	"svs", "tif",  "tiff",	  "btf", "ndpi", "ndpis", "vms", "vmu",
	"scn", "mrxs", "svslide", "bif", "zvi",	 "czi",	  "dcm", "isyntax",
};

static const unsigned char magics[][MAGIC_LEN] = {
	{ 'I', 'I', 42, 0 },
	{ 'M', 'M', 0, 42 },
	{ 'I', 'I', 43, 0 },
	{ 'M', 'M', 0, 43 },
};

void sc_files_release(struct sc_files *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->items[i]);
	free(f->items);
	*f = (struct sc_files)SC_FILES_INIT;
}

static void add_file(struct sc_files *f, const char *path)
{
	f->items = sc_realloc_array(f->items, f->n + 1, sizeof(*f->items));
	f->items[f->n++] = sc_strdup(path);
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_files(struct sc_files *f)
{
	if (f->n > 1)
		qsort(f->items, f->n, sizeof(*f->items), compare_text);
}

static bool has_file(const struct sc_files *f, const char *path)
{
	return f->n > 0 &&
	       bsearch(&path, f->items, f->n, sizeof(*f->items), compare_text);
}

static bool has_suffix(const char *name)
{
	const char *suffix = sc_file_suffix(name);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (strcasecmp(suffixes[i], suffix) == 0)
			return true;
	return false;
}

static bool begins_like_tiff(struct sc_slide_root *root, const char *path)
{
	SC_AUTO_FD fd = -1;
	struct sc_identity id;
	struct sc_err ignored; /* what cannot be read is no candidate by its contents */
	unsigned char head[MAGIC_LEN];

	if (sc_slide_root_read(root, path, &id, &fd, &ignored) != SC_OK ||
	    read(fd, head, sizeof(head)) != sizeof(head))
		return false;
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
		if (memcmp(head, magics[i], sizeof(head)) == 0)
			return true;
	return false;
}

/* A link counts as the file it leads to. One that leads out of the folder is kept too:
 * its image tells why it cannot be shown. */
static bool is_file_link(struct sc_slide_root *root, const char *path)
{
	SC_AUTO_FD fd = -1;
	struct sc_err err;
	struct stat st;

	if (sc_slide_root_fd(root, path, O_PATH, &fd, &err) != SC_OK)
		return err.status == SC_UNREADABLE;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static DIR *open_folder(struct sc_slide_root *root, const char *path, struct sc_err *err)
{
	SC_AUTO_FD fd = -1;
	DIR *dir;

	if (sc_slide_root_fd(root, *path ? path : ".",
			     O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &fd, err) != SC_OK)
		return NULL;
	dir = fdopendir(fd);
	if (dir)
		fd = -1; /* closedir closes it */
	else
		(void)sc_fail(err, SC_UNAVAILABLE, "a folder cannot be read");
	return dir;
}

static void close_folder(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
#define AUTO_DIR __attribute__((cleanup(close_folder))) DIR

static int entry_type(DIR *dir, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type;
	if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return DT_UNKNOWN;
	return (int)IFTODT(st.st_mode);
}

struct walk {
	struct sc_slide_root *root;
	struct sc_files *found;
};

static void consider_file(const struct walk *w, const char *path, int type)
{
	if (type == DT_LNK && !is_file_link(w->root, path))
		return;
	if (!has_suffix(path) && !begins_like_tiff(w->root, path))
		return;
	if (strlen(path) > PATH_BYTES_MAX || !sc_utf8_valid(sc_bytes_str(path))) {
		sc_log_warning("slide %s: left out: its name is too long or not UTF-8",
			       path);
		return;
	}
	add_file(w->found, path);
}

/* The data folder of NAME.mrxs is NAME, and holds no slides of its own. */
static bool is_mirax_data(DIR *dir, const char *name)
{
	SC_AUTO_BUF index = SC_BUF_INIT;

	sc_buf_printf(&index, "%s.mrxs", name);
	return faccessat(dirfd(dir), (const char *)index.data, F_OK,
			 AT_SYMLINK_NOFOLLOW) == 0;
}

/* Folders to enter are collected and entered after the listing is closed, so that the
 * depth of the tree costs no descriptors. */
static enum sc_status list_folder(const struct walk *w, const char *path,
				  struct sc_files *folders, struct sc_err *err)
{
	AUTO_DIR *dir = open_folder(w->root, path, err);
	SC_AUTO_BUF full = SC_BUF_INIT;
	const struct dirent *e;

	if (!dir)
		return err->status;
	while ((e = readdir(dir))) {
		int type = e->d_name[0] == '.' ? DT_UNKNOWN : entry_type(dir, e);

		sc_buf_reset(&full);
		sc_buf_printf(&full, "%s%s%s", path, *path ? "/" : "", e->d_name);
		if (type == DT_DIR && !is_mirax_data(dir, e->d_name))
			add_file(folders, (const char *)full.data);
		else if (type == DT_REG || type == DT_LNK)
			consider_file(w, (const char *)full.data, type);
	}
	return SC_OK;
}

static enum sc_status walk_folder(const struct walk *w, const char *path, int deep,
				  struct sc_err *err)
{
	SC_AUTO_FILES folders = SC_FILES_INIT;
	struct sc_err inner;

	if (list_folder(w, path, &folders, err) != SC_OK)
		return err->status;
	for (size_t i = 0; i < folders.n; i++)
		if (deep >= FOLDERS_DEEP)
			sc_log_warning("folder %s: left out: too deep", folders.items[i]);
		else if (walk_folder(w, folders.items[i], deep + 1, &inner) != SC_OK)
			sc_log_warning("folder %s: left out: %s", folders.items[i],
				       inner.text);
	return SC_OK;
}

/* Takes "{z}_{frame}_" off a plane's file name; NULL when it does not begin so. */
static const char *skip_plane(const char *name, uint64_t *z, uint64_t *frame)
{
	const char *first = strchr(name, '_');
	const char *second = first ? strchr(first + 1, '_') : NULL;

	if (!second ||
	    !sc_parse_u64(sc_bytes_of(name, (size_t)(first - name)), PLANES_MAX, z) ||
	    !sc_parse_u64(sc_bytes_of(first + 1, (size_t)(second - first - 1)),
			  PLANES_MAX, frame) ||
	    *z < 1 || *frame < 1)
		return NULL;
	return second + 1;
}

/* DIR/STEM/{z}_{frame}_{NAME} where DIR/NAME is a candidate and STEM its stem. */
static bool is_plane(const struct sc_files *found, const char *path)
{
	SC_AUTO_BUF main_file = SC_BUF_INIT;
	size_t stem_end = sc_file_folder_len(path), stem_at;
	uint64_t z, frame;
	const char *name = skip_plane(path + stem_end, &z, &frame);

	if (!name || stem_end == 0)
		return false;
	stem_end--;
	for (stem_at = stem_end; stem_at > 0 && path[stem_at - 1] != '/'; stem_at--)
		;
	if (sc_file_stem_len(name) != stem_end - stem_at ||
	    memcmp(name, path + stem_at, stem_end - stem_at) != 0)
		return false;
	sc_buf_printf(&main_file, "%.*s%s", (int)stem_at, path, name);
	return has_file(found, (const char *)main_file.data);
}

enum sc_status sc_walk(struct sc_slide_root *root, struct sc_files *out,
		       struct sc_err *err)
{
	SC_AUTO_FILES found = SC_FILES_INIT;
	struct walk w = { root, &found };

	if (walk_folder(&w, "", 0, err) != SC_OK)
		return err->status;
	sort_files(&found);
	for (size_t i = 0; i < found.n; i++)
		if (!is_plane(&found, found.items[i]))
			add_file(out, found.items[i]);
	return SC_OK;
}

void sc_count_planes(struct sc_slide_root *root, const char *file, int *depth,
		     int *frames)
{
	const char *name = file + sc_file_folder_len(file);
	SC_AUTO_BUF folder = SC_BUF_INIT;
	AUTO_DIR *dir = NULL;
	struct sc_err ignored; /* nearly always: there is no such folder */
	const struct dirent *e;

	*depth = *frames = 1;
	sc_buf_append(&folder, file, (size_t)(name - file) + sc_file_stem_len(name));
	dir = open_folder(root, (const char *)folder.data, &ignored);
	while (dir && (e = readdir(dir))) {
		uint64_t z, frame;
		const char *rest = skip_plane(e->d_name, &z, &frame);

		if (!rest || strcmp(rest, name) != 0)
			continue;
		*depth = (int)z > *depth ? (int)z : *depth;
		*frames = (int)frame > *frames ? (int)frame : *frames;
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * Which files and folders a sandboxed process may use, from a configuration. Pure: paths
 * are not looked at. (With a sanitizer, which needs some more, it is not quite pure.)
 */
#ifndef SC_SERVER_SANDBOX_PATHS_H
#define SC_SERVER_SANDBOX_PATHS_H

#include <stddef.h>

#include "sandbox.h"

enum sc_path_use {
	SC_PATH_READ,	/* the file, or all below the folder; nothing is executed */
	SC_PATH_KEEP,	/* all below the folder, to read, write, make, rename, remove */
	SC_PATH_APPEND, /* files in the folder may be made and written, but not read */
	SC_PATH_READ_WRITE, /* the file */
};

/* A file that is renamed over is seen only by who may use its folder. */
enum sc_path_scope {
	SC_PATH_ITSELF,
	SC_PATH_FOLDER,	    /* it is in */
	SC_PATH_OWN_FOLDER, /* it is in, unless that is shared with others; then itself */
};

struct sc_path {
	enum sc_path_use use;
	enum sc_path_scope scope;
	bool is_made;	/* a folder that is made when it is not there */
	bool is_pinned; /* the kernel may forget the file unless it is held open */
	char *path;
};

struct sc_paths {
	struct sc_path *all;
	size_t n;
};

void sc_paths_list(const struct sc_conf *conf, enum sc_sandbox_kind kind,
		   struct sc_paths *out);
/* Of the process that connects: what resolving names takes; none has none. */
void sc_paths_list_resolver(struct sc_paths *out);
void sc_paths_release(struct sc_paths *p);

/* Whether a folder holds much that is none of ours. */
bool sc_path_is_shared(const char *folder);
/* The folder of a whole path. */
void sc_path_above(const char *path, struct sc_buf *out);

#endif

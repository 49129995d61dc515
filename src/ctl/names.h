/* SPDX-License-Identifier: MIT */
/*
 * Private to src/ctl: the names of versioned caches that a command line means.
 */
#ifndef SRC_CTL_NAMES_H
#define SRC_CTL_NAMES_H

#include "ctl/ctl.h"

#define SC_CTL_NAMES_MAX 256

/* In the command line's order, each once. */
struct sc_ctl_names {
	const char *all[SC_CTL_NAMES_MAX];
	size_t n;
	/* What --image stands for; "": all[i] was written as it is. */
	char images[SC_CTL_NAMES_MAX][SC_VERSION_NAME_MAX + 1];
};

/* The arguments, which are to be names; where images may be meant, --image ID, too.
 * SC_NOT_FOUND: an image of the name is not in the catalogue. Where there is no catalogue
 * yet, image/ID is what a program makes of it. */
enum sc_status sc_ctl_read_names(const struct sc_ctl *ctl, bool images,
				 struct sc_ctl_names *names, struct sc_err *err);

#endif

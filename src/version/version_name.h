/* SPDX-License-Identifier: MIT */
/*
 * Names of versioned caches: which ones are versioned without anybody having started
 * them.
 */
#ifndef SRC_VERSION_VERSION_NAME_H
#define SRC_VERSION_VERSION_NAME_H

#include <stdbool.h>

#include "slidecache/version.h"

#define SC_IMAGE_PREFIX "image/"

/* Whatever begins as images' names do; of these only "image/ID" is ever versioned. */
bool sc_version_name_is_image(const char *name);

/* Whether a well-formed name can be started and stopped: SC_INVALID for images'. */
SC_MUST enum sc_status sc_version_name_check_named(const char *name, struct sc_err *err);
/* Whether a well-formed name can be versioned at all: SC_NOT_FOUND for what is an image's
 * but for its ID, which is to be as the catalogue writes it: a positive decimal number
 * without leading zeros. */
SC_MUST enum sc_status sc_version_name_check_image(const char *name, struct sc_err *err);
/* SC_NOT_FOUND with the sentence that says so. */
SC_MUST enum sc_status sc_version_fail_unknown(const char *name, struct sc_err *err);

#endif

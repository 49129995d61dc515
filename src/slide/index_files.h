/* SPDX-License-Identifier: MIT */
/*
 * Formats whose file is an index that names its data files: what it may name.
 */
#ifndef SC_SLIDE_INDEX_FILES_H
#define SC_SLIDE_INDEX_FILES_H

#include "slide/source.h"

/* For a file that OpenSlide is about to open by its name. SC_UNREADABLE when it, or the
 * Slidedat.ini of a MIRAX slide, names a file that is not in the same folder. */
SC_MUST enum sc_status sc_check_index_files(const struct sc_source_file *f,
					    struct sc_err *err);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Descriptors 0, 1 and 2 of a program, which whoever starts it may have closed.
 */
#ifndef SLIDECACHE_DESCRIPTORS_H
#define SLIDECACHE_DESCRIPTORS_H

#include "slidecache/status.h"

/* Opens /dev/null in the place of those that are closed: no file or socket that is opened
 * later can then take what is meant for the log. Call before anything else. */
SC_MUST enum sc_status sc_descriptors_fill(struct sc_err *err);

#endif

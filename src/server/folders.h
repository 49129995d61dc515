/* SPDX-License-Identifier: MIT */
/*
 * The folders without which no worker can work: slides.root, state_dir, cache_dir.
 */
#ifndef SC_SERVER_FOLDERS_H
#define SC_SERVER_FOLDERS_H

#include "slidecache/conf.h"

/* As who we are: SC_UNAVAILABLE, with the first that cannot be used. */
SC_MUST enum sc_status sc_folders_check(const struct sc_conf *conf, struct sc_err *err);
/* Before a start, and without one: the same as the user whom a start would become, in a
 * child. What the start would make may be missing; nothing is made. SC_DENIED: another
 * user than that one, or root, cannot tell. */
SC_MUST enum sc_status sc_folders_foresee(const struct sc_conf *conf, struct sc_err *err);

#endif

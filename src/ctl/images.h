/* SPDX-License-Identifier: MIT */
/*
 * Private to src/ctl: what the commands about images share.
 */
#ifndef SRC_CTL_IMAGES_H
#define SRC_CTL_IMAGES_H

#include "ctl/ctl.h"
#include "slidecache/bytes.h"
#include "slidecache/quarantine.h"

/* What a shell completes is taken, too: "./a.svs", and a path that leads below the root.
 */
const char *sc_ctl_below_root(const struct sc_ctl *ctl, const char *file);
/* Appends where the records of the quarantine are. */
void sc_ctl_quarantine_path(const struct sc_ctl *ctl, struct sc_buf *out);
/* images quarantine ... */
enum sc_status sc_ctl_images_quarantine(const struct sc_ctl *ctl, struct sc_err *err);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The boot file: may what an unsynced store has on disk be believed?
 *
 * A store written without sync survives the death of any process, because its pages are
 * in the kernel's page cache. It does not survive the death of the machine. So a small
 * file names the boot (the kernel's random boot id) in which the store was last written
 * and says whether it was synced since. Same boot: believe. Another boot: only if synced.
 * All calls want the store's gate held.
 */
#ifndef SRC_CACHE_BOOT_H
#define SRC_CACHE_BOOT_H

#include "slidecache/bytes.h"

enum sc_boot_state {
	SC_BOOT_LOST, /* not to be believed: unknown, or another boot and not synced */
	SC_BOOT_UNSYNCED, /* this boot, not synced */
	SC_BOOT_SYNCED,	  /* on disk, in this boot or another */
};

enum sc_boot_state sc_boot_read(const char *path);
/* Durable when it returns. */
SC_MUST enum sc_status sc_boot_write(const char *path, bool synced, struct sc_err *err);

#endif

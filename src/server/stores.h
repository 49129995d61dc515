/* SPDX-License-Identifier: MIT */
/*
 * The caches' stores as the master sees them: checked before workers open them, checked
 * again when workers keep dying, marked clean at a stop.
 */
#ifndef SC_SERVER_STORES_H
#define SC_SERVER_STORES_H

#include "slidecache/conf.h"

/* Whether the options of caches and versions are right, without asking any server or
 * touching any store. SC_INVALID with the option's dotted name first; SC_DENIED: all that
 * this user may read is right, but not a secret_file. */
SC_MUST enum sc_status sc_stores_options_check(const struct sc_conf *conf,
					       struct sc_err *err);
/* What is damaged is set aside and started anew; safe while workers run. SC_INVALID: an
 * option is wrong. Anything else (a full disk) is a warning: workers do without. */
SC_MUST enum sc_status sc_stores_check(const struct sc_conf *conf, struct sc_err *err);
void sc_stores_sync(const struct sc_conf *conf);

#endif

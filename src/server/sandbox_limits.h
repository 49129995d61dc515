/* SPDX-License-Identifier: MIT */
/*
 * Limits of a sandboxed process, beside its memory (limit.h), which it cannot raise
 * again.
 */
#ifndef SC_SERVER_SANDBOX_LIMITS_H
#define SC_SERVER_SANDBOX_LIMITS_H

#include <stdint.h>

#include "slidecache/conf.h"

/* Addresses that maps may take: of stores, and of what is read; a backstop only, for
 * address space is no memory. Pure. */
uint64_t sc_sandbox_addresses(const struct sc_conf *conf);
void sc_sandbox_limit(const struct sc_conf *conf);

#endif

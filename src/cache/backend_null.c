/* SPDX-License-Identifier: MIT */
/*
 * The null backend: keeps nothing. For switching a cache off, and for tests.
 */
#include "cache/backend.h"

static enum sc_status open_null(const struct sc_cache_options *o, void **out,
				struct sc_err *err)
{
	(void)o;
	(void)err;
	*out = NULL;
	return SC_OK;
}

static void close_null(void *backend)
{
	(void)backend;
}

const struct sc_backend_ops sc_backend_null = {
	.name = "null",
	.open = open_null,
	.close = close_null,
};

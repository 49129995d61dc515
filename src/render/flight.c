/* SPDX-License-Identifier: MIT */
/*
 * Single flight: of all workers of a host one renders what nobody has yet. The lock is
 * one byte of a file, at an offset that the key's hash gives; the kernel drops it when
 * the holder dies. Two keys of one hash only wait for each other.
 */
#include "render/renderer.h"

#include "slidecache/filelock.h"
#include "slidecache/hash.h"

enum sc_status sc_flight_begin(struct sc_renderer *r, struct sc_bytes key, int wait_ms,
			       struct sc_err *err)
{
	if (r->flight_fd < 0)
		return SC_OK;
	return sc_filelock_take(r->flight_fd, sc_hash64(key) >> 1, wait_ms, NULL, err);
}

void sc_flight_end(struct sc_renderer *r, struct sc_bytes key)
{
	if (r->flight_fd >= 0)
		sc_filelock_drop(r->flight_fd, sc_hash64(key) >> 1);
}

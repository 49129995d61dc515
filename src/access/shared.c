/* SPDX-License-Identifier: MIT */
/*
 * The block that processes share, and its key.
 */
#include "access/shared.h"

#include <errno.h>
#include <sys/mman.h>

#include "slidecache/access.h"

static struct sc_shared own;
static struct sc_shared *block = &own;
static unsigned char key[SC_MAC_KEY_LEN];
static bool has_key;

struct sc_shared *sc_shared(void)
{
	return block;
}

static void make_key(void)
{
	unsigned char random[SC_MAC_KEY_LEN];

	sc_random_bytes(random, sizeof(random));
	sc_mac_key(sc_bytes_of(random, sizeof(random)), key);
	sc_wipe(random, sizeof(random));
	has_key = true;
}

const unsigned char *sc_shared_key(void)
{
	if (!has_key)
		make_key();
	return key;
}

enum sc_status sc_access_share(struct sc_err *err)
{
	void *p = mmap(NULL, sizeof(*block), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return sc_fail(err, SC_UNAVAILABLE, "memory that processes share: %s",
			       strerror(errno));
	if (block != &own)
		(void)munmap(block, sizeof(*block));
	block = p;
	make_key();
	return SC_OK;
}

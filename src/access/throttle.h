/* SPDX-License-Identifier: MIT */
/*
 * Private to src/access: who sent wrong credentials lately, and how often, in memory that
 * all processes share.
 *
 * An address (of IPv6 its /64, which is what one customer has) may send ten in a minute,
 * which begins with the first. There is one 64-bit word for each address, changed by
 * compare-and-swap: no lock, nothing that is torn, no count lost. Whatever bits somebody
 * writes there, the worst is that an address is throttled for a minute, or is not.
 *
 * The table has a fixed size, in sets, and the set that an address falls into depends on
 * a secret key. When a set is full, the newcomer takes the place of whoever has sent the
 * fewest, of those the oldest; so of addresses that are throttled only where all of a set
 * are, and then the one that has the shortest time left. Why so:
 *  - Who has many addresses and sends one guess from each pushes out others with one
 *    guess, not those who are throttled, and gains nothing: each address has ten anyway.
 *  - Throttling newcomers instead, when the table is full, would let whoever fills it (in
 *    IPv6: with one /48) lock out everybody else.
 *  - Not counting newcomers would let whoever fills it guess freely from the others.
 * Who has thousands of addresses, and keeps all of them throttled, is held back by that
 * only one password is checked at a time (access.h), as everybody with a botnet.
 */
#ifndef SRC_ACCESS_THROTTLE_H
#define SRC_ACCESS_THROTTLE_H

#include "slidecache/hash.h"

#define SC_THROTTLE_WRONG 10
#define SC_THROTTLE_S	  60
#define SC_THROTTLE_SETS  1024
#define SC_THROTTLE_WAYS  8

struct sc_throttle {
	uint64_t words[SC_THROTTLE_SETS][SC_THROTTLE_WAYS];
};

/* What the address is known by. What is no address, as a text, and "" are one each. */
uint64_t sc_throttle_who(const char *address, const unsigned char key[SC_MAC_KEY_LEN]);
/* For so many seconds nothing from there is looked at; 0: it is. */
int sc_throttle_left(const struct sc_throttle *t, uint64_t who, int64_t mono_us);

struct sc_throttle_noted {
	unsigned wrong; /* of this minute, this one included */
	bool say;	/* nothing was said of that address within this second */
};
/* wrong: 1, or 0 for something that is to be said only. */
struct sc_throttle_noted sc_throttle_note(struct sc_throttle *t, uint64_t who,
					  unsigned wrong, int64_t mono_us);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Counting wrong credentials by address. Pure, but for the shared memory that it is
 * given.
 *
 * A word, from its highest bit: 30 bits of the address's hash, never 0; 20 bits of the
 * second in which its minute began; 8 bits of how many were wrong; 6 bits of the second
 * of that minute in which something was said last. 0: free.
 */
#include "access/throttle.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "slidecache/clock.h"

#define TAG_BITS   30
#define START_BITS 20
#define WRONG_BITS 8
#define SAID_BITS  6
#define MASK(bits) ((UINT64_C(1) << (bits)) - 1)

#define SAID_NEVER MASK(SAID_BITS)
/* Processes read the clock before they get to the word: one may be a little behind. */
#define BEHIND_S 5
/* Whoever else writes there changes a word a few times, not on and on. */
#define TRIES 64

struct entry {
	uint64_t tag, start, wrong, said;
};

static struct entry unpack(uint64_t word)
{
	return (struct entry){
		.tag = word >> (64 - TAG_BITS),
		.start = word >> (WRONG_BITS + SAID_BITS) & MASK(START_BITS),
		.wrong = word >> SAID_BITS & MASK(WRONG_BITS),
		.said = word & MASK(SAID_BITS),
	};
}

static uint64_t pack(const struct entry *e)
{
	return e->tag << (64 - TAG_BITS) | e->start << (WRONG_BITS + SAID_BITS) |
	       e->wrong << SAID_BITS | e->said;
}

/* ----- addresses ----- */

/* The bytes that one sender has in common with itself. */
static size_t prefix_of(const char *address, unsigned char out[sizeof(struct in6_addr)])
{
	struct in6_addr v6;

	if (inet_pton(AF_INET, address, out) == 1)
		return sizeof(struct in_addr);
	if (inet_pton(AF_INET6, address, &v6) != 1)
		return 0;
	if (IN6_IS_ADDR_V4MAPPED(&v6)) {
		memcpy(out, &v6.s6_addr[12], sizeof(struct in_addr));
		return sizeof(struct in_addr);
	}
	memcpy(out, &v6, 8);
	return 8;
}

uint64_t sc_throttle_who(const char *address, const unsigned char key[SC_MAC_KEY_LEN])
{
	unsigned char prefix[sizeof(struct in6_addr)];
	unsigned char mac[SC_HASH128_LEN];
	size_t n = prefix_of(address, prefix);
	uint64_t who = 0;

	sc_mac128(n ? sc_bytes_of(prefix, n) : sc_bytes_str(address), key, mac);
	memcpy(&who, mac, sizeof(who));
	return who;
}

static uint64_t tag_of(uint64_t who)
{
	uint64_t tag = who & MASK(TAG_BITS);

	return tag ? tag : 1;
}

static size_t set_of(uint64_t who)
{
	return (who >> TAG_BITS) % SC_THROTTLE_SETS;
}

/* ----- time ----- */

static uint64_t second_of(int64_t mono_us)
{
	return (uint64_t)(mono_us / SC_US_PER_S) & MASK(START_BITS);
}

/* Seconds since its minute began; SC_THROTTLE_S: it is over, or the word is free. */
static uint64_t age_of(const struct entry *e, uint64_t second)
{
	uint64_t age = (second - e->start) & MASK(START_BITS);

	if (e->tag == 0)
		return SC_THROTTLE_S;
	if (age > MASK(START_BITS) - BEHIND_S)
		return 0;
	return age < SC_THROTTLE_S ? age : SC_THROTTLE_S;
}

/* ----- the table ----- */

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

int sc_throttle_left(const struct sc_throttle *t, uint64_t who, int64_t mono_us)
{
	const uint64_t *set = t->words[set_of(who)];
	uint64_t second = second_of(mono_us);

	for (size_t i = 0; i < SC_THROTTLE_WAYS; i++) {
		struct entry e = unpack(load(&set[i]));

		if (e.tag == tag_of(who) && e.wrong >= SC_THROTTLE_WRONG &&
		    age_of(&e, second) < SC_THROTTLE_S)
			return SC_THROTTLE_S - (int)age_of(&e, second);
	}
	return 0;
}

/* Who is to go first has the least: free, then few, then old. */
static uint64_t worth_of(const struct entry *e, uint64_t second)
{
	uint64_t age = age_of(e, second);
	uint64_t wrong = e->wrong < SC_THROTTLE_WRONG ? e->wrong : SC_THROTTLE_WRONG;

	if (age == SC_THROTTLE_S)
		return 0;
	return (wrong + 1) * SC_THROTTLE_S + (SC_THROTTLE_S - age);
}

/* The address's own, or else whose place it takes. */
static size_t place_for(const uint64_t *set, uint64_t tag, uint64_t second)
{
	uint64_t least = UINT64_MAX;
	size_t place = 0;

	for (size_t i = 0; i < SC_THROTTLE_WAYS; i++) {
		struct entry e = unpack(load(&set[i]));
		uint64_t worth = worth_of(&e, second);

		if (e.tag == tag && worth > 0)
			return i;
		if (worth < least) {
			least = worth;
			place = i;
		}
	}
	return place;
}

static struct sc_throttle_noted step(struct entry *e, uint64_t tag, unsigned wrong,
				     uint64_t second)
{
	uint64_t age = age_of(e, second);
	bool say = false;

	if (e->tag != tag || age == SC_THROTTLE_S) {
		*e = (struct entry){ tag, second, 0, SAID_NEVER };
		age = 0;
	}
	if (e->wrong + wrong <= MASK(WRONG_BITS))
		e->wrong += wrong;
	say = e->said != age;
	e->said = age;
	return (struct sc_throttle_noted){ (unsigned)e->wrong, say };
}

struct sc_throttle_noted sc_throttle_note(struct sc_throttle *t, uint64_t who,
					  unsigned wrong, int64_t mono_us)
{
	uint64_t *set = t->words[set_of(who)];
	uint64_t second = second_of(mono_us);

	for (int i = 0; i < TRIES; i++) {
		uint64_t *word = &set[place_for(set, tag_of(who), second)];
		uint64_t old = load(word);
		struct entry e = unpack(old);
		struct sc_throttle_noted noted = step(&e, tag_of(who), wrong, second);

		if (__atomic_compare_exchange_n(word, &old, pack(&e), false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return noted;
	}
	return (struct sc_throttle_noted){ SC_THROTTLE_WRONG + 1, false };
}

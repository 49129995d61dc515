/* SPDX-License-Identifier: MIT */
/*
 * Users at the other end of a unix socket, see peer.h.
 */
#include "peer.h"

#include <sys/socket.h>

#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"

bool sc_peer_refuse(struct sc_peer_refusals *r, int64_t now_us, uint64_t *others)
{
	if (now_us < r->next_us) {
		r->unlogged++;
		return false;
	}
	*others = r->unlogged;
	*r = (struct sc_peer_refusals){ .next_us = now_us + SC_PEER_LOG_US };
	return true;
}

static void log_refused(uid_t user)
{
	static struct sc_peer_refusals refusals; /* of this process */
	uint64_t others = 0;

	if (!sc_peer_refuse(&refusals, sc_mono_us(), &others))
		return;
	if (others == 0)
		sc_log_warning("connection refused: user %u is not in peer_users",
			       (unsigned)user);
	else
		sc_log_warning("connection refused: user %u is not in peer_users; %llu "
			       "others were refused since the last such line",
			       (unsigned)user, (unsigned long long)others);
}

bool sc_peer_is_allowed(int fd, const uid_t *users, size_t n)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (users[i] == peer.uid)
			return true;
	sc_count(SC_M_PEER_REFUSED, 1);
	log_refused(peer.uid);
	return false;
}

/* SPDX-License-Identifier: MIT */
/*
 * Users at the other end of a unix socket, see peer.h.
 */
#include "peer.h"

#include <sys/socket.h>

#include "seldom.h"
#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"

static void log_refused(uid_t user)
{
	static struct sc_seldom refused; /* lines about them, of this process */
	int count = sc_seldom_count(&refused, sc_mono_us());

	if (count > 0)
		sc_log_warning("connection refused: user %u is not in peer_users (%d "
			       "since such a line)",
			       (unsigned)user, count);
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

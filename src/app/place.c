/* SPDX-License-Identifier: MIT */
/*
 * Where the versions were kept when this state directory was used last.
 *
 * A version store that was left and is used again still has the versions of before, while
 * what was changed meanwhile was changed elsewhere: entries of that time would come back.
 * So whoever finds that versions.backend, location or key_prefix are not what they were
 * changes all versions of the new store first. The file holds a hash (a location may
 * hold a password) and is locked meanwhile: of several workers one does it.
 *
 * A first start changes nothing: a host that joins others must not empty their caches.
 */
#include "app/context.h"

#include <errno.h>
#include <unistd.h>

#include "slidecache/filelock.h"
#include "slidecache/hash.h"
#include "slidecache/log.h"

#define LOCK_MS 1000

static void name_place(const struct sc_conf *conf, unsigned char out[SC_MAC_KEY_LEN])
{
	SC_AUTO_BUF text = SC_BUF_INIT;

	sc_buf_printf(&text, "%s\n%s\n%s\n", conf->versions.backend,
		      conf->versions.location, conf->versions.key_prefix);
	sc_mac_key(sc_buf_bytes(&text), out);
	sc_wipe(text.data, text.len);
}

static enum sc_status write_place(int fd, const unsigned char place[SC_MAC_KEY_LEN],
				  struct sc_err *err)
{
	if (pwrite(fd, place, SC_MAC_KEY_LEN, 0) == SC_MAC_KEY_LEN && fsync(fd) == 0)
		return SC_OK;
	return sc_fail(err, SC_UNAVAILABLE, "the place of the versions: %s",
		       strerror(errno));
}

/* With the lock held. */
static enum sc_status settle(const struct sc_conf *conf, int fd, struct sc_versions *v,
			     struct sc_err *err)
{
	unsigned char now[SC_MAC_KEY_LEN];
	unsigned char before[SC_MAC_KEY_LEN];
	ssize_t n = pread(fd, before, sizeof(before), 0);

	name_place(conf, now);
	if (n == SC_MAC_KEY_LEN && memcmp(before, now, sizeof(now)) == 0)
		return SC_OK;
	if (n != 0) {
		enum sc_status status = sc_invalidate_all_caches(v, err);

		if (status)
			return status;
		sc_log_info("the versions are kept elsewhere now: all were changed");
	}
	return write_place(fd, now, err);
}

enum sc_status sc_settle_versions(const struct sc_conf *conf, struct sc_versions *v,
				  struct sc_err *err)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	SC_AUTO_FD fd = -1;
	enum sc_status status = SC_OK;

	sc_buf_printf(&path, "%s/versions.place", conf->state_dir);
	status = sc_filelock_open((const char *)path.data, &fd, err);
	if (!status)
		status = sc_filelock_take(fd, 0, LOCK_MS, NULL, err);
	return status ? status : settle(conf, fd, v, err);
}

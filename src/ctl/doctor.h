/* SPDX-License-Identifier: MIT */
/*
 * Private to src/ctl: what a check of "doctor" gets, and the checks.
 *
 * A check looks at one thing and says what it found, once for each finding; it changes
 * nothing that lasts, and waits two seconds at most. The table of checks is in
 * cmd_doctor.c.
 */
#ifndef SLIDECACHE_DOCTOR_H
#define SLIDECACHE_DOCTOR_H

#include "ctl/ctl.h"
#include "slidecache/cache.h"

#define SC_DOCTOR_WAIT_MS 2000

struct sc_doctor {
	const struct sc_ctl *ctl;
	const struct sc_conf *conf;
	char subject[64]; /* of the check that runs: the option or thing it is about */
	struct sc_buf json;
	unsigned counts[SC_ADVICE_FAILURE + 1];
	struct sc_cache *caches[SC_CONF_CACHES]; /* that were opened */
	struct sc_buf known_fix; /* of a failure of this server that was told before */
	struct sc_buf told;	 /* a line for each finding about a server */
};

void sc_doctor_ok(struct sc_doctor *d, const char *fmt, ...) SC_PRINTF(2, 3);
/* fix: what to do about it. */
void sc_doctor_warn(struct sc_doctor *d, const char *fix, const char *fmt, ...)
	SC_PRINTF(3, 4);
void sc_doctor_fail(struct sc_doctor *d, const char *fix, const char *fmt, ...)
	SC_PRINTF(3, 4);
/* An sc_advice_fn; arg is the doctor. */
void sc_doctor_say(void *arg, enum sc_advice advice, const char *finding,
		   const char *fix);

/* doctor_acl.c */
void sc_doctor_acl(struct sc_doctor *d);
/* doctor_secrets.c */
void sc_doctor_secrets(struct sc_doctor *d);
void sc_doctor_signing_key(struct sc_doctor *d);
void sc_doctor_tokens(struct sc_doctor *d);
/* doctor_places.c */
void sc_doctor_user(struct sc_doctor *d);
void sc_doctor_slides(struct sc_doctor *d);
void sc_doctor_catalogue(struct sc_doctor *d);
void sc_doctor_state_dir(struct sc_doctor *d);
void sc_doctor_cache_dir(struct sc_doctor *d);
/* 0: the folder has such a file. Otherwise an errno: ENOENT, or EACCES: whether there is
 * one, this user may not know. */
int sc_doctor_look(const char *folder, const char *name);
/* The same of what the service leaves when it has run with its version store. Before,
 * looking into the store would make it, or what tells whether it forgot something. */
int sc_doctor_used(const struct sc_doctor *d);
/* How something is mended that fails for this reason, an errno: by fix, unless it is that
 * somebody runs doctor who has no rights here. */
const char *sc_doctor_fix(const struct sc_doctor *d, int why, const char *fix);
/* An EACCES of these, as a finding. */
void sc_doctor_may_not_look(struct sc_doctor *d, const char *folder);
/* doctor_listen.c */
void sc_doctor_listen(struct sc_doctor *d);
void sc_doctor_peers(struct sc_doctor *d);
/* doctor_ask.c: whether who accepted the connection answers as a worker does. */
bool sc_doctor_ask(int fd, const char *base_path);
/* doctor_stores.c */
void sc_doctor_caches(struct sc_doctor *d);
void sc_doctor_versions(struct sc_doctor *d);
/* doctor_names.c */
void sc_doctor_names(struct sc_doctor *d);
/* doctor_migrations.c */
void sc_doctor_migrations(struct sc_doctor *d);
/* doctor_together.c */
void sc_doctor_together(struct sc_doctor *d);
/* doctor_warm.c */
void sc_doctor_warm(struct sc_doctor *d);
/* doctor_packages.c */
void sc_doctor_packages(struct sc_doctor *d);
/* doctor_machine.c */
void sc_doctor_clock(struct sc_doctor *d);
void sc_doctor_memory(struct sc_doctor *d);
void sc_doctor_descriptors(struct sc_doctor *d);

#endif

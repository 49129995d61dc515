/* SPDX-License-Identifier: MIT */
/*
 * Start and stop of slidecached: log, directories, locks, socket, user, stores,
 * migrations, pool.
 *
 * What root must do comes first, then the user is changed for good, then everything that
 * can be hostile. Nothing but the listening socket is open when workers are forked.
 */
#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folders.h"
#include "pool.h"
#include "sandbox.h"
#include "slidecache/access.h"
#include "slidecache/acl.h"
#include "slidecache/descriptors.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"
#include "slidecache/signature.h"
#include "stores.h"
#include "user.h"

/* What the master holds; released in one place. */
struct server {
	const struct sc_conf *conf; /* of the start: until the pool runs */
	struct sc_user user;
	struct sc_pidlock lock; /* of state_dir */
	struct sc_listener listener;
	struct sc_settings *settings;
};

/* Makes the last folder of the path only: more would hide a mistake in it. */
static enum sc_status make_dir(const char *name, const char *path,
			       const struct sc_user *user, struct sc_err *err)
{
	struct stat st = { 0 };

	if (mkdir(path, 0750) == 0) {
		if (chown(path, user->uid, user->gid) < 0)
			return sc_fail(err, SC_UNAVAILABLE, "%s: %.150s: %s", name, path,
				       strerror(errno));
		return SC_OK;
	}
	if (errno != EEXIST)
		return sc_fail(err, SC_UNAVAILABLE, "%s: %.150s cannot be made: %s", name,
			       path, strerror(errno));
	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return sc_fail(err, SC_UNAVAILABLE, "%s: %.150s is not a directory", name,
			       path);
	return SC_OK;
}

static enum sc_status check_users(const struct sc_conf *conf, struct sc_err *err)
{
	const struct sc_access_options o = {
		.htpasswd_file = conf->access.htpasswd_file,
		.tokens_file = conf->access.tokens_file,
		.trust_remote_user = conf->access.trust_remote_user,
	};

	return sc_access_options_check(&o, err);
}

static enum sc_status check_acl(const struct sc_conf *conf, struct sc_err *err)
{
	const char *file = conf->access.acl_file;

	if (!*file || sc_acl_check(file, err) == SC_OK)
		return SC_OK;
	return sc_fail_in(err, "access.acl_file");
}

static enum sc_status check_signing_key(const struct sc_conf *conf, struct sc_err *err)
{
	const char *file = conf->access.signing_key_file;
	struct sc_signer *signer = NULL;
	enum sc_status status = *file ? sc_signer_new(file, &signer, err) : SC_OK;

	sc_signer_free(signer);
	return status;
}

/* SC_DENIED: what this user may read is right. */
static enum sc_status check_options(const struct sc_conf *conf, struct sc_err *err)
{
	struct sc_err users = { SC_OK, "" };
	enum sc_status status = sc_stores_options_check(conf, err);

	if ((status != SC_OK && status != SC_DENIED) ||
	    (check_users(conf, &users) == SC_OK && check_acl(conf, &users) == SC_OK &&
	     check_signing_key(conf, &users) == SC_OK))
		return status;
	*err = users;
	return users.status;
}

enum sc_status sc_server_check(const struct sc_conf *conf, struct sc_err *err)
{
	struct sc_listen_address address;

	if (sc_listen_parse(conf->listen, &address, err) != SC_OK)
		return err->status;
	return check_options(conf, err);
}

/* What may need root. */
static enum sc_status acquire(struct server *s, struct sc_err *err)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	SC_AUTO_BUF what = SC_BUF_INIT;

	sc_buf_printf(&path, "%s/slidecached.pid", s->conf->state_dir);
	sc_buf_printf(&what, "state_dir %s", s->conf->state_dir);
	if (sc_user_find(s->conf, &s->user, err) != SC_OK ||
	    make_dir("state_dir", s->conf->state_dir, &s->user, err) != SC_OK ||
	    make_dir("cache_dir", s->conf->cache_dir, &s->user, err) != SC_OK ||
	    sc_pidlock_take((const char *)path.data, (const char *)what.data, &s->lock,
			    err) != SC_OK ||
	    sc_listener_open(s->conf, &s->listener, err) != SC_OK)
		return err->status;
	if (s->user.uid != geteuid()) {
		sc_pidlock_give(&s->lock, s->user.uid, s->user.gid);
		sc_pidlock_give(&s->listener.lock, s->user.uid, s->user.gid);
		sc_log_give(s->user.uid, s->user.gid);
	}
	return SC_OK;
}

enum sc_status sc_server_check_access(const struct sc_conf *conf, struct sc_err *err)
{
	if (sc_folders_check(conf, err) != SC_OK || sc_stores_check(conf, err) != SC_OK)
		return err->status;
	return SC_OK;
}

/* As who we stay. Takes conf. */
static enum sc_status prepare(struct server *s, struct sc_conf *conf, struct sc_err *err)
{
	SC_AUTO_BUF metrics = SC_BUF_INIT;

	sc_buf_printf(&metrics, "%s/metrics", conf->state_dir);
	if (sc_settings_new(conf, &s->settings, err) != SC_OK ||
	    sc_folders_check(conf, err) != SC_OK || check_options(conf, err) != SC_OK ||
	    sc_metrics_map((const char *)metrics.data, 1, err) != SC_OK ||
	    sc_access_share(err) != SC_OK || sc_stores_check(conf, err) != SC_OK)
		return err->status;
	sc_upkeep_start(s->settings->upkeep);
	sc_sandbox_say(conf);
	return SC_OK;
}

static enum sc_status run_pool(struct server *s, const struct sc_conf_overrides *how,
			       struct sc_err *err)
{
	const struct sc_pool_options o = {
		.how = how,
		.listener = &s->listener,
		.state_lock = &s->lock,
	};
	enum sc_status status = sc_pool_run(&o, &s->settings, err);

	sc_stores_sync(s->settings->conf);
	return status;
}

/* Takes conf. */
static enum sc_status run_as_user(struct server *s, struct sc_conf *conf,
				  const struct sc_conf_overrides *how, struct sc_err *err)
{
	if (prepare(s, conf, err) != SC_OK)
		return err->status;
	return run_pool(s, how, err);
}

enum sc_status sc_server_run(struct sc_conf *conf, const struct sc_conf_overrides *how,
			     struct sc_err *err)
{
	struct server s = { .conf = conf,
			    .lock = SC_PIDLOCK_INIT,
			    .listener = SC_LISTENER_INIT };
	enum sc_status status = SC_OK;

	sc_pool_block_signals();
	status = sc_settings_open_log(conf, err);
	if (status == SC_OK)
		status = acquire(&s, err);
	if (status == SC_OK)
		status = sc_user_become(&s.user, err);
	if (status == SC_OK)
		status = run_as_user(&s, conf, how, err);
	else
		sc_conf_free(conf);
	sc_listener_close(&s.listener);
	sc_pidlock_drop(&s.lock);
	sc_user_release(&s.user);
	sc_settings_free(s.settings);
	return status;
}

static int run_program(int argc, char **argv)
{
	static const int codes[] = {
		[SC_EXIT_OK] = 0, [SC_EXIT_FAILED] = 1, [SC_EXIT_USAGE] = 2
	};
	struct sc_conf_overrides how = { 0 };
	struct sc_conf *conf = NULL;
	enum sc_action then = sc_command_line(argc, argv, &how, &conf);
	struct sc_err err = { SC_OK, "" };
	int code = then == SC_RUN ? 0 : codes[then];

	if (then == SC_RUN && sc_server_run(conf, &how, &err) == SC_OK) {
		sc_log_info("stopped");
	} else if (then == SC_RUN) {
		sc_log_error("slidecached: %s", err.text);
		code = 1;
	}
	sc_conf_overrides_release(&how);
	return code;
}

int sc_server_main(int argc, char **argv)
{
	struct sc_err err = { SC_OK, "" };

	if (sc_descriptors_fill(&err) == SC_OK)
		return run_program(argc, argv);
	sc_log_error("slidecached: %s", err.text);
	return 1;
}

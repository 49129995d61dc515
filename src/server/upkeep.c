/* SPDX-License-Identifier: MIT */
/*
 * Upkeep of the versions, see upkeep.h.
 *
 * Each run is a process of its own. What they have to tell each other is in memory that
 * they share with the master, who does not read it.
 */
#include "upkeep.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slidecache/app.h"
#include "slidecache/hash.h"
#include "slidecache/log.h"
#include "slidecache/migration.h"

#define CHANGE_MS 2000
#define START_MAX_S                                                                      \
	30 /* what the start waits; each call on a store is bounded itself               \
	    */
#define SAID_MAX 32

/* Hashes of log lines. */
struct said {
	uint64_t lines[SAID_MAX];
	size_t n;
};

struct shared {
	struct said last; /* of the run before */
	bool settled;	  /* migrations were applied, if they are to be at the start */
};

struct sc_upkeep {
	const struct sc_conf *conf;
	struct shared *shared;
	struct said now; /* of this run */
};

enum sc_status sc_upkeep_check(const struct sc_conf *conf, struct sc_err *err)
{
	struct sc_migrations *set = NULL;
	enum sc_status status = sc_migrations_load(conf->migrations_dir, &set, err);

	sc_migrations_free(set);
	return status;
}

enum sc_status sc_upkeep_new(const struct sc_conf *conf, struct sc_upkeep **out,
			     struct sc_err *err)
{
	struct sc_upkeep *u = NULL;
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		return sc_fail(err, SC_INTERNAL, "upkeep: %s", strerror(errno));
	u = sc_alloc(sizeof(*u));
	*u = (struct sc_upkeep){ .conf = conf, .shared = shared };
	*out = u;
	return SC_OK;
}

void sc_upkeep_free(struct sc_upkeep *u)
{
	if (!u)
		return;
	(void)munmap(u->shared, sizeof(*u->shared));
	free(u);
}

static bool was_said(const struct said *said, uint64_t line)
{
	for (size_t i = 0; i < said->n && i < SAID_MAX; i++)
		if (said->lines[i] == line)
			return true;
	return false;
}

/* Whether this line is new: neither this run nor the one before had it. */
static bool is_news(struct sc_upkeep *u, const char *text)
{
	uint64_t line = sc_hash64(sc_bytes_str(text));
	bool known = was_said(&u->shared->last, line) || was_said(&u->now, line);

	if (!was_said(&u->now, line) && u->now.n < SAID_MAX)
		u->now.lines[u->now.n++] = line;
	return !known;
}

static unsigned hex_value(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* What the log will escape again. */
static void unescape(const char *text, struct sc_buf *out)
{
	sc_buf_str(out, "");
	for (const char *c = text; *c; c++) {
		char byte = *c;

		if (c[0] == '\\' && c[1] == 'x' && c[2] && c[3]) {
			byte = (char)(hex_value(c[2]) << 4 | hex_value(c[3]));
			c += 3;
		}
		sc_buf_append(out, &byte, 1);
	}
}

/* Takes the lines of what is called here: a server that is away, each time. */
static void hear(void *arg, enum sc_log_level level, const char *text)
{
	struct sc_upkeep *u = arg;
	SC_AUTO_BUF plain = SC_BUF_INIT;

	if (!is_news(u, text))
		return;
	unescape(text, &plain);
	sc_log_to(NULL, NULL);
	sc_log(level, "%s", (const char *)plain.data);
	sc_log_to(hear, u);
}

static void name_unapplied(const struct sc_migration_state *all, size_t n,
			   struct sc_buf *out)
{
	for (size_t i = 0; i < n; i++)
		if (!all[i].applied)
			sc_buf_printf(out, "%s%s.%s", out->len ? ", " : "", all[i].app,
				      all[i].name);
}

/* Without it no route has its versions. */
static bool is_anything_cached(struct sc_versions *v)
{
	const char *name = sc_initial_migration.operations[0].cache;
	struct sc_version found;
	struct sc_err err;

	return sc_versions_get(v, &name, 1, &found, &err) != SC_NOT_FOUND;
}

static enum sc_status show(const struct sc_migrations *set, struct sc_versions *v,
			   struct sc_err *err)
{
	SC_AUTO_FREE struct sc_migration_state *all = NULL;
	SC_AUTO_BUF names = SC_BUF_INIT;
	size_t n = 0;

	if (sc_migrations_show(set, v, &all, &n, err) != SC_OK)
		return err->status;
	name_unapplied(all, n, &names);
	if (names.len > 0)
		sc_log_warning("migrations are not applied: %s; slidecachectl migrate "
			       "applies them; until then %s",
			       (const char *)names.data,
			       is_anything_cached(v)
				       ? "the caches that they start are not used"
				       : "nothing is cached");
	return SC_OK;
}

static enum sc_status apply(const struct sc_migrations *set, struct sc_versions *v,
			    struct sc_err *err)
{
	SC_AUTO_FREE struct sc_migration_step *steps = NULL;
	size_t n = 0;

	if (sc_migrate(set, v, NULL, &steps, &n, err) != SC_OK)
		return err->status;
	for (size_t i = 0; i < n; i++)
		sc_log_info("migration %s.%s applied", steps[i].migration->key.app,
			    steps[i].migration->key.name);
	return SC_OK;
}

static enum sc_status settle(struct sc_upkeep *u, struct sc_versions *v,
			     struct sc_err *err)
{
	struct sc_migrations *set = NULL;
	enum sc_status status = sc_migrations_load(u->conf->migrations_dir, &set, err);

	if (status == SC_OK && u->conf->migrate_on_start && !u->shared->settled)
		status = apply(set, v, err);
	else if (status == SC_OK)
		status = show(set, v, err);
	u->shared->settled |= status == SC_OK;
	sc_migrations_free(set);
	return status;
}

/* Looks at migrations, when versions can be read. */
static bool keep_versions(struct sc_upkeep *u)
{
	struct sc_versions *v = NULL;
	struct sc_err err = { SC_OK, "" };
	enum sc_status status =
		sc_app_versions_open(u->conf, CHANGE_MS, CHANGE_MS, &v, &err);

	if (status == SC_OK)
		status = sc_versions_remember(v, &err);
	if (status != SC_OK)
		sc_log_warning("%s; migrations are looked at when it can be read",
			       err.text);
	else if (settle(u, v, &err) != SC_OK)
		sc_log_error("migrations: %s; until that is mended no migration can be "
			     "applied",
			     err.text);
	sc_versions_close(v);
	return status == SC_OK;
}

static void sweep(const struct sc_upkeep *u)
{
	struct sc_err err = { SC_OK, "" };

	if (sc_app_sweep(u->conf, &err) != SC_OK)
		sc_log_warning("what versions left behind is not looked for: %s",
			       err.text);
}

/* False: the version store is out of reach. */
static bool run(struct sc_upkeep *u, bool all)
{
	bool done = false;

	u->now.n = 0;
	sc_log_to(hear, u);
	done = keep_versions(u);
	if (done && all)
		sweep(u);
	sc_log_to(NULL, NULL);
	u->shared->last = u->now;
	return done;
}

int sc_upkeep_run(struct sc_upkeep *u)
{
	return run(u, true) ? 0 : 1;
}

/* Ends with the master, and in time. */
static _Noreturn void run_first(struct sc_upkeep *u, pid_t master)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)alarm(START_MAX_S);
	if (getppid() == master)
		(void)run(u, false);
	exit(0);
}

void sc_upkeep_start(struct sc_upkeep *u)
{
	pid_t master = getpid();
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		run_first(u, master);
	if (pid < 0) {
		sc_log_error("migrations: cannot fork: %s", strerror(errno));
		return;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFSIGNALED(status))
		sc_log_error("migrations: the process that looks at them died of "
			     "signal %d",
			     WTERMSIG(status));
}

/* SPDX-License-Identifier: MIT */
/*
 * The paths of the sandbox, see sandbox_paths.h. Settings are files that editors and
 * tools replace by renaming, which is seen at once only through their folder.
 */
#include "sandbox_paths.h"

#include <stdlib.h>

static void add(struct sc_paths *p, struct sc_path path, const char *text)
{
	struct sc_path *all = NULL;

	if (!*text)
		return;
	all = sc_alloc_array(p->n + 1, sizeof(*all));
	for (size_t i = 0; i < p->n; i++)
		all[i] = p->all[i];
	free(p->all);
	p->all = all;
	path.path = sc_strdup(text);
	p->all[p->n++] = path;
}

/* What libraries load while they work, as decoders of rare formats; and what is asked of
 * the kernel. */
static const struct {
	enum sc_path_use use;
	bool is_pinned;
	const char *path;
} system_paths[] = {
	{ SC_PATH_READ, false, "/usr/lib" },
	{ SC_PATH_READ, false, "/usr/lib64" },
	{ SC_PATH_READ, false, "/usr/local/lib" },
	{ SC_PATH_READ, false, "/lib" },
	{ SC_PATH_READ, false, "/lib64" },
	{ SC_PATH_READ, false, "/etc/ld.so.cache" },
	{ SC_PATH_READ, false, "/dev/urandom" },
	{ SC_PATH_READ_WRITE, false, "/dev/null" },
	{ SC_PATH_READ, true, "/proc/sys/kernel/random/boot_id" },
};

static void add_system(struct sc_paths *p)
{
	for (size_t i = 0; i < sizeof(system_paths) / sizeof(system_paths[0]); i++)
		add(p,
		    (struct sc_path){ .use = system_paths[i].use,
				      .is_pinned = system_paths[i].is_pinned },
		    system_paths[i].path);
}

/* A damaged store is moved to PATH.damaged if that is there (lmdb_files.c): below
 * state_dir and cache_dir it can be made, too. */
static void add_store(struct sc_paths *p, const char *backend, const char *location)
{
	SC_AUTO_BUF aside = SC_BUF_INIT;

	if (strcmp(backend, "embedded") != 0)
		return;
	sc_buf_printf(&aside, "%s.damaged", location);
	add(p, (struct sc_path){ .use = SC_PATH_KEEP, .is_made = true }, location);
	add(p, (struct sc_path){ .use = SC_PATH_KEEP }, (const char *)aside.data);
}

static void add_stores(struct sc_paths *p, const struct sc_conf *conf)
{
	const struct sc_path kept = { .use = SC_PATH_KEEP, .is_made = true };

	add(p, kept, conf->state_dir);
	add(p, kept, conf->cache_dir);
	add_store(p, conf->versions.backend, conf->versions.location);
	for (int i = 0; i < SC_CONF_CACHES; i++)
		add_store(p, conf->caches[i].backend, conf->caches[i].location);
}

static void add_settings(struct sc_paths *p, const struct sc_conf *conf)
{
	const struct sc_path setting = { .use = SC_PATH_READ,
					 .scope = SC_PATH_OWN_FOLDER };

	add(p, setting, conf->access.htpasswd_file);
	add(p, setting, conf->access.tokens_file);
	add(p, setting, conf->access.acl_file);
	add(p, setting, conf->access.signing_key_file);
	for (int i = 0; i < SC_CONF_CACHES; i++)
		add(p, setting, conf->caches[i].secret_file);
}

/* Opened again when it was renamed, see log_file.h. */
static void add_log(struct sc_paths *p, const char *target)
{
	if (strcmp(target, "stderr") != 0)
		add(p, (struct sc_path){ .use = SC_PATH_APPEND, .scope = SC_PATH_FOLDER },
		    target);
}

#ifdef __SANITIZE_ADDRESS__
/* What its leak checker reads, what tells where a fault was, and where reports go. */
static void add_sanitizer(struct sc_paths *p)
{
	const char *options = getenv("ASAN_OPTIONS");
	const char *at = options ? strstr(options, "log_path=") : NULL;
	SC_AUTO_BUF reports = SC_BUF_INIT;

	add(p, (struct sc_path){ .use = SC_PATH_READ, .is_pinned = true }, "/proc/self");
	add(p, (struct sc_path){ .use = SC_PATH_READ }, "/proc/self/exe");
	if (!at)
		return;
	at += strlen("log_path=");
	sc_buf_printf(&reports, "%.*s", (int)strcspn(at, ":"), at);
	add(p, (struct sc_path){ .use = SC_PATH_KEEP, .scope = SC_PATH_FOLDER },
	    (const char *)reports.data);
}
#endif

void sc_paths_list(const struct sc_conf *conf, enum sc_sandbox_kind kind,
		   struct sc_paths *out)
{
	bool scans = kind == SC_SANDBOX_SCAN;

	add(out, (struct sc_path){ .use = SC_PATH_READ }, conf->slides.root);
	add(out,
	    (struct sc_path){ .use = scans ? SC_PATH_KEEP : SC_PATH_READ,
			      .scope = SC_PATH_FOLDER },
	    conf->slides.catalogue);
	add_stores(out, conf);
	add_settings(out, conf);
	add_log(out, conf->log.target);
	add_system(out);
#ifdef __SANITIZE_ADDRESS__
	add_sanitizer(out);
#endif
}

void sc_paths_list_resolver(struct sc_paths *out)
{
	static const char *const folders[] = { "/etc",		"/run", "/usr/lib",
					       "/usr/lib64",	"/lib", "/lib64",
					       "/usr/local/lib" };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		add(out, (struct sc_path){ .use = SC_PATH_READ }, folders[i]);
	add(out, (struct sc_path){ .use = SC_PATH_READ }, "/dev/urandom");
}

void sc_paths_release(struct sc_paths *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->all[i].path);
	free(p->all);
	*p = (struct sc_paths){ 0 };
}

bool sc_path_is_shared(const char *folder)
{
	static const char *const shared[] = {
		"/",	"/dev",	      "/etc", "/home",	  "/mnt",
		"/opt", "/root",      "/run", "/srv",	  "/tmp",
		"/usr", "/usr/local", "/var", "/var/lib", "/var/tmp",
	};

	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++)
		if (strcmp(folder, shared[i]) == 0)
			return true;
	return false;
}

void sc_path_above(const char *path, struct sc_buf *out)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	while (n > 1 && path[n - 1] != '/')
		n--;
	while (n > 1 && path[n - 1] == '/')
		n--;
	sc_buf_printf(out, "%.*s", (int)n, path);
}

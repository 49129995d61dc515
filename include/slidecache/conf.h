/* SPDX-License-Identifier: MIT */
/*
 * Configuration: one table of options, a JSON file, command-line overrides.
 *
 * src/conf/options.c has one row an option: its dotted name, type, default, limits and a
 * sentence. --help, --print-config, the README's table and the manual are made from or
 * checked against these rows. Unknown keys are errors that name the nearest known one.
 * A struct sc_conf is filled before fork and never changes afterwards.
 */
#ifndef SLIDECACHE_CONF_H
#define SLIDECACHE_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "slidecache/bytes.h"

#define SC_CONF_CACHES 2
enum sc_conf_cache_index { SC_CACHE_DEFAULT, SC_CACHE_TILES };

struct sc_conf_cache {
	char *backend;	/* "embedded", "memcached", "redis", "null" */
	char *location; /* embedded: directory, "" is cache_dir/NAME; else addresses */
	char *key_prefix;
	int64_t timeout_s; /* 0 for ever; JSON null */
	int64_t max_entries;
	int64_t max_size_mb;
	int64_t timeout_ms;
	char *compressor;  /* "none", "zlib" */
	char *secret_file; /* "" none */
	int64_t max_value_kb;
	bool split;
};

/* What the kernel is asked to queue; it grants net.core.somaxconn at most. */
#define SC_CONF_BACKLOG 4096

struct sc_conf {
	char *listen;	   /* "unix:/path", "HOST:PORT", "[V6]:PORT", "fd:0", "systemd" */
	char *socket_mode; /* octal text, "0660" */
	char *socket_group; /* "" unchanged */
	char *base_path;    /* "" or "/prefix", no slash at the end */
	int64_t workers;    /* 0: 2 * cores, at least 4 */
	int64_t warmers;
	int64_t request_timeout_s;
	int64_t max_requests_per_worker; /* 0: any number */
	int64_t max_mem_mb_per_worker;	 /* MiB; 0: by slides.max_open */
	int64_t max_waiting;		 /* connections; more are answered 503 */
	char *user;			 /* "" stays who we are */
	char *sandbox;			 /* "on", "off" */
	char *peer_users;		 /* comma list; besides root and ourselves */
	char *state_dir, *cache_dir;
	struct {
		char *root;
		char *catalogue; /* "" is state_dir/images.json */
		bool scan;
		int64_t scan_interval_s;
		int64_t max_open;
		bool associated_images; /* their label and macro have routes */
	} slides;
	struct {
		int64_t tile_size, overlap;
		bool limit_bounds;
		int64_t jpeg_quality, png_compression;
		bool blank_references;
	} deepzoom;
	int64_t thumbnail_size; /* pixels */
	struct {
		char *backend, *location; /* embedded: "" is state_dir/versions */
		char *key_prefix;
		int64_t timeout_ms;
	} versions;
	char *migrations_dir;
	bool migrate_on_start;
	struct sc_conf_cache caches[SC_CONF_CACHES];
	struct {
		char *htpasswd_file;	/* "" none */
		char *tokens_file;	/* "" none */
		char *acl_file;		/* "" none */
		char *signing_key_file; /* "" none */
		bool trust_remote_user;
	} access;
	struct {
		int64_t threads; /* of a warmer; 0: one a core */
		int64_t max_mem_size_mb;
		int64_t sync_limit_s;
		int64_t on_scan_mb; /* 0: off */
	} warm;
	struct {
		char *level, *target;
		bool requests; /* a line for each */
	} log;
};

extern const char
	*const sc_conf_cache_names[SC_CONF_CACHES]; /* "default", "tiles_cache" */

/* So many may wait in a queue of backlog connections: max_waiting, but at most three
 * quarters of it, so that there is room for a burst before the kernel refuses. */
static inline int64_t sc_conf_waiting(const struct sc_conf *c, int64_t backlog)
{
	int64_t most = backlog - backlog / 4;

	if (most < 1)
		most = 1;
	return c->max_waiting < most ? c->max_waiting : most;
}

/* Defaults everywhere. Free with sc_conf_free. */
struct sc_conf *sc_conf_new(void);
void sc_conf_free(struct sc_conf *c);
/* Reads a JSON file over what is there. SC_INVALID: "FILE:LINE: ..." with the key's
 * dotted name; for an unknown key the nearest known one. On failure c is partly filled.
 */
SC_MUST enum sc_status sc_conf_load(struct sc_conf *c, const char *path,
				    struct sc_err *err);
/* One option from text: sc_conf_set(c, "slides.root", "/srv"). */
SC_MUST enum sc_status sc_conf_set(struct sc_conf *c, const char *name, const char *text,
				   struct sc_err *err);
/* Fills derived values (paths left empty, workers 0, root made absolute) and checks what
 * belongs together. Call once, last. */
SC_MUST enum sc_status sc_conf_finish(struct sc_conf *c, struct sc_err *err);
/*
 * The command line's part, the same for slidecached and slidecachectl: a file (config, or
 * SC_CONF_DEFAULT_FILE when that is NULL and the file is there), then the overrides in
 * their order, then sc_conf_finish.
 */
#define SC_CONF_DEFAULT_FILE  "/etc/slidecache/slidecache.json"
#define SC_CONF_OVERRIDES_MAX 64
struct sc_conf_overrides {
	const char *config;
	size_t n;
	struct {
		char *name, *value; /* owned */
	} items[SC_CONF_OVERRIDES_MAX];
};
/* SC_INVALID when there are too many. */
SC_MUST enum sc_status sc_conf_override(struct sc_conf_overrides *o, const char *name,
					const char *value, struct sc_err *err);
/* "NAME=VALUE"; name and value are both copied. */
SC_MUST enum sc_status sc_conf_override_set(struct sc_conf_overrides *o, const char *text,
					    struct sc_err *err);
/* --state-dir DIR: state_dir, and cache_dir as DIR/cache unless it is overridden, too. */
SC_MUST enum sc_status sc_conf_override_state_dir(struct sc_conf_overrides *o,
						  const char *dir, struct sc_err *err);
void sc_conf_overrides_release(struct sc_conf_overrides *o);
SC_MUST enum sc_status sc_conf_open(const struct sc_conf_overrides *o,
				    struct sc_conf **out, struct sc_err *err);
/* The effective values as a JSON document that sc_conf_load takes, so with the passwords
 * that locations hold. */
void sc_conf_print(const struct sc_conf *c, FILE *out);
/* The dotted name of the option below a section, however deep, whose last part is leaf:
 * "caches.default", "split" -> "caches.default.options.split"; NULL: there is none. */
const char *sc_conf_option_below(const char *section, struct sc_bytes leaf);
/* "NAME  TYPE  DEFAULT  help" a line, for --help and lint. */
void sc_conf_print_options(FILE *out);

#endif

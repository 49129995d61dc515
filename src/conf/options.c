/* SPDX-License-Identifier: MIT */
/*
 * The table of options: name, type, default, limits and a sentence, one row each.
 *
 * --help, --print-config, deploy/slidecache.json and the README's table are made from or
 * checked against these rows. The options of a cache are one list of rows for all caches.
 */
#include "options.h"

#include <stddef.h>

#define AT(field)		     offsetof(struct sc_conf, field)
#define TEXT(type, name, field, def) name, type, AT(field), def, 0, 0, NULL
#define STRING(name, field, def)     TEXT(SC_OPT_STRING, name, field, def)
#define NULLABLE(name, field, def)   TEXT(SC_OPT_NULL_STRING, name, field, def)
#define LIST(name, field, def)	     TEXT(SC_OPT_LIST, name, field, def)
#define BOOL(name, field, def)	     TEXT(SC_OPT_BOOL, name, field, def)
#define CHOICE(name, field, def, choices)                                                \
	name, SC_OPT_CHOICE, AT(field), def, 0, 0, choices
#define INT(name, field, def, min, max) name, SC_OPT_INT, AT(field), def, min, max, NULL
#define NULL_INT(name, field, def, min, max)                                             \
	name, SC_OPT_NULL_INT, AT(field), def, min, max, NULL

#define YEAR_S (366 * 86400)

/* All options of the cache called name with index i; its own defaults last. */
#define CACHE_ROWS(name, i, timeout_def, entries_def, size_def, compressor_def)          \
	{ STRING("caches." name ".backend", caches[i].backend, "embedded"),              \
	  "where entries are kept: embedded, memcached, redis, null" },                  \
		{ STRING("caches." name ".location", caches[i].location, ""),            \
		  "embedded: its directory; a server: where; empty: the usual place" },  \
		{ STRING("caches." name ".key_prefix", caches[i].key_prefix, "exact"),   \
		  "first part of every key" },                                           \
		{ NULL_INT("caches." name ".timeout_s", caches[i].timeout_s,             \
			   timeout_def, 1, 100 * (int64_t)YEAR_S),                       \
		  "seconds that an entry lives; null: for ever, on a server 30 days" },  \
		{ INT("caches." name ".options.max_entries", caches[i].max_entries,      \
		      entries_def, 1, 1000000000),                                       \
		  "embedded: entries kept at most" },                                    \
		{ INT("caches." name ".options.max_size_mb", caches[i].max_size_mb,      \
		      size_def, 1, 16 * 1024 * 1024),                                    \
		  "embedded: MiB kept at most" },                                        \
		{ CHOICE("caches." name ".options.compressor", caches[i].compressor,     \
			 compressor_def, "none|zlib"),                                   \
		  "how values are made smaller; images never are" },                     \
		{ NULLABLE("caches." name ".options.secret_file", caches[i].secret_file, \
			   ""),                                                          \
		  "file of the key that entries are authenticated by; null: checksum" }, \
		{ INT("caches." name ".options.max_value_kb", caches[i].max_value_kb,    \
		      "0", 0, 16384),                                                    \
		  "KiB of a value at most; 0: as the backend has it" },                  \
		{ BOOL("caches." name ".options.split", caches[i].split, "false"),       \
		  "store larger values in parts" },                                      \
	{                                                                                \
		INT("caches." name ".options.timeout_ms", caches[i].timeout_ms, "100",   \
		    1, 60000),                                                           \
			"milliseconds that one call may take"                            \
	}

const char *const sc_conf_cache_names[SC_CONF_CACHES] = {
	[SC_CACHE_DEFAULT] = "default",
	[SC_CACHE_TILES] = "tiles_cache",
};

const struct sc_option sc_options[] = {
	{ STRING("listen", listen, "unix:/run/slidecache/slidecached.sock"),
	  "where the web server connects: unix:/path, HOST:PORT, fd:0, systemd" },
	{ STRING("socket_mode", socket_mode, "0660"), "mode of the unix socket, octal" },
	{ NULLABLE("socket_group", socket_group, "www-data"),
	  "group of the unix socket; null: unchanged" },
	{ STRING("base_path", base_path, ""),
	  "path below which the web server mounts the service" },
	{ INT("workers", workers, "0", 0, 512),
	  "worker processes; 0: 2 * cores, at least 4" },
	{ INT("warmers", warmers, "1", 1, 16),
	  "processes that warm slides, one job at a time each" },
	{ INT("request_timeout_s", request_timeout_s, "30", 1, 3600),
	  "seconds after which a request's worker is killed" },
	{ INT("max_requests_per_worker", max_requests_per_worker, "0", 0, 1000000000),
	  "requests after which a worker is replaced; 0: never" },
	{ INT("max_mem_mb_per_worker", max_mem_mb_per_worker, "0", 0, 1048576),
	  "MiB of memory that a worker may have; 0: 512 and 48 a slide of max_open" },
	{ INT("max_waiting", max_waiting, "1024", 1, 65535),
	  "connections that may wait for a worker; more are answered 503" },
	{ NULLABLE("user", user, ""),
	  "run as this user (needs root); null: stay who we are" },
	{ CHOICE("sandbox", sandbox, "on", "on|off"),
	  "whether the kernel confines the processes that read slides; off: not at all" },
	{ LIST("peer_users", peer_users, "www-data"),
	  "who may connect to the unix socket, besides root and ourselves" },
	{ STRING("state_dir", state_dir, "/var/lib/slidecache"),
	  "directory of what must survive: catalogue, versions" },
	{ STRING("cache_dir", cache_dir, "/var/cache/slidecache"),
	  "directory of what may be lost: embedded caches" },
	{ STRING("slides.root", slides.root, "/srv/slides"),
	  "folder of the slides; nothing outside it is ever read" },
	{ STRING("slides.catalogue", slides.catalogue, ""),
	  "file of the image catalogue; empty: state_dir/images.json" },
	{ BOOL("slides.scan", slides.scan, "true"),
	  "add slides found below the root, mark those that are gone" },
	{ INT("slides.scan_interval_s", slides.scan_interval_s, "60", 0, YEAR_S),
	  "seconds between two scans; 0: only at start and on SIGHUP" },
	{ INT("slides.max_open", slides.max_open, "16", 1, 1024),
	  "slides that a worker keeps open" },
	{ BOOL("slides.associated_images", slides.associated_images, "false"),
	  "whether label and macro, which may name a patient, have routes" },
	{ INT("deepzoom.tile_size", deepzoom.tile_size, "254", 16, 4096),
	  "pixels a side of a tile, without overlap" },
	{ INT("deepzoom.overlap", deepzoom.overlap, "1", 0, 256),
	  "pixels that a tile shares with each neighbour" },
	{ BOOL("deepzoom.limit_bounds", deepzoom.limit_bounds, "false"),
	  "show only the bounds of the scanned area" },
	{ INT("deepzoom.jpeg_quality", deepzoom.jpeg_quality, "90", 1, 100),
	  "quality of JPEG tiles" },
	{ INT("deepzoom.png_compression", deepzoom.png_compression, "3", 0, 9),
	  "zlib level of PNG tiles" },
	{ BOOL("deepzoom.blank_references", deepzoom.blank_references, "true"),
	  "keep tiles of one colour as a reference of a few bytes" },
	{ INT("thumbnail_size", thumbnail_size, "128", 16, 4096),
	  "pixels of the square that a thumbnail fits" },
	{ STRING("versions.backend", versions.backend, "embedded"),
	  "where cache versions are kept: embedded, memcached, redis" },
	{ STRING("versions.location", versions.location, ""),
	  "embedded: its directory; a server: where; empty: the usual place" },
	{ STRING("versions.key_prefix", versions.key_prefix, "exact"),
	  "a server: first part of the keys" },
	{ INT("versions.timeout_ms", versions.timeout_ms, "100", 1, 60000),
	  "a server: milliseconds that reading the versions may take" },
	{ STRING("migrations_dir", migrations_dir, "/etc/slidecache/migrations"),
	  "folder of the site's own migrations" },
	{ BOOL("migrate_on_start", migrate_on_start, "false"),
	  "apply unapplied migrations when the service starts" },
	CACHE_ROWS("default", SC_CACHE_DEFAULT, "null", "100000", "256", "zlib"),
	CACHE_ROWS("tiles_cache", SC_CACHE_TILES, "604800", "1000000", "4096", "none"),
	{ NULLABLE("access.htpasswd_file", access.htpasswd_file, ""),
	  "users who may manage over HTTP, as htpasswd -B writes them; null: none" },
	{ NULLABLE("access.tokens_file", access.tokens_file, ""),
	  "tokens that scripts send, as slidecachectl token writes them; null: none" },
	{ NULLABLE("access.acl_file", access.acl_file, ""),
	  "who may read, manage and see labels of which images; null: all may read" },
	{ NULLABLE("access.signing_key_file", access.signing_key_file, ""),
	  "key of the URLs that slidecachectl sign makes; null: none are taken" },
	{ BOOL("access.trust_remote_user", access.trust_remote_user, "false"),
	  "users whom the web server names (REMOTE_USER) may manage" },
	{ INT("warm.threads", warm.threads, "0", 0, 256),
	  "threads that a warmer renders with; 0: one a core" },
	{ INT("warm.max_mem_size_mb", warm.max_mem_size_mb, "65536", 1, 16 * 1024 * 1024),
	  "MiB that one request may ask to warm at most" },
	{ INT("warm.sync_limit_s", warm.sync_limit_s, "20", 0, 3600),
	  "seconds that update_image_cache waits before it leaves the rest to the job; "
	  "never with one worker" },
	{ INT("warm.on_scan_mb", warm.on_scan_mb, "0", 0, 16 * 1024 * 1024),
	  "MiB to warm of each slide that the scan finds; 0: none" },
	{ CHOICE("log.level", log.level, "info", "error|warning|info|debug"),
	  "what is logged" },
	{ STRING("log.target", log.target, "stderr"), "stderr, or a file's path" },
	{ BOOL("log.requests", log.requests, "true"),
	  "a line for each request; errors have theirs anyway" },
};
const size_t sc_options_count = sizeof(sc_options) / sizeof(sc_options[0]);

static const struct {
	const char *wants, *text;
} types[] = {
	[SC_OPT_STRING] = { "a string", "string" },
	[SC_OPT_NULL_STRING] = { "a string or null", "string|null" },
	[SC_OPT_LIST] = { "an array of strings", "list" },
	[SC_OPT_CHOICE] = { "a string", "string" },
	[SC_OPT_BOOL] = { "true or false", "bool" },
	[SC_OPT_INT] = { "an integer", "integer" },
	[SC_OPT_NULL_INT] = { "an integer or null", "integer|null" },
};

const char *sc_option_wants(const struct sc_option *o)
{
	return types[o->type].wants;
}

const char *sc_option_type_text(const struct sc_option *o)
{
	return o->choices ? o->choices : types[o->type].text;
}

const struct sc_option *sc_option_find(const char *name)
{
	for (size_t i = 0; i < sc_options_count; i++)
		if (strcmp(sc_options[i].name, name) == 0)
			return &sc_options[i];
	return NULL;
}

const char *sc_conf_option_below(const char *section, struct sc_bytes leaf)
{
	size_t n = strlen(section);

	for (size_t i = 0; i < sc_options_count; i++) {
		const char *name = sc_options[i].name;
		const char *last = strrchr(name, '.');

		if (last && strncmp(name, section, n) == 0 && name[n] == '.' &&
		    sc_bytes_is(leaf, last + 1))
			return name;
	}
	return NULL;
}

bool sc_option_is_section(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < sc_options_count; i++)
		if (strncmp(sc_options[i].name, name, n) == 0 &&
		    sc_options[i].name[n] == '.')
			return true;
	return false;
}

#define NAME_MAX_BYTES 64 /* longer ones are cut: only their distance is wanted */

/* Levenshtein's distance, one row of the matrix at a time. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_BYTES + 1];
	size_t na = strnlen(a, NAME_MAX_BYTES);
	size_t nb = strnlen(b, NAME_MAX_BYTES);

	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
		}
	}
	return row[nb];
}

static const char *nearest_option(const char *name)
{
	const char *best = sc_options[0].name;
	size_t least = (size_t)-1;

	for (size_t i = 0; i < sc_options_count; i++) {
		const char *known = sc_options[i].name;
		const char *leaf = strrchr(known, '.');
		size_t whole = edit_distance(name, known);
		/* "max_open" at the top most likely means "slides.max_open". */
		size_t last = leaf ? edit_distance(name, leaf + 1) + 1 : whole;
		size_t distance = last < whole ? last : whole;

		if (distance < least) {
			least = distance;
			best = known;
		}
	}
	return best;
}

/* "caches.x" and what is below it, where x is no cache. */
static bool names_no_cache(const char *name)
{
	static const char section[] = "caches.";
	size_t n = strlen(section);

	if (strncmp(name, section, n) != 0)
		return false;
	for (size_t i = 0; i < SC_CONF_CACHES; i++) {
		const char *cache = sc_conf_cache_names[i];

		if (strcspn(name + n, ".") == strlen(cache) &&
		    strncmp(name + n, cache, strlen(cache)) == 0)
			return false;
	}
	return true;
}

enum sc_status sc_option_unknown(const char *name, struct sc_err *err)
{
	if (names_no_cache(name))
		return sc_fail(err, SC_INVALID,
			       "unknown option \"%.60s\"; the caches are \"%s\" and "
			       "\"%s\"",
			       name, sc_conf_cache_names[SC_CACHE_DEFAULT],
			       sc_conf_cache_names[SC_CACHE_TILES]);
	if (sc_option_is_section(name))
		return sc_fail(err, SC_INVALID, "\"%.60s\" is a section, not an option",
			       name);
	return sc_fail(err, SC_INVALID, "unknown option \"%.60s\"; the nearest is \"%s\"",
		       name, nearest_option(name));
}

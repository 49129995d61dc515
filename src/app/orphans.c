/* SPDX-License-Identifier: MIT */
/*
 * Sweeping: which entries have versions left behind?
 *
 * The caches say under which version texts they hold entries, the version store which
 * versions are current. A text is live if each of its versions is current: one of a named
 * cache, or that of the image which its entries are of. What is stored under others is
 * retired: the embedded backend reclaims it first. Of each text one entry's item is
 * looked at, so it takes no longer with more entries. Where the store cannot list images
 * and the entries do not say which one they are of, nobody can tell: such a text is left
 * alone.
 *
 * First the texts, then the versions. Whoever stored under a text had read its versions
 * before; so a version of a text that was seen is either still current when the versions
 * are read afterwards, or was current before and, as no version ever comes back, never
 * will be again. The other way round, what became current between the two looks, and had
 * something stored under it at once, would be taken for left behind.
 *
 * For the same reason a text that is retired already is never current, unless the version
 * store went back in time: somebody put an old copy of it back, or uses again what was
 * left for another one. Then others of its versions may be too old as well, under which
 * nothing was retired yet, and all are changed.
 */
#include "app/orphans.h"

#include <stdlib.h>

#include "slidecache/app.h"
#include "slidecache/ledger.h"
#include "slidecache/log.h"
#include "slidecache/parse.h"

#define AT_ONCE 16 /* images whose versions are read together */

/* Of KIND/ID/... */
static int64_t image_of(const char *item)
{
	const char *id = strchr(item, '/');
	int64_t image = 0;

	if (id && sc_parse_i64(sc_bytes_of(id + 1, strcspn(id + 1, "/~")), 1, INT64_MAX,
			       &image))
		return image;
	return 0;
}

/* Texts that sc_version_text did not make are not ours to judge. */
static bool is_of_versions(const char *text)
{
	size_t n = strlen(text);

	return n > 0 && n <= SC_VERSION_TEXT_MAX && n % SC_VERSION_LEN == 0;
}

static void add_group(void *arg, const char *version, const char *item, bool retired)
{
	struct sc_groups *g = arg;
	struct sc_group group = { .cache = g->cache,
				  .image = image_of(item),
				  .retired = retired };

	if (!is_of_versions(version))
		return;
	if (g->n == g->room) {
		g->room = g->room ? 2 * g->room : 64;
		g->items = sc_realloc_array(g->items, g->room, sizeof(*g->items));
	}
	memcpy(group.version, version, strlen(version));
	g->items[g->n++] = group;
}

enum sc_status sc_groups_find(struct sc_cache *const *caches, size_t n,
			      struct sc_groups *out, struct sc_err *err)
{
	enum sc_status status = SC_OK;

	for (size_t i = 0; i < n && !status; i++) {
		out->cache = caches[i];
		if (caches[i])
			status = sc_cache_groups(caches[i], add_group, out, err);
	}
	return status;
}

/* Those of named caches, and as many of images' as the store lists; in order of their
 * versions. */
struct current {
	struct sc_version *items;
	size_t n;
	bool has_images; /* all that there are */
};

static int compare_versions(const void *a, const void *b)
{
	return memcmp(((const struct sc_version *)a)->version,
		      ((const struct sc_version *)b)->version, SC_VERSION_LEN);
}

static bool is_current(const struct current *current, const char *version)
{
	struct sc_version key;

	memcpy(key.version, version, SC_VERSION_LEN);
	return bsearch(&key, current->items, current->n, sizeof(key), compare_versions);
}

static bool is_live(const struct sc_group *g, const struct current *current)
{
	for (const char *at = g->version; *at; at += SC_VERSION_LEN)
		if (memcmp(at, g->image_version, SC_VERSION_LEN) != 0 &&
		    !is_current(current, at))
			return false;
	return true;
}

/* What is not current may be of any image. */
static bool is_unknown(const struct sc_group *g, const struct current *current)
{
	return !g->image && !current->has_images && !is_live(g, current);
}

/* Of at most AT_ONCE groups. */
static enum sc_status read_together(struct sc_group *const *groups, size_t n,
				    struct sc_versions *versions, struct sc_err *err)
{
	char storage[AT_ONCE][SC_VERSION_NAME_MAX + 1];
	const char *names[AT_ONCE] = { NULL };
	struct sc_version now[AT_ONCE];
	enum sc_status status = SC_OK;

	for (size_t i = 0; i < n; i++) {
		sc_version_image_name(groups[i]->image, storage[i]);
		names[i] = storage[i];
	}
	status = sc_versions_get(versions, names, n, now, err);
	for (size_t i = 0; i < n && !status; i++)
		memcpy(groups[i]->image_version, now[i].version, SC_VERSION_LEN);
	return status;
}

/* Only where the answer decides. */
static bool depends_on_image(const struct sc_group *g, const struct current *current)
{
	return g->image && !is_live(g, current);
}

static enum sc_status read_images(struct sc_groups *g, const struct current *current,
				  struct sc_versions *versions, struct sc_err *err)
{
	struct sc_group *together[AT_ONCE];
	enum sc_status status = SC_OK;
	size_t n = 0;

	for (size_t i = 0; i < g->n && !status; i++) {
		if (depends_on_image(&g->items[i], current))
			together[n++] = &g->items[i];
		if (n == AT_ONCE) {
			status = read_together(together, n, versions, err);
			n = 0;
		}
	}
	return status ? status : read_together(together, n, versions, err);
}

static enum sc_status retire(const struct sc_groups *g, const struct current *current,
			     struct sc_err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++) {
		const struct sc_group *group = &g->items[i];

		if (is_live(group, current) || is_unknown(group, current))
			continue;
		sc_ledger_orphan_text(sc_bytes_str(group->version));
		if (sc_cache_retire(group->cache, group->version, err))
			return err->status;
		n++;
	}
	sc_log_debug("of %zu version texts %zu are left behind", g->n, n);
	return SC_OK;
}

static enum sc_status read_current(struct sc_groups *g, struct sc_versions *versions,
				   struct current *out, struct sc_err *err)
{
	struct sc_version *listed = NULL;
	enum sc_status status = sc_versions_list(versions, &listed, &out->n, err);

	if (status)
		return status;
	free(out->items);
	out->items = listed;
	out->has_images = sc_versions_list_has_images(versions);
	qsort(listed, out->n, sizeof(*listed), compare_versions);
	for (size_t i = 0; i < g->n; i++)
		g->items[i].image_version[0] = '\0';
	return read_images(g, out, versions, err);
}

static bool went_back(const struct sc_groups *g, const struct current *current)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->items[i].retired && is_live(&g->items[i], current))
			return true;
	return false;
}

static enum sc_status change_all(struct sc_versions *versions, struct sc_err *err)
{
	enum sc_status status = sc_invalidate_all_caches(versions, err);

	if (!status)
		sc_log_warning("the versions are older than what was stored under them: "
			       "all were changed");
	return status;
}

enum sc_status sc_groups_retire(struct sc_groups *g, struct sc_versions *versions,
				struct sc_err *err)
{
	struct current current = { .items = NULL };
	enum sc_status status = read_current(g, versions, &current, err);

	if (!status && went_back(g, &current)) {
		status = change_all(versions, err);
		if (!status)
			status = read_current(g, versions, &current, err);
	}
	if (!status)
		status = retire(g, &current, err);
	free(current.items);
	return status;
}

enum sc_status sc_retire_orphans(struct sc_cache *const *caches, size_t n,
				 struct sc_versions *versions, struct sc_err *err)
{
	struct sc_groups groups = { .items = NULL };
	enum sc_status status = sc_groups_find(caches, n, &groups, err);

	if (!status && groups.n > 0)
		status = sc_groups_retire(&groups, versions, err);
	free(groups.items);
	return status;
}

/* What one process opens for one sweep. */
struct stores {
	struct sc_versions *versions;
	struct sc_cache *caches[SC_CONF_CACHES];
};

#define TIMEOUT_MS 1000 /* nobody waits */

static enum sc_status open_stores(const struct sc_conf *conf, struct stores *s,
				  struct sc_err *err)
{
	enum sc_status status =
		sc_app_versions_open(conf, TIMEOUT_MS, TIMEOUT_MS, &s->versions, err);

	for (int i = 0; i < SC_CONF_CACHES && !status; i++) {
		struct sc_cache_options o = sc_app_cache_options(conf, i);

		status = sc_cache_open(&o, &s->caches[i], err);
	}
	return status;
}

enum sc_status sc_app_sweep(const struct sc_conf *conf, struct sc_err *err)
{
	struct stores s = { .versions = NULL };
	enum sc_status status = SC_OK;

	sc_app_map_ledger(conf);
	status = open_stores(conf, &s, err);
	if (!status)
		status = sc_retire_orphans(s.caches, SC_CONF_CACHES, s.versions, err);
	for (int i = 0; i < SC_CONF_CACHES; i++)
		sc_cache_close(s.caches[i]);
	sc_versions_close(s.versions);
	return status;
}

/* SPDX-License-Identifier: MIT */
/*
 * Talking to the stores. One that is out of reach, or busy, is asked again until it
 * answers, the caller's patience ends, or the run is to stop. Meanwhile the caller is
 * told so.
 */
#include "slidecache/clock.h"
#include "warm/run.h"

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 1000
#define FILE_US	     (5 * SC_US_PER_S) /* that the file may be absent */

static bool is_over(const struct sc_warm_wait *w, int64_t patience_us)
{
	return patience_us > 0 && sc_mono_us() - w->since_us >= patience_us;
}

static enum sc_status pause_longer(struct sc_warm_run *r, struct sc_warm_wait *w,
				   struct sc_err *err)
{
	enum sc_status status = sc_warm_tell(r, err);

	if (!status)
		status = sc_warm_pause(r, w->pause_ms, err);
	w->pause_ms = w->pause_ms * 2 < PAUSE_MAX_MS ? w->pause_ms * 2 : PAUSE_MAX_MS;
	return status;
}

static void begin_wait(struct sc_warm_wait *w)
{
	if (w->since_us == 0)
		*w = (struct sc_warm_wait){ sc_mono_us(), PAUSE_MIN_MS };
}

enum sc_status sc_warm_wait(struct sc_warm_run *r, struct sc_warm_wait *w,
			    struct sc_err *err)
{
	begin_wait(w);
	r->disturbed = true;
	if (is_over(w, r->tools->patience_us)) {
		err->status = SC_UNAVAILABLE;
		return SC_UNAVAILABLE;
	}
	r->p->waiting = true;
	return pause_longer(r, w, err);
}

void sc_warm_answered(struct sc_warm_run *r, struct sc_warm_wait *w)
{
	r->p->waiting = false;
	w->since_us = 0;
}

enum sc_status sc_warm_wait_for_file(struct sc_warm_run *r, struct sc_warm_wait *w,
				     struct sc_err *err)
{
	begin_wait(w);
	return is_over(w, FILE_US) ? SC_NOT_FOUND : pause_longer(r, w, err);
}

enum sc_status sc_warm_versions(struct sc_warm_run *r, char out[SC_PLAN_VERSION_MAX + 1],
				struct sc_err *err)
{
	char image[SC_VERSION_NAME_MAX + 1], text[SC_VERSION_TEXT_MAX + 1];
	const char *names[] = { "tiles", image };
	struct sc_warm_wait w = { 0, 0 };
	struct sc_version now[2];

	sc_version_image_name(r->im->id, image);
	for (;;) {
		enum sc_status status =
			sc_versions_get(r->tools->versions, names, 2, now, err);

		if (status == SC_OK)
			break;
		if (status == SC_NOT_FOUND)
			return sc_fail(
				err, SC_UNAVAILABLE,
				"\"tiles\" is not versioned, so no tile is cached: "
				"slidecachectl start tiles");
		status = sc_warm_wait(r, &w, err);
		if (status)
			return status;
	}
	sc_warm_answered(r, &w);
	sc_version_text(now, 2, text);
	memcpy(out, text, SC_PLAN_VERSION_MAX + 1);
	return SC_OK;
}

/* What was asked for in one go, and the numbers of those without an answer. */
struct open {
	size_t n;
	size_t at[SC_WARM_BLOCK_TILES];
};

static struct open all_of(size_t n)
{
	struct open o = { .n = n };

	for (size_t i = 0; i < n; i++)
		o.at[i] = i;
	return o;
}

/* The k-th of these has no answer: it moves up behind those that are kept. */
static void keep(struct open *o, size_t *kept, size_t k)
{
	o->at[(*kept)++] = o->at[k];
}

static bool is_answer(enum sc_status status)
{
	return status == SC_OK || status == SC_MISS || status == SC_INVALID ||
	       status == SC_TOO_LARGE;
}

/* Looks for those that are open, and leaves open what has no answer: err says why. */
static void peek_open(struct sc_warm_run *r, struct open *o, void *arg,
		      struct sc_err *err)
{
	struct sc_entry entries[SC_WARM_BLOCK_TILES];
	struct sc_bytes items[SC_WARM_BLOCK_TILES];
	enum sc_status each[SC_WARM_BLOCK_TILES];
	size_t kept = 0;

	(void)arg;
	for (size_t k = 0; k < o->n; k++) {
		entries[k] = (struct sc_entry)SC_ENTRY_INIT;
		items[k] = sc_bytes_str(r->plans[o->at[k]].text);
	}
	SC_IGNORE(sc_cache_peek_many(r->tools->cache, r->version, items, o->n, entries,
				     each, err)); /* each[] says it */
	for (size_t k = 0; k < o->n; k++) {
		if (!is_answer(each[k]))
			keep(o, &kept, k);
		else if (each[k] == SC_OK)
			r->found[o->at[k]] = sc_cache_entry_bytes(
				r->tools->cache, r->version, items[k], entries[k].mime,
				entries[k].value.len);
		sc_entry_release(&entries[k]);
	}
	o->n = kept;
}

typedef void (*ask_fn)(struct sc_warm_run *r, struct open *o, void *arg,
		       struct sc_err *err);

/* Asks again and again, for what is open, until all have their answers. */
static enum sc_status ask_all(struct sc_warm_run *r, size_t n, ask_fn ask, void *arg,
			      struct sc_err *err)
{
	struct open o = all_of(n);
	struct sc_warm_wait w = { 0, 0 };

	while (o.n > 0) {
		size_t before = o.n;
		enum sc_status status = SC_OK;

		ask(r, &o, arg, err);
		if (o.n < before)
			sc_warm_answered(r, &w);
		status = o.n > 0 ? sc_warm_wait(r, &w, err) : SC_OK;
		if (status)
			return status;
	}
	sc_warm_answered(r, &w);
	return SC_OK;
}

enum sc_status sc_warm_peek(struct sc_warm_run *r, int n, struct sc_err *err)
{
	memset(r->found, 0, sizeof(r->found));
	return ask_all(r, (size_t)n, peek_open, NULL, err);
}

/* What sc_warm_store was given. */
struct stores {
	const struct sc_cache_value *values;
	enum sc_status *each;
};

static void store_open(struct sc_warm_run *r, struct open *o, void *arg,
		       struct sc_err *err)
{
	const struct stores *s = arg;
	struct sc_cache_value some[SC_WARM_BLOCK_TILES];
	enum sc_status answers[SC_WARM_BLOCK_TILES];
	size_t kept = 0;

	for (size_t k = 0; k < o->n; k++)
		some[k] = s->values[o->at[k]];
	SC_IGNORE(sc_cache_set_many(r->tools->cache, r->version, some, o->n, answers,
				    err)); /* answers[] says it */
	for (size_t k = 0; k < o->n; k++) {
		s->each[o->at[k]] = answers[k];
		if (!is_answer(answers[k]))
			keep(o, &kept, k);
	}
	o->n = kept;
}

enum sc_status sc_warm_store(struct sc_warm_run *r, const struct sc_cache_value *values,
			     size_t n, enum sc_status *each, struct sc_err *err)
{
	struct stores s = { values, each };

	return ask_all(r, n, store_open, &s, err);
}

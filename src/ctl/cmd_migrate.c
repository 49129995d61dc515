/* SPDX-License-Identifier: MIT */
/*
 * migrate, showmigrations: migrations from the command line, with output as Django's
 * commands of these names have it.
 */
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>

#include "slidecache/app.h"
#include "slidecache/clock.h"
#include "slidecache/json.h"

enum sc_status sc_ctl_load_migrations(const struct sc_ctl *ctl,
				      struct sc_migrations **out, struct sc_err *err)
{
	enum sc_status status = sc_migrations_load(ctl->conf->migrations_dir, out, err);

	if (status == SC_INVALID)
		err->status = SC_DAMAGED;
	return status ? err->status : SC_OK;
}

/* The arguments of migrate. */
struct order {
	const char *target; /* NULL: all */
	bool plan;
};

static enum sc_status read_order(const struct sc_ctl *ctl, struct order *out,
				 struct sc_err *err)
{
	for (int i = 0; i < ctl->argc; i++) {
		const char *arg = ctl->argv[i];

		if (strcmp(arg, "--plan") == 0)
			out->plan = true;
		else if (arg[0] == '-')
			return sc_fail(err, SC_INVALID, "unknown option %.32s", arg);
		else if (out->target)
			return sc_fail(err, SC_INVALID, "too many arguments: %.64s", arg);
		else
			out->target = arg;
	}
	return SC_OK;
}

static const char *action_name(const struct sc_migration_op *op, bool reverse)
{
	return (op->action == SC_START_CACHE_VERSIONING) != reverse
		       ? "StartCacheVersioning"
		       : "StopCacheVersioning";
}

/* The i-th operation of a step, as it is done: reversed, the opposite, backwards. */
static const struct sc_migration_op *operation_at(const struct sc_migration_step *s,
						  size_t i)
{
	size_t n = s->migration->noperations;

	return &s->migration->operations[s->reverse ? n - 1 - i : i];
}

static void put_step(struct sc_buf *out, const struct sc_migration_step *s)
{
	sc_json_begin(out, '{');
	sc_json_key(out, "app");
	sc_json_str(out, s->migration->key.app);
	sc_json_key(out, "name");
	sc_json_str(out, s->migration->key.name);
	sc_json_key(out, "reverse");
	sc_json_bool(out, s->reverse);
	sc_json_key(out, "operations");
	sc_json_begin(out, '[');
	for (size_t i = 0; i < s->migration->noperations; i++) {
		const struct sc_migration_op *op = operation_at(s, i);

		sc_json_begin(out, '{');
		sc_json_key(out, action_name(op, s->reverse));
		sc_json_str(out, op->cache);
		sc_json_end(out, '}');
	}
	sc_json_end(out, ']');
	sc_json_end(out, '}');
}

/* What a target could not touch: applied, but not among the files here; perhaps of a
 * program, or of another host. */
struct left {
	struct sc_migration_state *all;
	size_t n;
};

/* A run that was made shall not look undone because this cannot be read: then nothing is
 * said. */
static struct left find_left(const struct order *order, const struct sc_migrations *set,
			     struct sc_versions *store)
{
	struct left left = { .n = 0 };
	struct sc_err err;
	size_t n = 0;

	if (!order->target || sc_migrations_show(set, store, &left.all, &n, &err))
		return left;
	for (size_t i = 0; i < n; i++)
		if (left.all[i].applied && !left.all[i].known)
			left.all[left.n++] = left.all[i];
	return left;
}

static void print_left(const struct left *left)
{
	for (size_t i = 0; i < left->n; i++)
		printf("  %s.%s is left applied: it is not among the files here\n",
		       left->all[i].app, left->all[i].name);
}

static void put_left(struct sc_buf *out, const struct left *left)
{
	sc_json_begin(out, '[');
	for (size_t i = 0; i < left->n; i++) {
		SC_AUTO_BUF name = SC_BUF_INIT;

		sc_buf_printf(&name, "%s.%s", left->all[i].app, left->all[i].name);
		sc_json_str(out, (const char *)name.data);
	}
	sc_json_end(out, ']');
}

static void print_json(const struct sc_migration_step *steps, size_t n,
		       const struct left *left)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_json_begin(&out, '{');
	sc_json_key(&out, "steps");
	sc_json_begin(&out, '[');
	for (size_t i = 0; i < n; i++)
		put_step(&out, &steps[i]);
	sc_json_end(&out, ']');
	sc_json_key(&out, "left");
	put_left(&out, left);
	sc_json_end(&out, '}');
	sc_ctl_print(&out);
}

static void print_plan(const struct sc_migration_step *steps, size_t n)
{
	(void)puts("Planned operations:");
	if (n == 0)
		(void)puts("  No planned migration operations.");
	for (size_t i = 0; i < n; i++) {
		const struct sc_migration_step *s = &steps[i];

		printf("%s.%s%s\n", s->migration->key.app, s->migration->key.name,
		       s->reverse ? " (to be unapplied)" : "");
		for (size_t k = 0; k < s->migration->noperations; k++) {
			const struct sc_migration_op *op = operation_at(s, k);

			printf("    %s %s\n", action_name(op, s->reverse), op->cache);
		}
	}
}

static void print_target(const struct order *order)
{
	(void)puts("Operations to perform:");
	if (!order->target)
		(void)puts("  Apply all migrations");
	else if (strcmp(order->target, "zero") == 0)
		(void)puts("  Unapply all migrations");
	else
		printf("  Target specific migration: %s\n", order->target);
}

static void print_run(const struct order *order, const struct sc_migration_step *steps,
		      size_t n)
{
	print_target(order);
	(void)puts("Running migrations:");
	if (n == 0)
		(void)puts("  No migrations to apply.");
	for (size_t i = 0; i < n; i++)
		printf("  %s %s.%s... OK\n", steps[i].reverse ? "Unapplying" : "Applying",
		       steps[i].migration->key.app, steps[i].migration->key.name);
}

static void tell(const struct sc_ctl *ctl, const struct order *order,
		 const struct sc_migration_step *steps, size_t n, const struct left *left)
{
	if (ctl->json) {
		print_json(steps, n, left);
		return;
	}
	if (order->plan)
		print_plan(steps, n);
	else
		print_run(order, steps, n);
	print_left(left);
}

/* *changed: the store is another now. */
static enum sc_status run(const struct sc_ctl *ctl, const struct order *order,
			  struct sc_versions *store, bool *changed, struct sc_err *err)
{
	SC_AUTO_FREE struct sc_migration_step *steps = NULL;
	struct sc_migrations *set = NULL;
	size_t n = 0;
	enum sc_status status = sc_ctl_load_migrations(ctl, &set, err);

	if (!status)
		status = (order->plan ? sc_migrations_plan : sc_migrate)(
			set, store, order->target, &steps, &n, err);
	if (!status) {
		struct left left = find_left(order, set, store);

		tell(ctl, order, steps, n, &left);
		free(left.all);
	}
	*changed = n > 0 && !order->plan;
	sc_migrations_free(set);
	return status;
}

enum sc_status sc_cmd_migrate(const struct sc_ctl *ctl, struct sc_err *err)
{
	struct order order = { .target = NULL };
	struct sc_versions *store = NULL;
	bool changed = false;
	enum sc_status status = read_order(ctl, &order, err);

	if (!status)
		status = sc_ctl_open_versions(ctl, &store, err);
	if (status)
		return status;
	sc_app_map_ledger(ctl->conf);
	status = run(ctl, &order, store, &changed, err);
	sc_versions_close(store);
	if (changed)
		sc_ctl_sweep(ctl);
	return status;
}

static void put_state(struct sc_buf *out, const struct sc_migration_state *s)
{
	char time[SC_TIME_LEN];

	sc_json_begin(out, '{');
	sc_json_key(out, "app");
	sc_json_str(out, s->app);
	sc_json_key(out, "name");
	sc_json_str(out, s->name);
	sc_json_key(out, "known");
	sc_json_bool(out, s->known);
	sc_json_key(out, "applied");
	sc_json_bool(out, s->applied);
	if (s->applied) {
		sc_time_text_utc(s->applied_at_us, time);
		sc_json_key(out, "applied_at");
		sc_json_str(out, time);
		sc_json_key(out, "applied_by");
		sc_json_str(out, s->applied_by);
	}
	sc_json_end(out, '}');
}

static void print_states_json(const struct sc_migration_state *all, size_t n)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_json_begin(&out, '[');
	for (size_t i = 0; i < n; i++)
		put_state(&out, &all[i]);
	sc_json_end(&out, ']');
	sc_ctl_print(&out);
}

/* A store of many users may hold what a terminal takes for a command. */
static void print_state(const struct sc_migration_state *s)
{
	SC_AUTO_BUF by = SC_BUF_INIT;
	char time[SC_TIME_LEN];

	printf(" [%c] %s", s->applied ? 'X' : ' ', s->name);
	if (s->applied) {
		sc_time_text_utc(s->applied_at_us, time);
		sc_ctl_put_printable(&by, s->applied_by);
		printf(" (applied at %s by %.*s)", time, (int)by.len,
		       (const char *)by.data);
	}
	(void)puts(s->known ? "" : " (not among the files here)");
}

/* Each app once, in the order of its first migration, with all of its own. */
static void print_states(const struct sc_migration_state *all, size_t n)
{
	SC_AUTO_FREE bool *told = sc_alloc_array(n, sizeof(*told));

	memset(told, 0, n * sizeof(*told));
	for (size_t i = 0; i < n; i++) {
		if (told[i])
			continue;
		(void)puts(all[i].app);
		for (size_t k = i; k < n; k++)
			if (strcmp(all[k].app, all[i].app) == 0) {
				print_state(&all[k]);
				told[k] = true;
			}
	}
}

enum sc_status sc_cmd_showmigrations(const struct sc_ctl *ctl, struct sc_err *err)
{
	SC_AUTO_FREE struct sc_migration_state *all = NULL;
	struct sc_migrations *set = NULL;
	struct sc_versions *store = NULL;
	size_t n = 0;
	enum sc_status status = sc_ctl_arguments(ctl, 0, 0, err);

	if (!status)
		status = sc_ctl_load_migrations(ctl, &set, err);
	if (!status)
		status = sc_ctl_open_versions(ctl, &store, err);
	if (!status)
		status = sc_migrations_show(set, store, &all, &n, err);
	if (!status)
		(ctl->json ? print_states_json : print_states)(all, n);
	sc_versions_close(store);
	sc_migrations_free(set);
	return status;
}

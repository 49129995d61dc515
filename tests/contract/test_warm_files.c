/* SPDX-License-Identifier: MIT */
/*
 * A run whose slide, or folder of slides, is away for a while, or is being written; and
 * what a run claims that was stopped.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "tests/lib/child.h"
#include "tests/lib/warm_rig.h"

/* Takes something away at one report and puts it back some reports later. */
struct absence {
	int from, reports; /* 0: it stays away */
	void (*take)(struct warm_rig *r);
	void (*give)(struct warm_rig *r);
	bool was_waiting;
	int64_t taken_us;
};

static bool watch(struct warm_rig *r, const struct sc_warm_progress *p)
{
	struct absence *a = r->note;

	a->was_waiting = a->was_waiting || p->waiting;
	if (r->calls == a->from) {
		a->take(r);
		a->taken_us = sc_mono_us();
	}
	if (a->reports > 0 && r->calls == a->from + a->reports)
		a->give(r);
	return true;
}

static enum sc_status run_with(struct warm_rig *r, struct absence *a)
{
	enum sc_status status = SC_OK;

	r->note = a;
	r->on_report = watch;
	status = warm_run(r);
	r->on_report = NULL;
	return status;
}

static void take_file(struct warm_rig *r)
{
	SC_AUTO_FREE char *path = check_path(r->root, WARM_SLIDE);

	assert_int_equal(unlink(path), 0);
}

static void give_file(struct warm_rig *r)
{
	warm_put_slide(r, WARM_SLIDE, &warm_noise);
}

static void give_other_file(struct warm_rig *r)
{
	warm_put_slide(r, WARM_SLIDE, &warm_other_noise);
}

static void expect_complete(struct warm_rig *r)
{
	assert_false(r->is_wrong);
	assert_false(r->p.waiting);
	assert_int_equal(r->p.failed_tiles, 0);
	assert_int_equal(r->p.tiles + r->p.skipped_tiles, r->p.total_tiles);
	warm_expect_all(r);
}

/* Whatever the run is doing just then. */
static void a_file_that_is_absent_for_a_moment(struct warm_rig *r)
{
	for (int from = 1; from <= 10; from++) {
		struct absence a = { .from = from,
				     .reports = 4,
				     .take = take_file,
				     .give = from % 2 ? give_other_file : give_file };

		warm_forget(r);
		assert_int_equal(run_with(r, &a), SC_OK);
		assert_true(a.taken_us > 0);
		expect_complete(r);
	}
}

static void a_file_that_stays_away(struct warm_rig *r)
{
	struct absence a = { .from = 4, .take = take_file };

	assert_int_equal(run_with(r, &a), SC_NOT_FOUND);
	assert_int_equal(r->err.status, SC_NOT_FOUND);
	assert_in_range(sc_mono_us() - a.taken_us, 5 * SC_US_PER_S, 30 * SC_US_PER_S);
	assert_false(a.was_waiting);
}

static void move(const char *from, const char *to)
{
	assert_int_equal(rename(from, to), 0);
}

/* As one that is unmounted: whoever holds it finds nothing in it any more. */
static void take_folder(struct warm_rig *r)
{
	SC_AUTO_FREE char *aside = check_path(r->dir, "aside");
	SC_AUTO_FREE char *slide = check_path(r->root, WARM_SLIDE);
	SC_AUTO_FREE char *slide_aside = check_path(r->dir, WARM_SLIDE);

	move(slide, slide_aside);
	move(r->root, aside);
}

static void give_folder(struct warm_rig *r)
{
	SC_AUTO_FREE char *aside = check_path(r->dir, "aside");
	SC_AUTO_FREE char *slide = check_path(r->root, WARM_SLIDE);
	SC_AUTO_FREE char *slide_aside = check_path(r->dir, WARM_SLIDE);

	move(aside, r->root);
	move(slide_aside, slide);
}

static void give_new_folder(struct warm_rig *r)
{
	assert_int_equal(mkdir(r->root, 0700), 0);
	give_other_file(r);
}

static void a_folder_that_is_away_for_a_while(struct warm_rig *r)
{
	for (int from = 1; from <= 10; from += 3) {
		struct absence a = { .from = from,
				     .reports = 5,
				     .take = take_folder,
				     .give = give_folder };

		warm_forget(r);
		assert_int_equal(run_with(r, &a), SC_OK);
		assert_true(a.was_waiting);
		expect_complete(r);
	}
}

static void another_folder_in_its_place(struct warm_rig *r)
{
	struct absence a = {
		.from = 3, .reports = 5, .take = take_folder, .give = give_new_folder
	};

	assert_int_equal(run_with(r, &a), SC_OK);
	assert_true(a.was_waiting);
	expect_complete(r);
}

static void do_nothing(struct warm_rig *r)
{
	(void)r;
}

static void a_folder_that_is_away_at_first(struct warm_rig *r)
{
	struct absence a = {
		.from = 1, .reports = 4, .take = do_nothing, .give = give_folder
	};

	take_folder(r);
	assert_int_equal(run_with(r, &a), SC_OK);
	assert_true(a.was_waiting);
	expect_complete(r);
}

static void patience_ends_for_a_folder(struct warm_rig *r)
{
	struct absence a = { .from = 3, .take = take_folder };

	r->tools.patience_us = SC_US_PER_S / 2;
	assert_int_equal(run_with(r, &a), SC_UNAVAILABLE);
	assert_int_equal(r->err.status, SC_UNAVAILABLE);
	assert_true(sc_mono_us() - a.taken_us >= r->tools.patience_us);
	assert_null(strstr(r->err.text, r->root));
	a.take = do_nothing;
	assert_int_equal(run_with(r, &a), SC_UNAVAILABLE);
	give_folder(r);
}

/* A child that does not stop by itself. */
static bool write_on(void *arg)
{
	const char *path = arg;
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	while (end >= 0 && write(fd, "x", 1) == 1)
		if (ftruncate(fd, end) < 0)
			break;
	return false;
}

static bool end_writer(struct warm_rig *r, const struct sc_warm_progress *p)
{
	pid_t *writer = r->note;

	(void)p;
	if (r->calls == 3) {
		assert_true(child_kill(*writer));
		*writer = 0;
	}
	return true;
}

/* At the first look, and some more. */
static void a_file_that_is_being_written(struct warm_rig *r)
{
	SC_AUTO_FREE char *path = check_path(r->root, WARM_SLIDE);
	pid_t writer = child_start(write_on, path);

	while (sc_warm_check(&r->tools, &r->im, &r->want, &r->err) != SC_CHANGED)
		continue;
	r->note = &writer;
	r->on_report = end_writer;
	assert_int_equal(warm_run(r), SC_OK);
	assert_int_equal(writer, 0);
	r->on_report = NULL;
	expect_complete(r);
}

/* ---- what a run claims that was stopped ---- */

static bool stop_at(struct warm_rig *r, const struct sc_warm_progress *p)
{
	(void)p;
	return r->calls < *(const int *)r->note;
}

/* In the first walk: what was counted is there, and nothing else. */
static void a_stopped_run_claims_what_is_there(struct warm_rig *r)
{
	r->on_report = stop_at;
	for (int at = 1; at < 9; at++) {
		SC_AUTO_SEEN seen = SC_SEEN_INIT;

		warm_forget(r);
		r->note = &at;
		assert_int_equal(warm_run(r), SC_ABORTED);
		assert_false(r->is_wrong);
		warm_look(r, &seen);
		assert_int_equal(r->p.tiles, seen.present);
		assert_int_equal(r->p.bytes, seen.bytes);
	}
}

static bool stop_server_then_run(struct warm_rig *r, const struct sc_warm_progress *p)
{
	if (r->calls == *(const int *)r->note)
		server_stop(r->server);
	return !p->waiting;
}

/* A server that went away before it took the batch took nothing of it. */
static void a_stop_while_a_batch_waits(struct warm_rig *r)
{
	int at = 2;

	r->note = &at;
	r->on_report = stop_server_then_run;
	assert_int_equal(warm_run(r), SC_ABORTED);
	assert_int_equal(r->p.tiles, 0);
	assert_int_equal(r->p.bytes, 0);
	server_start(r->server);
}

int main(void)
{
	static const struct warm_case cases[] = {
		{ "absent for a moment", a_file_that_is_absent_for_a_moment, ON_ONE },
		{ "a file that stays away", a_file_that_stays_away, ON_ONE },
		{ "a folder that is away", a_folder_that_is_away_for_a_while, ON_ONE },
		{ "another folder", another_folder_in_its_place, ON_ONE },
		{ "a folder that is away at first", a_folder_that_is_away_at_first,
		  ON_ONE },
		{ "patience ends", patience_ends_for_a_folder, ON_ONE },
		{ "being written", a_file_that_is_being_written, ON_ONE },
		{ "a stopped run claims", a_stopped_run_claims_what_is_there, ON_EACH },
		{ "a stop while a batch waits", a_stop_while_a_batch_waits, ON_SERVERS },
	};

	return run_warm_cases("warm files", cases, COUNT_OF(cases));
}

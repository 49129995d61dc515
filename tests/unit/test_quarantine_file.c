/* SPDX-License-Identifier: MIT */
/*
 * The quarantine of one machine: its file, whatever is in it, who adds to it, who is
 * refused; and the marks that say who died of what.
 */
#include "tests/lib/quarantine_rig.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct sc_identity other = { 1, 2, 3, 4, 6 };

static void marked_deaths_lead_into_quarantine(void **state)
{
	struct fixture *f = *state;
	struct sc_quarantine_list l;

	shut(f, "case/a.svs");
	assert_string_equal(f->mark.file, "case/a.svs");
	assert_int_equal(admit(f, "case/a.svs", &one), SC_UNAVAILABLE);
	assert_non_null(strstr(f->err.text, "in quarantine until 2"));
	assert_non_null(strstr(f->err.text, "Z: worker 4711 died of signal 11"));
	assert_null(strstr(f->err.text, "/"));
	assert_true(sc_quarantine_left(f->q, "case/a.svs", &one, &f->err) >
		    SC_QUARANTINE_S - 60);
	assert_int_equal(sc_quarantine_left(f->q, "case/a.svs", &other, &f->err), 0);
	assert_int_equal(admit(f, "case/b.svs", &one), SC_OK);
	assert_int_equal(sc_quarantine_read(f->path, &l, &f->err), SC_OK);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.items[0].file, "case/a.svs");
	assert_string_equal(l.items[0].reason, "worker 4711 died of signal 11");
	assert_int_equal(l.items[0].strikes, 2);
	assert_int_equal(l.items[0].until_s, l.items[0].last_s + SC_QUARANTINE_S);
	assert_true(l.items[0].key == sc_quarantine_key("case/a.svs", &one));
	sc_quarantine_list_release(&l);
}

/* Another identity is another file, in whichever part of it differs. */
static void a_changed_file_is_not_in_quarantine(void **state)
{
	struct fixture *f = *state;
	struct sc_identity all[] = { one, one, one, one, one };

	shut(f, "a.svs");
	all[0].device++;
	all[1].inode++;
	all[2].size++;
	all[3].mtime_ns++;
	all[4].ctime_ns++;
	for (size_t i = 0; i < COUNT_OF(all); i++)
		assert_int_equal(admit(f, "a.svs", &all[i]), SC_OK);
	assert_int_equal(admit(f, "a.svs", &one), SC_UNAVAILABLE);
}

static void release_opens_the_file_again(void **state)
{
	struct fixture *f = *state;
	int n = -1;

	assert_int_equal(sc_quarantine_release(f->path, NULL, &n, &f->err), SC_OK);
	assert_int_equal(n, 0);
	shut(f, "a.svs");
	shut(f, "b.svs");
	assert_int_equal(sc_quarantine_release(f->path, "c.svs", &n, &f->err), SC_OK);
	assert_int_equal(n, 0);
	assert_int_equal(sc_quarantine_release(f->path, "a.svs", &n, &f->err), SC_OK);
	assert_int_equal(n, 1);
	assert_int_equal(admit(f, "a.svs", &one), SC_OK);
	assert_int_equal(admit(f, "b.svs", &one), SC_UNAVAILABLE);
	assert_int_equal(sc_quarantine_release(f->path, NULL, &n, &f->err), SC_OK);
	assert_int_equal(n, 1);
	assert_int_equal(admit(f, "b.svs", &one), SC_OK);
}

static void another_handle_sees_it_too(void **state)
{
	struct fixture *f = *state;
	struct sc_quarantine *second = sc_quarantine_new(f->path);

	assert_int_equal(sc_quarantine_admit(second, "a.svs", &one, &f->err), SC_OK);
	shut(f, "a.svs");
	assert_int_equal(sc_quarantine_admit(second, "a.svs", &one, &f->err),
			 SC_UNAVAILABLE);
	sc_quarantine_free(second);
}

static void a_damaged_file_is_said_once_and_written_anew(void **state)
{
	struct fixture *f = *state;
	struct sc_quarantine_list l;

	check_write(f->path, "{\"quar", 6);
	for (int i = 0; i < 5; i++)
		assert_int_equal(admit(f, "a.svs", &one), SC_OK);
	assert_int_equal(f->lines, 1);
	assert_int_equal(sc_quarantine_read(f->path, &l, &f->err), SC_OK);
	assert_int_equal(l.n, 0);
	sc_quarantine_list_release(&l);
	shut(f, "a.svs");
	f->lines = 0;
	assert_int_equal(admit(f, "a.svs", &one), SC_UNAVAILABLE);
	assert_int_equal(f->lines, 0);
}

static void what_is_no_plain_file_counts_as_empty(void **state)
{
	struct fixture *f = *state;
	SC_AUTO_BUF huge = SC_BUF_INIT;

	assert_int_equal(mkfifo(f->path, 0600), 0);
	assert_int_equal(admit(f, "a.svs", &one), SC_OK);
	assert_int_equal(admit(f, "a.svs", &one), SC_OK);
	assert_int_equal(f->lines, 1);
	assert_int_equal(unlink(f->path), 0);
	for (int i = 0; i < 300000; i++)
		sc_buf_str(&huge, "[1,2");
	check_write(f->path, huge.data, huge.len);
	assert_int_equal(admit(f, "a.svs", &one), SC_OK);
	assert_int_equal(f->lines, 2);
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(symlink("/dev/zero", f->path), 0);
	assert_int_equal(admit(f, "a.svs", &one), SC_OK);
	shut(f, "a.svs");
	assert_int_equal(admit(f, "a.svs", &one), SC_UNAVAILABLE);
}

/* Root's command, too, leaves what the service can read and replace. */
static void the_file_belongs_to_whom_its_folder_belongs(void **state)
{
	struct fixture *f = *state;
	SC_AUTO_FREE char *lock = check_path(f->dir, SC_QUARANTINE_FILE ".lock");
	const uid_t nobody = geteuid() == 0 ? 65534 : geteuid();
	struct stat st;

	assert_int_equal(chown(f->dir, nobody, (gid_t)-1), 0);
	shut(f, "a.svs");
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_uid, nobody);
	assert_int_equal(stat(lock, &st), 0);
	assert_int_equal(st.st_uid, nobody);
}

/* Nobody may learn the names of slides but the service's user and group. */
static void the_file_is_not_for_everybody(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	shut(f, "a.svs");
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07, 0);
}

static void a_mark_may_hold_anything(void **state)
{
	struct fixture *f = *state;
	struct sc_mark mark = { .key = 7 };
	struct sc_quarantine_list l;
	bool is_shut;

	assert_int_equal(sc_quarantine_strike(f->path, &mark, "x", &is_shut, &f->err),
			 SC_INVALID);
	memset(mark.file, 'a', sizeof(mark.file)); /* no end */
	assert_int_equal(sc_quarantine_strike(f->path, &mark, "x", &is_shut, &f->err),
			 SC_OK);
	memset(mark.file, 0xff, sizeof(mark.file));
	assert_int_equal(sc_quarantine_strike(f->path, &mark, "x", &is_shut, &f->err),
			 SC_INVALID);
	mark = (struct sc_mark){ .key = 0, .file = "a.svs" };
	assert_int_equal(sc_quarantine_strike(f->path, &mark, "x", &is_shut, &f->err),
			 SC_INVALID);
	assert_int_equal(sc_quarantine_read(f->path, &l, &f->err), SC_OK);
	assert_int_equal(l.n, 1);
	assert_int_equal(strlen(l.items[0].file), SC_MARK_FILE_MAX - 1);
	sc_quarantine_list_release(&l);
}

static uint32_t random_state;
static int random_below(int n)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (int)((random_state >> 8) % (uint32_t)n);
}

static void random_marks_do_no_harm(void **state)
{
	struct fixture *f = *state;
	struct sc_quarantine_list l;
	struct sc_mark mark;
	bool is_shut = false;

	random_state = 3;
	for (int i = 0; i < 300; i++) {
		char reason[400] = "";

		for (size_t j = 0; j < sizeof(mark); j++)
			((unsigned char *)&mark)[j] =
				(unsigned char)random_below(i % 2 ? 256 : 128);
		for (int j = random_below(sizeof(reason)); j-- > 0;)
			reason[j] = (char)(1 + random_below(i % 3 ? 255 : 127));
		enum sc_status status =
			sc_quarantine_strike(f->path, &mark, reason, &is_shut, &f->err);
		assert_true(status == SC_OK || status == SC_INVALID);
	}
	assert_false(is_shut);
	assert_int_equal(sc_quarantine_read(f->path, &l, &f->err), SC_OK);
	assert_int_equal(l.n, SC_QUARANTINE_FILES);
	sc_quarantine_list_release(&l);
	assert_int_equal(f->lines, 0); /* what they made of the file is no damage */
}

static void a_long_name_is_cut_between_characters(void **state)
{
	struct fixture *f = *state;
	char file[2 * SC_MARK_FILE_MAX] = "x"; /* then two bytes each */
	int n = 0;

	for (size_t i = 1; i + 2 < sizeof(file); i += 2)
		memcpy(file + i, "\xc3\xa4", 2);
	shut(f, file);
	assert_int_equal(strlen(f->mark.file), SC_MARK_FILE_MAX - 1);
	assert_int_equal(admit(f, file, &one), SC_UNAVAILABLE);
	file[300] = 'b'; /* behind the cut: another key */
	file[301] = 'b';
	assert_int_equal(admit(f, file, &one), SC_OK);
	assert_int_equal(sc_quarantine_release(f->path, file, &n, &f->err), SC_OK);
	assert_int_equal(n, 1);
	memmove(file + 2, file + 1, 300);
	memcpy(file, "yy", 2);
	assert_int_equal(admit(f, file, &one), SC_OK);
	assert_int_equal(strlen(f->mark.file), SC_MARK_FILE_MAX - 2);
}

static void a_mark_is_gone_when_it_is_cleared(void **state)
{
	struct fixture *f = *state;
	bool is_shut;

	assert_int_equal(admit(f, "a.svs", &one), SC_OK);
	assert_true(atomic_load(&f->mark.key) == sc_quarantine_key("a.svs", &one));
	sc_mark_clear();
	assert_true(atomic_load(&f->mark.key) == 0);
	assert_int_equal(sc_quarantine_strike(f->path, &f->mark, "x", &is_shut, &f->err),
			 SC_INVALID);
	sc_mark_at(NULL);
	assert_int_equal(admit(f, "a.svs", &one), SC_OK);
	assert_true(atomic_load(&f->mark.key) == 0);
	sc_mark_clear();
}

/* A refused file is not read, so nobody can die of it. */
static void a_refused_file_is_not_marked(void **state)
{
	struct fixture *f = *state;

	shut(f, "a.svs");
	sc_mark_clear();
	assert_int_equal(admit(f, "a.svs", &one), SC_UNAVAILABLE);
	assert_true(atomic_load(&f->mark.key) == 0);
}

/* No assertion may fail outside of the main thread. */
static void *admit_often(void *arg)
{
	struct fixture *f = arg;
	struct sc_err err;
	uintptr_t refused = 0;

	for (int i = 0; i < 2000; i++) {
		const char *file = i % 100 == 7 ? "b.svs" : "a.svs";

		refused += sc_quarantine_admit(f->q, file, &one, &err) != SC_OK;
	}
	return (void *)refused;
}

static void threads_mark_whole_names(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[4];
	void *refused;

	for (size_t i = 0; i < COUNT_OF(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, admit_often, f), 0);
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		assert_int_equal(pthread_join(threads[i], &refused), 0);
		assert_null(refused);
	}
	assert_int_equal(admit(f, "a.svs", &one), SC_OK);
	assert_string_equal(f->mark.file, "a.svs");
}

static struct sc_identity write_slide(const struct fixture *f, struct sc_slide_root *root,
				      const char *name)
{
	SC_AUTO_FREE char *path = check_path(f->dir, name);
	struct sc_identity id;
	struct sc_err err;

	check_write(path, name, strlen(name));
	assert_int_equal(sc_slide_identity(root, name, &id, &err), SC_OK);
	return id;
}

static void put_into_quarantine(struct fixture *f, const char *file,
				const struct sc_identity *id)
{
	for (int i = 0; i < SC_STRIKES; i++) {
		assert_int_equal(admit(f, file, id), SC_OK);
		(void)die(f);
	}
}

static char a_svs[] = "a.svs", b_svs[] = "b.svs";

static struct sc_image image_of(char *name, int depth)
{
	return (struct sc_image){
		.name = name, .file = name, .depth = depth, .frames = 1
	};
}

/* An image is in quarantine with any of its files, as they are now. */
static void images_are_in_quarantine_with_their_files(void **state)
{
	struct fixture *f = *state;
	SC_AUTO_FREE char *planes = check_path(f->dir, "a");
	struct sc_image deep = image_of(a_svs, 2);
	struct sc_image flat = image_of(a_svs, 1);
	struct sc_image other_image = image_of(b_svs, 2);
	struct sc_slide_root *root = NULL;
	struct sc_identity id;

	assert_int_equal(mkdir(planes, 0700), 0);
	assert_int_equal(sc_slide_root_open(f->dir, &root, &f->err), SC_OK);
	id = write_slide(f, root, "a/2_1_a.svs");
	put_into_quarantine(f, "a/2_1_a.svs", &id);
	assert_true(sc_quarantine_of_image(f->q, root, &deep, &f->err));
	assert_non_null(strstr(f->err.text, "in quarantine until"));
	assert_false(sc_quarantine_of_image(f->q, root, &flat, &f->err));
	assert_false(sc_quarantine_of_image(f->q, root, &other_image, &f->err));
	id = write_slide(f, root, "a.svs");
	put_into_quarantine(f, "a.svs", &id);
	assert_true(sc_quarantine_of_image(f->q, root, &flat, &f->err));
	assert_false(sc_quarantine_of_image(f->q, root, &other_image, &f->err));
	sc_slide_root_close(root);
}

/* Whatever the name lacks: in the file's name, in the numbers, in the folder's. */
static void planes_with_long_names(void **state)
{
	struct fixture *f = *state;

	for (int len = 225; len <= 245; len += 5) {
		SC_AUTO_BUF stem = SC_BUF_INIT, name = SC_BUF_INIT, file = SC_BUF_INIT;
		struct sc_image im, neighbour = image_of(b_svs, 2);
		struct sc_slide_root *root = NULL;
		struct sc_quarantine_list l;
		struct sc_identity id;
		int n = 0;

		for (int i = 0; i < len; i++)
			sc_buf_str(&stem, "n");
		sc_buf_printf(&name, "%s.svs", (const char *)stem.data);
		sc_buf_printf(&file, "%s/2_1_%s", (const char *)stem.data,
			      (const char *)name.data);
		im = image_of((char *)name.data, 2);
		SC_AUTO_FREE char *planes = check_path(f->dir, (char *)stem.data);
		assert_int_equal(mkdir(planes, 0700), 0);
		assert_int_equal(sc_slide_root_open(f->dir, &root, &f->err), SC_OK);
		id = write_slide(f, root, (const char *)file.data);
		put_into_quarantine(f, (const char *)file.data, &id);
		assert_true(sc_quarantine_of_image(f->q, root, &im, &f->err));
		assert_false(sc_quarantine_of_image(f->q, root, &neighbour, &f->err));
		assert_int_equal(sc_quarantine_read(f->path, &l, &f->err), SC_OK);
		assert_int_equal(l.n, 1);
		assert_true(sc_quarantined_is_image(&l.items[0], &im));
		assert_false(sc_quarantined_is_image(&l.items[0], &neighbour));
		im.depth = 1;
		assert_false(sc_quarantined_is_image(&l.items[0], &im));
		sc_quarantine_list_release(&l);
		assert_int_equal(sc_quarantine_release(f->path, NULL, &n, &f->err),
				 SC_OK);
		sc_slide_root_close(root);
	}
}

static void a_changed_file_is_not_shown_as_in_quarantine(void **state)
{
	struct fixture *f = *state;
	SC_AUTO_FREE char *path = check_path(f->dir, "a.svs");
	struct sc_image im = image_of(a_svs, 1);
	struct sc_slide_root *root = NULL;
	struct sc_identity id;

	assert_int_equal(sc_slide_root_open(f->dir, &root, &f->err), SC_OK);
	id = write_slide(f, root, "a.svs");
	put_into_quarantine(f, "a.svs", &id);
	assert_true(sc_quarantine_of_image(f->q, root, &im, &f->err));
	check_write(path, "another one", 11);
	assert_false(sc_quarantine_of_image(f->q, root, &im, &f->err));
	assert_int_equal(unlink(path), 0);
	assert_false(sc_quarantine_of_image(f->q, root, &im, &f->err));
	sc_slide_root_close(root);
}

/* Each of several processes adds to what the others wrote. */
static void processes_strike_at_once(void **state)
{
	struct fixture *f = *state;
	struct sc_quarantine_list l;
	int status = 0;

	for (unsigned i = 0; i < 4; i++)
		if (fork() == 0) {
			struct sc_mark mark = { .key = 10 + i, .file = "a.svs" };
			bool is_shut;

			for (int n = 0; n < 5; n++)
				if (sc_quarantine_strike(f->path, &mark, "x", &is_shut,
							 &f->err))
					_exit(1);
			_exit(0);
		}
	while (wait(&status) > 0)
		assert_int_equal(status, 0);
	assert_int_equal(sc_quarantine_read(f->path, &l, &f->err), SC_OK);
	assert_int_equal(l.n, 4);
	for (size_t i = 0; i < l.n; i++)
		assert_int_equal(l.items[i].strikes, 5);
	sc_quarantine_list_release(&l);
}

static void a_folder_that_is_away_loses_a_strike_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct sc_quarantine_list l;
	struct sc_mark mark = { .key = 1, .file = "a.svs" };
	bool is_shut = true;

	assert_int_equal(
		sc_quarantine_strike("/nowhere/q.json", &mark, "x", &is_shut, &f->err),
		SC_UNAVAILABLE);
	assert_true(is_shut);
	assert_int_equal(sc_quarantine_read("/nowhere/q.json", &l, &f->err), SC_OK);
	assert_int_equal(l.n, 0);
	sc_quarantine_list_release(&l);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		TEST(marked_deaths_lead_into_quarantine),
		TEST(a_changed_file_is_not_in_quarantine),
		TEST(release_opens_the_file_again),
		TEST(another_handle_sees_it_too),
		TEST(a_damaged_file_is_said_once_and_written_anew),
		TEST(what_is_no_plain_file_counts_as_empty),
		TEST(the_file_belongs_to_whom_its_folder_belongs),
		TEST(the_file_is_not_for_everybody),
		TEST(images_are_in_quarantine_with_their_files),
		TEST(a_changed_file_is_not_shown_as_in_quarantine),
		TEST(a_mark_may_hold_anything),
		TEST(random_marks_do_no_harm),
		TEST(planes_with_long_names),
		TEST(a_long_name_is_cut_between_characters),
		TEST(a_mark_is_gone_when_it_is_cleared),
		TEST(a_refused_file_is_not_marked),
		TEST(threads_mark_whole_names),
		TEST(processes_strike_at_once),
		TEST(a_folder_that_is_away_loses_a_strike_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * The sandbox: which files a process that reads slides can still reach, what must work in
 * it, and when such a process ends in order. BUILD/sandbox-files.txt has the table.
 */
#include "sandbox_fixture.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

#include "slidecache/parse.h"

/* ---- files that are none of its own ---- */

static int open_for(const char *path, int flags)
{
	return close_if(open(path, flags | O_CLOEXEC | O_NONBLOCK, 0600));
}

static int read_in(const char *name)
{
	return open_for(in(name), O_RDONLY);
}

static int make_in(const char *name)
{
	return open_for(in(name), O_WRONLY | O_CREAT);
}

ATTEMPT(read_canary, read_in("elsewhere/canary"))
ATTEMPT(read_up, read_in("slides/../elsewhere/canary"))
ATTEMPT(read_link, read_in("slides/link"))
ATTEMPT(read_through_folder, read_in("slides/folder/canary"))
ATTEMPT(list_elsewhere, open_for(in("elsewhere"), O_RDONLY | O_DIRECTORY))
ATTEMPT(read_passwd, open_for("/etc/passwd", O_RDONLY))
ATTEMPT(read_shadow, open_for("/etc/shadow", O_RDONLY))
#ifndef __SANITIZE_ADDRESS__
ATTEMPT(read_own_environment, open_for("/proc/self/environ", O_RDONLY))
#endif
ATTEMPT(read_program, open_for("/bin/sh", O_RDONLY))
ATTEMPT(read_kernel_log, open_for("/dev/kmsg", O_RDONLY))
ATTEMPT(read_log, read_in("log/log"))
ATTEMPT(write_slides, make_in("slides/new"))
ATTEMPT(write_slide, open_for(in("slides/slide"), O_WRONLY))
ATTEMPT(cut_slide, truncate(in("slides/slide"), 0))
ATTEMPT(remove_slide, unlink(in("slides/slide")))
ATTEMPT(take_slide_away, rename(in("slides/slide"), in("state/slide")))
ATTEMPT(bring_slide, rename(in("state/kept"), in("slides/kept")))
ATTEMPT(write_settings, open_for(in("settings/acl.json"), O_WRONLY))
ATTEMPT(write_beside, make_in("beside"))
ATTEMPT(write_elsewhere, make_in("elsewhere/new"))
ATTEMPT(write_etc, open_for("/etc/slidecache-probe", O_WRONLY | O_CREAT))
ATTEMPT(write_tmp, open_for("/tmp/slidecache-probe", O_WRONLY | O_CREAT))
ATTEMPT(write_shm, open_for("/dev/shm/slidecache-probe", O_WRONLY | O_CREAT))
ATTEMPT(make_folder_beside, mkdir(in("folder"), 0700))
ATTEMPT(make_link, symlink("/etc/passwd", in("state/link")))
ATTEMPT(make_hard_link, link(in("slides/slide"), in("state/hard")))
ATTEMPT(make_fifo, mkfifo(in("state/fifo"), 0600))
ATTEMPT(change_mode, chmod(in("state/kept"), 04755))
ATTEMPT(change_owner, chown(in("state/kept"), 0, 0))
ATTEMPT(set_attribute, call(syscall(SYS_setxattr, in("state/kept"), "user.x", "x", 1, 0)))

static int read_parent_memory(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)parent);
	return open_for(path, O_RDONLY);
}

static int read_parent_name(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)parent);
	return open_for(path, O_RDONLY);
}

/* ---- what must work ---- */

ATTEMPT(read_slide, read_in("slides/slide"))
ATTEMPT(list_slides, open_for(in("slides"), O_RDONLY | O_DIRECTORY))
ATTEMPT(read_settings, read_in("settings/acl.json"))
ATTEMPT(write_state, make_in("state/new"))
ATTEMPT(write_cache, make_in("cache/new"))
ATTEMPT(make_folder, mkdir(in("cache/folder"), 0700))
ATTEMPT(read_boot_id, open_for("/proc/sys/kernel/random/boot_id", O_RDONLY))
ATTEMPT(append_log, open_for(in("log/log"), O_WRONLY | O_APPEND))
ATTEMPT(write_new_log, open_for(in("log/renewed"), O_WRONLY | O_APPEND | O_CREAT))
ATTEMPT(discard, open_for("/dev/null", O_RDWR))

/* A store is set aside. */
static int move_between_folders(void)
{
	return make_in("cache/moved") < 0 ? -1
					  : rename(in("cache/moved"), in("state/moved"));
}

static int read_replaced_settings(void)
{
	/* By replace_settings(). */
	return read_in("settings/acl.json");
}

static int end_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			(void)pause();
	return pid < 0 || kill(pid, SIGKILL) < 0 || waitpid(pid, NULL, 0) != pid ? -1 : 0;
}

static void *do_nothing(void *arg)
{
	return arg;
}

static int start_thread(void)
{
	pthread_t t;

	errno = pthread_create(&t, NULL, do_nothing, NULL);
	return errno || pthread_join(t, NULL) ? -1 : 0;
}

static int load_library(void)
{
	void *library = dlopen("libtiff.so.6", RTLD_NOW);

	errno = ENOENT;
	return library ? dlclose(library) : -1;
}

static int know_memory(void)
{
	int64_t used = 0;
	int64_t limit = 0;

	(void)sc_limit_is_near(&used, &limit);
#ifndef __SANITIZE_ADDRESS__
	errno = ENODATA;
	return used > 0 ? 0 : -1;
#else
	return 0; /* there is no limit */
#endif
}

static int signal_itself(void)
{
	(void)signal(SIGUSR1, SIG_IGN);
	return raise(SIGUSR1);
}

/* As a request does that waits, to see the end of the service. */
static int see_signals(void)
{
	sigset_t set;

	return sigpending(&set);
}

static int give_way(void)
{
	const struct sched_param none = { .sched_priority = 0 };

	errno = pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
	return errno ? -1 : 0;
}

static int feed_itself(void)
{
	int ends[2];

	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends);
}

/* ---- the table ---- */

static const struct attempt attempts[] = {
	{ "read a file outside", read_canary, REFUSED, 1 },
	{ "read a file outside by ..", read_up, REFUSED, 1 },
	{ "read a file outside by a link", read_link, REFUSED, 1 },
	{ "read a file outside by a linked folder", read_through_folder, REFUSED, 1 },
	{ "list a folder outside", list_elsewhere, REFUSED, 1 },
	{ "read /etc/passwd", read_passwd, REFUSED, 1 },
	{ "read /etc/shadow", read_shadow, REFUSED, 1 },
#ifndef __SANITIZE_ADDRESS__ /* it reads there */
	{ "read its own environment", read_own_environment, REFUSED, 1 },
#endif
	{ "read a program", read_program, REFUSED, 1 },
	{ "read the kernel's log", read_kernel_log, REFUSED, 1 },
	{ "read the log", read_log, REFUSED, 1 },
	{ "read the master's memory (/proc)", read_parent_memory, REFUSED, 1 },
	{ "read the master's arguments", read_parent_name, REFUSED, 1 },
	{ "write below the slides", write_slides, REFUSED, 1 },
	{ "write to a slide", write_slide, REFUSED, 1 },
	{ "cut a slide", cut_slide, REFUSED, 3 },
	{ "remove a slide", remove_slide, REFUSED, 1 },
	{ "take a slide away", take_slide_away, REFUSED, 1 },
	{ "bring a file to the slides", bring_slide, REFUSED, 1 },
	{ "write a setting", write_settings, REFUSED, 1 },
	{ "write next to the store", write_beside, REFUSED, 1 },
	{ "make a folder next to the store", make_folder_beside, REFUSED, 1 },
	{ "write elsewhere", write_elsewhere, REFUSED, 1 },
	{ "write to /etc", write_etc, REFUSED, 1 },
	{ "write to /tmp", write_tmp, REFUSED, 1 },
	{ "write to /dev/shm", write_shm, REFUSED, 1 },
	{ "make a symbolic link", make_link, REFUSED, 0 },
	{ "make a hard link of a slide", make_hard_link, REFUSED, 0 },
	{ "make a FIFO", make_fifo, REFUSED, 0 },
	{ "set-user-id", change_mode, REFUSED, 0 },
	{ "change an owner", change_owner, REFUSED, 0 },
	{ "set an attribute", set_attribute, REFUSED, 0 },

	{ "read a slide", read_slide, WORKS, 0 },
	{ "list the slides", list_slides, WORKS, 0 },
	{ "read a setting", read_settings, WORKS, 0 },
	{ "read a setting that was replaced", read_replaced_settings, WORKS, 0 },
	{ "write state", write_state, WORKS, 0 },
	{ "write the cache", write_cache, WORKS, 0 },
	{ "make a folder in the cache", make_folder, WORKS, 0 },
	{ "move a file from folder to folder", move_between_folders, WORKS, 2 },
	{ "read the boot id", read_boot_id, WORKS, 0 },
	{ "append to the log", append_log, WORKS, 0 },
	{ "make a new log", write_new_log, WORKS, 0 },
	{ "/dev/null", discard, WORKS, 0 },
	{ "fork, kill and wait for a child", end_child, WORKS, 0 },
	{ "a thread", start_thread, WORKS, 0 },
	{ "load a library", load_library, WORKS, 0 },
	{ "know how much memory it has", know_memory, WORKS, 0 },
	{ "signal itself", signal_itself, WORKS, 0 },
	{ "see signals that wait", see_signals, WORKS, 0 },
	{ "give way to others", give_way, WORKS, 0 },
	{ "a pair of streams", feed_itself, WORKS, 0 },
};

static void attempts_end_as_they_should(void **state)
{
	(void)state;
	try_all(attempts, COUNT_OF(attempts), "sandbox-files.txt");
}

/* All of it is about the sandbox: without one what is refused works, or fails for another
 * reason. */
static void without_it_little_is_refused(void **state)
{
	static const char *const sure[] = { "read a file outside", "write elsewhere",
					    "read /etc/passwd", "write next to the store",
					    "set-user-id" };

	(void)state;
	set("sandbox", "off");
	for (size_t i = 0; i < COUNT_OF(attempts); i++)
		for (size_t k = 0; k < COUNT_OF(sure); k++)
			if (strcmp(attempts[i].name, sure[k]) == 0)
				assert_int_equal(try_in_child(&attempts[i]), 0);
	set("sandbox", "on");
}

/* ---- ending in order ---- */

/* A child that says, each time it is asked, whether it is stale. */
struct asked {
	pid_t pid;
	int to, from;
};

static struct asked start_asked(void)
{
	int to[2], from[2];
	char byte = 0;

	assert_int_equal(pipe2(to, O_CLOEXEC) | pipe2(from, O_CLOEXEC), 0);
	struct asked a = { fork(), to[1], from[0] };
	if (a.pid == 0) {
		(void)close(to[1]);
		enter();
		while (read(to[0], &byte, 1) == 1)
			if (write(from[1], sc_sandbox_is_stale() ? "y" : "n", 1) != 1)
				break;
		_exit(0);
	}
	(void)close(to[0]);
	(void)close(from[1]);
	return a;
}

static char ask(const struct asked *a)
{
	char byte = '?';

	assert_int_equal(write(a->to, "", 1), 1);
	assert_int_equal(read(a->from, &byte, 1), 1);
	return byte;
}

static void end_asked(const struct asked *a)
{
	(void)close(a->to);
	(void)close(a->from);
	assert_int_equal(wait_child(a->pid), 0);
}

static void a_folder_that_is_replaced_is_noticed(void **state)
{
	struct asked a = start_asked();

	(void)state;
	assert_int_equal(ask(&a), 'n');
	assert_int_equal(rename(in("slides"), in("slides.away")), 0);
	assert_int_equal(ask(&a), 'n'); /* nothing else is there */
	assert_int_equal(mkdir(in("slides"), 0700), 0);
	assert_int_equal(ask(&a), 'y');
	end_asked(&a);
	assert_int_equal(rmdir(in("slides")), 0);
	assert_int_equal(rename(in("slides.away"), in("slides")), 0);
}

static pid_t only_child(pid_t pid)
{
	char path[64];
	char text[64] = "";
	SC_AUTO_FD fd = -1;
	int64_t child = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid,
		       (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_true(sc_parse_i64(sc_bytes_of(text, strcspn(text, " ")), 1, INT32_MAX,
				 &child));
	return (pid_t)child;
}

static void who_connects_is_missed(void **state)
{
	struct asked a = start_asked();

	(void)state;
	assert_int_equal(ask(&a), 'n');
	assert_int_equal(kill(only_child(a.pid), SIGKILL), 0);
	for (int64_t end = sc_mono_us() + DEADLINE_US; ask(&a) == 'n';)
		assert_true(sc_mono_us() < end);
	end_asked(&a);
}

/* It ends by itself, whatever its owner died of. */
static void who_connects_ends_with_its_owner(void **state)
{
	struct asked a = start_asked();
	char path[64];

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(ask(&a), 'n');
	pid_t connector = only_child(a.pid);
	(void)snprintf(path, sizeof(path), "/proc/%d", (int)connector);
	assert_int_equal(kill(a.pid, SIGKILL), 0);
	assert_true(WIFSIGNALED(wait_child(a.pid)));
	assert_int_equal(wait_child(connector), 0);
	(void)close(a.to);
	(void)close(a.from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attempts_end_as_they_should),
		cmocka_unit_test(without_it_little_is_refused),
		cmocka_unit_test(a_folder_that_is_replaced_is_noticed),
		cmocka_unit_test(who_connects_is_missed),
		cmocka_unit_test(who_connects_ends_with_its_owner),
	};

	return cmocka_run_group_tests(tests, make_world, end_world);
}

/* SPDX-License-Identifier: MIT */
/*
 * The lists of system calls, see sandbox_calls.h. What arguments point to a filter cannot
 * see: so no call stays whose harm depends on that (connect, clone3, openat on a file
 * that is none of ours, which is Landlock's part).
 */
#include "sandbox_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* ---- allowed, whatever the arguments ---- */

#define CALL(name) SCMP_SYS(name)

/* Memory, time, threads, signals to those inside: of every process. */
static const int of_all[] = {
	CALL(brk),
	CALL(munmap),
	CALL(mremap),
	CALL(madvise),
	CALL(membarrier),
	CALL(clock_gettime),
	CALL(clock_getres),
	CALL(clock_nanosleep),
	CALL(nanosleep),
	CALL(gettimeofday),
	CALL(time),
	CALL(getrandom),
	CALL(futex),
	CALL(set_robust_list),
	CALL(set_tid_address),
	CALL(rseq),
	CALL(sched_yield),
	CALL(sched_getaffinity),
	CALL(getcpu),
	CALL(getpid),
	CALL(gettid),
	CALL(getppid),
	CALL(getuid),
	CALL(geteuid),
	CALL(getgid),
	CALL(getegid),
	CALL(getrusage),
	CALL(getrlimit),
	CALL(sysinfo),
	CALL(uname),
	CALL(exit),
	CALL(exit_group),
	CALL(tgkill), /* abort() */
	CALL(restart_syscall),
	CALL(rt_sigaction),
	CALL(rt_sigprocmask),
	CALL(rt_sigpending),
	CALL(rt_sigtimedwait),
	CALL(rt_sigreturn),
	CALL(sigaltstack),
	CALL(read),
	CALL(readv),
	CALL(write),
	CALL(writev),
	CALL(close),
	CALL(poll),
	CALL(ppoll),
	CALL(recvfrom),
	CALL(recvmsg),
	CALL(getsockopt),
	CALL(getsockname),
	CALL(getpeername),
};

/* Files, by paths that Landlock looks at; requests; children that try damaged files. */
static const int of_slides[] = {
	CALL(open),
	CALL(openat),
	CALL(openat2),
	CALL(stat),
	CALL(fstat),
	CALL(lstat),
	CALL(newfstatat),
	CALL(statx),
	CALL(statfs),
	CALL(fstatfs),
	CALL(access),
	CALL(faccessat),
	CALL(faccessat2),
	CALL(readlink),
	CALL(readlinkat),
	CALL(getcwd),
	CALL(getdents64),
	CALL(lseek),
	CALL(pread64),
	CALL(preadv),
	CALL(pwrite64),
	CALL(pwritev),
	CALL(fsync),
	CALL(fdatasync),
	CALL(msync),
	CALL(fadvise64),
	CALL(fallocate),
	CALL(truncate),
	CALL(ftruncate),
	CALL(flock),
	CALL(mkdir),
	CALL(mkdirat),
	CALL(rmdir),
	CALL(unlink),
	CALL(unlinkat),
	CALL(rename),
	CALL(renameat),
	CALL(renameat2),
	CALL(fchown), /* as the file before it */
	CALL(dup),
	CALL(dup2),
	CALL(dup3),
	CALL(pipe),
	CALL(pipe2),
	CALL(inotify_init1),
	CALL(inotify_add_watch),
	CALL(inotify_rm_watch),
	CALL(epoll_create1),
	CALL(epoll_ctl),
	CALL(epoll_wait),
	CALL(epoll_pwait),
	CALL(signalfd4),
	CALL(accept),
	CALL(accept4),
	CALL(shutdown),
	CALL(fork),
	CALL(vfork),
	CALL(wait4),
	CALL(kill),
	CALL(alarm),
	CALL(setitimer),
};

static const int of_connect[] = {
	CALL(connect),
};

/* What a resolver of names does: files, and whatever the modules of nsswitch.conf ask. */
static const int of_resolve[] = {
	CALL(socket),	  CALL(bind),	    CALL(sendto),	 CALL(sendmmsg),
	CALL(recvmmsg),	  CALL(setsockopt), CALL(open),		 CALL(openat),
	CALL(stat),	  CALL(fstat),	    CALL(lstat),	 CALL(newfstatat),
	CALL(statx),	  CALL(access),	    CALL(faccessat2),	 CALL(readlink),
	CALL(readlinkat), CALL(getdents64), CALL(lseek),	 CALL(pread64),
	CALL(fcntl),	  CALL(ioctl),	    CALL(epoll_create1), CALL(epoll_ctl),
	CALL(epoll_wait), CALL(eventfd2),   CALL(pipe2),	 CALL(uname),
	CALL(statfs),	  CALL(fstatfs),
};

#ifdef __SANITIZE_ADDRESS__
/* Its leak checker traces its own threads; reports are written by their own calls. */
static const int of_sanitizer[] = {
	CALL(ptrace),	CALL(prctl),	 CALL(sched_getparam), CALL(getpgrp),
	CALL(getdents), CALL(prlimit64), CALL(mprotect),       CALL(mmap),
};
#endif

/* ---- allowed with some arguments ---- */

#define NEW_NAMESPACES                                                                   \
	(CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |      \
	 CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWTIME)
#define WRITE_AND_EXEC (PROT_WRITE | PROT_EXEC)

struct row {
	int call;
	unsigned n;
	struct scmp_arg_cmp args[3];
};
#define IS(arg, value)                                                                   \
	{                                                                                \
		arg, SCMP_CMP_EQ, (scmp_datum_t)(value), 0                               \
	}
#define WITHOUT(arg, bits)                                                               \
	{                                                                                \
		arg, SCMP_CMP_MASKED_EQ, (scmp_datum_t)(bits), 0                         \
	}
/* An int: the upper half of its register may hold anything. */
#define IS_INT(arg, value)                                                               \
	{                                                                                \
		arg, SCMP_CMP_MASKED_EQ, UINT32_MAX, (scmp_datum_t)(value)               \
	}

static const struct row some_of_all[] = {
	/* No memory is written and run, nor turned into code. */
	{ CALL(mmap), 1, { { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } } },
	{ CALL(mmap), 1, { { 2, SCMP_CMP_MASKED_EQ, WRITE_AND_EXEC, PROT_EXEC } } },
	{ CALL(mprotect), 1, { WITHOUT(2, PROT_EXEC) } },
	{ CALL(clone), 1, { WITHOUT(0, NEW_NAMESPACES) } },
	{ CALL(prlimit64), 1, { IS_INT(0, 0) } }, /* its own; to lower it */
	{ CALL(prctl), 1, { IS_INT(0, PR_SET_NAME) } },
	{ CALL(prctl), 1, { IS_INT(0, PR_SET_PDEATHSIG) } },
	/* On a connection, not to an address. */
	{ CALL(sendmsg), 1, { WITHOUT(2, MSG_FASTOPEN) } },
};

static const struct row some_of_slides[] = {
	{ CALL(sendto), 2, { IS(4, 0), WITHOUT(3, MSG_FASTOPEN) } },
	{ CALL(setsockopt), 2, { IS_INT(1, SOL_SOCKET), IS_INT(2, SO_RCVTIMEO) } },
	{ CALL(setsockopt), 2, { IS_INT(1, SOL_SOCKET), IS_INT(2, SO_SNDTIMEO) } },
	/* A stream is connected from the start, to its other end. */
	{ CALL(socketpair),
	  2,
	  { IS_INT(0, AF_UNIX), { 1, SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM } } },
	{ CALL(fcntl), 1, { IS_INT(1, F_GETFD) } },
	{ CALL(fcntl), 1, { IS_INT(1, F_SETFD) } },
	{ CALL(fcntl), 1, { IS_INT(1, F_GETFL) } },
	{ CALL(fcntl), 1, { IS_INT(1, F_SETFL) } },
	{ CALL(fcntl), 1, { IS_INT(1, F_DUPFD) } },
	{ CALL(fcntl), 1, { IS_INT(1, F_DUPFD_CLOEXEC) } },
	{ CALL(fcntl), 1, { IS_INT(1, F_GETLK) } },
	{ CALL(fcntl), 1, { IS_INT(1, F_SETLK) } },
	{ CALL(fcntl), 1, { IS_INT(1, F_SETLKW) } },
	{ CALL(fcntl), 1, { IS_INT(1, F_OFD_GETLK) } },
	{ CALL(fcntl), 1, { IS_INT(1, F_OFD_SETLK) } },
	{ CALL(fcntl), 1, { IS_INT(1, F_OFD_SETLKW) } },
	{ CALL(sched_setscheduler), 1, { IS_INT(1, SCHED_IDLE) } }, /* to give way */
	{ CALL(ioctl), 1, { IS_INT(1, FIONREAD) } },
	{ CALL(ioctl), 1, { IS_INT(1, TCGETS) } }, /* stdio: is it a terminal? */
};

static const struct row some_of_connect[] = {
	{ CALL(socket),
	  2,
	  { IS_INT(0, AF_UNIX), { 1, SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM } } },
	{ CALL(socket),
	  2,
	  { IS_INT(0, AF_INET), { 1, SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM } } },
	{ CALL(socket),
	  2,
	  { IS_INT(0, AF_INET6), { 1, SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM } } },
	{ CALL(setsockopt), 2, { IS_INT(1, IPPROTO_TCP), IS_INT(2, TCP_NODELAY) } },
};

/* ---- refused ---- */

/* A library may try them. */
static const int refused[] = {
	CALL(socket),
	CALL(connect),
	CALL(bind),
	CALL(listen),
	CALL(sendmmsg),
	CALL(chmod),
	CALL(fchmod),
	CALL(fchmodat),
	CALL(chown),
	CALL(lchown),
	CALL(fchownat),
	CALL(link),
	CALL(linkat),
	CALL(symlink),
	CALL(symlinkat),
	CALL(mknod),
	CALL(mknodat),
	CALL(setxattr),
	CALL(lsetxattr),
	CALL(fsetxattr),
	CALL(utimensat),
	CALL(memfd_create),
	CALL(memfd_secret),
	CALL(mlock),
	CALL(mlockall),
	CALL(shmget),
	CALL(shmat),
	CALL(msgget),
	CALL(semget),
	CALL(mq_open),
	CALL(setpriority),
	CALL(sched_setattr),
	CALL(ioprio_set),
	CALL(setrlimit),
	CALL(setpgid),
	CALL(setsid),
	CALL(tkill),
	CALL(rt_sigqueueinfo),
	CALL(rt_tgsigqueueinfo),
	CALL(pidfd_open),
	CALL(pidfd_send_signal),
	CALL(syslog),
	CALL(fanotify_init),
	CALL(setuid),
	CALL(setgid),
	CALL(setreuid),
	CALL(setregid),
	CALL(setresuid),
	CALL(setresgid),
	CALL(setgroups),
	CALL(setfsuid),
	CALL(setfsgid),
	CALL(capset),
	CALL(personality),
	CALL(name_to_handle_at),
	CALL(seccomp),
	CALL(io_setup),
};

/* Nobody tries them who was not taken over. */
static const int deadly[] = {
	CALL(execve),
	CALL(execveat),
#ifndef __SANITIZE_ADDRESS__
	CALL(ptrace),
#endif
	CALL(process_vm_readv),
	CALL(process_vm_writev),
	CALL(process_madvise),
	CALL(pidfd_getfd),
	CALL(kcmp),
	CALL(mount),
	CALL(umount2),
	CALL(pivot_root),
	CALL(chroot),
	CALL(move_mount),
	CALL(open_tree),
	CALL(fsopen),
	CALL(fsmount),
	CALL(fspick),
	CALL(mount_setattr),
	CALL(unshare),
	CALL(setns),
	CALL(open_by_handle_at),
	CALL(bpf),
	CALL(perf_event_open),
	CALL(userfaultfd),
	CALL(io_uring_setup),
	CALL(io_uring_enter),
	CALL(io_uring_register),
	CALL(add_key),
	CALL(request_key),
	CALL(keyctl),
	CALL(init_module),
	CALL(finit_module),
	CALL(delete_module),
	CALL(kexec_load),
	CALL(kexec_file_load),
	CALL(reboot),
	CALL(swapon),
	CALL(swapoff),
	CALL(acct),
	CALL(quotactl),
	CALL(settimeofday),
	CALL(clock_settime),
	CALL(clock_adjtime),
	CALL(adjtimex),
	CALL(sethostname),
	CALL(setdomainname),
	CALL(iopl),
	CALL(ioperm),
	CALL(modify_ldt),
	CALL(vhangup),
	CALL(lookup_dcookie),
	CALL(nfsservctl),
};

/* ---- the filter ---- */

struct filter {
	scmp_filter_ctx ctx;
	int error; /* the first one, negative */
};

/* A rule that is there already, and a call that this processor does not have, are none.
 */
static void note(struct filter *f, int rc)
{
	if (rc < 0 && rc != -EEXIST && rc != -EDOM && f->error == 0)
		f->error = rc;
}

static void add(struct filter *f, uint32_t action, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++)
		note(f, seccomp_rule_add(f->ctx, action, calls[i], 0));
}

static void allow_some(struct filter *f, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		note(f, seccomp_rule_add_array(f->ctx, SCMP_ACT_ALLOW, rows[i].call,
					       rows[i].n, rows[i].args));
}

#define ALLOW(f, table)	     add(f, SCMP_ACT_ALLOW, table, ROWS(table))
#define ALLOW_SOME(f, table) allow_some(f, table, ROWS(table))

static void add_slides(struct filter *f)
{
	ALLOW(f, of_slides);
	ALLOW_SOME(f, some_of_slides);
	add(f, SCMP_ACT_ERRNO(EPERM), refused, ROWS(refused));
}

static void add_connect(struct filter *f, bool resolves)
{
	if (resolves)
		ALLOW(f, of_resolve);
	ALLOW(f, of_connect);
	ALLOW_SOME(f, some_of_connect);
}

/* A rule without conditions replaces those of the same call that have some, or makes them
 * superfluous: no call is on two lists whose answers differ. */
static void add_rules(struct filter *f, enum sc_calls calls)
{
#ifdef __SANITIZE_ADDRESS__
	ALLOW(f, of_sanitizer);
#endif
	ALLOW(f, of_all);
	ALLOW_SOME(f, some_of_all);
	if (calls == SC_CALLS_SLIDES)
		add_slides(f);
	else
		add_connect(f, calls == SC_CALLS_RESOLVE);
	add(f, SCMP_ACT_KILL_PROCESS, deadly, ROWS(deadly));
}

enum sc_status sc_calls_enter(enum sc_calls calls, struct sc_err *err)
{
	struct filter f = { .ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS)) };

	if (!f.ctx)
		return sc_fail(err, SC_INTERNAL, "sandbox: no memory for the filter");
	note(&f, seccomp_attr_set(f.ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2));
	add_rules(&f, calls);
	if (f.error == 0)
		note(&f, seccomp_load(f.ctx));
	seccomp_release(f.ctx);
	if (f.error == 0)
		return SC_OK;
	return sc_fail(err, SC_UNAVAILABLE,
		       "sandbox: the kernel refuses its filter of system calls: %s; "
		       "\"sandbox\": \"off\" goes without",
		       strerror(-f.error));
}

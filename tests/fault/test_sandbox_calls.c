/* SPDX-License-Identifier: MIT */
/*
 * The sandbox: which system calls a process that reads slides can still make, and whom it
 * can reach by them. BUILD/sandbox-calls.txt has the table.
 */
#include "sandbox_fixture.h"

#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "src/cache/remote.h"

/* Made before the sandbox, as if somebody had left them. */
static int idle_tcp, idle_unix;

/* ---- sockets and servers ---- */

static int make_socket(int family, int type, int protocol)
{
	return close_if(socket(family, type, protocol));
}

static struct sockaddr_in tcp_address(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int connect_tcp(int port)
{
	const struct sockaddr_in a = tcp_address(port);

	return connect(idle_tcp, (const struct sockaddr *)&a, sizeof(a));
}

static int connect_unix(const char *name)
{
	const struct sockaddr_un a = unix_address(name);

	return connect(idle_unix, (const struct sockaddr *)&a, sizeof(a));
}

/* The only way that is left: to ask for a server. */
static int ask_for(const char *host, int port)
{
	struct sc_target t = { .address.port = port };
	int error = 0;
	socklen_t n = sizeof(error);

	(void)snprintf(t.address.host, sizeof(t.address.host), "%s", host);
	SC_AUTO_FD fd = sc_target_connect(&t, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (fd < 0 || poll(&p, 1, 10000) != 1 ||
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		return -1;
	errno = error;
	return error ? -1 : 0;
}

ATTEMPT(run_program, execve("/bin/true", (char *[]){ NULL }, (char *[]){ NULL }))
ATTEMPT(run_by_descriptor, call(syscall(SYS_execveat, idle_tcp, "", NULL, NULL, 0x1000)))
ATTEMPT(trace_parent, call(ptrace(PTRACE_ATTACH, parent, NULL, NULL)))
ATTEMPT(make_tcp, make_socket(AF_INET, SOCK_STREAM, 0))
ATTEMPT(make_tcp6, make_socket(AF_INET6, SOCK_STREAM, 0))
ATTEMPT(make_udp, make_socket(AF_INET, SOCK_DGRAM, 0))
ATTEMPT(make_raw, make_socket(AF_INET, SOCK_RAW, 1))
ATTEMPT(make_unix, make_socket(AF_UNIX, SOCK_STREAM, 0))
ATTEMPT(make_unix_datagram, make_socket(AF_UNIX, SOCK_DGRAM, 0))
ATTEMPT(make_netlink, make_socket(AF_NETLINK, SOCK_RAW, 0))
ATTEMPT(make_packet, make_socket(AF_PACKET, SOCK_RAW, 0))
ATTEMPT(make_vsock, make_socket(AF_VSOCK, SOCK_STREAM, 0))
ATTEMPT(make_alg, make_socket(AF_ALG, SOCK_SEQPACKET, 0))
ATTEMPT(connect_here, connect_tcp(here_port))
ATTEMPT(connect_other, connect_tcp(other_port))
ATTEMPT(connect_other_unix, connect_unix("other.sock"))
ATTEMPT(ask_here, ask_for("127.0.0.1", here_port))
ATTEMPT(ask_here_unix, ask_for(in("here.sock"), 0))
ATTEMPT(ask_other, ask_for("127.0.0.1", other_port))
ATTEMPT(ask_other_host, ask_for("127.0.0.2", here_port))
ATTEMPT(ask_other_name, ask_for("localhost", here_port))
ATTEMPT(ask_other_unix, ask_for(in("other.sock"), 0))
ATTEMPT(bind_port,
	call(bind(idle_tcp,
		  (struct sockaddr *)&(struct sockaddr_in){ .sin_family = AF_INET },
		  sizeof(struct sockaddr_in))))
ATTEMPT(listen_port, listen(idle_tcp, 1))
ATTEMPT(mount_tmpfs, mount("none", in("state"), "tmpfs", 0, NULL))
ATTEMPT(change_root, chroot(in("state")))
ATTEMPT(new_namespace, unshare(CLONE_NEWUSER))
ATTEMPT(new_namespace_by_clone,
	call(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)))
ATTEMPT(kill_parent, kill(parent, 0))
ATTEMPT(kill_by_pidfd, call(syscall(SYS_pidfd_open, parent, 0)))
ATTEMPT(read_parent_by_call,
	call(syscall(SYS_process_vm_readv, parent, NULL, 0, NULL, 0, 0)))
ATTEMPT(start_io_uring, call(syscall(SYS_io_uring_setup, 1, NULL)))
ATTEMPT(load_bpf, call(syscall(SYS_bpf, 0, NULL, 0)))
ATTEMPT(use_keys, call(syscall(SYS_keyctl, 0, 0)))
ATTEMPT(count_events, call(syscall(SYS_perf_event_open, NULL, 0, 0, -1, 0)))
ATTEMPT(handle_faults, call(syscall(SYS_userfaultfd, 0)))
ATTEMPT(make_memory_file, call(syscall(SYS_memfd_create, "x", 0)))
ATTEMPT(become_root, call(syscall(SYS_setuid, 0)))
ATTEMPT(change_capabilities, call(syscall(SYS_capset, NULL, NULL)))
ATTEMPT(change_clock, call(syscall(SYS_adjtimex, NULL)))
ATTEMPT(type_for_terminal, ioctl(STDIN_FILENO, TIOCSTI, "x"))
ATTEMPT(open_by_handle, call(syscall(SYS_open_by_handle_at, -1, NULL, 0)))

/* A connection by sending, without a connect(2). */
static int send_fast(void)
{
	const struct sockaddr_in a = tcp_address(other_port);

	return call(sendto(idle_tcp, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL,
			   (const struct sockaddr *)&a, sizeof(a)));
}

static int send_fast_in_parts(void)
{
	struct sockaddr_in a = tcp_address(other_port);
	struct iovec part = { (char[]){ "x" }, 1 };
	const struct msghdr m = { .msg_name = &a,
				  .msg_namelen = sizeof(a),
				  .msg_iov = &part,
				  .msg_iovlen = 1 };

	return call(sendmsg(idle_tcp, &m, MSG_FASTOPEN | MSG_NOSIGNAL));
}

static int send_many(void)
{
	return call(sendmmsg(idle_tcp, NULL, 0, 0));
}

static int run_in_child(void)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(run_program() < 0);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	errno = EPERM;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

#ifndef __SANITIZE_ADDRESS__
ATTEMPT(trace_by_prctl, prctl(PR_SET_DUMPABLE, 1))

static int map_code(void)
{
	const void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static int make_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}
#endif

static int raise_limit(void)
{
	const struct rlimit more = { RLIM_INFINITY, RLIM_INFINITY };

	return setrlimit(RLIMIT_CORE, &more) == 0 ? 0 : -1;
}

/* ---- the table ---- */

static const struct attempt attempts[] = {
	{ "run a program", run_program, KILLED, 0 },
	{ "run a program by its descriptor", run_by_descriptor, KILLED, 0 },
	{ "run a program in a child", run_in_child, REFUSED, 0 },
#ifndef __SANITIZE_ADDRESS__ /* it needs these itself */
	{ "trace the master", trace_parent, KILLED, 0 },
	{ "be traced again", trace_by_prctl, REFUSED, 0 },
	{ "map memory to write and run", map_code, REFUSED, 0 },
	{ "turn memory into code", make_code, REFUSED, 0 },
#else
	{ "trace the master", trace_parent, REFUSED, 1 },
#endif
	{ "socket: TCP", make_tcp, REFUSED, 0 },
	{ "socket: TCP, IPv6", make_tcp6, REFUSED, 0 },
	{ "socket: UDP", make_udp, REFUSED, 0 },
	{ "socket: raw", make_raw, REFUSED, 0 },
	{ "socket: unix", make_unix, REFUSED, 0 },
	{ "socket: unix, datagrams", make_unix_datagram, REFUSED, 0 },
	{ "socket: netlink", make_netlink, REFUSED, 0 },
	{ "socket: packet", make_packet, REFUSED, 0 },
	{ "socket: vsock", make_vsock, REFUSED, 0 },
	{ "socket: crypto", make_alg, REFUSED, 0 },
	{ "connect: the cache server's port", connect_here, REFUSED, 0 },
	{ "connect: another port", connect_other, REFUSED, 0 },
	{ "connect: another unix socket", connect_other_unix, REFUSED, 0 },
	{ "connect by sending (sendto)", send_fast, REFUSED, 0 },
	{ "connect by sending (sendmsg)", send_fast_in_parts, REFUSED, 0 },
	{ "connect by sending (sendmmsg)", send_many, REFUSED, 0 },
	{ "ask for another port", ask_other, REFUSED, 0 },
	{ "ask for another address", ask_other_host, REFUSED, 0 },
	{ "ask for the same server by another name", ask_other_name, REFUSED, 0 },
	{ "ask for another unix socket", ask_other_unix, REFUSED, 0 },
	{ "ask for the cache server", ask_here, WORKS, 0 },
	{ "ask for the cache server's unix socket", ask_here_unix, WORKS, 0 },
	{ "bind a port", bind_port, REFUSED, 0 },
	{ "listen", listen_port, REFUSED, 0 },
	{ "read the master's memory (call)", read_parent_by_call, KILLED, 0 },
	{ "mount", mount_tmpfs, KILLED, 0 },
	{ "chroot", change_root, KILLED, 0 },
	{ "a namespace", new_namespace, KILLED, 0 },
	{ "a namespace by clone", new_namespace_by_clone, REFUSED, 0 },
	{ "signal the master", kill_parent, REFUSED, 6 },
	{ "signal the master by a descriptor", kill_by_pidfd, REFUSED, 0 },
	{ "io_uring", start_io_uring, KILLED, 0 },
	{ "bpf", load_bpf, KILLED, 0 },
	{ "keys of the kernel", use_keys, KILLED, 0 },
	{ "performance events", count_events, KILLED, 0 },
	{ "userfaultfd", handle_faults, KILLED, 0 },
	{ "a file in memory", make_memory_file, REFUSED, 0 },
	{ "setuid", become_root, REFUSED, 0 },
	{ "capabilities", change_capabilities, REFUSED, 0 },
	{ "the clock", change_clock, KILLED, 0 },
	{ "type into a terminal", type_for_terminal, REFUSED, 0 },
	{ "open by handle", open_by_handle, KILLED, 0 },
	{ "raise a limit", raise_limit, REFUSED, 0 },
};

static void attempts_end_as_they_should(void **state)
{
	(void)state;
	try_all(attempts, COUNT_OF(attempts), "sandbox-calls.txt");
}

/* All of it is about the sandbox. */
static void without_it_little_is_refused(void **state)
{
	static const char *const sure[] = { "socket: unix", "socket: TCP",
					    "connect: another port",
					    "run a program in a child" };

	(void)state;
	set("sandbox", "off");
	for (size_t i = 0; i < COUNT_OF(attempts); i++)
		for (size_t k = 0; k < COUNT_OF(sure); k++)
			if (strcmp(attempts[i].name, sure[k]) == 0)
				assert_int_equal(try_in_child(&attempts[i]), 0);
	set("sandbox", "on");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attempts_end_as_they_should),
		cmocka_unit_test(without_it_little_is_refused),
	};

	idle_tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	idle_unix = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return cmocka_run_group_tests(tests, make_world, end_world);
}

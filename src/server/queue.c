/* SPDX-License-Identifier: MIT */
/*
 * The kernel is asked for the length of a listen queue, see queue.h.
 */
#include "queue.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANSWER_MAX 1024
#define OLD_MAX	   8 /* answers to earlier questions that are passed over */
#define ANY_COOKIE UINT32_MAX
/* The kernel's macros of these are signed. */
#define ATTRIBUTE_HEAD	     sizeof(struct nlattr)
#define ATTRIBUTE_ALIGNED(n) (((size_t)(n) + 3) & ~(size_t)3)

static bool is_passing(int error)
{
	return error == ENOBUFS || error == ENOMEM || error == EAGAIN || error == EINTR;
}

static enum sc_status fail_system(struct sc_err *err)
{
	return sc_fail(err, is_passing(errno) ? SC_TIMEOUT : SC_UNAVAILABLE,
		       "listen queue: %s", strerror(errno));
}

void sc_queue_init(struct sc_queue *q, int listener, bool is_unix)
{
	*q = (struct sc_queue){ .listener = listener, .is_unix = is_unix, .netlink = -1 };
}

static enum sc_status open_netlink(struct sc_queue *q, struct sc_err *err)
{
	struct stat st;

	if (q->netlink >= 0)
		return SC_OK;
	if (fstat(q->listener, &st) < 0)
		return fail_system(err);
	q->inode = (uint32_t)st.st_ino;
	q->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			    NETLINK_SOCK_DIAG);
	return q->netlink < 0 ? fail_system(err) : SC_OK;
}

void sc_queue_close(struct sc_queue *q)
{
	sc_close_fd(&q->netlink);
}

/* Copies n bytes at offset at, when there are so many. Whatever a message holds is
 * reached through this only. */
static bool take(struct sc_bytes from, size_t at, void *out, size_t n)
{
	if (at > from.len || from.len - at < n)
		return false;
	memcpy(out, from.data + at, n);
	return true;
}

static enum sc_status fail_answer(struct sc_err *err)
{
	return sc_fail(err, SC_UNAVAILABLE,
		       "listen queue: the kernel's answer makes no sense");
}

static enum sc_status read_error(struct sc_bytes message, struct sc_err *err)
{
	int error = 0;

	if (!take(message, NLMSG_HDRLEN, &error, sizeof(error)) || error >= 0 ||
	    error < -4095)
		return fail_answer(err);
	errno = -error;
	return fail_system(err);
}

/* Finds the attribute that holds the lengths, behind the fixed part. */
static bool find_lengths(struct sc_bytes message, struct unix_diag_rqlen *out)
{
	size_t at = NLMSG_SPACE(sizeof(struct unix_diag_msg));
	struct nlattr head;

	while (take(message, at, &head, sizeof(head)) && head.nla_len >= ATTRIBUTE_HEAD) {
		if (head.nla_type == UNIX_DIAG_RQLEN)
			return head.nla_len >= ATTRIBUTE_HEAD + sizeof(*out) &&
			       take(message, at + ATTRIBUTE_HEAD, out, sizeof(*out));
		at += ATTRIBUTE_ALIGNED(head.nla_len);
	}
	return false;
}

enum sc_status sc_queue_read(const struct sc_queue *q, struct sc_bytes message,
			     struct sc_queue_length *out, struct sc_err *err)
{
	struct nlmsghdr head;
	struct unix_diag_msg socket;
	struct unix_diag_rqlen lengths;

	if (!take(message, 0, &head, sizeof(head)) || head.nlmsg_len < NLMSG_HDRLEN ||
	    head.nlmsg_len > message.len)
		return fail_answer(err);
	message.len = head.nlmsg_len;
	if (head.nlmsg_seq != q->asked)
		return SC_MISS;
	if (head.nlmsg_type == NLMSG_ERROR)
		return read_error(message, err);
	if (head.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    !take(message, NLMSG_HDRLEN, &socket, sizeof(socket)) ||
	    socket.udiag_family != AF_UNIX || socket.udiag_ino != q->inode ||
	    !find_lengths(message, &lengths))
		return fail_answer(err);
	out->waiting = lengths.udiag_rqueue;
	out->backlog = lengths.udiag_wqueue;
	return SC_OK;
}

static enum sc_status send_question(struct sc_queue *q, struct sc_err *err)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct {
		struct nlmsghdr head;
		struct unix_diag_req request;
	} m = {
		.head = { .nlmsg_len = sizeof(m),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST,
			  .nlmsg_seq = ++q->asked },
		.request = { .sdiag_family = AF_UNIX,
			     .udiag_ino = q->inode,
			     .udiag_show = UDIAG_SHOW_RQLEN,
			     .udiag_cookie = { ANY_COOKIE, ANY_COOKIE } },
	};

	if (sendto(q->netlink, &m, sizeof(m), MSG_DONTWAIT,
		   (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return fail_system(err);
	return SC_OK;
}

/* The kernel has answered when sendto returns. Other processes may send, too. */
static enum sc_status ask_netlink(struct sc_queue *q, struct sc_queue_length *out,
				  struct sc_err *err)
{
	unsigned char answer[ANSWER_MAX];
	enum sc_status status = open_netlink(q, err);

	if (!status)
		status = send_question(q, err);
	if (status)
		return status;
	for (int i = 0; i < OLD_MAX; i++) {
		struct sockaddr_nl from = { 0 };
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(q->netlink, answer, sizeof(answer), MSG_DONTWAIT,
				     (struct sockaddr *)&from, &size);

		if (n < 0)
			return fail_system(err);
		if (from.nl_pid != 0)
			continue;
		status = sc_queue_read(q, sc_bytes_of(answer, (size_t)n), out, err);
		if (status != SC_MISS)
			return status;
	}
	return fail_answer(err);
}

static enum sc_status ask_tcp(const struct sc_queue *q, struct sc_queue_length *out,
			      struct sc_err *err)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	if (getsockopt(q->listener, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return fail_system(err);
	if (info.tcpi_state != TCP_LISTEN)
		return fail_answer(err);
	/* What these two mean of a socket that listens. */
	out->waiting = info.tcpi_unacked;
	out->backlog = info.tcpi_sacked;
	return SC_OK;
}

enum sc_status sc_queue_ask(struct sc_queue *q, struct sc_queue_length *out,
			    struct sc_err *err)
{
	return q->is_unix ? ask_netlink(q, out, err) : ask_tcp(q, out, err);
}

/* SPDX-License-Identifier: MIT */
/*
 * seccomp: which system calls a sandboxed process may make.
 *
 * The list is of what is allowed. What is on none of the lists answers ENOSYS, as if the
 * kernel were older: a newer C library that tries a newer call then takes the older way,
 * where EPERM would make it fail and a signal would end a service that was only upgraded.
 * What a library may try and can do without answers EPERM. But what nobody tries who was
 * not taken over, running a program, tracing a process, mounting, more privileges, ends
 * the process at once (SIGSYS): it counts as a fault, so the slide that was being read
 * has a strike (quarantine.h).
 *
 * Calls whose arguments do not matter are allowed without looking at them: the kernel
 * then does not even run the filter, so that reading and answering costs what it cost
 * before.
 */
#ifndef SC_SERVER_SANDBOX_CALLS_H
#define SC_SERVER_SANDBOX_CALLS_H

#include "slidecache/status.h"

enum sc_calls {
	SC_CALLS_SLIDES,  /* who reads slides */
	SC_CALLS_CONNECT, /* who connects to servers (connector.h) by address */
	SC_CALLS_RESOLVE, /* the same, by name */
};

/* For good. */
SC_MUST enum sc_status sc_calls_enter(enum sc_calls calls, struct sc_err *err);

#endif

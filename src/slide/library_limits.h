/* SPDX-License-Identifier: MIT */
/*
 * Limits that libraries below OpenSlide take from the environment: see library_limits.c.
 */
#ifndef SC_SLIDE_LIBRARY_LIMITS_H
#define SC_SLIDE_LIBRARY_LIMITS_H

/* For the whole process, any number of times; the first is before it has threads. */
void sc_limit_libraries(void);

#endif

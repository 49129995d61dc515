/* SPDX-License-Identifier: MIT */
/*
 * Private to src/app: the header Prefer (RFC 7240). Pure.
 */
#ifndef SRC_APP_PREFER_H
#define SRC_APP_PREFER_H

#include <stdbool.h>

/* Whether a list of preferences (NULL: none) has respond-async. Names are of any case;
 * parameters are passed over; what is no list of preferences prefers nothing. */
bool sc_prefers_async(const char *prefer);

#endif

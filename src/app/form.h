/* SPDX-License-Identifier: MIT */
/*
 * Private to src/app: the fields of a form, as an object of strings. Pure.
 *
 * Only simple fields: each once, at most SC_FORM_FIELDS_MAX, names of at most
 * SC_FORM_NAME_MAX bytes without quotes and backslashes, values of valid UTF-8 without
 * NUL. What is anything else (a file, a part within a part, text around the parts) is
 * SC_INVALID with what is wrong; *out is to be json_decref'ed.
 */
#ifndef SRC_APP_FORM_H
#define SRC_APP_FORM_H

#include <jansson.h>

#include "slidecache/bytes.h"

#define SC_FORM_FIELDS_MAX   16
#define SC_FORM_NAME_MAX     64
#define SC_FORM_BOUNDARY_MAX 70 /* of RFC 2046 */

/* application/x-www-form-urlencoded: "a=1&b=2%203". */
SC_MUST enum sc_status sc_form_parse(struct sc_bytes text, json_t **out,
				     struct sc_err *err);
/* multipart/form-data; content_type is the whole header, which names the boundary. */
SC_MUST enum sc_status sc_multipart_parse(const char *content_type, struct sc_bytes text,
					  json_t **out, struct sc_err *err);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Private to src/app: the bodies of requests that change something. Objects with known
 * fields, of JSON or of forms, checked before anything is done. Pure.
 */
#ifndef SRC_APP_BODY_H
#define SRC_APP_BODY_H

#include <jansson.h>

#include "slidecache/bytes.h"

#define SC_BODY_DEPTH_MAX 8

/* "application/json", with or without parameters. */
bool sc_is_json_type(const char *content_type);
/* The object that a body is, an empty one for no body; json_decref it. content_type:
 * NULL or "" only with no body. forms: they are taken, too, as objects of strings.
 * SC_MEDIA_TYPE: a type that is not taken; else as below and in form.h. */
SC_MUST enum sc_status sc_body_read(const char *content_type, bool forms,
				    struct sc_bytes text, json_t **out,
				    struct sc_err *err);
/* The same of JSON text. SC_INVALID: no JSON object, deeper than SC_BODY_DEPTH_MAX, a key
 * twice, invalid UTF-8. SC_FIELD: a number beyond those of 64 bits. */
SC_MUST enum sc_status sc_body_parse(struct sc_bytes text, json_t **out,
				     struct sc_err *err);
/* SC_FIELD, with its name, if the object has a field that is none of known (NULL ends
 * them). */
SC_MUST enum sc_status sc_body_fields(json_t *body, const char *const *known,
				      struct sc_err *err);

#endif

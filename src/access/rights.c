/* SPDX-License-Identifier: MIT */
/*
 * What rights are called, in files and on the command line.
 */
#include "slidecache/access.h"

#include <stddef.h>
#include <string.h>

static const struct {
	enum sc_right right;
	const char *name;
} rows[] = {
	{ SC_RIGHT_READ, "read" },
	{ SC_RIGHT_MANAGE, "manage" },
	{ SC_RIGHT_LABEL, "label" },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

enum sc_right sc_right_named(const char *name)
{
	for (size_t i = 0; i < ROWS; i++)
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].right;
	return SC_RIGHT_NONE;
}

const char *sc_right_name(unsigned rights)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rights & rows[i].right)
			return rows[i].name;
	return NULL;
}

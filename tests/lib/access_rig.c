/* SPDX-License-Identifier: MIT */
/*
 * The rig of tests of src/access.
 */
#include "tests/lib/access_rig.h"

#include <stdio.h>
#include <stdlib.h>

char *dir, *file, *log_file;

void write_users(const char *text)
{
	check_write(file, text, strlen(text));
}

unsigned logged(const char *what)
{
	char line[4096];
	FILE *f = fopen(log_file, "r");
	unsigned n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, what) != NULL;
	(void)fclose(f);
	return n;
}

struct sc_access *open_access(const char *path, bool trust)
{
	return sc_access_new(&(struct sc_access_options){ .htpasswd_file = path,
							  .trust_remote_user = trust });
}

enum sc_status ask(struct sc_access *a, const char *authorization,
		   const char *remote_user, char user[SC_USER_MAX + 1],
		   struct sc_err *err)
{
	const struct sc_credentials who = { authorization, remote_user, "" };
	struct sc_caller caller;
	enum sc_status status = sc_access_identify(a, &who, &caller, err);

	memcpy(user, caller.name, sizeof(caller.name));
	if (!status && caller.kind == SC_CALLER_STRANGER && sc_access_knows_anybody(a))
		return SC_STRANGER;
	return status;
}

enum sc_status try(struct sc_access *a, const char *pair)
{
	char user[SC_USER_MAX + 1];
	struct sc_err err;

	return ask(a, check_basic(pair), "", user, &err);
}

enum sc_status try_from(struct sc_access *a, const char *address,
			const char *authorization, struct sc_err *err)
{
	const struct sc_credentials who = { authorization, "", address };
	struct sc_caller caller;

	return sc_access_identify(a, &who, &caller, err);
}

void start_afresh(void)
{
	struct sc_err err;

	assert_int_equal(sc_access_share(&err), SC_OK);
}

int access_set_up(void **state)
{
	(void)state;
	start_afresh();
	dir = check_mkdir();
	file = check_path(dir, "users");
	log_file = check_path(dir, "log");
	return 0;
}

int access_tear_down(void **state)
{
	(void)state;
	free(file);
	free(log_file);
	check_rmdir(dir);
	return 0;
}

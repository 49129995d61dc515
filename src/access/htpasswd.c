/* SPDX-License-Identifier: MIT */
/*
 * An htpasswd file in memory: read, cut into rows, read again when it changed.
 */
#include "access/htpasswd.h"

#include <stdlib.h>

#include "access/basic.h"
#include "access/password.h"
#include "access/reread.h"
#include "slidecache/hash.h"
#include "slidecache/log.h"

#define FILE_BYTES_MAX (1 << 20)
#define TOLD_MAX       10 /* line numbers in one log line */

struct row {
	const char *user, *hash;
};

struct sc_htpasswd {
	struct sc_reread file;
	struct sc_buf text; /* what rows point into */
	struct row *rows;
	size_t n, room;
	const char *dearest;  /* of the rows' hashes, what takes longest */
	struct sc_buf unused; /* what was said of lines that cannot be used */
};

struct sc_htpasswd *sc_htpasswd_new(const char *path)
{
	struct sc_htpasswd *h = sc_alloc(sizeof(*h));

	h->file = (struct sc_reread){ .path = path,
				      .option = "access.htpasswd_file",
				      .max = FILE_BYTES_MAX };
	return h;
}

static void forget(struct sc_htpasswd *h)
{
	h->n = 0;
	if (h->text.data)
		sc_wipe(h->text.data, h->text.len);
	sc_buf_reset(&h->text);
}

void sc_htpasswd_free(struct sc_htpasswd *h)
{
	if (!h)
		return;
	forget(h);
	sc_buf_release(&h->text);
	sc_buf_release(&h->unused);
	free(h->rows);
	free(h);
}

static void add_row(struct sc_htpasswd *h, const char *user, const char *hash)
{
	if (h->n == h->room) {
		h->room = h->room ? 2 * h->room : 16;
		h->rows = sc_realloc_array(h->rows, h->room, sizeof(*h->rows));
	}
	h->rows[h->n++] = (struct row){ user, hash };
}

/* The line's n bytes end with a NUL. False: it cannot be used. */
static bool take_line(struct sc_htpasswd *h, char *line, size_t n)
{
	char *colon = strchr(line, ':');

	if (strlen(line) != n || !colon)
		return false;
	*colon = '\0';
	if (!sc_user_name_valid(sc_bytes_str(line)) || !sc_hash_is_taken(colon + 1))
		return false;
	add_row(h, line, colon + 1);
	return true;
}

static void note_unused(struct sc_buf *out, size_t number, size_t before)
{
	if (before < TOLD_MAX)
		sc_buf_printf(out, "%s%zu", before ? ", " : "", number);
}

/* Each worker reads the file, so each says it; but not again with every reading. */
static void say_unused(struct sc_htpasswd *h, struct sc_buf *now, size_t n)
{
	if (n > TOLD_MAX)
		sc_buf_printf(now, " and %zu more", n - TOLD_MAX);
	if (n > 0 && !sc_bytes_equal(sc_buf_bytes(now), sc_buf_bytes(&h->unused)))
		sc_log_warning(
			"access.htpasswd_file: not used: line %s; wanted is USER:HASH as "
			"htpasswd -B, -2 or -5 writes it",
			(const char *)now->data);
	sc_buf_release(&h->unused);
	h->unused = sc_buf_take(now);
}

static void cut_rows(struct sc_htpasswd *h)
{
	SC_AUTO_BUF unused = SC_BUF_INIT;
	char *end = NULL;
	size_t number = 0;
	size_t bad = 0;

	sc_buf_append(&h->text, "", 1);
	end = (char *)h->text.data + h->text.len - 1;
	for (char *line = (char *)h->text.data; line < end; number++) {
		char *stop = memchr(line, '\n', (size_t)(end - line));
		char *next = stop ? stop + 1 : end;
		size_t n = (size_t)((stop ? stop : end) - line);

		n -= n > 0 && line[n - 1] == '\r';
		line[n] = '\0';
		if (n > 0 && line[0] != '#' && !take_line(h, line, n))
			note_unused(&unused, number + 1, bad++);
		line = next;
	}
	say_unused(h, &unused, bad);
}

static const char *dearest_of(const struct sc_htpasswd *h)
{
	const char *dearest = "";

	for (size_t i = 0; i < h->n; i++)
		if (sc_hash_cost(h->rows[i].hash) > sc_hash_cost(dearest))
			dearest = h->rows[i].hash;
	return dearest;
}

enum sc_status sc_htpasswd_refresh(struct sc_htpasswd *h, struct sc_err *err)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	bool fresh = false;
	enum sc_status status = sc_reread(&h->file, &text, &fresh, err);

	if (status || fresh)
		forget(h);
	if (!fresh)
		return status;
	sc_buf_release(&h->text);
	h->text = sc_buf_take(&text);
	cut_rows(h);
	h->dearest = dearest_of(h);
	return SC_OK;
}

static bool same_user(const char *a, const char *b)
{
	size_t n = strlen(a);

	return n == strlen(b) && sc_equal_in_constant_time(a, b, n);
}

/* Looks at all of them: who asks is not to learn from the clock who is there. */
static const struct row *find(const struct sc_htpasswd *h, const char *user)
{
	const struct row *found = NULL;

	for (size_t i = 0; i < h->n; i++)
		if (same_user(h->rows[i].user, user) && !found)
			found = &h->rows[i];
	return found;
}

const char *sc_htpasswd_hash(const struct sc_htpasswd *h, const char *user)
{
	const struct row *found = find(h, user);

	return found ? found->hash : "";
}

bool sc_htpasswd_matches(const struct sc_htpasswd *h, const char *user,
			 const char *password)
{
	const struct row *found = find(h, user);
	bool matches = false;

	if (h->n == 0)
		return false;
	/* Nor whether there is such a user from how long a hash takes. */
	matches = sc_password_matches(password, found ? found->hash : h->dearest);
	return matches && found;
}

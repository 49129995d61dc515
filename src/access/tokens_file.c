/* SPDX-License-Identifier: MIT */
/*
 * Changing the file of tokens: under a lock, and replaced as a whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/basic.h"
#include "slidecache/clock.h"
#include "slidecache/file.h"
#include "slidecache/filelock.h"
#include "slidecache/parse.h"
#include "slidecache/tokens.h"

#define OPTION	"access.tokens_file"
#define WAIT_MS 5000
/* Of the old file's mode this stays. */
#define MODE_KEPT 0640

void sc_token_hash(const char *text, unsigned char out[SC_HASH256_LEN])
{
	sc_hash256(sc_bytes_str(text), out);
}

bool sc_token_expired(const struct sc_token *t, int64_t wall_us)
{
	return t->expires_us != 0 && wall_us >= t->expires_us;
}

const struct sc_token *sc_tokens_named(const struct sc_tokens *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->items[i].name, name) == 0)
			return &t->items[i];
	return NULL;
}

static enum sc_status fail(const char *file, struct sc_err *err)
{
	return sc_fail(err,
		       errno == EACCES || errno == EPERM ? SC_DENIED : SC_UNAVAILABLE,
		       OPTION " %.150s: %s", file, strerror(errno));
}

/* ----- reading ----- */

static enum sc_status read_text(const char *file, struct sc_buf *out, struct sc_err *err)
{
	SC_AUTO_FD fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return SC_OK;
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(file, err);
	if (!S_ISREG(st.st_mode))
		return sc_fail(err, SC_DAMAGED, OPTION " %.150s: is no regular file",
			       file);
	if (sc_file_read(fd, SC_TOKENS_BYTES, out, err) != SC_OK)
		return sc_fail_in(err, OPTION);
	return SC_OK;
}

enum sc_status sc_tokens_load(const char *file, struct sc_tokens *out, struct sc_err *err)
{
	SC_AUTO_BUF text = SC_BUF_INIT;

	if (read_text(file, &text, err) != SC_OK)
		return err->status;
	if (sc_tokens_parse(sc_buf_bytes(&text), out, err) == SC_OK)
		return SC_OK;
	err->status = SC_DAMAGED;
	return sc_fail_in(err, OPTION);
}

/* ----- replacing ----- */

/* As the old file is; a new one is for whoever makes it, and for the group. */
static bool give(int fd, const char *file, gid_t group)
{
	struct stat old, now;

	if (fstat(fd, &now) < 0)
		return false;
	if (stat(file, &old) == 0) {
		if ((old.st_uid != now.st_uid || old.st_gid != now.st_gid) &&
		    fchown(fd, old.st_uid, old.st_gid) < 0)
			return false;
		return fchmod(fd, old.st_mode & MODE_KEPT) == 0;
	}
	if (group == (gid_t)-1)
		return true;
	return fchown(fd, (uid_t)-1, group) == 0 && fchmod(fd, MODE_KEPT) == 0;
}

static bool write_synced(const char *file, const char *fresh, struct sc_bytes s,
			 gid_t group)
{
	SC_AUTO_FD fd = -1;
	ssize_t n = 0;

	(void)unlink(fresh); /* what a dead writer left */
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || !give(fd, file, group))
		return false;
	n = write(fd, s.data, s.len);
	if (n >= 0 && (size_t)n < s.len) {
		errno = ENOSPC;
		n = -1;
	}
	return n >= 0 && fsync(fd) == 0;
}

static enum sc_status sync_folder(const char *file, struct sc_err *err)
{
	const char *slash = strrchr(file, '/');
	SC_AUTO_BUF folder = SC_BUF_INIT;
	SC_AUTO_FD fd = -1;

	sc_buf_append(&folder, slash ? file : "./",
		      slash ? (size_t)(slash - file) + 1 : 2);
	fd = open((const char *)folder.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && fsync(fd) == 0 ? SC_OK : fail(file, err);
}

static enum sc_status save(const char *file, const struct sc_tokens *t, gid_t group,
			   struct sc_err *err)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	SC_AUTO_BUF name = SC_BUF_INIT;
	const char *fresh = NULL;

	sc_tokens_print(t, &text);
	/* One name suffices: writers hold the lock. */
	sc_buf_printf(&name, "%s.new", file);
	fresh = (const char *)name.data;
	if (!write_synced(file, fresh, sc_buf_bytes(&text), group) ||
	    rename(fresh, file) < 0) {
		SC_IGNORE(fail(file, err));
		(void)unlink(fresh);
		return err->status;
	}
	return sync_folder(file, err);
}

/* ----- changes ----- */

/* A file that changes: the lock is held until it is released. */
struct change {
	char *real; /* where a link leads: that is replaced, not the link */
	int lock;
	struct sc_tokens tokens;
};

static enum sc_status begin(const char *file, struct change *c, struct sc_err *err)
{
	SC_AUTO_BUF lock = SC_BUF_INIT;
	enum sc_status status = SC_OK;

	c->real = realpath(file, NULL);
	if (!c->real)
		c->real = sc_strdup(file);
	sc_buf_printf(&lock, "%s.lock", c->real);
	status = sc_filelock_open((const char *)lock.data, &c->lock, err);
	if (!status)
		status = sc_filelock_take(c->lock, 0, WAIT_MS, NULL, err);
	if (status)
		return sc_fail_in(err, OPTION);
	return sc_tokens_load(c->real, &c->tokens, err);
}

static void end(struct change *c)
{
	sc_tokens_release(&c->tokens);
	sc_close_fd(&c->lock);
	free(c->real);
}

static void make_text(char text[SC_TOKEN_TEXT_LEN])
{
	unsigned char secret[SC_TOKEN_BYTES];
	const size_t prefix = sizeof(SC_TOKEN_PREFIX) - 1;

	sc_random_bytes(secret, sizeof(secret));
	memcpy(text, SC_TOKEN_PREFIX, prefix);
	sc_base64url(secret, sizeof(secret), text + prefix);
	sc_wipe(secret, sizeof(secret));
}

static enum sc_status check_wanted(const struct sc_token *want, struct sc_err *err)
{
	if (!sc_user_name_valid(sc_bytes_str(want->name)))
		return sc_fail(err, SC_INVALID,
			       "a token's name has 1 to %d bytes, and no control "
			       "characters",
			       SC_USER_MAX);
	if (!want->rights || (want->rights & ~(unsigned)SC_RIGHTS_ALL))
		return sc_fail(err, SC_INVALID, "a token has at least one right");
	return SC_OK;
}

static enum sc_status append(struct change *c, const struct sc_token *want,
			     const char *text, struct sc_err *err)
{
	struct sc_token made = *want;

	if (sc_tokens_named(&c->tokens, want->name))
		return sc_fail(err, SC_EXISTS,
			       "there is a token %s already; revoke it first",
			       want->name);
	if (c->tokens.n == SC_TOKENS_MAX)
		return sc_fail(err, SC_FULL, OPTION ": has %d tokens already",
			       SC_TOKENS_MAX);
	sc_token_hash(text, made.hash);
	made.created_us = sc_wall_us();
	if (!sc_utf8_valid(sc_bytes_str(made.created_by)))
		made.created_by[0] = '\0';
	c->tokens.items = sc_realloc_array(c->tokens.items, c->tokens.n + 1,
					   sizeof(*c->tokens.items));
	c->tokens.items[c->tokens.n++] = made;
	return SC_OK;
}

enum sc_status sc_tokens_add(const char *file, const struct sc_token *want, gid_t group,
			     char text[SC_TOKEN_TEXT_LEN], struct sc_err *err)
{
	struct change c = { .lock = -1 };
	char made[SC_TOKEN_TEXT_LEN];
	enum sc_status status = check_wanted(want, err);

	make_text(made);
	if (!status)
		status = begin(file, &c, err);
	if (!status)
		status = append(&c, want, made, err);
	if (!status)
		status = save(c.real, &c.tokens, group, err);
	if (!status)
		memcpy(text, made, sizeof(made));
	sc_wipe(made, sizeof(made));
	end(&c);
	return status;
}

static enum sc_status take_out(struct change *c, const char *name, struct sc_err *err)
{
	const struct sc_token *found = sc_tokens_named(&c->tokens, name);
	size_t at = 0;

	if (!found)
		return sc_fail(err, SC_NOT_FOUND, "there is no token %.64s", name);
	at = (size_t)(found - c->tokens.items);
	c->tokens.n--;
	memmove(&c->tokens.items[at], &c->tokens.items[at + 1],
		(c->tokens.n - at) * sizeof(*c->tokens.items));
	return SC_OK;
}

enum sc_status sc_tokens_revoke(const char *file, const char *name, struct sc_err *err)
{
	struct change c = { .lock = -1 };
	enum sc_status status = begin(file, &c, err);

	if (!status)
		status = take_out(&c, name, err);
	if (!status)
		status = save(c.real, &c.tokens, (gid_t)-1, err);
	end(&c);
	return status;
}

/* SPDX-License-Identifier: MIT */
/*
 * The mark of this process: which file it is reading. Threads that read the same one,
 * which is the usual case, find it there and go on; the name is written under a lock.
 */
#include <pthread.h>

#include "slide/quarantine_records.h"

static struct sc_mark *mark;
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;

void sc_mark_at(struct sc_mark *at)
{
	mark = at;
}

void sc_mark_file(const char *file, uint64_t key)
{
	if (!mark || atomic_load(&mark->key) == key)
		return;
	(void)pthread_mutex_lock(&writing);
	/* Whoever looks between the two finds nothing rather than another file's name. */
	atomic_store(&mark->key, 0);
	sc_mark_name(file, mark->file);
	atomic_store(&mark->key, key);
	(void)pthread_mutex_unlock(&writing);
}

void sc_mark_clear(void)
{
	if (!mark || atomic_load(&mark->key) == 0)
		return;
	(void)pthread_mutex_lock(&writing);
	atomic_store(&mark->key, 0);
	(void)pthread_mutex_unlock(&writing);
}

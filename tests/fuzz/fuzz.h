/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share. A target is one file, fuzz_NAME.c, with the one function
 * that libFuzzer calls: it hands hostile bytes to one part of the program and checks what
 * that part promises. "make fuzz" runs it under libFuzzer; "make check" hands it each
 * file of tests/fuzz/corpus/NAME once (replay.c).
 *
 * Whatever a target makes the program log has to be a line that can be written as it is:
 * each is looked at.
 */
#ifndef SLIDECACHE_TESTS_FUZZ_H
#define SLIDECACHE_TESTS_FUZZ_H

#include "slidecache/bytes.h"

/* Returns 0. data ends where its memory does. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, which is a find, unless the promise holds. */
#define FUZZ_MUST(promise)                                                               \
	do {                                                                             \
		if (!(promise))                                                          \
			fuzz_broken(__FILE__, __LINE__, #promise);                       \
	} while (0)
void fuzz_broken(const char *file, int line, const char *promise)
	__attribute__((noreturn));

/* Values from the front of the input; zeros when it has ended. */
uint8_t fuzz_byte(struct sc_bytes *in);
uint32_t fuzz_u32(struct sc_bytes *in);
int64_t fuzz_i64(struct sc_bytes *in);
/* Up to n bytes. */
struct sc_bytes fuzz_take(struct sc_bytes *in, size_t n);
/* Up to the first byte end, which is taken, too; all when there is none. */
struct sc_bytes fuzz_until(struct sc_bytes *in, char end);

/* A copy in memory of its own size: what is read past its end is found. To be freed. */
unsigned char *fuzz_copy(struct sc_bytes s);
/* The same with a NUL at its end, up to the first one. */
char *fuzz_text(struct sc_bytes s);

/* The path of a file, not on any disk, that holds these bytes until the next call. */
const char *fuzz_file(struct sc_bytes s);
/* Its descriptor. */
int fuzz_file_fd(void);
/* A folder of this process that is gone at its end. */
const char *fuzz_folder(void);
/* FOLDER/NAME, to be freed. */
char *fuzz_path(const char *name);

/* 0x20 to 0x7e only. */
bool fuzz_is_printable(const char *s);
/* A sentence of an error: it is there, and as long as it may be. */
void fuzz_check_error(enum sc_status status, const struct sc_err *err);

#endif

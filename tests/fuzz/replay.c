/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target without libFuzzer: on each file of its corpus, or on the files that
 * are named. A corpus with no file in it is a failure.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "slidecache/file.h"
#include "tests/fuzz/fuzz.h"

#define CORPUS	  "tests/fuzz/corpus/"
#define PREFIX	  "fuzz_"
#define INPUT_MAX ((size_t)64 << 20)

static bool replay(const char *path)
{
	SC_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	SC_AUTO_BUF text = SC_BUF_INIT;
	struct sc_err err;

	/* The last of these is what a crash is of. */
	(void)fprintf(stderr, "%s\n", path);
	if (fd < 0 || sc_file_read(fd, INPUT_MAX, &text, &err) != SC_OK) {
		(void)fprintf(stderr, "cannot be read\n");
		return false;
	}
	SC_AUTO_FREE unsigned char *exact = fuzz_copy(sc_buf_bytes(&text));
	return LLVMFuzzerTestOneInput(exact, text.len) == 0;
}

static const char *name_of(const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *name = slash ? slash + 1 : program;

	return strncmp(name, PREFIX, strlen(PREFIX)) == 0 ? name + strlen(PREFIX) : name;
}

static int is_input(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* How many there were; -1: one could not be read. */
static int replay_corpus(const char *name)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	struct dirent **entries = NULL;
	bool ok = true;

	sc_buf_printf(&path, CORPUS "%s", name);
	int n = scandir((const char *)path.data, &entries, is_input, alphasort);
	for (int i = 0; i < n; i++) {
		sc_buf_reset(&path);
		sc_buf_printf(&path, CORPUS "%s/%s", name, entries[i]->d_name);
		ok = replay((const char *)path.data) && ok;
		free(entries[i]);
	}
	free(entries);
	return ok ? n : -1;
}

int main(int argc, char **argv)
{
	int n = argc - 1;

	if (argc == 1)
		n = replay_corpus(name_of(argv[0]));
	for (int i = 1; i < argc; i++)
		if (!replay(argv[i]))
			n = -1;
	if (n < 1) {
		(void)fprintf(stderr, "no input of %s\n", CORPUS);
		return EXIT_FAILURE;
	}
	printf("[  PASSED  ] %d input(s).\n", n);
	return EXIT_SUCCESS;
}

/* SPDX-License-Identifier: MIT */
/*
 * Indexes that name other files: one that was found good has no line that would lead out
 * of its folder, by a simpler look than the program's.
 * Input: a byte (odd: it is a MIRAX slide's), the index.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "slide/index_files.h"
#include "tests/fuzz/fuzz.h"

/* A key of ours at the line's beginning, and a value that begins with what leads out. */
static void check_line(const char *line)
{
	static const char *const keys[] = { "ImageFile=",  "MapFile=", "MacroImage=",
					    "INDEXFILE =", "FILE_0=",  "FILE_1 =" };
	static const char *const bad[] = { "/", "../", "..", "a/b", "\\" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		size_t n = strlen(keys[i]);

		for (size_t k = 0;
		     strncmp(line, keys[i], n) == 0 && k < sizeof(bad) / sizeof(bad[0]);
		     k++)
			FUZZ_MUST(strcmp(line + n, bad[k]) != 0 &&
				  (k == 2 || strncmp(line + n, bad[k], strlen(bad[k]))));
	}
}

static void check_lines(struct sc_bytes in)
{
	while (in.len > 0) {
		SC_AUTO_FREE char *line = fuzz_text(fuzz_until(&in, '\n'));

		check_line(line);
	}
}

static void put_slidedat(struct sc_bytes in)
{
	static char *folder, *path;

	if (!path) {
		folder = fuzz_path("slide");
		path = fuzz_path("slide/Slidedat.ini");
		FUZZ_MUST(mkdir(folder, 0700) == 0);
	}
	FILE *f = fopen(path, "we");
	FUZZ_MUST(f && fwrite(in.data, 1, in.len, f) == in.len && fclose(f) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sc_slide_root *root;
	struct sc_bytes in = sc_bytes_of(data, size);
	bool mirax = fuzz_byte(&in) & 1;
	struct sc_source_file f = { .file = mirax ? "slide.mrxs" : "slide.vms" };
	struct sc_err err;

	if (!root)
		FUZZ_MUST(sc_slide_root_open(fuzz_folder(), &root, &err) == SC_OK);
	if (mirax && in.len > 0)
		put_slidedat(in);
	(void)fuzz_file(mirax ? sc_bytes_str("a picture") : in);
	f.fd = fuzz_file_fd();
	f.root = root;
	enum sc_status status = sc_check_index_files(&f, &err);
	if (status == SC_OK)
		check_lines(in);
	else
		fuzz_check_error(status, &err);
	return 0;
}

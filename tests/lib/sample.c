/* SPDX-License-Identifier: MIT */
/*
 * Writes the slide files of the C tests. Anything that fails ends the test.
 */
#include "tests/lib/sample.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tiffio.h>
#include <unistd.h>

#include "tests/lib/check.h"

uint32_t sample_pixel(unsigned seed, int level, int64_t x, int64_t y)
{
	uint64_t v = (uint64_t)x * 0x9e3779b97f4a7c15U ^
		     (uint64_t)y * 0xc2b2ae3d27d4eb4fU ^
		     ((uint64_t)seed << 8 | (unsigned)level) * 0x165667b19e3779f9U;

	v ^= v >> 29;
	v *= 0xbf58476d1ce4e5b9U;
	return (uint32_t)(v >> 40) & 0xffffff;
}

static void fill_tile(unsigned char *out, const struct sample *s, int level, uint32_t x0,
		      uint32_t y0)
{
	uint32_t tile = s->level[level].tile;

	for (size_t i = 0; s->is_flat && i < (size_t)tile * tile * 3; i++)
		out[i] = 200;
	if (s->is_flat)
		return;
	for (uint32_t y = 0; y < tile; y++)
		for (uint32_t x = 0; x < tile; x++) {
			uint32_t rgb = sample_pixel(s->seed, level, x0 + x, y0 + y);

			*out++ = (unsigned char)(rgb >> 16);
			*out++ = (unsigned char)(rgb >> 8);
			*out++ = (unsigned char)rgb;
		}
}

static void set_fields(TIFF *t, const struct sample_level *l, int level)
{
	TIFFSetField(t, TIFFTAG_SUBFILETYPE,
		     (level > 0 ? FILETYPE_REDUCEDIMAGE : 0) |
			     (l->is_mask ? FILETYPE_MASK : 0));
	TIFFSetField(t, TIFFTAG_IMAGEWIDTH, l->width);
	TIFFSetField(t, TIFFTAG_IMAGELENGTH, l->height);
	TIFFSetField(t, TIFFTAG_TILEWIDTH, l->tile);
	TIFFSetField(t, TIFFTAG_TILELENGTH, l->tile);
	TIFFSetField(t, TIFFTAG_BITSPERSAMPLE, l->is_mask ? 1 : 8);
	TIFFSetField(t, TIFFTAG_SAMPLESPERPIXEL, l->is_mask ? 1 : 3);
	TIFFSetField(t, TIFFTAG_PHOTOMETRIC,
		     l->is_mask ? PHOTOMETRIC_MASK : PHOTOMETRIC_RGB);
	TIFFSetField(t, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
	TIFFSetField(t, TIFFTAG_COMPRESSION, COMPRESSION_ADOBE_DEFLATE);
}

static void write_level(TIFF *t, const struct sample *s, int level)
{
	const struct sample_level *l = &s->level[level];
	SC_AUTO_FREE unsigned char *tile = sc_alloc((size_t)l->tile * l->tile * 3);

	set_fields(t, l, level);
	for (uint32_t y = 0; y < l->height; y += l->tile)
		for (uint32_t x = 0; x < l->width; x += l->tile) {
			fill_tile(tile, s, level, x, y);
			assert_true(TIFFWriteTile(t, tile, x, y, 0, 0) > 0);
		}
	assert_true(TIFFWriteDirectory(t));
}

void sample_write(const char *path, const struct sample *s)
{
	TIFF *t = TIFFOpen(path, "w");

	assert_non_null(t);
	for (int i = 0; i < s->levels; i++)
		write_level(t, s, i);
	TIFFClose(t);
}

const char *sample_shared(void)
{
	const char *named = getenv("SLIDECACHE_SHARED_SLIDES");
	const char *folder = named ? named : "../shared/slides";

	return access(folder, R_OK | X_OK) == 0 ? folder : NULL;
}

void sample_copy(const char *from, const char *to)
{
	SC_AUTO_FD in = open(from, O_RDONLY | O_CLOEXEC);
	SC_AUTO_FD out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	do
		n = sendfile(out, in, NULL, 1 << 20);
	while (n > 0);
	assert_int_equal(n, 0);
}

/* BUILD/tests/contract/test_x -> BUILD/NAME */
char *sample_program(const char *name)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	SC_AUTO_BUF path = SC_BUF_INIT;

	assert_true(n > 0);
	self[n] = '\0';
	for (int i = 0; i < 3; i++) {
		char *slash = strrchr(self, '/');

		assert_non_null(slash);
		*slash = '\0';
	}
	sc_buf_printf(&path, "%s/%s", self, name);
	return sc_strdup((const char *)path.data);
}

bool sample_make_slide(const char *path)
{
	SC_AUTO_FREE char *program = sample_program("make-slide");
	SC_AUTO_FREE char *out = sc_strdup(path);
	char options[][16] = { "--width",  "1500", "--height", "1100",
			       "--levels", "3",	   "--seed",   "5" };
	char *argv[] = { program,    options[0], options[1], options[2],
			 options[3], options[4], options[5], options[6],
			 options[7], out,	 NULL };
	int status = -1;
	pid_t pid;

	if (access(program, X_OK) != 0)
		return false;
	assert_int_equal(posix_spawn(&pid, program, NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * Configurations: what is taken can be printed, and what is printed is taken and printed
 * the same. What is refused has a sentence.
 * Input: an override ("NAME=VALUE", may be empty), a line end, the file.
 */
#include <stdlib.h>

#include "slidecache/conf.h"
#include "tests/fuzz/fuzz.h"

static char *print(const struct sc_conf *c)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	FUZZ_MUST(f);
	sc_conf_print(c, f);
	FUZZ_MUST(fclose(f) == 0);
	return text;
}

static void check_values(const struct sc_conf *c)
{
	FUZZ_MUST(c->workers >= 1 && c->request_timeout_s >= 1);
	FUZZ_MUST(c->deepzoom.overlap < c->deepzoom.tile_size);
	FUZZ_MUST(c->deepzoom.overlap >= 0 && c->deepzoom.tile_size <= 1 << 14);
	FUZZ_MUST(c->state_dir[0] == '/' && c->cache_dir[0] == '/');
	FUZZ_MUST(c->slides.root[0] == '/' && c->slides.catalogue[0] == '/');
	FUZZ_MUST(c->base_path[0] == '/' || !c->base_path[0]);
	FUZZ_MUST(fuzz_is_printable(c->base_path) && !strstr(c->base_path, "//"));
	for (int i = 0; i < SC_CONF_CACHES; i++) {
		FUZZ_MUST(fuzz_is_printable(c->caches[i].key_prefix));
		FUZZ_MUST(c->caches[i].timeout_s >= 0 && c->caches[i].max_size_mb >= 0);
	}
}

static void check_print(const struct sc_conf *c)
{
	SC_AUTO_FREE char *text = print(c);
	struct sc_conf *again = sc_conf_new();
	struct sc_err err;

	FUZZ_MUST(sc_conf_load(again, fuzz_file(sc_bytes_str(text)), &err) == SC_OK);
	FUZZ_MUST(sc_conf_finish(again, &err) == SC_OK);
	SC_AUTO_FREE char *other = print(again);
	FUZZ_MUST(strcmp(text, other) == 0);
	sc_conf_free(again);
}

static enum sc_status load(struct sc_conf *c, const char *path, char *override,
			   struct sc_err *err)
{
	char *equals = strchr(override, '=');
	enum sc_status status = sc_conf_load(c, path, err);

	if (!status && equals) {
		*equals = '\0';
		status = sc_conf_set(c, override, equals + 1, err);
	}
	return status ? status : sc_conf_finish(c, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sc_bytes in = sc_bytes_of(data, size);
	SC_AUTO_FREE char *override = fuzz_text(fuzz_until(&in, '\n'));
	struct sc_conf *c = sc_conf_new();
	struct sc_err err;
	enum sc_status status = load(c, fuzz_file(in), override, &err);

	if (status == SC_OK) {
		check_values(c);
		check_print(c);
	} else {
		fuzz_check_error(status, &err);
		FUZZ_MUST(status == SC_INVALID);
	}
	sc_conf_free(c);
	return 0;
}

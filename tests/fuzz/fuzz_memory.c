/* SPDX-License-Identifier: MIT */
/*
 * The file in which a machine remembers the names of a version store: what is read is to
 * the byte what is printed.
 * Input: a byte (odd: the checksum is made), the file.
 */
#include <stdlib.h>

#include "slidecache/hash.h"
#include "tests/fuzz/fuzz.h"
#include "version/memory.h"

/* Puts "end CHECKSUM" behind the text. */
static void put_end(struct sc_buf *text)
{
	char sum[SC_HEX64_LEN];

	sc_hex64(sc_hash64(sc_buf_bytes(text)), sum);
	sc_buf_printf(text, "end %s\n", sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sc_bytes in = sc_bytes_of(data, size);
	bool made = fuzz_byte(&in) & 1;
	SC_AUTO_BUF text = SC_BUF_INIT;
	SC_AUTO_BUF again = SC_BUF_INIT;
	struct sc_memory m = { .n = 77 };

	if (in.len > 0)
		sc_buf_append(&text, in.data, in.len);
	if (made)
		put_end(&text);
	SC_AUTO_FREE unsigned char *copy = fuzz_copy(sc_buf_bytes(&text));
	if (!sc_memory_parse(sc_bytes_of(copy, text.len), &m)) {
		FUZZ_MUST(m.n == 77 && !m.names);
		return 0;
	}
	for (size_t i = 1; i < m.n; i++)
		FUZZ_MUST(strcmp(m.names[i - 1], m.names[i]) < 0);
	sc_memory_print(&m, &again);
	FUZZ_MUST(sc_bytes_equal(sc_buf_bytes(&again), sc_buf_bytes(&text)));
	sc_memory_release(&m);
	return 0;
}

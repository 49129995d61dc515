/* SPDX-License-Identifier: MIT */
/*
 * A job as HTTP and the command line show it, byte for byte.
 */
#include "tests/lib/check.h"

#include <stdio.h>

#include "slidecache/jobs.h"

#define CREATED_US INT64_C(1767323045678901) /* 2026-01-02T03:04:05.678901Z */

static void expect(const struct sc_job *job, const char *text)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_job_json(job, &out);
	assert_string_equal(out.data, text);
}

static void one_that_waits(void **state)
{
	const struct sc_job job = {
		.id = 7,
		.want = { .image = 3, .z = 2, .frame = 1, .budget_bytes = 5 << 20 },
		.by = "ann (http)",
		.created_us = CREATED_US,
		/* Of a slide that was not opened nobody knows what it takes. */
		.progress = { .planned_bytes = 5 << 20 },
	};

	(void)state;
	expect(&job,
	       "{\"id\":7,\"image\":3,\"z_dimension\":2,\"frame\":1,\"mem_size_mb\":5,"
	       "\"state\":\"queued\",\"reason\":\"\",\"by\":\"ann (http)\","
	       "\"created_at\":\"2026-01-02T03:04:05.678901Z\",\"started_at\":null,"
	       "\"ended_at\":null,\"level\":0,\"levels\":0,"
	       "\"tiles\":{\"done\":0,\"planned\":0},\"bytes\":{\"done\":0,\"planned\":0}"
	       ","
	       "\"total_tiles\":0,\"skipped_tiles\":0,\"failed_tiles\":0,\"failure\":"
	       "\"\","
	       "\"waiting\":false,\"tiles_per_s\":0.0,\"seconds_left\":null,"
	       "\"result\":{}}");
}

static void one_that_ended(void **state)
{
	struct sc_job job = {
		.id = INT64_MAX,
		.want = { .image = 1, .z = 1, .frame = 1, .budget_bytes = 1572864 },
		.state = SC_JOB_FAILED,
		.created_us = CREATED_US,
		.started_us = CREATED_US + 1000000,
		.ended_us = CREATED_US + 2000000,
		.reason = "slide 1: \"no\"",
		.progress = { .levels = 9,
			      .level = 4,
			      .tiles = 10,
			      .bytes = 1000,
			      .planned_tiles = 20,
			      .planned_bytes = 2000,
			      .total_tiles = 50,
			      .skipped_tiles = 3,
			      .failed_tiles = 2,
			      .failure = "tile",
			      .waiting = true,
			      .tiles_per_s = 12.5 },
	};
	SC_AUTO_BUF out = SC_BUF_INIT;

	(void)state;
	sc_job_json(&job, &out);
	assert_non_null(strstr((const char *)out.data,
			       "\"mem_size_mb\":1.5,\"state\":\"failed\","
			       "\"reason\":\"slide 1: \\\"no\\\"\",\"by\":\"\","));
	assert_non_null(strstr(
		(const char *)out.data,
		"\"started_at\":\"2026-01-02T03:04:06.678901Z\","
		"\"ended_at\":\"2026-01-02T03:04:07.678901Z\",\"level\":4,\"levels\":9,"
		"\"tiles\":{\"done\":10,\"planned\":20},"
		"\"bytes\":{\"done\":1000,\"planned\":2000},\"total_tiles\":50,"
		"\"skipped_tiles\":3,\"failed_tiles\":2,\"failure\":\"tile\","
		"\"waiting\":true,\"tiles_per_s\":12.5,\"seconds_left\":0,"
		"\"result\":{"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_waits),
		cmocka_unit_test(one_that_ended),
	};

	return cmocka_run_group_tests_name("job_json", tests, NULL, NULL);
}

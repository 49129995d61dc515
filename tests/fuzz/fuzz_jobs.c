/* SPDX-License-Identifier: MIT */
/*
 * The file of the jobs, damaged in every way, also with checksums that fit: what is read
 * of it are jobs with ends to their texts, shown as JSON, and a job can be added, taken
 * and ended afterwards.
 * Input: a byte of choices, one that says whether the jobs are used, then changes: a
 * place (two bytes), a length, bytes.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/hash.h"
#include "tests/fuzz/fuzz.h"
#include "warm/jobs_file.h"

/* As jobs_file.h and jobs_file.c describe the file: pages, records of one sector, each
 * with its checksum in front; that of the head is at its end. */
#define PAGE	 4096
#define SECTOR	 512
#define PAGES	 5 /* that are ever changed */
#define ALL	 ((off_t)PAGE * (1 + SC_JOBS_SLOTS))
#define HEAD_SUM (8 + 4 * 4 + sizeof(struct sc_jobs_head))
#define RUN_LEN	 (8 + sizeof(struct sc_warm_progress))

enum choice { SEALED = 1, CUT = 2, LISTED = 4 };

static unsigned char first[PAGES * PAGE]; /* of a good file with three jobs */
static char *path, *list;

static void put_sum(unsigned char *at, const unsigned char *of, size_t n)
{
	uint64_t sum = sc_hash64(sc_bytes_of(of, n));

	memcpy(at, &sum, sizeof(sum));
}

static void seal(unsigned char pages[PAGES * PAGE])
{
	put_sum(pages + HEAD_SUM, pages, HEAD_SUM);
	for (int i = 1; i < PAGES; i++) {
		unsigned char *slot = pages + i * PAGE;

		put_sum(slot, slot + 8, SECTOR - 8);
		put_sum(slot + SECTOR, slot + SECTOR + 8, RUN_LEN);
	}
}

static void write_file(const char *name, const void *data, size_t n, off_t whole)
{
	SC_AUTO_FD fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	FUZZ_MUST(fd >= 0 && write(fd, data, n) == (ssize_t)n);
	FUZZ_MUST(ftruncate(fd, whole) == 0);
}

static struct sc_jobs *open_jobs(void)
{
	struct sc_jobs *j = NULL;
	struct sc_err err;

	FUZZ_MUST(sc_jobs_open(path, 1000, &j, &err) == SC_OK);
	return j;
}

static void make_first(void)
{
	static const struct sc_warm_request wants[] = {
		{ .image = 1, .z = 1, .frame = 1, .budget_bytes = 5 << 20 },
		{ .image = 2, .z = 1, .frame = 1, .budget_bytes = 1 },
		{ .image = 3, .z = 2, .frame = 4, .budget_bytes = 77 },
	};
	struct sc_job added[3];
	struct sc_err err;

	path = fuzz_path("jobs");
	list = fuzz_path("jobs.found");
	struct sc_jobs *j = open_jobs();
	FUZZ_MUST(sc_jobs_add(j, wants, 3, "anna (http)", added, &err) == SC_OK);
	sc_jobs_close(j);
	SC_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	FUZZ_MUST(fd >= 0 && read(fd, first, sizeof(first)) == sizeof(first));
}

static void change(unsigned char pages[PAGES * PAGE], struct sc_bytes *in)
{
	while (in->len > 0) {
		size_t at = (fuzz_byte(in) | (size_t)fuzz_byte(in) << 8) % sizeof(first);
		struct sc_bytes to = fuzz_take(in, fuzz_byte(in));

		if (to.len > sizeof(first) - at)
			to.len = sizeof(first) - at;
		if (to.len > 0)
			memcpy(pages + at, to.data, to.len);
	}
}

static void put_files(unsigned choices, struct sc_bytes in)
{
	unsigned char pages[sizeof(first)];
	struct sc_bytes text = { NULL, 0 };

	memcpy(pages, first, sizeof(pages));
	if (choices & LISTED)
		text = fuzz_until(&in, '\0');
	change(pages, &in);
	if (choices & SEALED)
		seal(pages);
	write_file(path, pages, sizeof(pages),
		   choices & CUT ? (off_t)(choices >> 3) * 640 : ALL);
	write_file(list, text.len ? text.data : first, text.len, (off_t)text.len);
}

static void check_json(const struct sc_job *job)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	json_t *j = NULL;

	sc_job_json(job, &text);
	j = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
	FUZZ_MUST(json_integer_value(json_object_get(j, "id")) == job->id);
	json_decref(j);
}

static void check_job(const struct sc_job *job)
{
	FUZZ_MUST(job->id >= 1 && (unsigned)job->state <= SC_JOB_FAILED);
	FUZZ_MUST(sc_job_state_name(job->state));
	FUZZ_MUST(memchr(job->by, '\0', sizeof(job->by)));
	FUZZ_MUST(memchr(job->reason, '\0', sizeof(job->reason)));
	FUZZ_MUST(memchr(job->progress.failure, '\0', sizeof(job->progress.failure)));
	check_json(job);
}

static void check_list(struct sc_jobs *j)
{
	struct sc_job *all = NULL;
	struct sc_err err;
	size_t n = 0;

	FUZZ_MUST(sc_jobs_list(j, &all, &n, &err) == SC_OK && n <= SC_JOBS_SLOTS);
	for (size_t i = 0; i < n; i++) {
		check_job(&all[i]);
		FUZZ_MUST(i == 0 || all[i - 1].id <= all[i].id);
		FUZZ_MUST(all[i].id < j->head.next_id);
	}
	free(all);
}

static void use(struct sc_jobs *j)
{
	struct sc_warm_request want = { .image = 99, .z = 1, .frame = 1 };
	struct sc_job job = { .id = 0 };
	struct sc_err err;
	enum sc_status status = sc_jobs_take(j, &job, &err);

	FUZZ_MUST(status == SC_OK || status == SC_MISS || status == SC_FULL);
	if (status == SC_OK) {
		check_job(&job);
		FUZZ_MUST(sc_jobs_end(j, &job, SC_JOB_DONE, "", &job.progress, &err) ==
			  SC_OK);
	}
	status = sc_jobs_add(j, &want, 1, "ben", &job, &err);
	FUZZ_MUST(status == SC_OK || status == SC_FULL);
	if (status == SC_OK)
		FUZZ_MUST(sc_jobs_cancel(j, job.id, NULL, &err) == SC_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sc_bytes in = sc_bytes_of(data, size);
	unsigned choices = fuzz_byte(&in);
	bool used = fuzz_byte(&in) < 32;

	if (!path)
		make_first();
	put_files(choices, in);
	struct sc_jobs *j = open_jobs();
	check_list(j);
	if (used)
		use(j);
	sc_jobs_close(j);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * doctor: what the machine gives: the time of day, memory, file descriptors.
 */
#include "ctl/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "slidecache/slide.h"

#define SKEW_MAX_S 2
#define NTP	   "let NTP set the clock: timedatectl set-ntp true"
/* OpenSlide's cache of decoded tiles, for each slide that is open. */
#define SLIDE_MB 32
/* Decoded tiles of slides that are read without OpenSlide, for all that are open. */
#define TILES_MB ((int64_t)(SC_SLIDE_TILES_MAX >> 20))
/* A slide of several files has more than one open; the rest is sockets and stores. */
#define FILES_A_SLIDE 4
#define FILES_BESIDES 64

/* What certainly happened before now: path's last change. 0: unknown. */
static int64_t changed_s(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (int64_t)st.st_mtim.tv_sec : 0;
}

static void check_past(struct sc_doctor *d, const char *path, const char *what)
{
	int64_t ahead_s = changed_s(path) - sc_wall_us() / SC_US_PER_S;

	if (ahead_s > SKEW_MAX_S)
		sc_doctor_fail(d, NTP, "it is %lld s before the last change of %s",
			       (long long)ahead_s, what);
}

/* A new file's stamp, in seconds after our clock. False: no file can be made. */
static bool measure_skew(const char *dir, int64_t *skew_s)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	struct stat st;
	int fd = -1;
	bool known = false;

	sc_buf_printf(&path, "%s/.doctor-XXXXXX", dir);
	fd = mkstemp((char *)path.data);
	if (fd < 0)
		return false;
	known = fstat(fd, &st) == 0;
	if (known)
		*skew_s = (int64_t)st.st_mtim.tv_sec - sc_wall_us() / SC_US_PER_S;
	(void)close(fd);
	return unlink((const char *)path.data) == 0 && known;
}

void sc_doctor_clock(struct sc_doctor *d)
{
	char now[SC_TIME_LEN];
	unsigned failures = d->counts[SC_ADVICE_FAILURE];
	int64_t skew_s = 0;

	check_past(d, "/proc/self/exe", "this program");
	check_past(d, d->conf->slides.catalogue, "slides.catalogue");
	if (measure_skew(d->conf->state_dir, &skew_s) &&
	    (skew_s > SKEW_MAX_S || skew_s < -SKEW_MAX_S))
		sc_doctor_fail(d, NTP ", there and here",
			       "the file system of state_dir is %lld s away from here",
			       (long long)skew_s);
	sc_time_text(sc_wall_us(), now);
	if (d->counts[SC_ADVICE_FAILURE] == failures)
		sc_doctor_ok(d, "%.19s UTC, here and in state_dir", now);
}

/* Each thread of a warmer has one slide open. */
static int64_t warming_mb(const struct sc_conf *c)
{
	int64_t cores = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t threads = c->warm.threads > 0 ? c->warm.threads : cores;

	return c->warmers * threads * (SLIDE_MB + TILES_MB);
}

void sc_doctor_memory(struct sc_doctor *d)
{
	SC_AUTO_BUF fix = SC_BUF_INIT;
	const struct sc_conf *c = d->conf;
	int64_t pages = sysconf(_SC_PHYS_PAGES);
	int64_t has_mb = pages / ((1 << 20) / sysconf(_SC_PAGESIZE));
	int64_t beside_mb = c->workers * TILES_MB + warming_mb(c);
	int64_t want_mb = c->workers * c->slides.max_open * SLIDE_MB + beside_mb;
	int64_t fits = (has_mb / 2 - beside_mb) / SLIDE_MB / c->workers;

	sc_buf_printf(&fix, "set slides.max_open to %lld, or fewer workers or warmers",
		      (long long)(fits > 1 ? fits : 1));
	if (want_mb > has_mb * 3 / 4)
		sc_doctor_warn(d, (const char *)fix.data,
			       "%lld workers with %lld slides open each, and %lld "
			       "warmers, may take %lld MiB of %lld",
			       (long long)c->workers, (long long)c->slides.max_open,
			       (long long)c->warmers, (long long)want_mb,
			       (long long)has_mb);
	else
		sc_doctor_ok(d, "slides may take %lld MiB of %lld", (long long)want_mb,
			     (long long)has_mb);
}

/* Of this shell: the service's own limit is in its unit. */
void sc_doctor_descriptors(struct sc_doctor *d)
{
	SC_AUTO_BUF fix = SC_BUF_INIT;
	struct rlimit limit = { .rlim_cur = RLIM_INFINITY };
	rlim_t want = (rlim_t)d->conf->slides.max_open * FILES_A_SLIDE + FILES_BESIDES;

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	sc_buf_printf(&fix, "LimitNOFILE=%llu in the unit, or ulimit -n",
		      (unsigned long long)want);
	if (limit.rlim_cur < want)
		sc_doctor_warn(d, (const char *)fix.data,
			       "a process started here may open %llu files; %lld open "
			       "slides may want %llu",
			       (unsigned long long)limit.rlim_cur,
			       (long long)d->conf->slides.max_open,
			       (unsigned long long)want);
	else
		sc_doctor_ok(d, "a process started here may open %llu files",
			     (unsigned long long)limit.rlim_cur);
}

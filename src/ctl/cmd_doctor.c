/* SPDX-License-Identifier: MIT */
/*
 * doctor: looks at everything that the service needs, and says what is wrong and what to
 * do about it. A finding is a line, its fix the next one.
 */
#include "ctl/doctor.h"

#include <stdarg.h>
#include <stdio.h>

#include "slidecache/json.h"
#include "slidecache/log.h"

static void check_configuration(struct sc_doctor *d)
{
	/* A configuration that is wrong ends every command before it begins. */
	sc_doctor_ok(d, "loaded and valid");
}

static const struct {
	const char *subject;
	void (*run)(struct sc_doctor *d);
} checks[] = {
	{ "configuration", check_configuration },
	{ "configuration", sc_doctor_secrets },
	{ "access", sc_doctor_signing_key },
	{ "access.tokens_file", sc_doctor_tokens },
	{ "access.acl_file", sc_doctor_acl },
	{ "user", sc_doctor_user },
	{ "slides.root", sc_doctor_slides },
	{ "slides.catalogue", sc_doctor_catalogue },
	{ "state_dir", sc_doctor_state_dir },
	{ "cache_dir", sc_doctor_cache_dir },
	{ "listen", sc_doctor_listen },
	{ "peer_users", sc_doctor_peers },
	{ "caches", sc_doctor_caches },
	{ "versions", sc_doctor_versions },
	{ "versions", sc_doctor_together },
	{ "versions", sc_doctor_names },
	{ "migrations_dir", sc_doctor_migrations },
	{ "warm", sc_doctor_warm },
	{ "packages", sc_doctor_packages },
	{ "clock", sc_doctor_clock },
	{ "memory", sc_doctor_memory },
	{ "descriptors", sc_doctor_descriptors },
};

static const char *const results[] = {
	[SC_ADVICE_OK] = "ok",
	[SC_ADVICE_WARNING] = "warning",
	[SC_ADVICE_FAILURE] = "failure",
};

static void print_text(const struct sc_doctor *d, enum sc_advice advice,
		       const char *finding, const char *fix)
{
	SC_AUTO_BUF line = SC_BUF_INIT;

	sc_buf_printf(&line, "%-8s %-18s ", results[advice], d->subject);
	sc_ctl_put_printable(&line, finding);
	if (*fix) {
		sc_buf_str(&line, "\n         fix: ");
		sc_ctl_put_printable(&line, fix);
	}
	(void)puts((const char *)line.data);
}

void sc_doctor_say(void *arg, enum sc_advice advice, const char *finding, const char *fix)
{
	struct sc_doctor *d = arg;

	d->counts[advice]++;
	if (!d->ctl->json)
		print_text(d, advice, finding, fix);
	sc_json_begin(&d->json, '{');
	sc_json_key(&d->json, "check");
	sc_json_str(&d->json, d->subject);
	sc_json_key(&d->json, "result");
	sc_json_str(&d->json, results[advice]);
	sc_json_key(&d->json, "finding");
	sc_json_str(&d->json, finding);
	sc_json_key(&d->json, "fix");
	sc_json_str(&d->json, fix);
	sc_json_end(&d->json, '}');
}

static void say(struct sc_doctor *d, enum sc_advice advice, const char *fix,
		const char *fmt, va_list ap)
{
	SC_AUTO_BUF finding = SC_BUF_INIT;

	sc_buf_vprintf(&finding, fmt, ap);
	sc_doctor_say(d, advice, (const char *)finding.data, fix);
}

void sc_doctor_ok(struct sc_doctor *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(d, SC_ADVICE_OK, "", fmt, ap);
	va_end(ap);
}

void sc_doctor_warn(struct sc_doctor *d, const char *fix, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(d, SC_ADVICE_WARNING, fix, fmt, ap);
	va_end(ap);
}

void sc_doctor_fail(struct sc_doctor *d, const char *fix, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(d, SC_ADVICE_FAILURE, fix, fmt, ap);
	va_end(ap);
}

static void run_checks(struct sc_doctor *d)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		(void)snprintf(d->subject, sizeof(d->subject), "%s", checks[i].subject);
		checks[i].run(d);
		(void)fflush(stdout);
	}
}

static void print_json(struct sc_doctor *d)
{
	sc_json_key(&d->json, "failures");
	sc_json_int(&d->json, d->counts[SC_ADVICE_FAILURE]);
	sc_json_key(&d->json, "warnings");
	sc_json_int(&d->json, d->counts[SC_ADVICE_WARNING]);
	sc_json_end(&d->json, '}');
	sc_ctl_print(&d->json);
}

static void print_sum(const struct sc_doctor *d)
{
	printf("ok %u, warning %u, failure %u\n", d->counts[SC_ADVICE_OK],
	       d->counts[SC_ADVICE_WARNING], d->counts[SC_ADVICE_FAILURE]);
}

static void release(struct sc_doctor *d)
{
	for (int i = 0; i < SC_CONF_CACHES; i++)
		sc_cache_close(d->caches[i]);
	sc_buf_release(&d->told);
	sc_buf_release(&d->known_fix);
	sc_buf_release(&d->json);
}

enum sc_status sc_cmd_doctor(const struct sc_ctl *ctl, struct sc_err *err)
{
	struct sc_doctor d = { .ctl = ctl, .conf = ctl->conf };
	unsigned failures = 0;

	/* What the log would say of a server is a finding here. */
	if (sc_ctl_arguments(ctl, 0, 0, err) != SC_OK ||
	    sc_log_open("stderr", SC_LOG_ERROR, err) != SC_OK)
		return err->status;
	sc_json_begin(&d.json, '{');
	sc_json_key(&d.json, "findings");
	sc_json_begin(&d.json, '[');
	run_checks(&d);
	sc_json_end(&d.json, ']');
	if (ctl->json)
		print_json(&d);
	else
		print_sum(&d);
	release(&d);
	failures = d.counts[SC_ADVICE_FAILURE];
	if (failures > 0)
		return sc_fail(err, SC_UNAVAILABLE, "doctor: %u failure%s", failures,
			       failures == 1 ? "" : "s");
	return SC_OK;
}

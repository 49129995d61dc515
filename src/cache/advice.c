/* SPDX-License-Identifier: MIT */
/*
 * Telling what was found.
 */
#include "cache/advice.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

void sc_advise_tell(const struct sc_advice_to *to, enum sc_advice advice, const char *fix,
		    const char *fmt, ...)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	va_list ap;

	if (to->about)
		sc_buf_printf(&text, "%s: ", to->about);
	va_start(ap, fmt);
	sc_buf_vprintf(&text, fmt, ap);
	va_end(ap);
	to->say(to->arg, advice, (const char *)text.data, fix);
}

const char *sc_advise_socket(const char *path)
{
	if (!path || access(path, R_OK | W_OK) == 0 || errno != EACCES)
		return NULL;
	return "add the service's user to the socket's group (adduser USER GROUP), and "
	       "restart the service";
}

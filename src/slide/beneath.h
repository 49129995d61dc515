/* SPDX-License-Identifier: MIT */
/*
 * A path is resolved beneath a folder: no "..", no symbolic link and no rename meanwhile
 * leads outside.
 */
#ifndef SC_SLIDE_BENEATH_H
#define SC_SLIDE_BENEATH_H

/* Opens file as open(2) does, close-on-exec. Below zero: errno says why, EXDEV that it
 * leads outside. The kernel resolves (openat2) where it may: systemd's RestrictSUIDSGID=
 * forbids it, and so do containers of some years ago. */
int sc_beneath_open(int root, const char *file, int flags);
/* The same, resolved part by part. */
int sc_beneath_walk(int root, const char *file, int flags);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* An invariant of the stack itself: going on would corrupt memory. */
#define LWIP_PLATFORM_DIAG(x)   do { printf x; } while (0)
#define LWIP_PLATFORM_ASSERT(x) do { fprintf (stderr, "lwIP: %s\n", x); abort (); } while (0)

/* The rest of LWIP_ERROR() is for callers who pass nonsense: the caller sees the error code. */
#define LWIP_ERROR(message, expression, handler) do { if (!(expression)) { handler; } } while (0)

unsigned int  tn_lwip_random      (void);
#define LWIP_RAND() tn_lwip_random ()

/* Folded sum of 16-bit words, in the byte order of memory. */
unsigned short tn_lwip_checksum   (const void *data, int len);

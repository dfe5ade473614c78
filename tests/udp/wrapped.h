/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What the kernel says to the sockets of this program, as the test wants it. All zero: as the kernel wants. */
typedef struct
{
  int   refuse_trains;       /* errno for sends of several datagrams in one message */
  int   refuse_all;          /* errno for all sends */
  guint n_free;              /* but so many of the next ones */
  int   fail_receive;        /* errno for the next one that would have got something, once */
  int   refuse_option;       /* of SOL_SOCKET: EPERM for this one */
  int   set_option;          /* the last value of that option */
  guint n_trains;            /* so far */
  guint n_sends;
  guint n_refused;
} Wrapped;

extern Wrapped wrapped;

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"

#define MIRROR_OWN4   "100.64.0.1"
#define MIRROR_OTHER4 "100.64.0.2"
#define MIRROR_OWN6   "fd7a:115c:a1e0::1"
#define MIRROR_OTHER6 "fd7a:115c:a1e0::2"
#define MIRROR_MTU    1280

/* An overlay of the kernel whose packets come back with the addresses exchanged, so that this machine meets itself as the other one. */
typedef struct
{
  TnOverlayTransport *overlay;
  char               *interface;
  guint64             n_packets;
  guint               longest;        /* batch */
  gboolean            holds;          /* nothing comes back */
  GError             *failed;
} Mirror;

/* @interface: nullable, and set up with all four addresses. */
void mirror_start (Mirror *mirror, const char *interface);
void mirror_stop  (Mirror *mirror);

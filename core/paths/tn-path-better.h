/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-path-address.h"

G_BEGIN_DECLS

/* A direct path, or one through a peer relay, with what the last pong on it said. */
typedef struct
{
  TnPathAddress address;        /* TN_PATH_ADDRESS_NONE: no path */
  gint64        latency_ns;
  guint         wire_mtu;       /* bytes, 0: unknown */
} TnPathQuality;

/* Is @a to be preferred to @b? Being trusted is no part of it. */
gboolean tn_path_better (const TnPathQuality *a, const TnPathQuality *b);

G_END_DECLS

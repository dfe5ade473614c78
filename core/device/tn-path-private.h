/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-ip.h"
#include "tn-path.h"

G_BEGIN_DECLS

/* What the data thread knows of a path; plain, copied by value. */
typedef struct
{
  TnPathKind   kind;
  TnIpEndpoint endpoint;          /* direct and peer relay; version 0: none */
  guint        region;            /* relay: its id, else 0 */
  char         region_code[16];   /* relay: "fra"; empty: none */
  gint64       latency_us;        /* -1: not measured */
  gint64       since_us;          /* unix time in microseconds, 0: never */
  const char  *reason;            /* nullable; a literal or interned string that says why it is this path */
} TnPathData;

TnPath *tn_path_new        (const TnPathData *data);
gboolean tn_path_data_equal (const TnPathData *a, const TnPathData *b);
const TnPathData *tn_path_get_data (const TnPath *self);

G_END_DECLS

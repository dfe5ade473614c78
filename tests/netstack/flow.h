/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Bytes from a seed, sent in one thread and checked in another. */
typedef struct
{
  GIOStream *stream;
  guint64    len;
  guint32    seed;
  gsize      piece;
  GError    *error;
} TestFlow;

#define TEST_FLOW_LEN (1024 * 1024)     /* of a short one */

guint8   test_flow_next  (guint32 *state);
gpointer test_flow_write (gpointer flow);     /* a GThreadFunc */
void     test_flow_check (TestFlow *flow);
void     test_flow_run   (GIOStream *from, GIOStream *to, guint64 len);     /* both */

/* The other side has ended in order. */
void     test_assert_end (GIOStream *stream);

G_END_DECLS

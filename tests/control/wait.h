/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#define PATIENCE_S 50

static inline gboolean
impatient_cb (gpointer what)
{
  g_error ("gave up waiting for %s", (const char *) what);
  return G_SOURCE_REMOVE;
}

/* Until @condition (@fixture) is true. */
#define wait_for(what, condition, fixture)                                                                  \
  G_STMT_START {                                                                                            \
    guint limit_ = g_timeout_add_seconds (PATIENCE_S, impatient_cb, (gpointer) (guintptr) (what));          \
    while (!condition (fixture))                                                                            \
      g_main_context_iteration (NULL, TRUE);                                                                \
    g_source_remove (limit_);                                                                               \
  } G_STMT_END

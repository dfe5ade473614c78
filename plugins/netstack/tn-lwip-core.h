/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The thread in which lwIP lives. Its state is global: one thread a process, which runs while somebody holds it. */

/* Something to do in that thread. It is part of a larger struct, is in one queue at most, and may be queued again as soon as it runs. */
typedef struct _TnLwipJob TnLwipJob;
struct _TnLwipJob
{
  TnLwipJob *next;
  void     (*run) (TnLwipJob *job);
};

typedef struct
{
  TnLwipJob *head;
  TnLwipJob *tail;
} TnLwipJobQueue;

void          tn_lwip_core_hold        (void);
void          tn_lwip_core_release     (void);
void          tn_lwip_core_post        (TnLwipJob *job);                             /* in order; while somebody holds the core */

/* In that thread only. */
void          tn_lwip_core_defer       (TnLwipJob *job);     /* when everything that is due now has been done */
GMainContext *tn_lwip_core_context     (void);
gint64        tn_lwip_core_now_us      (void);
void          tn_lwip_core_fragment_seen (void);

gboolean      tn_lwip_core_is_running  (void);     /* for tests: any thread */

G_END_DECLS

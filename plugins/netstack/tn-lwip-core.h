/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* lwIP's state is global: whoever has a turn may touch it. A thread of its own, which runs while somebody holds the core, takes turns
 * for timers and for what was posted; a data thread takes one itself for the packets that it has, which saves waking another. */

/* Something to do in a turn. It is part of a larger struct, is in one queue at most, and may be queued again as soon as it runs. */
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
void          tn_lwip_core_will_release (void);              /* ahead of it: exit() waits for what follows */
void          tn_lwip_core_release     (void);
void          tn_lwip_core_post        (TnLwipJob *job);     /* in order; while somebody holds the core */
gboolean      tn_lwip_core_leave       (TnLwipJob *job);     /* the same; TRUE: the caller sees to it that somebody calls help() */
/* Takes a turn if something waits and nobody has one. Without any lock, and never in a thread of the program: tasks return in a turn,
 * and one that belongs to the main context of its thread would call the program back within it. */
void          tn_lwip_core_help        (void);
void          tn_lwip_core_call_thread (void);               /* for what was left, and nobody is to come for */
GMainContext *tn_lwip_core_context     (void);               /* of the thread */

/* In a turn only. */
void          tn_lwip_core_defer       (TnLwipJob *job);     /* when everything that is due now has been done */
gint64        tn_lwip_core_now_us      (void);
void          tn_lwip_core_fragment_seen (void);

gboolean      tn_lwip_core_is_running  (void);     /* for tests: any thread */

G_END_DECLS

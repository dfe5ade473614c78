/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Calls that wait for something to come, first in, first out, each cancellable in its own context. The owner's lock guards the
 * queue; the owner is the source object of every task, and stays alive by that. */
typedef struct
{
  GMutex *lock;
  GQueue  queue;     /* of TnLwipWaiter */
} TnLwipWaiters;

void   tn_lwip_waiters_add  (TnLwipWaiters *self, GTask *task);     /* lock held; takes the task */
GTask *tn_lwip_waiters_take (TnLwipWaiters *self);                  /* lock held; NULL: nobody waits */

/* The first for whom @is_ready; lock held. */
typedef gboolean (*TnLwipWaiterFunc) (GTask *task, gpointer data);
GTask   *tn_lwip_waiters_take_ready (TnLwipWaiters *self, TnLwipWaiterFunc is_ready, gpointer data);
gboolean tn_lwip_waiters_has_ready  (TnLwipWaiters *self, TnLwipWaiterFunc is_ready, gpointer data);

/* Ends them all with G_IO_ERROR_CLOSED; lock not held. */
void   tn_lwip_waiters_fail (TnLwipWaiters *self, const char *why);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-waiters.h"

#include "tn-cancel-source.h"

typedef struct
{
  TnLwipWaiters *waiters;
  GTask         *task;        /* a reference; the source has another */
  GSource       *cancelled;   /* NULL: cannot be */
} TnLwipWaiter;

static void
waiter_free (TnLwipWaiter *waiter)
{
  if (waiter->cancelled != NULL)
    g_source_destroy (waiter->cancelled);
  g_clear_pointer (&waiter->cancelled, g_source_unref);
  g_object_unref (waiter->task);
  g_free (waiter);
}

static gboolean
cancelled_cb (GCancellable *cancellable,
              gpointer      user_data)
{
  GTask *task = user_data;
  TnLwipWaiters *self = g_object_get_data (G_OBJECT (task), "tn-lwip-waiters");
  TnLwipWaiter *waiter = NULL;

  g_mutex_lock (self->lock);
  for (GList *link = self->queue.head; link != NULL; link = link->next)
    if (((TnLwipWaiter *) link->data)->task == task)
      {
        waiter = link->data;
        g_queue_delete_link (&self->queue, link);
        break;
      }
  g_mutex_unlock (self->lock);
  if (waiter != NULL)
    {
      g_task_return_error_if_cancelled (task);
      waiter_free (waiter);
    }
  return G_SOURCE_REMOVE;
}

void
tn_lwip_waiters_add (TnLwipWaiters *self,
                     GTask         *task)
{
  TnLwipWaiter *waiter = g_new0 (TnLwipWaiter, 1);
  GCancellable *cancellable = g_task_get_cancellable (task);

  waiter->waiters = self;
  waiter->task = task;
  g_queue_push_tail (&self->queue, waiter);
  if (cancellable == NULL)
    return;
  g_object_set_data (G_OBJECT (task), "tn-lwip-waiters", self);
  waiter->cancelled = tn_cancel_source_new (cancellable);
  g_task_attach_source (task, waiter->cancelled, G_SOURCE_FUNC (cancelled_cb));
}

static GList *
find_ready (TnLwipWaiters   *self,
            TnLwipWaiterFunc is_ready,
            gpointer         data)
{
  GList *link = self->queue.head;

  while (link != NULL && is_ready != NULL && !is_ready (((TnLwipWaiter *) link->data)->task, data))
    link = link->next;
  return link;
}

gboolean
tn_lwip_waiters_has_ready (TnLwipWaiters   *self,
                           TnLwipWaiterFunc is_ready,
                           gpointer         data)
{
  return find_ready (self, is_ready, data) != NULL;
}

GTask *
tn_lwip_waiters_take_ready (TnLwipWaiters   *self,
                            TnLwipWaiterFunc is_ready,
                            gpointer         data)
{
  GList *link = find_ready (self, is_ready, data);
  TnLwipWaiter *waiter;
  GTask *task;

  if (link == NULL)
    return NULL;
  waiter = link->data;
  task = g_object_ref (waiter->task);
  g_queue_delete_link (&self->queue, link);
  waiter_free (waiter);
  return task;
}

GTask *
tn_lwip_waiters_take (TnLwipWaiters *self)
{
  return tn_lwip_waiters_take_ready (self, NULL, NULL);
}

void
tn_lwip_waiters_fail (TnLwipWaiters *self,
                      const char    *why)
{
  for (;;)
    {
      GTask *task;

      g_mutex_lock (self->lock);
      task = tn_lwip_waiters_take (self);
      g_mutex_unlock (self->lock);
      if (task == NULL)
        return;
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "%s", why);
      g_object_unref (task);
    }
}

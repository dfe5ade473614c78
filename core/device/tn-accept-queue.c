/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-accept-queue.h"

#include "tn-cancel-source.h"

typedef struct
{
  TnAcceptQueue *queue;
  GTask         *task;
  GSource       *cancelled;     /* nullable */
} TnAcceptWaiter;

/* Gives the task back, which is to be returned. */
static GTask *
waiter_free (TnAcceptWaiter *waiter)
{
  GTask *task = waiter->task;

  if (waiter->cancelled != NULL)
    {
      g_source_destroy (waiter->cancelled);
      g_source_unref (waiter->cancelled);
    }
  g_free (waiter);
  return task;
}

static gboolean
waiter_cancelled_cb (GCancellable *cancellable,
                     gpointer      user_data)
{
  TnAcceptWaiter *waiter = user_data;
  g_autoptr (GTask) task = NULL;

  g_queue_remove (&waiter->queue->waiting, waiter);
  task = waiter_free (waiter);
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "accept was cancelled");
  return G_SOURCE_REMOVE;
}

void
tn_accept_queue_init (TnAcceptQueue *self)
{
  g_queue_init (&self->waiting);
  g_queue_init (&self->ready);
}

void
tn_accept_queue_wait (TnAcceptQueue *self,
                      GTask         *task,
                      GMainContext  *context)
{
  GCancellable *cancellable = g_task_get_cancellable (task);
  TnAcceptWaiter *waiter = g_new0 (TnAcceptWaiter, 1);

  waiter->queue = self;
  waiter->task = task;
  if (cancellable != NULL)
    {
      waiter->cancelled = tn_cancel_source_new (cancellable);
      g_source_set_callback (waiter->cancelled, G_SOURCE_FUNC (waiter_cancelled_cb), waiter, NULL);
      g_source_attach (waiter->cancelled, context);
    }
  g_queue_push_tail (&self->waiting, waiter);
}

gboolean
tn_accept_queue_is_waited_for (const TnAcceptQueue *self)
{
  return self->waiting.length > 0;
}

gboolean
tn_accept_queue_hand_over (TnAcceptQueue *self,
                           TnConnection  *connection)
{
  TnAcceptWaiter *waiter = g_queue_pop_head (&self->waiting);
  g_autoptr (GTask) task = NULL;

  if (waiter == NULL)
    return FALSE;
  task = waiter_free (waiter);
  g_task_return_pointer (task, g_object_ref (connection), g_object_unref);
  return TRUE;
}

void
tn_accept_queue_keep (TnAcceptQueue *self,
                      TnConnection  *connection)
{
  g_queue_push_tail (&self->ready, g_object_ref (connection));
}

TnConnection *
tn_accept_queue_take (TnAcceptQueue *self)
{
  return g_queue_pop_head (&self->ready);
}

void
tn_accept_queue_fail (TnAcceptQueue *self,
                      const GError  *error)
{
  GQueue waiting = self->waiting;
  TnAcceptWaiter *waiter;

  g_queue_init (&self->waiting);
  while ((waiter = g_queue_pop_head (&waiting)) != NULL)
    {
      g_autoptr (GTask) task = waiter_free (waiter);

      g_task_return_error (task, g_error_copy (error));
    }
}

void
tn_accept_queue_clear (TnAcceptQueue *self,
                       const GError  *error)
{
  g_queue_clear_full (&self->ready, g_object_unref);
  tn_accept_queue_fail (self, error);
}

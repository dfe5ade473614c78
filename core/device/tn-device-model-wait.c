/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-device-model-private.h"

#include "tn-cancel-source.h"

/* Who waits until a name is on the map. */
typedef struct
{
  TnDeviceModel *model;          /* the task's device keeps it */
  char          *name;
  GTask         *task;
  GSource       *cancelled;      /* nullable */
} Waiter;

static void
waiter_free (gpointer data)
{
  Waiter *waiter = data;

  if (waiter->cancelled != NULL)
    g_source_destroy (waiter->cancelled);
  g_clear_pointer (&waiter->cancelled, g_source_unref);
  g_clear_object (&waiter->task);
  g_free (waiter->name);
  g_free (waiter);
}

static gboolean
cancelled_cb (GCancellable *cancellable,
              gpointer      data)
{
  Waiter *waiter = data;
  g_autoptr (GTask) task = g_steal_pointer (&waiter->task);

  g_ptr_array_remove (waiter->model->waiters, waiter);
  g_task_return_error_if_cancelled (task);
  return G_SOURCE_REMOVE;
}

static gboolean
is_over (TnDeviceModel *model,
         const char    *name)
{
  g_autoptr (TnNode) node = tn_device_model_lookup_peer (model, name);

  return node != NULL || model->facts.state == TN_DEVICE_STATE_STOPPED;
}

static void
end (TnDeviceModel *model,
     GTask         *task,
     const char    *name)
{
  TnNode *node = tn_device_model_lookup_peer (model, name);

  if (node != NULL)
    g_task_return_pointer (task, node, g_object_unref);
  else
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "cannot wait for %s: the device is stopped", name);
}

void
tn_device_model_wait_for_peer (TnDeviceModel *model,
                               const char    *name,
                               GTask         *task)
{
  GCancellable *cancellable = g_task_get_cancellable (task);
  Waiter *waiter;

  if (g_task_return_error_if_cancelled (task))
    return;
  if (is_over (model, name))
    {
      end (model, task, name);
      return;
    }

  waiter = g_new0 (Waiter, 1);
  waiter->model = model;
  waiter->name = g_strdup (name);
  waiter->task = g_object_ref (task);
  g_ptr_array_add (model->waiters, waiter);
  if (cancellable == NULL)
    return;
  waiter->cancelled = tn_cancel_source_new (cancellable);
  g_source_set_callback (waiter->cancelled, G_SOURCE_FUNC (cancelled_cb), waiter, NULL);
  g_source_attach (waiter->cancelled, model->context);
}

/* Whoever hears of the end may wait for the next, and run the main loop: who is told stands in the list no more. */
void
tn_device_model_end_waits (TnDeviceModel *model)
{
  for (guint i = 0; i < model->waiters->len;)
    {
      Waiter *waiter = g_ptr_array_index (model->waiters, i);
      g_autoptr (GTask) task = NULL;
      g_autofree char *name = NULL;

      if (!is_over (model, waiter->name))
        {
          i++;
          continue;
        }
      task = g_steal_pointer (&waiter->task);
      name = g_steal_pointer (&waiter->name);
      g_ptr_array_remove_index (model->waiters, i);
      end (model, task, name);
      i = 0;
    }
}

GPtrArray *
tn_device_model_new_waiters (void)
{
  return g_ptr_array_new_with_free_func (waiter_free);
}

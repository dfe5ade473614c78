/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-tun-wait.h"

#include "tn-cancel-source.h"

enum { SOURCE_IO, SOURCE_CANCELLED, SOURCE_CLOSED, N_SOURCES };

/* All in the context of the task. */
typedef struct
{
  GTask        *task;
  GSocket      *socket;
  TnTunTryFunc  try_func;
  GSource      *sources[N_SOURCES];
} Wait;

static gboolean
wait_end (Wait *wait)
{
  for (guint i = 0; i < N_SOURCES; i++)
    if (wait->sources[i] != NULL)
      {
        g_source_destroy (wait->sources[i]);
        g_source_unref (wait->sources[i]);
      }
  g_object_unref (wait->task);
  g_object_unref (wait->socket);
  g_free (wait);
  return G_SOURCE_REMOVE;
}

static gboolean
ready_cb (GSocket      *socket,
          GIOCondition  condition,
          gpointer      user_data)
{
  Wait *wait = user_data;

  return wait->try_func (wait->task, wait->socket) ? wait_end (wait) : G_SOURCE_CONTINUE;
}

static gboolean
cancelled_cb (GCancellable *cancellable,
              gpointer      user_data)
{
  Wait *wait = user_data;

  g_task_return_error_if_cancelled (wait->task);
  return wait_end (wait);
}

static gboolean
closed_cb (GCancellable *cancellable,
           gpointer      user_data)
{
  Wait *wait = user_data;

  g_task_return_new_error (wait->task, G_IO_ERROR, G_IO_ERROR_CLOSED, "socket is closed");
  return wait_end (wait);
}

static void
attach (Wait        *wait,
        guint        which,
        GSource     *source,
        GSourceFunc  callback)
{
  wait->sources[which] = source;
  g_source_set_callback (source, callback, wait, NULL);
  g_source_attach (source, g_task_get_context (wait->task));
}

void
tn_tun_wait (GTask        *task,
             GSocket      *socket,
             GIOCondition  condition,
             GCancellable *closed,
             TnTunTryFunc  try_func)
{
  Wait *wait;

  if (g_task_return_error_if_cancelled (task) || try_func (task, socket))
    {
      g_object_unref (task);
      return;
    }
  wait = g_new0 (Wait, 1);
  wait->task = task;
  wait->socket = g_object_ref (socket);
  wait->try_func = try_func;
  attach (wait, SOURCE_IO, g_socket_create_source (socket, condition, NULL), G_SOURCE_FUNC (ready_cb));
  if (g_task_get_cancellable (task) != NULL)
    attach (wait, SOURCE_CANCELLED, tn_cancel_source_new (g_task_get_cancellable (task)), G_SOURCE_FUNC (cancelled_cb));
  if (closed != NULL)
    attach (wait, SOURCE_CLOSED, tn_cancel_source_new (closed), G_SOURCE_FUNC (closed_cb));
}

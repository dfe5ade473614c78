/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-tun-wait.h"

#include "tn-cancel-source.h"

/* One source, whose children wake it: the task's context may be turning in another thread, and may have dispatched and freed this
 * as soon as it is attached, which therefore comes last. */
typedef struct
{
  GSource       source;
  GTask        *task;
  GSocket      *socket;
  GCancellable *closed;      /* nullable */
  TnTunTryFunc  try_func;
} WaitSource;

static gboolean
wait_dispatch (GSource     *source,
               GSourceFunc  callback,
               gpointer     user_data)
{
  WaitSource *self = (WaitSource *) source;

  if (g_task_return_error_if_cancelled (self->task))
    return G_SOURCE_REMOVE;
  if (self->closed != NULL && g_cancellable_is_cancelled (self->closed))
    {
      g_task_return_new_error (self->task, G_IO_ERROR, G_IO_ERROR_CLOSED, "socket is closed");
      return G_SOURCE_REMOVE;
    }
  return self->try_func (self->task, self->socket) ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static void
wait_finalize (GSource *source)
{
  WaitSource *self = (WaitSource *) source;

  g_object_unref (self->task);
  g_object_unref (self->socket);
  g_clear_object (&self->closed);
}

static GSourceFuncs wait_funcs = {
  .dispatch = wait_dispatch,
  .finalize = wait_finalize,
};

static void
add_child (GSource *parent,
           GSource *child)
{
  g_source_set_dummy_callback (child);
  g_source_add_child_source (parent, child);
  g_source_unref (child);
}

void
tn_tun_wait (GTask        *task,
             GSocket      *socket,
             GIOCondition  condition,
             GCancellable *closed,
             TnTunTryFunc  try_func)
{
  g_autoptr (GSource) source = NULL;
  WaitSource *self;

  if (g_task_return_error_if_cancelled (task) || try_func (task, socket))
    {
      g_object_unref (task);
      return;
    }
  source = g_source_new (&wait_funcs, sizeof (WaitSource));
  self = (WaitSource *) source;
  g_source_set_static_name (source, "[tailnet] socket");
  self->task = task;
  self->socket = g_object_ref (socket);
  self->try_func = try_func;
  g_source_set_priority (source, g_task_get_priority (task));
  add_child (source, g_socket_create_source (socket, condition, NULL));
  if (g_task_get_cancellable (task) != NULL)
    add_child (source, tn_cancel_source_new (g_task_get_cancellable (task)));
  if (closed != NULL)
    {
      self->closed = g_object_ref (closed);
      add_child (source, tn_cancel_source_new (closed));
    }
  g_source_attach (source, g_task_get_context (task));
}

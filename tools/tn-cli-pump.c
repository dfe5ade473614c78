/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-cli-pump.h"

/* g_output_stream_splice_async() copies 8 KiB at a time, and a stream that cannot poll costs it two threads each. */
#define BUFFER_LEN (256 * 1024)

typedef struct
{
  GOutputStream *to;
  guint8        *buffer;
} Pump;

static void read_next (GTask *task);

static void
pump_free (Pump *pump)
{
  g_object_unref (pump->to);
  g_free (pump->buffer);
  g_free (pump);
}

static void
written_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (g_output_stream_write_all_finish (G_OUTPUT_STREAM (object), result, NULL, &error))
    read_next (g_steal_pointer (&task));
  else
    g_task_return_error (task, error);
}

static void
read_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  Pump *pump = g_task_get_task_data (task);
  GError *error = NULL;
  gssize len = g_input_stream_read_finish (G_INPUT_STREAM (object), result, &error);

  if (len < 0)
    g_task_return_error (task, error);
  else if (len == 0)
    g_task_return_boolean (task, TRUE);
  else
    {
      GCancellable *cancellable = g_task_get_cancellable (task);

      g_output_stream_write_all_async (pump->to, pump->buffer, (gsize) len, G_PRIORITY_DEFAULT, cancellable, written_cb,
                                       g_steal_pointer (&task));
    }
}

static void
read_next (GTask *task)      /* taken */
{
  Pump *pump = g_task_get_task_data (task);

  g_input_stream_read_async (g_task_get_source_object (task), pump->buffer, BUFFER_LEN, G_PRIORITY_DEFAULT,
                             g_task_get_cancellable (task), read_cb, task);
}

void
tn_cli_pump_async (GInputStream        *from,
                   GOutputStream       *to,
                   GCancellable        *cancellable,
                   GAsyncReadyCallback  callback,
                   gpointer             user_data)
{
  GTask *task = g_task_new (from, cancellable, callback, user_data);
  Pump *pump = g_new0 (Pump, 1);

  g_task_set_source_tag (task, tn_cli_pump_async);
  pump->to = g_object_ref (to);
  pump->buffer = g_malloc (BUFFER_LEN);
  g_task_set_task_data (task, pump, (GDestroyNotify) pump_free);
  read_next (task);
}

gboolean
tn_cli_pump_finish (GAsyncResult  *result,
                    GError       **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

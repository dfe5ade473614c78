/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-device-server-private.h"

/* Unanswered calls of one connection: more than any program waits for at a time, and little enough to be borne by the node. */
#define CALLS_MAX 256

static void
forget_call (gpointer  data,
             GObject  *invocation)
{
  g_autoptr (GHashTable) calls = data;

  g_hash_table_remove (calls, invocation);
}

GCancellable *
tn_device_server_watch (TnDeviceServer        *self,
                        GDBusMethodInvocation *invocation)
{
  GCancellable *cancellable = g_cancellable_new ();

  /* It may outlive the server, but not its answer. */
  g_hash_table_insert (self->calls, invocation, cancellable);
  g_object_weak_ref (G_OBJECT (invocation), forget_call, g_hash_table_ref (self->calls));
  return cancellable;
}

/* What ends something is never too much. */
static gboolean
is_ending (const char *method)
{
  return g_str_equal (method, "Cancel") || g_str_equal (method, "CloseListener") || g_str_equal (method, "Stop");
}

gboolean
tn_device_server_admit (TnDeviceServer        *self,
                        GDBusMethodInvocation *invocation)
{
  GDBusConnection *connection = g_dbus_method_invocation_get_connection (invocation);
  GHashTableIter iter;
  gpointer key;
  guint n = 0;

  if (g_hash_table_size (self->calls) < CALLS_MAX || is_ending (g_dbus_method_invocation_get_method_name (invocation)))
    return TRUE;
  g_hash_table_iter_init (&iter, self->calls);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    n += g_dbus_method_invocation_get_connection (key) == connection;
  if (n < CALLS_MAX)
    return TRUE;
  g_dbus_method_invocation_return_error (invocation, G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED,
                                         "%u calls are unanswered already", n);
  return FALSE;
}

/* Who waits for the start leaves it to the others who wait for it, and to the device. */
static void
drop_start (TnDeviceServer        *self,
            GDBusMethodInvocation *invocation)
{
  if (g_ptr_array_remove_fast (self->starts, invocation))
    g_dbus_method_invocation_return_error_literal (invocation, G_IO_ERROR, G_IO_ERROR_CANCELLED, "nobody waits any more");
}

void
tn_device_server_cancel_calls (TnDeviceServer  *self,
                               GDBusConnection *connection,
                               guint            serial)
{
  g_autoptr (GPtrArray) invocations = g_ptr_array_new_with_free_func (g_object_unref);
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, self->calls);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    if (g_dbus_method_invocation_get_connection (key) == connection &&
        (serial == 0 || g_dbus_message_get_serial (g_dbus_method_invocation_get_message (key)) == serial))
      g_ptr_array_add (invocations, g_object_ref (key));

  for (guint i = 0; i < invocations->len; i++)
    {
      GDBusMethodInvocation *invocation = g_ptr_array_index (invocations, i);

      g_cancellable_cancel (g_hash_table_lookup (self->calls, invocation));
      drop_start (self, invocation);
    }
}

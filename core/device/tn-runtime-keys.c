/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-runtime-private.h"

#include <string.h>

#include "tn-context.h"

/* Keys are saved in the device's context, where the store lives, one set after the other: what is asked for last is what stays. */
typedef struct
{
  TnRuntime        *runtime;
  TnNodePrivateKey *key;             /* NULL: forget all of them */
  TnNodePublicKey   old_key;
  gboolean          has_old_key;
  GTask            *logout;          /* nullable: goes on once they are forgotten */
  GCancellable     *cancellable;     /* cancelled in the device's context */
  GError           *error;           /* nullable: how it ended */
} Saving;

static void
saving_free (Saving *saving)
{
  tn_secret_free (saving->key);
  g_clear_object (&saving->logout);
  g_clear_object (&saving->cancellable);
  g_clear_error (&saving->error);
  tn_runtime_unref (saving->runtime);
  g_free (saving);
}

static void start_saving (Saving *saving);

static void
conclude (Saving *saving)
{
  TnRuntime *runtime = saving->runtime;

  if (saving->logout != NULL)
    tn_runtime_log_out (runtime, g_steal_pointer (&saving->logout), g_steal_pointer (&saving->error));
  else if (runtime->client != NULL)
    {
      if (saving->error == NULL)
        {
          memcpy (runtime->node_key, saving->key, TN_KEY_LEN);
          tn_data_path_set_node_key (runtime->data, saving->key);
        }
      tn_control_client_keys_saved (runtime->client, saving->error);
    }
}

/* On the control thread. */
static gboolean
ended_cb (gpointer data)
{
  Saving *saving = data;
  TnRuntime *runtime = saving->runtime;
  Saving *next;

  if (!g_queue_remove (&runtime->savings, saving))
    return G_SOURCE_REMOVE;      /* given up */

  conclude (saving);
  next = g_queue_peek_head (&runtime->savings);
  if (next != NULL)
    start_saving (next);
  tn_runtime_check_closed (runtime);
  return G_SOURCE_REMOVE;
}

static void
saved_cb (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  Saving *saving = user_data;

  tn_identity_save_finish (TN_STATE_STORE (object), result, &saving->error);
  tn_thread_call (saving->runtime->control, ended_cb, saving, (GDestroyNotify) saving_free);
}

static void
save_in_context (gpointer data)
{
  Saving *saving = data;
  TnRuntime *runtime = saving->runtime;

  g_main_context_push_thread_default (runtime->context);
  if (saving->key != NULL)
    tn_identity_save_async (runtime->store, saving->key, saving->has_old_key ? &saving->old_key : NULL, saving->cancellable, saved_cb,
                            saving);
  else
    tn_identity_forget_async (runtime->store, saving->cancellable, saved_cb, saving);
  g_main_context_pop_thread_default (runtime->context);
}

static void
start_saving (Saving *saving)
{
  tn_context_invoke (saving->runtime->context, save_in_context, saving, NULL);
}

static void
cancel_in_context (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
}

static void
cancel_saving (gpointer data,
               gpointer runtime)
{
  Saving *saving = data;

  tn_context_invoke (((TnRuntime *) runtime)->context, cancel_in_context, g_object_ref (saving->cancellable), g_object_unref);
}

static void
queue_saving (TnRuntime *runtime,
              Saving    *saving)      /* taken */
{
  saving->runtime = tn_runtime_ref (runtime);
  saving->cancellable = g_cancellable_new ();
  if (runtime->closed || runtime->store_given_up)      /* the store may be somebody else's by now */
    {
      g_set_error_literal (&saving->error, G_IO_ERROR, G_IO_ERROR_CLOSED, "device stopped");
      conclude (saving);
      saving_free (saving);
      return;
    }
  g_queue_push_tail (&runtime->savings, saving);
  if (runtime->savings.length == 1)
    start_saving (saving);
}

void
tn_runtime_save_keys (TnRuntime              *runtime,
                      const TnNodePrivateKey *key,
                      const TnNodePublicKey  *old_key)
{
  Saving *saving = g_new0 (Saving, 1);

  saving->key = tn_secret_dup (key, TN_KEY_LEN);
  saving->has_old_key = old_key != NULL;
  if (old_key != NULL)
    saving->old_key = *old_key;
  queue_saving (runtime, saving);
}

void
tn_runtime_forget_keys (TnRuntime *runtime,
                        GTask     *logout)
{
  Saving *saving = g_new0 (Saving, 1);

  saving->logout = logout;
  queue_saving (runtime, saving);
}

/* --- Close --- */

/* The first one belongs to its call, which may answer yet. */
static void
give_up (TnRuntime *runtime)
{
  Saving *first = g_queue_peek_head (&runtime->savings);
  Saving *saving;

  g_message ("device %s stops, and its state store does not answer", runtime->hostname);
  runtime->store_given_up = TRUE;
  while ((saving = g_queue_pop_head (&runtime->savings)) != NULL)
    {
      if (saving->logout != NULL)
        tn_runtime_log_out (runtime, g_steal_pointer (&saving->logout),
                            g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "state store does not answer"));
      if (saving != first)
        saving_free (saving);
    }
}

static gboolean
given_up_cb (gpointer data)
{
  TnRuntime *runtime = data;

  if (runtime->savings.length > 0)
    give_up (runtime);
  tn_runtime_check_closed (runtime);
  return G_SOURCE_REMOVE;
}

static void
set_limit (TnRuntime   *runtime,
           GSourceFunc  func)
{
  if (runtime->store_limit != NULL)
    g_source_destroy (runtime->store_limit);
  g_clear_pointer (&runtime->store_limit, g_source_unref);
  runtime->store_limit = g_timeout_source_new_seconds (TN_RUNTIME_STORE_PATIENCE_S);
  g_source_set_callback (runtime->store_limit, func, runtime, NULL);
  g_source_attach (runtime->store_limit, tn_thread_get_context (runtime->control));
}

static gboolean
late_cb (gpointer data)
{
  TnRuntime *runtime = data;

  g_queue_foreach (&runtime->savings, cancel_saving, runtime);
  set_limit (runtime, given_up_cb);
  return G_SOURCE_REMOVE;
}

static void
cancel_unused (gpointer data,
               gpointer runtime)
{
  if (((Saving *) data)->key != NULL)
    cancel_saving (data, runtime);
}

/* Keys that no server has seen yet are not needed any more. To forget keys is what somebody asked for, and has its time first. */
void
tn_runtime_close_store (TnRuntime *runtime)
{
  g_queue_foreach (&runtime->savings, cancel_unused, runtime);
  set_limit (runtime, late_cb);
}

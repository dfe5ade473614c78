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
  GError           *error;           /* nullable: how it ended */
} Saving;

static void
saving_free (Saving *saving)
{
  tn_secret_free (saving->key);
  g_clear_object (&saving->logout);
  g_clear_error (&saving->error);
  tn_runtime_unref (saving->runtime);
  g_free (saving);
}

static void start_saving (Saving *saving);

/* On the control thread. */
static gboolean
ended_cb (gpointer data)
{
  Saving *saving = data;
  TnRuntime *runtime = saving->runtime;
  Saving *next;

  g_queue_pop_head (&runtime->savings);
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
    tn_identity_save_async (runtime->store, saving->key, saving->has_old_key ? &saving->old_key : NULL, saved_cb, saving);
  else
    tn_identity_forget_async (runtime->store, saved_cb, saving);
  g_main_context_pop_thread_default (runtime->context);
}

static void
start_saving (Saving *saving)
{
  tn_context_invoke (saving->runtime->context, save_in_context, saving, NULL);
}

static void
queue_saving (TnRuntime *runtime,
              Saving    *saving)      /* taken */
{
  saving->runtime = tn_runtime_ref (runtime);
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

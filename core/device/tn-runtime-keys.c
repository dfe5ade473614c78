/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-runtime-private.h"

#include <string.h>

/* A node key goes into the store before the server sees it, and is used once it is there. */

typedef struct
{
  TnStoreCall       call;
  TnNodePrivateKey *key;             /* NULL: forget all of them */
  TnNodePublicKey   old_key;
  gboolean          has_old_key;
  GTask            *logout;          /* nullable: goes on once they are forgotten */
} Saving;

static void
saving_clear (TnStoreCall *call)
{
  Saving *saving = (Saving *) call;

  tn_secret_free (saving->key);
  g_clear_object (&saving->logout);
}

static void
saved_cb (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  TnStoreCall *call = user_data;

  tn_identity_save_finish (TN_STATE_STORE (object), result, &call->error);
  tn_store_call_ended (call);
}

/* --- Save --- */

static void
start_saving (TnStoreCall *call)
{
  Saving *saving = (Saving *) call;

  tn_identity_save_async (call->runtime->store, saving->key, saving->has_old_key ? &saving->old_key : NULL, call->cancellable, saved_cb,
                          call);
}

static void
conclude_saving (TnStoreCall *call)
{
  Saving *saving = (Saving *) call;
  TnRuntime *runtime = call->runtime;

  if (runtime->client == NULL)
    return;
  if (call->error == NULL)
    {
      memcpy (runtime->node_key, saving->key, TN_KEY_LEN);
      tn_data_path_set_node_key (runtime->data, saving->key);
    }
  tn_control_client_keys_saved (runtime->client, call->error);
}

void
tn_runtime_save_keys (TnRuntime              *runtime,
                      const TnNodePrivateKey *key,
                      const TnNodePublicKey  *old_key)
{
  /* When the node stops, no server has seen the first key; another one it has taken already. */
  static const TnStoreCallKind first = { .start = start_saving, .conclude = conclude_saving, .clear = saving_clear, .needless = TRUE };
  static const TnStoreCallKind other = { .start = start_saving, .conclude = conclude_saving, .clear = saving_clear };
  Saving *saving;

  if (runtime->logging_out)      /* it would be there when all others are forgotten */
    return;
  saving = g_new0 (Saving, 1);
  saving->call.kind = old_key != NULL ? &other : &first;
  saving->key = tn_secret_dup (key, TN_KEY_LEN);
  saving->has_old_key = old_key != NULL;
  if (old_key != NULL)
    saving->old_key = *old_key;
  tn_runtime_ask_store (runtime, &saving->call);
}

/* --- Forget --- */

static void
start_forgetting (TnStoreCall *call)
{
  tn_identity_forget_async (call->runtime->store, call->cancellable, saved_cb, call);
}

static void
conclude_forgetting (TnStoreCall *call)
{
  tn_runtime_log_out (call->runtime, g_steal_pointer (&((Saving *) call)->logout), g_steal_pointer (&call->error));
}

static void
give_up_forgetting (TnStoreCall *call)
{
  tn_runtime_log_out (call->runtime, g_steal_pointer (&((Saving *) call)->logout),
                      g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "state store does not answer"));
}

void
tn_runtime_forget_keys (TnRuntime *runtime,
                        GTask     *logout)
{
  static const TnStoreCallKind kind = {
    .start = start_forgetting, .conclude = conclude_forgetting, .give_up = give_up_forgetting, .clear = saving_clear,
  };
  Saving *saving = g_new0 (Saving, 1);

  saving->call.kind = &kind;
  saving->logout = logout;
  runtime->logging_out = TRUE;
  tn_runtime_drop_cache (runtime);      /* a later write would bring back what is forgotten here */
  tn_runtime_ask_store (runtime, &saving->call);
}

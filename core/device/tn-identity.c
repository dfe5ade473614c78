/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-identity.h"

#include <string.h>

#include "tn-error.h"
#include "tn-netmap-cache.h"
#include "tn-secret.h"

#define KEY_MACHINE  "machine-key"
#define KEY_NODE     "node-key"
#define KEY_OLD_NODE "old-node-key"
#define KEY_LOCK     "lock-key"

void
tn_identity_free (TnIdentity *identity)
{
  tn_secret_free (identity->machine_key);
  tn_secret_free (identity->node_key);
  g_free (identity);
}

/* --- Values: the text forms of keys --- */

/* The text of a key without the line end that an editor may have put there. */
static char *
dup_text (GBytes *value)
{
  gsize len;
  const char *data = g_bytes_get_data (value, &len);

  return g_strchomp (g_strndup (data != NULL ? data : "", len));      /* NULL: nothing in it */
}

static gboolean
is_none (const TnNodePrivateKey *key)
{
  static const TnNodePrivateKey none;

  return memcmp (key->bytes, none.bytes, TN_KEY_LEN) == 0;
}

/* The text forms of all private keys are alike (tailscale types/key): a machine key goes through here, too. */
static GBytes *
private_key_value (const TnNodePrivateKey *key)
{
  char *text = g_malloc0 (TN_KEY_TEXT_MAX);

  tn_node_private_key_print (key, text);
  return tn_secret_bytes_new_take (text, strlen (text));
}

/* Leaves @key alone where there is none. */
static gboolean
read_private_key (GBytes            *value,      /* nullable */
                  const char        *name,
                  TnNodePrivateKey  *key,
                  GError           **error)
{
  char *text = value != NULL ? dup_text (value) : NULL;
  gboolean ok = text == NULL || *text == '\0' || tn_node_private_key_parse (key, text);

  if (!ok)
    g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "saved %s is damaged: no private key", name);
  if (text != NULL)
    explicit_bzero (text, strlen (text));
  g_free (text);
  return ok;
}

static gboolean
read_old_key (GBytes           *value,      /* nullable */
              TnNodePublicKey  *key,
              GError          **error)
{
  g_autofree char *text = value != NULL ? dup_text (value) : NULL;

  if (text == NULL || *text == '\0' || tn_node_public_key_parse (key, text))
    return TRUE;
  g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "saved %s is damaged: no node key", KEY_OLD_NODE);      /* it may be a private one */
  return FALSE;
}

static gboolean
read_lock_key (GBytes           *value,      /* nullable */
               TnLockPublicKey  *key,
               GError          **error)
{
  char *text = value != NULL ? dup_text (value) : NULL;
  g_auto (TnLockPrivateKey) private = { 0 };
  gboolean ok = text == NULL || *text == '\0';

  if (!ok && tn_lock_private_key_parse (&private, text))
    {
      tn_lock_private_key_get_public (&private, key);
      ok = TRUE;
    }
  if (!ok)
    g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "saved %s is damaged: no private key", KEY_LOCK);
  if (text != NULL)
    explicit_bzero (text, strlen (text));
  g_free (text);
  return ok;
}

/* --- Load: all at once; then what was missing is saved --- */

typedef struct
{
  TnIdentity *identity;
  guint       n_pending;
  GError     *error;         /* nullable: the first one */
} Loading;

static void
loading_free (Loading *loading)
{
  g_clear_pointer (&loading->identity, tn_identity_free);
  g_clear_error (&loading->error);
  g_free (loading);
}

static void
loading_failed (Loading *loading,
                GError  *error)      /* taken */
{
  if (loading->error == NULL)
    loading->error = error;
  else
    g_error_free (error);
}

static void
loading_end (GTask *task)
{
  Loading *loading = g_task_get_task_data (task);

  if (loading->error != NULL)
    g_task_return_error (task, g_steal_pointer (&loading->error));
  else
    g_task_return_pointer (task, g_steal_pointer (&loading->identity), (GDestroyNotify) tn_identity_free);
}

static void
made_key_saved_cb (GObject      *object,
                   GAsyncResult *result,
                   gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  Loading *loading = g_task_get_task_data (task);
  GError *error = NULL;

  if (!tn_state_store_save_finish (TN_STATE_STORE (object), result, &error))
    loading_failed (loading, error);
  if (--loading->n_pending == 0)
    loading_end (task);
}

static void
save_made_key (GTask      *task,
               const char *name,
               GBytes     *value)
{
  Loading *loading = g_task_get_task_data (task);

  loading->n_pending++;
  tn_state_store_save_async (g_task_get_source_object (task), name, value, g_task_get_cancellable (task), made_key_saved_cb,
                             g_object_ref (task));
}

static void
make_key_if_missing (GTask            *task,
                     const char       *name,
                     TnNodePrivateKey *key)
{
  g_autoptr (GBytes) value = NULL;

  if (!is_none (key))
    return;
  tn_node_private_key_generate (key);
  value = private_key_value (key);
  save_made_key (task, name, value);
}

static void
make_lock_key_if_missing (GTask *task)
{
  static const TnLockPublicKey none;
  Loading *loading = g_task_get_task_data (task);
  g_auto (TnLockPrivateKey) private = { 0 };
  g_autoptr (GBytes) value = NULL;
  char *text;

  if (memcmp (&loading->identity->lock_key, &none, sizeof none) != 0)
    return;
  tn_lock_private_key_generate (&private);
  tn_lock_private_key_get_public (&private, &loading->identity->lock_key);
  text = g_malloc0 (TN_KEY_TEXT_MAX);
  tn_lock_private_key_print (&private, text);
  value = tn_secret_bytes_new_take (text, strlen (text));
  save_made_key (task, KEY_LOCK, value);
}

/* All answers are there. */
static void
make_missing_keys (GTask *task)
{
  Loading *loading = g_task_get_task_data (task);
  GMainContext *context = g_task_get_context (task);

  /* Who gave up may have released the store meanwhile. */
  if (loading->error == NULL && !g_cancellable_set_error_if_cancelled (g_task_get_cancellable (task), &loading->error))
    {
      loading->n_pending = 1;      /* ourselves: a store may answer at once */
      g_main_context_push_thread_default (context);
      make_key_if_missing (task, KEY_MACHINE, (TnNodePrivateKey *) loading->identity->machine_key);
      loading->identity->node_key_is_new = is_none (loading->identity->node_key);
      make_key_if_missing (task, KEY_NODE, loading->identity->node_key);
      make_lock_key_if_missing (task);
      g_main_context_pop_thread_default (context);
      loading->n_pending--;
    }
  if (loading->n_pending == 0)
    loading_end (task);
}

typedef struct
{
  GTask      *task;
  const char *name;
} Load;

static void
loaded_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autofree Load *load = user_data;
  g_autoptr (GTask) task = load->task;
  Loading *loading = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GBytes) value = tn_state_store_load_finish (TN_STATE_STORE (object), result, &error);

  if (error == NULL)
    {
      if (g_str_equal (load->name, KEY_OLD_NODE))
        read_old_key (value, &loading->identity->old_node_key, &error);
      else if (g_str_equal (load->name, KEY_LOCK))
        read_lock_key (value, &loading->identity->lock_key, &error);
      else if (g_str_equal (load->name, KEY_NODE))
        read_private_key (value, load->name, loading->identity->node_key, &error);
      else
        read_private_key (value, load->name, (TnNodePrivateKey *) loading->identity->machine_key, &error);
    }
  if (error != NULL)
    loading_failed (loading, error);
  if (--loading->n_pending == 0)
    make_missing_keys (task);
}

void
tn_identity_load_async (TnStateStore        *store,
                        GCancellable        *cancellable,
                        GAsyncReadyCallback  callback,
                        gpointer             user_data)
{
  static const char *const names[] = { KEY_MACHINE, KEY_NODE, KEY_OLD_NODE, KEY_LOCK };
  g_autoptr (GTask) task = g_task_new (store, cancellable, callback, user_data);
  Loading *loading = g_new0 (Loading, 1);

  g_task_set_source_tag (task, tn_identity_load_async);
  g_task_set_task_data (task, loading, (GDestroyNotify) loading_free);
  loading->identity = g_new0 (TnIdentity, 1);
  loading->identity->machine_key = tn_secret_alloc (sizeof *loading->identity->machine_key);
  loading->identity->node_key = tn_secret_alloc (sizeof *loading->identity->node_key);
  loading->n_pending = G_N_ELEMENTS (names);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      Load *load = g_new (Load, 1);

      *load = (Load) { g_object_ref (task), names[i] };
      tn_state_store_load_async (store, names[i], cancellable, loaded_cb, load);
    }
}

TnIdentity *
tn_identity_load_finish (TnStateStore  *store,
                         GAsyncResult  *result,
                         GError       **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- Save: one value after the other --- */

typedef struct
{
  const char *name;
  GBytes     *value;      /* nullable */
} Step;

typedef struct
{
  Step  steps[4];
  guint n_steps;
  guint next;
} Saving;

static void
saving_free (Saving *saving)
{
  for (guint i = 0; i < saving->n_steps; i++)
    g_clear_pointer (&saving->steps[i].value, g_bytes_unref);
  g_free (saving);
}

static void save_next (GTask *task);

static void
step_saved_cb (GObject      *object,
               GAsyncResult *result,
               gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (!tn_state_store_save_finish (TN_STATE_STORE (object), result, &error))
    g_task_return_error (task, error);
  else
    save_next (task);
}

static void
save_next (GTask *task)
{
  Saving *saving = g_task_get_task_data (task);
  GMainContext *context = g_task_get_context (task);
  const Step *step;

  if (saving->next == saving->n_steps)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  if (g_task_return_error_if_cancelled (task))
    return;
  step = &saving->steps[saving->next++];
  g_main_context_push_thread_default (context);
  tn_state_store_save_async (g_task_get_source_object (task), step->name, step->value, g_task_get_cancellable (task), step_saved_cb,
                             g_object_ref (task));
  g_main_context_pop_thread_default (context);
}

static void
save_steps (TnStateStore        *store,
            Saving              *saving,      /* taken */
            GCancellable        *cancellable,
            GAsyncReadyCallback  callback,
            gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (store, cancellable, callback, user_data);

  g_task_set_source_tag (task, save_steps);
  g_task_set_check_cancellable (task, FALSE);      /* what was saved is said to be */
  g_task_set_task_data (task, saving, (GDestroyNotify) saving_free);
  save_next (task);
}

/* The old one first: at any moment one of the two that are saved is registered. */
void
tn_identity_save_async (TnStateStore           *store,
                        const TnNodePrivateKey *node_key,
                        const TnNodePublicKey  *old_node_key,
                        GCancellable           *cancellable,
                        GAsyncReadyCallback     callback,
                        gpointer                user_data)
{
  Saving *saving = g_new0 (Saving, 1);
  char text[TN_KEY_TEXT_MAX];

  saving->n_steps = 2;
  saving->steps[0].name = KEY_OLD_NODE;
  if (old_node_key != NULL)
    {
      tn_node_public_key_print (old_node_key, text);
      saving->steps[0].value = g_bytes_new (text, strlen (text));
    }
  saving->steps[1].name = KEY_NODE;
  saving->steps[1].value = private_key_value (node_key);
  save_steps (store, saving, cancellable, callback, user_data);
}

void
tn_identity_forget_async (TnStateStore        *store,
                          GCancellable        *cancellable,
                          GAsyncReadyCallback  callback,
                          gpointer             user_data)
{
  Saving *saving = g_new0 (Saving, 1);

  saving->n_steps = 4;
  saving->steps[0].name = KEY_NODE;
  saving->steps[1].name = KEY_OLD_NODE;
  saving->steps[2].name = KEY_LOCK;
  saving->steps[3].name = TN_NETMAP_CACHE_KEY;
  save_steps (store, saving, cancellable, callback, user_data);
}

gboolean
tn_identity_save_finish (TnStateStore  *store,
                         GAsyncResult  *result,
                         GError       **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

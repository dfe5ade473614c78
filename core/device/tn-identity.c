/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-identity.h"

#include "tn-error.h"
#include "tn-secret.h"

#define KEY_MACHINE  "machine-key"
#define KEY_NODE     "node-key"
#define KEY_OLD_NODE "old-node-key"

/* The text of a key without the line end that an editor may have put there; erased when freed. */
static char *
load_text (TnStateStore  *store,
           const char    *key,
           GError       **error)
{
  g_autoptr (GBytes) bytes = tn_state_store_load (store, key, error);
  gsize len;
  const char *data;

  if (bytes == NULL)
    return NULL;
  data = g_bytes_get_data (bytes, &len);
  return g_strchomp (g_strndup (data != NULL ? data : "", len));      /* NULL: nothing in it */
}

static void
free_text (char *text)
{
  if (text != NULL)
    explicit_bzero (text, strlen (text));
  g_free (text);
}

static gboolean
is_none (const TnNodePrivateKey *key)
{
  static const TnNodePrivateKey none;

  return key == NULL || memcmp (key->bytes, none.bytes, TN_KEY_LEN) == 0;
}

static gboolean
save_node_key (TnStateStore            *store,
               const char              *name,
               const TnNodePrivateKey  *key,
               GError                 **error)
{
  char *text = g_malloc0 (TN_KEY_TEXT_MAX);
  g_autoptr (GBytes) bytes = NULL;

  if (!is_none (key))
    tn_node_private_key_print (key, text);
  bytes = tn_secret_bytes_new_take (text, strlen (text));
  return tn_state_store_save (store, name, bytes, error);
}

/* FALSE with an error: it cannot be read, or what is there is no key. Without one: there is none. */
static gboolean
load_node_key (TnStateStore      *store,
               const char        *name,
               TnNodePrivateKey  *key,
               GError           **error)
{
  GError *local = NULL;
  char *text = load_text (store, name, &local);
  gboolean ok;

  if (text == NULL && local != NULL)
    {
      g_propagate_error (error, local);
      return FALSE;
    }

  ok = text == NULL || *text == '\0' || tn_node_private_key_parse (key, text);
  if (!ok)
    g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "saved %s is damaged: no private key", name);
  free_text (text);
  return ok;
}

static gboolean
ensure_key (TnStateStore      *store,
            const char        *name,
            TnNodePrivateKey  *key,
            GError           **error)
{
  if (!load_node_key (store, name, key, error))
    return FALSE;
  if (!is_none (key))
    return TRUE;

  tn_node_private_key_generate (key);
  return save_node_key (store, name, key, error);
}

/* The text forms of all private keys are alike (tailscale types/key). */
static gboolean
load_machine_key (TnStateStore         *store,
                  TnMachinePrivateKey  *key,
                  GError              **error)
{
  g_auto (TnNodePrivateKey) text_form = { 0 };

  if (!ensure_key (store, KEY_MACHINE, &text_form, error))
    return FALSE;
  memcpy (key->bytes, text_form.bytes, TN_KEY_LEN);
  return TRUE;
}

static gboolean
load_old_key (TnStateStore     *store,
              TnNodePublicKey  *key,
              GError          **error)
{
  GError *local = NULL;
  g_autofree char *text = load_text (store, KEY_OLD_NODE, &local);

  if (local != NULL)
    {
      g_propagate_error (error, local);
      return FALSE;
    }
  if (text == NULL || *text == '\0' || tn_node_public_key_parse (key, text))
    return TRUE;

  g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "saved %s is damaged: “%s” is no node key", KEY_OLD_NODE, text);
  return FALSE;
}

TnIdentity *
tn_identity_load (TnStateStore  *store,
                  GError       **error)
{
  g_autoptr (TnIdentity) identity = g_new0 (TnIdentity, 1);

  identity->machine_key = tn_secret_alloc (sizeof *identity->machine_key);
  identity->node_key = tn_secret_alloc (sizeof *identity->node_key);
  if (!load_machine_key (store, identity->machine_key, error) ||
      !ensure_key (store, KEY_NODE, identity->node_key, error) ||
      !load_old_key (store, &identity->old_node_key, error))
    return NULL;
  return g_steal_pointer (&identity);
}

void
tn_identity_free (TnIdentity *identity)
{
  tn_secret_free (identity->machine_key);
  tn_secret_free (identity->node_key);
  g_free (identity);
}

static gboolean
save_old_key (TnStateStore           *store,
              const TnNodePublicKey  *key,
              GError                **error)
{
  char text[TN_KEY_TEXT_MAX] = "";
  g_autoptr (GBytes) bytes = NULL;

  if (key != NULL)
    tn_node_public_key_print (key, text);
  bytes = g_bytes_new (text, strlen (text));
  return tn_state_store_save (store, KEY_OLD_NODE, bytes, error);
}

/* The old one first: at any moment one of the two that are saved is registered. */
gboolean
tn_identity_save_node_keys (TnStateStore            *store,
                            const TnNodePrivateKey  *node_key,
                            const TnNodePublicKey   *old_node_key,
                            GError                 **error)
{
  return save_old_key (store, old_node_key, error) && save_node_key (store, KEY_NODE, node_key, error);
}

gboolean
tn_identity_forget (TnStateStore  *store,
                    GError       **error)
{
  return save_node_key (store, KEY_NODE, NULL, error) && save_old_key (store, NULL, error);
}

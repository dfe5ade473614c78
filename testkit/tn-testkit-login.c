/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-registry-private.h"

#include "tn-box.h"
#include "tn-hex.h"
#include "tn-testkit-json.h"

/* How nodes get in, keep their place and log out. The order of the checks is that of Headscale (hscontrol/auth.go), so that a
 * client meets here what it meets outside. */

#define LOGIN_ID_LEN 12     /* bytes; twice as many digits */

/* A wrapped key carries a signature behind this mark: tailscale tka/sig.go. */
#define WRAPPED_KEY_MARK "--TL"

void
tn_testkit_pending_free (TnTestkitPending *pending)
{
  g_free (pending->id);
  g_clear_pointer (&pending->hostinfo, json_node_unref);
  g_free (pending);
}

void
tn_testkit_auth_key_free (TnTestkitAuthKey *key)
{
  g_free (key->text);
  g_strfreev (key->tags);
  g_free (key);
}

void
tn_testkit_user_free (TnTestkitUser *user)
{
  g_free (user->name);
  g_free (user);
}

TnTestkitUser *
tn_testkit_registry_get_user (TnTestkitRegistry *registry,
                              const char        *name)
{
  TnTestkitUser *user;

  for (guint i = 0; i < registry->users->len; i++)
    {
      user = g_ptr_array_index (registry->users, i);
      if (strcmp (user->name, name) == 0)
        return user;
    }

  user = g_new0 (TnTestkitUser, 1);
  user->id = registry->users->len + 1;
  user->name = g_strdup (name);
  g_ptr_array_add (registry->users, user);
  registry->users_changed = ++registry->generation;

  return user;
}

gboolean
tn_testkit_registry_add_auth_key (TnTestkitRegistry     *registry,
                                  const char            *text,
                                  const char            *user,
                                  TnTestkitAuthKeyFlags  flags,
                                  const char * const    *tags)
{
  TnTestkitAuthKey *key;

  if (g_hash_table_contains (registry->auth_keys, text))
    return FALSE;

  key = g_new0 (TnTestkitAuthKey, 1);
  key->text = g_strdup (text);
  key->flags = flags;
  key->tags = tn_testkit_strv_copy (tags);
  key->user = key->tags[0] != NULL ? registry->tagged_user : tn_testkit_registry_get_user (registry, user);
  g_hash_table_insert (registry->auth_keys, key->text, key);

  return TRUE;
}

/* Login pages: "…/register/<24 digits>", with any prefix before the digits that ends in a hyphen. */
char *
tn_testkit_login_id_from_url (const char *url)
{
  const char *page = strrchr (url, '/');
  guint8 bytes[LOGIN_ID_LEN];
  gsize len;

  if (page == NULL)
    return NULL;

  page = strrchr (page, '-') != NULL ? strrchr (page, '-') + 1 : page + 1;
  len = strlen (page);

  return tn_hex_decode (page, len, bytes, sizeof bytes) ? g_ascii_strdown (page, (gssize) len) : NULL;
}

GStrv
tn_testkit_registry_dup_pending (TnTestkitRegistry *registry)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  GHashTableIter iter;
  gpointer id;

  g_hash_table_iter_init (&iter, registry->pending);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    g_strv_builder_add (builder, id);

  return g_strv_builder_end (builder);
}

static void
refuse (TnTestkitVerdict *verdict,
        const char       *message)
{
  verdict->kind = TN_TESTKIT_VERDICT_REFUSED;
  verdict->message = message;
}

static void
accept (TnTestkitVerdict *verdict,
        TnTestkitRecord  *record)
{
  verdict->kind = TN_TESTKIT_VERDICT_ACCEPTED;
  verdict->user = record->user;
  verdict->record = record;
}

static void
begin_login (TnTestkitRegistry           *registry,
             const TnMachinePublicKey    *machine,
             const TnTestkitRegistration *registration,
             TnTestkitVerdict            *verdict)
{
  TnTestkitPending *pending = g_new0 (TnTestkitPending, 1);
  guint8 id[LOGIN_ID_LEN];

  tn_random (id, sizeof id);
  pending->id = tn_hex_dup (id, sizeof id);
  pending->machine_key = *machine;
  pending->node_key = registration->node_key;
  pending->expiry_s = registration->expiry_s;
  pending->version = registration->version;
  pending->ephemeral = registration->ephemeral;
  pending->hostinfo = registration->hostinfo != NULL ? json_node_ref (registration->hostinfo) : NULL;
  g_hash_table_insert (registry->pending, pending->id, pending);

  verdict->kind = TN_TESTKIT_VERDICT_LOGIN;
  verdict->login = pending->id;
}

static void
follow_up (TnTestkitRegistry           *registry,
           const TnMachinePublicKey    *machine,
           const TnTestkitRegistration *registration,
           TnTestkitVerdict            *verdict)
{
  g_autofree char *id = tn_testkit_login_id_from_url (registration->followup);
  TnTestkitPending *pending;

  if (id == NULL)
    {
      refuse (verdict, "invalid registration ID");
      return;
    }

  pending = g_hash_table_lookup (registry->pending, id);
  if (pending == NULL || !tn_machine_public_key_equal (&pending->machine_key, machine))
    {
      begin_login (registry, machine, registration, verdict);
      return;
    }

  verdict->kind = TN_TESTKIT_VERDICT_WAIT;
  verdict->login = pending->id;
}

static TnTestkitRecord *
find_by_owner (TnTestkitRegistry        *registry,
               const TnMachinePublicKey *machine,
               const TnTestkitUser      *user)
{
  for (guint i = 0; i < registry->nodes->len; i++)
    {
      TnTestkitRecord *record = g_ptr_array_index (registry->nodes, i);

      if (record->user == user && tn_machine_public_key_equal (&record->machine_key, machine))
        return record;
    }

  return NULL;
}

/* A machine has one node a user: a new node key of theirs moves it, whatever OldNodeKey says. */
static TnTestkitRecord *
enroll (TnTestkitRegistry           *registry,
        const TnMachinePublicKey    *machine,
        TnTestkitUser               *user,
        const TnTestkitRegistration *registration,
        gint64                       now_s)
{
  TnTestkitRecord *record = tn_testkit_registry_lookup_key (registry, &registration->node_key);

  if (record == NULL)
    record = find_by_owner (registry, machine, user);
  if (record == NULL)
    record = tn_testkit_registry_add (registry, machine, user, now_s);
  if (record == NULL)
    return NULL;

  if (record->user != user)
    {
      record->user = user;
      tn_testkit_registry_touch (registry, record, TN_TESTKIT_FIELD_NODE);
    }
  tn_testkit_registry_set_key (registry, record, &registration->node_key);
  tn_testkit_registry_set_expiry (registry, record, registration->expiry_s > now_s ? registration->expiry_s : 0);
  tn_testkit_registry_set_version (registry, record, registration->version);
  tn_testkit_registry_set_hostinfo (registry, record, registration->hostinfo);

  return record;
}

static void
register_with_key (TnTestkitRegistry           *registry,
                   const TnMachinePublicKey    *machine,
                   TnTestkitRecord             *record,
                   const TnTestkitRegistration *registration,
                   gint64                       now_s,
                   TnTestkitVerdict            *verdict)
{
  const char *mark = strstr (registration->auth_key, WRAPPED_KEY_MARK);
  g_autofree char *text = mark != NULL ? g_strndup (registration->auth_key, (gsize) (mark - registration->auth_key))
                                       : g_strdup (registration->auth_key);
  TnTestkitAuthKey *key = g_hash_table_lookup (registry->auth_keys, text);
  gboolean is_own = record != NULL && tn_machine_public_key_equal (&record->machine_key, machine);

  if (key == NULL)
    refuse (verdict, "invalid pre auth key");
  else if (is_own && record->user == key->user && !tn_testkit_record_is_expired (record, now_s))
    {
      /* A restart with the key of the first start: that may be spent. */
      tn_testkit_registry_set_hostinfo (registry, record, registration->hostinfo);
      tn_testkit_registry_set_version (registry, record, registration->version);
      accept (verdict, record);
    }
  else if (key->flags & TN_TESTKIT_AUTH_KEY_EXPIRED)
    refuse (verdict, "authkey expired");
  else if (key->used && !(key->flags & TN_TESTKIT_AUTH_KEY_REUSABLE))
    refuse (verdict, "authkey already used");
  else if (record != NULL && !is_own)
    refuse (verdict, "node key already in use by another machine");
  else if (tn_node_public_key_is_zero (&registration->node_key))
    refuse (verdict, "node key is missing");
  else if ((record = enroll (registry, machine, key->user, registration, now_s)) == NULL)
    refuse (verdict, "no address is left");
  else
    {
      key->used = TRUE;
      record->ephemeral = registration->ephemeral || (key->flags & TN_TESTKIT_AUTH_KEY_EPHEMERAL) != 0;
      if (!g_strv_equal ((const char * const *) record->tags, (const char * const *) key->tags))
        {
          g_strfreev (record->tags);
          record->tags = g_strdupv (key->tags);
          tn_testkit_registry_touch (registry, record, TN_TESTKIT_FIELD_NODE);
        }
      accept (verdict, record);
    }
}

/* A registered node without an auth key, or one that logs out. */
static void
register_again (TnTestkitRegistry           *registry,
                TnTestkitRecord             *record,
                const TnTestkitRegistration *registration,
                gint64                       now_s,
                TnTestkitVerdict            *verdict)
{
  if (tn_testkit_record_is_expired (record, now_s))
    verdict->kind = TN_TESTKIT_VERDICT_KEY_EXPIRED;
  else if (registration->expiry_s == 0)
    {
      tn_testkit_registry_set_hostinfo (registry, record, registration->hostinfo);
      tn_testkit_registry_set_version (registry, record, registration->version);
      accept (verdict, record);
    }
  else if (registration->expiry_s > now_s)
    refuse (verdict, "extending key is not allowed");
  else if (record->ephemeral)
    {
      tn_testkit_registry_remove (registry, record);
      verdict->kind = TN_TESTKIT_VERDICT_KEY_EXPIRED;
    }
  else
    {
      tn_testkit_registry_set_expiry (registry, record, now_s);
      verdict->kind = TN_TESTKIT_VERDICT_LOGGED_OUT;
      verdict->user = record->user;
    }
}

void
tn_testkit_registry_register (TnTestkitRegistry           *registry,
                              const TnMachinePublicKey    *machine,
                              const TnTestkitRegistration *registration,
                              gint64                       now_s,
                              TnTestkitVerdict            *verdict)
{
  TnTestkitRecord *record = tn_testkit_registry_lookup_key (registry, &registration->node_key);
  gboolean has_key = *registration->auth_key != '\0';
  gboolean is_logout = registration->expiry_s != 0 && registration->expiry_s <= now_s;

  *verdict = (TnTestkitVerdict) { 0 };

  if (record != NULL && (is_logout || !has_key))
    {
      if (!tn_machine_public_key_equal (&record->machine_key, machine))
        refuse (verdict, "node exists with a different machine key");
      else
        register_again (registry, record, registration, now_s, verdict);
    }
  else if (*registration->followup != '\0')
    follow_up (registry, machine, registration, verdict);
  else if (has_key)
    register_with_key (registry, machine, record, registration, now_s, verdict);
  else
    begin_login (registry, machine, registration, verdict);
}

gboolean
tn_testkit_registry_approve (TnTestkitRegistry *registry,
                             const char        *login,
                             const char        *user,
                             gint64             now_s,
                             GError           **error)
{
  TnTestkitPending *pending = g_hash_table_lookup (registry->pending, login);
  TnTestkitRegistration registration;
  TnTestkitRecord *record;

  if (pending == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no login '%s' waits", login);
      return FALSE;
    }

  registration = (TnTestkitRegistration) { .node_key = pending->node_key, .auth_key = "", .followup = "",
                                           .expiry_s = pending->expiry_s, .version = pending->version,
                                           .hostinfo = pending->hostinfo };
  record = tn_testkit_registry_lookup_key (registry, &pending->node_key);
  if (tn_node_public_key_is_zero (&pending->node_key) ||
      (record != NULL && !tn_machine_public_key_equal (&record->machine_key, &pending->machine_key)))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "login '%s' has no node key of its own", login);
      return FALSE;
    }

  record = enroll (registry, &pending->machine_key, tn_testkit_registry_get_user (registry, user), &registration, now_s);
  if (record == NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "no address is left");
      return FALSE;
    }

  record->ephemeral = pending->ephemeral;
  g_hash_table_remove (registry->pending, login);
  return TRUE;
}

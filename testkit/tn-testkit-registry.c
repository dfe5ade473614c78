/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-registry-private.h"

#include "tn-testkit-json.h"
#define FIRST_HOST 1
#define MAX_HOSTS (1u << 22)                    /* 100.64.0.0/10 */
#define CGNAT_BASE ((100u << 24) | (64u << 16))
#define SERVICE_ADDRESS ((100u << 24) | (100u << 16) | (100u << 8) | 100u)
#define MAX_LABEL_LEN 63

/* Of no use to peers, or none of their business. */
static const char * const private_hostinfo_members[] =
  { "NetInfo", "BackendLogID", "FrontendLogID", "PushDeviceToken", "TPM", "WoLMACs" };

static void
record_free (TnTestkitRecord *record)
{
  g_free (record->stable_id);
  g_free (record->name);
  g_free (record->host_label);
  g_strfreev (record->tags);
  g_strfreev (record->routes);
  g_strfreev (record->endpoints);
  g_free (record->map_session);
  g_clear_pointer (&record->hostinfo, json_node_unref);
  g_clear_pointer (&record->peer_hostinfo, json_node_unref);
  g_clear_pointer (&record->overrides, json_node_unref);
  g_free (record);
}

static char *
dup_trimmed (const char *text)
{
  const char *end = text + strlen (text);

  while (*text == '.')
    text++;
  while (end > text && end[-1] == '.')
    end--;

  return g_strndup (text, (gsize) (end - text));
}

static void
make_empty (TnTestkitRegistry *registry)
{
  registry->nodes = g_ptr_array_new_with_free_func ((GDestroyNotify) record_free);
  registry->by_node_key = g_hash_table_new (tn_node_public_key_hash, tn_node_public_key_equal_func);
  registry->removals = g_array_new (FALSE, FALSE, sizeof (TnTestkitRemoval));
  registry->users = g_ptr_array_new_with_free_func ((GDestroyNotify) tn_testkit_user_free);
  registry->auth_keys = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) tn_testkit_auth_key_free);
  registry->pending = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) tn_testkit_pending_free);
  registry->tagged_user = g_new0 (TnTestkitUser, 1);
  registry->tagged_user->id = TN_TESTKIT_TAGGED_USER_ID;
  registry->tagged_user->name = g_strdup (TN_TESTKIT_TAGGED_USER);
  registry->next_host = FIRST_HOST;
}

static void
make_void (TnTestkitRegistry *registry)
{
  g_hash_table_unref (registry->by_node_key);
  g_ptr_array_unref (registry->nodes);
  g_array_unref (registry->removals);
  g_hash_table_unref (registry->auth_keys);
  g_hash_table_unref (registry->pending);
  g_ptr_array_unref (registry->users);
  tn_testkit_user_free (registry->tagged_user);
}

TnTestkitRegistry *
tn_testkit_registry_new (const char *suffix,
                         const char *domain)
{
  TnTestkitRegistry *registry = g_new0 (TnTestkitRegistry, 1);

  registry->suffix = dup_trimmed (suffix);
  registry->domain = g_strdup (domain);
  registry->first_node_id = registry->next_node_id = 1;
  make_empty (registry);

  return registry;
}

void
tn_testkit_registry_free (TnTestkitRegistry *registry)
{
  make_void (registry);
  for (guint i = 0; i < TN_TESTKIT_N_SETTINGS; i++)
    g_clear_pointer (&registry->settings[i], json_node_unref);
  g_free (registry->suffix);
  g_free (registry->domain);
  g_free (registry);
}

void
tn_testkit_registry_set_suffix (TnTestkitRegistry *registry,
                                const char        *suffix)
{
  g_free (registry->suffix);
  registry->suffix = dup_trimmed (suffix != NULL ? suffix : "");
}

void
tn_testkit_registry_forget (TnTestkitRegistry *registry)
{
  make_void (registry);
  make_empty (registry);
}

/* Nodes */

static TnIpAddress
ipv4_of_host (guint32 host)
{
  guint32 address = GUINT32_TO_BE (CGNAT_BASE + host);

  return tn_ip_address_from_bytes ((const guint8 *) &address, sizeof address);
}

/* The place that stock servers give an IPv4 address: tailscale net/tsaddr, Tailscale4To6. */
static TnIpAddress
ipv6_of_ipv4 (const TnIpAddress *ipv4)
{
  guint8 bytes[16] = { 0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0, 0xab, 0x12, 0x48, 0x43, 0xcd, 0x96, 0x62 };

  memcpy (bytes + 13, ipv4->bytes + 1, 3);
  return tn_ip_address_from_bytes (bytes, sizeof bytes);
}

static gboolean
is_name_taken (TnTestkitRegistry     *registry,
               const TnTestkitRecord *except,
               const char            *name)
{
  for (guint i = 0; i < registry->nodes->len; i++)
    {
      const TnTestkitRecord *record = g_ptr_array_index (registry->nodes, i);

      if (record != except && g_strcmp0 (record->name, name) == 0)
        return TRUE;
    }

  return FALSE;
}

static char *
make_unique_name (TnTestkitRegistry     *registry,
                  const TnTestkitRecord *record,
                  const char            *label)
{
  g_autofree char *name = g_strdup (label);

  for (guint i = 1; is_name_taken (registry, record, name); i++)
    {
      g_autofree char *number = g_strdup_printf ("-%u", i);

      g_free (name);
      name = g_strdup_printf ("%.*s%s", (int) (MAX_LABEL_LEN - strlen (number)), label, number);
    }

  return g_steal_pointer (&name);
}

char *
tn_testkit_label_from_host_name (const char *host_name)
{
  GString *label = g_string_new (NULL);

  for (const char *p = host_name; *p != '\0' && label->len < MAX_LABEL_LEN; p++)
    {
      if (g_ascii_isalnum (*p))
        g_string_append_c (label, g_ascii_tolower (*p));
      else if (label->len > 0)
        g_string_append_c (label, '-');
    }
  while (label->len > 0 && label->str[label->len - 1] == '-')
    g_string_truncate (label, label->len - 1);

  if (label->len == 0)
    g_string_assign (label, "node");

  return g_string_free (label, FALSE);
}

static gboolean
is_private_member (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (private_hostinfo_members); i++)
    if (g_ascii_strcasecmp (private_hostinfo_members[i], name) == 0)
      return TRUE;

  return FALSE;
}

static JsonNode *
reduce_hostinfo (JsonObject *hostinfo)
{
  JsonNode *root = json_node_new (JSON_NODE_OBJECT);
  JsonObject *reduced = json_object_new ();
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;

  if (hostinfo != NULL)
    json_object_iter_init_ordered (&iter, hostinfo);
  while (hostinfo != NULL && json_object_iter_next_ordered (&iter, &name, &value))
    if (!is_private_member (name))
      json_object_set_member (reduced, name, json_node_ref (value));
  json_node_take_object (root, reduced);

  return root;
}

TnTestkitRecord *
tn_testkit_registry_add (TnTestkitRegistry        *registry,
                         const TnMachinePublicKey *machine,
                         TnTestkitUser            *user,
                         gint64                    now_s)
{
  TnTestkitRecord *record;

  if (CGNAT_BASE + registry->next_host == SERVICE_ADDRESS)
    registry->next_host++;
  if (registry->next_host >= MAX_HOSTS)
    return NULL;

  record = g_new0 (TnTestkitRecord, 1);
  record->id = registry->next_node_id++;
  record->stable_id = g_strdup_printf ("n%" G_GINT64_FORMAT "TESTKIT", record->id);
  record->machine_key = *machine;
  record->user = user;
  record->ipv4 = ipv4_of_host (registry->next_host++);
  record->ipv6 = ipv6_of_ipv4 (&record->ipv4);
  record->host_label = g_strdup ("node");
  record->name = make_unique_name (registry, NULL, record->host_label);
  record->tags = g_new0 (char *, 1);
  record->routes = g_new0 (char *, 1);
  record->endpoints = g_new0 (char *, 1);
  record->peer_hostinfo = reduce_hostinfo (NULL);
  record->created_s = now_s;
  record->last_seen_s = now_s;
  record->authorized = !registry->require_approval;
  g_ptr_array_add (registry->nodes, record);
  tn_testkit_registry_touch (registry, record, TN_TESTKIT_FIELD_NODE);

  return record;
}

TnTestkitRecord *
tn_testkit_registry_lookup (TnTestkitRegistry *registry,
                            const char        *name_or_stable_id)
{
  for (guint i = 0; i < registry->nodes->len; i++)
    {
      TnTestkitRecord *record = g_ptr_array_index (registry->nodes, i);

      if (strcmp (record->name, name_or_stable_id) == 0 || strcmp (record->stable_id, name_or_stable_id) == 0)
        return record;
    }

  return NULL;
}

TnTestkitRecord *
tn_testkit_registry_lookup_key (TnTestkitRegistry     *registry,
                                const TnNodePublicKey *key)
{
  return g_hash_table_lookup (registry->by_node_key, key);
}

TnTestkitRecord *
tn_testkit_registry_lookup_id (TnTestkitRegistry *registry,
                               gint64             id)
{
  guint low = 0, high = registry->nodes->len;

  while (low < high)
    {
      guint middle = low + (high - low) / 2;
      TnTestkitRecord *record = g_ptr_array_index (registry->nodes, middle);

      if (record->id == id)
        return record;
      if (record->id < id)
        low = middle + 1;
      else
        high = middle;
    }

  return NULL;
}

void
tn_testkit_registry_remove (TnTestkitRegistry *registry,
                            TnTestkitRecord   *record)
{
  TnTestkitRemoval removal = { ++registry->generation, record->id };

  g_array_append_val (registry->removals, removal);
  if (!tn_node_public_key_is_zero (&record->node_key))
    g_hash_table_remove (registry->by_node_key, &record->node_key);
  g_ptr_array_remove (registry->nodes, record);
}

void
tn_testkit_registry_touch (TnTestkitRegistry *registry,
                           TnTestkitRecord   *record,
                           TnTestkitField     field)
{
  record->changed[field] = ++registry->generation;
}

void
tn_testkit_registry_set_key (TnTestkitRegistry     *registry,
                             TnTestkitRecord       *record,
                             const TnNodePublicKey *key)
{
  if (tn_node_public_key_equal (&record->node_key, key))
    return;

  if (!tn_node_public_key_is_zero (&record->node_key))
    g_hash_table_remove (registry->by_node_key, &record->node_key);
  record->node_key = *key;
  g_hash_table_insert (registry->by_node_key, &record->node_key, record);
  tn_testkit_registry_touch (registry, record, TN_TESTKIT_FIELD_NODE_KEY);
}

gboolean
tn_testkit_registry_rename (TnTestkitRegistry *registry,
                            TnTestkitRecord   *record,
                            const char        *name,
                            GError           **error)
{
  g_autofree char *label = tn_testkit_label_from_host_name (name);

  if (strcmp (label, name) != 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "'%s' is no name for a node", name);
      return FALSE;
    }

  if (is_name_taken (registry, record, name))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "there is a node named '%s'", name);
      return FALSE;
    }

  g_free (record->name);
  record->name = g_steal_pointer (&label);
  record->named_by_admin = TRUE;
  tn_testkit_registry_touch (registry, record, TN_TESTKIT_FIELD_NODE);

  return TRUE;
}

void
tn_testkit_registry_authorize (TnTestkitRegistry *registry,
                               TnTestkitRecord   *record)
{
  if (record->authorized)
    return;

  record->authorized = TRUE;
  tn_testkit_registry_touch (registry, record, TN_TESTKIT_FIELD_NODE);
  record->admitted = registry->generation;
}

void
tn_testkit_registry_set_expiry (TnTestkitRegistry *registry,
                                TnTestkitRecord   *record,
                                gint64             expiry_s)
{
  if (record->key_expiry_s == expiry_s)
    return;

  record->key_expiry_s = expiry_s;
  tn_testkit_registry_touch (registry, record, TN_TESTKIT_FIELD_KEY_EXPIRY);
}

static void
follow_host_name (TnTestkitRegistry *registry,
                  TnTestkitRecord   *record,
                  const char        *host_name)
{
  g_autofree char *label = tn_testkit_label_from_host_name (host_name);

  if (strcmp (record->host_label, label) == 0)
    return;

  g_free (record->host_label);
  record->host_label = g_steal_pointer (&label);
  if (record->named_by_admin)
    return;

  g_free (record->name);
  record->name = NULL;
  record->name = make_unique_name (registry, record, record->host_label);
  tn_testkit_registry_touch (registry, record, TN_TESTKIT_FIELD_NODE);
}

static void
follow_net_info (TnTestkitRegistry *registry,
                 TnTestkitRecord   *record,
                 JsonObject        *net_info)
{
  gint64 region = tn_testkit_json_get_int (net_info, "PreferredDERP");

  if (record->home_region == region)
    return;

  record->home_region = region;
  tn_testkit_registry_touch (registry, record, TN_TESTKIT_FIELD_HOME_REGION);
}

/* Servers replace, they do not merge; only NetInfo is kept where a request leaves it out. */
void
tn_testkit_registry_set_hostinfo (TnTestkitRegistry *registry,
                                  TnTestkitRecord   *record,
                                  JsonNode          *hostinfo)
{
  g_autoptr (JsonNode) peer_hostinfo = NULL;
  JsonObject *object, *net_info;

  if (hostinfo == NULL || !JSON_NODE_HOLDS_OBJECT (hostinfo))
    return;

  object = json_node_get_object (hostinfo);
  json_node_ref (hostinfo);
  g_clear_pointer (&record->hostinfo, json_node_unref);
  record->hostinfo = hostinfo;

  follow_host_name (registry, record, tn_testkit_json_get_string (object, "Hostname"));
  net_info = tn_testkit_json_get_object (object, "NetInfo");
  if (net_info != NULL)
    follow_net_info (registry, record, net_info);

  peer_hostinfo = reduce_hostinfo (object);
  if (!json_node_equal (peer_hostinfo, record->peer_hostinfo))
    {
      json_node_unref (record->peer_hostinfo);
      record->peer_hostinfo = g_steal_pointer (&peer_hostinfo);
      tn_testkit_registry_touch (registry, record, TN_TESTKIT_FIELD_NODE);
    }
}

void
tn_testkit_registry_set_endpoints (TnTestkitRegistry *registry,
                                   TnTestkitRecord   *record,
                                   GStrv              endpoints)
{
  if (g_strv_equal ((const char * const *) record->endpoints, (const char * const *) endpoints))
    return;

  g_strfreev (record->endpoints);
  record->endpoints = g_strdupv (endpoints);
  tn_testkit_registry_touch (registry, record, TN_TESTKIT_FIELD_ENDPOINTS);
}

void
tn_testkit_registry_set_disco_key (TnTestkitRegistry      *registry,
                                   TnTestkitRecord        *record,
                                   const TnDiscoPublicKey *key)
{
  if (tn_disco_public_key_equal (&record->disco_key, key))
    return;

  record->disco_key = *key;
  tn_testkit_registry_touch (registry, record, TN_TESTKIT_FIELD_DISCO_KEY);
}

void
tn_testkit_registry_set_version (TnTestkitRegistry *registry,
                                 TnTestkitRecord   *record,
                                 gint64             version)
{
  if (record->capability_version == version)
    return;

  record->capability_version = version;
  tn_testkit_registry_touch (registry, record, TN_TESTKIT_FIELD_CAPABILITY_VERSION);
}

void
tn_testkit_registry_add_stream (TnTestkitRegistry *registry,
                                TnTestkitRecord   *record)
{
  if (record->n_streams++ == 0)
    tn_testkit_registry_touch (registry, record, TN_TESTKIT_FIELD_ONLINE);
}

void
tn_testkit_registry_remove_stream (TnTestkitRegistry *registry,
                                   TnTestkitRecord   *record,
                                   gint64             now_s)
{
  g_assert (record->n_streams > 0);

  record->last_seen_s = now_s;
  if (--record->n_streams == 0)
    tn_testkit_registry_touch (registry, record, TN_TESTKIT_FIELD_ONLINE);
}

void
tn_testkit_registry_set (TnTestkitRegistry *registry,
                         TnTestkitSetting   setting,
                         JsonNode          *value)
{
  g_clear_pointer (&registry->settings[setting], json_node_unref);
  registry->settings[setting] = value != NULL ? json_node_ref (value) : NULL;
  registry->settings_changed[setting] = ++registry->generation;
}

gboolean
tn_testkit_record_is_expired (const TnTestkitRecord *record,
                              gint64                 now_s)
{
  return record->key_expiry_s != 0 && record->key_expiry_s <= now_s;
}

char *
tn_testkit_record_dup_fqdn (const TnTestkitRecord   *record,
                            const TnTestkitRegistry *registry)
{
  return *registry->suffix != '\0' ? g_strdup_printf ("%s.%s.", record->name, registry->suffix) : g_strdup (record->name);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-wire.h"

#include "tn-testkit-json.h"

static JsonNode *
node_of_object (JsonObject *object)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, object);
  return node;
}

static JsonNode *
node_of_array (JsonArray *array)
{
  JsonNode *node = json_node_new (JSON_NODE_ARRAY);

  json_node_take_array (node, array);
  return node;
}

static void
set_time (JsonObject *object,
          const char *name,
          gint64      unix_s)
{
  g_autofree char *text = tn_testkit_json_print_time (unix_s);

  json_object_set_string_member (object, name, text);
}

static void
set_strings (JsonObject         *object,
             const char         *name,
             const char * const *strings)
{
  json_object_set_array_member (object, name, tn_testkit_json_from_strings (strings));
}

/* Members of @extra replace those of @object; a null takes one away. */
static void
merge (JsonObject *object,
       JsonNode   *extra)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;

  if (extra == NULL)
    return;

  json_object_iter_init_ordered (&iter, json_node_get_object (extra));
  while (json_object_iter_next_ordered (&iter, &name, &value))
    {
      if (JSON_NODE_HOLDS_NULL (value))
        json_object_remove_member (object, name);
      else
        json_object_set_member (object, name, json_node_ref (value));
    }
}

/* Nodes */

static void
set_keys (JsonObject            *object,
          const TnTestkitRecord *record)
{
  char text[TN_KEY_TEXT_MAX];

  tn_node_public_key_print (&record->node_key, text);
  json_object_set_string_member (object, "Key", text);
  tn_machine_public_key_print (&record->machine_key, text);
  json_object_set_string_member (object, "Machine", text);
  tn_disco_public_key_print (&record->disco_key, text);
  json_object_set_string_member (object, "DiscoKey", text);
}

static JsonArray *
make_addresses (const TnTestkitRecord *record)
{
  const TnIpPrefix prefixes[] = { { record->ipv4, 32 }, { record->ipv6, 128 } };
  JsonArray *array = json_array_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (prefixes); i++)
    {
      char text[TN_IP_PREFIX_TEXT_MAX];

      tn_ip_prefix_print (&prefixes[i], text);
      json_array_add_string_element (array, text);
    }

  return array;
}

static void
set_addresses (JsonObject            *object,
               const TnTestkitRecord *record)
{
  JsonArray *allowed = make_addresses (record);

  for (gsize i = 0; record->routes[i] != NULL; i++)
    json_array_add_string_element (allowed, record->routes[i]);

  json_object_set_array_member (object, "Addresses", make_addresses (record));
  json_object_set_array_member (object, "AllowedIPs", allowed);
  if (record->routes[0] != NULL)
    set_strings (object, "PrimaryRoutes", (const char * const *) record->routes);
  if (record->endpoints[0] != NULL)
    set_strings (object, "Endpoints", (const char * const *) record->endpoints);
}

static void
set_home (JsonObject            *object,
          const TnTestkitRecord *record)
{
  g_autofree char *legacy = NULL;

  if (record->home_region == 0)
    return;

  /* The old form, for clients from before HomeDERP: tailscale tailcfg/tailcfg.go, Node.LegacyDERPString. */
  legacy = g_strdup_printf ("127.3.3.40:%" G_GINT64_FORMAT, record->home_region);
  json_object_set_string_member (object, "DERP", legacy);
  json_object_set_int_member (object, "HomeDERP", record->home_region);
}

static void
set_presence (JsonObject            *object,
              const TnTestkitRecord *record)
{
  json_object_set_boolean_member (object, "Online", record->n_streams > 0);
  if (record->n_streams == 0)
    set_time (object, "LastSeen", record->last_seen_s);
}

JsonNode *
tn_testkit_wire_node (const TnTestkitRegistry *registry,
                      const TnTestkitRecord   *record,
                      gint64                   now_s)
{
  JsonObject *object = json_object_new ();
  g_autofree char *fqdn = tn_testkit_record_dup_fqdn (record, registry);

  json_object_set_int_member (object, "ID", record->id);
  json_object_set_string_member (object, "StableID", record->stable_id);
  json_object_set_string_member (object, "Name", fqdn);
  json_object_set_int_member (object, "User", record->user->id);
  set_keys (object, record);
  set_time (object, "KeyExpiry", record->key_expiry_s);
  set_addresses (object, record);
  set_home (object, record);
  json_object_set_member (object, "Hostinfo", json_node_ref (record->peer_hostinfo));
  set_time (object, "Created", record->created_s);
  json_object_set_int_member (object, "Cap", record->capability_version);
  if (record->tags[0] != NULL)
    set_strings (object, "Tags", (const char * const *) record->tags);
  set_presence (object, record);
  json_object_set_boolean_member (object, "MachineAuthorized", record->authorized);
  if (tn_testkit_record_is_expired (record, now_s))
    json_object_set_boolean_member (object, "Expired", TRUE);
  merge (object, record->overrides);

  return node_of_object (object);
}

JsonNode *
tn_testkit_wire_peer_change (const TnTestkitRecord *record,
                             guint64                since)
{
  JsonObject *object;
  char text[TN_KEY_TEXT_MAX];
  const guint64 *changed = record->changed;

  /* A patch cannot take a home away: 0 there means "as before". */
  if (changed[TN_TESTKIT_FIELD_NODE] > since || record->overrides != NULL ||
      (changed[TN_TESTKIT_FIELD_HOME_REGION] > since && record->home_region == 0))
    return NULL;

  object = json_object_new ();
  json_object_set_int_member (object, "NodeID", record->id);
  if (changed[TN_TESTKIT_FIELD_HOME_REGION] > since)
    json_object_set_int_member (object, "DERPRegion", record->home_region);
  if (changed[TN_TESTKIT_FIELD_CAPABILITY_VERSION] > since)
    json_object_set_int_member (object, "Cap", record->capability_version);
  if (changed[TN_TESTKIT_FIELD_ENDPOINTS] > since)
    set_strings (object, "Endpoints", (const char * const *) record->endpoints);
  if (changed[TN_TESTKIT_FIELD_NODE_KEY] > since)
    {
      tn_node_public_key_print (&record->node_key, text);
      json_object_set_string_member (object, "Key", text);
    }
  if (changed[TN_TESTKIT_FIELD_ONLINE] > since)
    set_presence (object, record);
  /* Clients drop a patch that looks older than what they have; so who comes back tells the key again. */
  if (changed[TN_TESTKIT_FIELD_DISCO_KEY] > since || (changed[TN_TESTKIT_FIELD_ONLINE] > since && record->n_streams > 0))
    {
      tn_disco_public_key_print (&record->disco_key, text);
      json_object_set_string_member (object, "DiscoKey", text);
    }
  if (changed[TN_TESTKIT_FIELD_KEY_EXPIRY] > since)
    set_time (object, "KeyExpiry", record->key_expiry_s);

  return node_of_object (object);
}

/* Users and registration */

static void
add_profile (JsonArray           *array,
             const TnTestkitUser *user)
{
  JsonObject *object = json_object_new ();

  json_object_set_int_member (object, "ID", user->id);
  json_object_set_string_member (object, "LoginName", user->name);
  json_object_set_string_member (object, "DisplayName", user->name);
  json_array_add_object_element (array, object);
}

JsonNode *
tn_testkit_wire_profiles (const TnTestkitRegistry *registry)
{
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < registry->users->len; i++)
    add_profile (array, g_ptr_array_index (registry->users, i));
  add_profile (array, registry->tagged_user);

  return node_of_array (array);
}

JsonNode *
tn_testkit_wire_registration (const TnTestkitVerdict *verdict,
                              const char             *login_url)
{
  JsonObject *object = json_object_new ();
  JsonObject *user = json_object_new ();
  JsonObject *login = json_object_new ();
  gint64 id = verdict->user != NULL ? verdict->user->id : 0;
  const char *name = verdict->user != NULL ? verdict->user->name : "";

  json_object_set_int_member (user, "ID", id);
  json_object_set_string_member (user, "DisplayName", name);
  json_object_set_object_member (object, "User", user);
  json_object_set_int_member (login, "ID", id);
  json_object_set_string_member (login, "Provider", "");
  json_object_set_string_member (login, "LoginName", name);
  json_object_set_string_member (login, "DisplayName", name);
  json_object_set_object_member (object, "Login", login);
  json_object_set_boolean_member (object, "NodeKeyExpired", verdict->kind == TN_TESTKIT_VERDICT_KEY_EXPIRED ||
                                                            verdict->kind == TN_TESTKIT_VERDICT_LOGGED_OUT);
  json_object_set_boolean_member (object, "MachineAuthorized", verdict->kind == TN_TESTKIT_VERDICT_LOGGED_OUT ||
                                                               (verdict->record != NULL && verdict->record->authorized));
  json_object_set_string_member (object, "AuthURL", login_url != NULL ? login_url : "");
  json_object_set_null_member (object, "NodeKeySignature");
  json_object_set_string_member (object, "Error", verdict->message != NULL ? verdict->message : "");

  return node_of_object (object);
}

/* The map */

static JsonNode *
parse_constant (const char *text)
{
  return tn_testkit_json_parse (text, strlen (text), NULL);
}

static JsonNode *
make_dns_config (const TnTestkitRegistry *registry)
{
  JsonObject *object = json_object_new ();
  JsonObject *routes = json_object_new ();
  const char * const domains[] = { registry->suffix, NULL };

  if (*registry->suffix == '\0')
    {
      json_object_unref (routes);
      return node_of_object (object);
    }

  /* A suffix without resolvers: the client answers for it. */
  json_object_set_array_member (routes, registry->suffix, json_array_new ());
  json_object_set_object_member (object, "Routes", routes);
  set_strings (object, "Domains", domains);
  json_object_set_boolean_member (object, "Proxied", TRUE);

  return node_of_object (object);
}

JsonNode *
tn_testkit_wire_default (const TnTestkitRegistry *registry,
                         TnTestkitSetting         setting)
{
  switch (setting)
    {
    case TN_TESTKIT_SETTING_DERP_MAP:
      return parse_constant ("{\"Regions\":{}}");
    case TN_TESTKIT_SETTING_DNS_CONFIG:
      return make_dns_config (registry);
    case TN_TESTKIT_SETTING_PACKET_FILTER:
      return parse_constant ("[{\"SrcIPs\":[\"*\"],\"DstPorts\":[{\"IP\":\"*\",\"Ports\":{\"First\":0,\"Last\":65535}}]}]");
    case TN_TESTKIT_SETTING_EXTRA:
    case TN_TESTKIT_N_SETTINGS:
    default:
      return parse_constant ("{}");
    }
}

static void
set_setting (JsonObject              *message,
             const TnTestkitRegistry *registry,
             TnTestkitSetting         setting)
{
  g_autoptr (JsonNode) value = NULL;

  if (registry->settings[setting] != NULL)
    value = json_node_ref (registry->settings[setting]);
  else
    value = tn_testkit_wire_default (registry, setting);

  switch (setting)
    {
    case TN_TESTKIT_SETTING_DERP_MAP:
      json_object_set_member (message, "DERPMap", g_steal_pointer (&value));
      break;
    case TN_TESTKIT_SETTING_DNS_CONFIG:
      json_object_set_member (message, "DNSConfig", g_steal_pointer (&value));
      break;
    case TN_TESTKIT_SETTING_PACKET_FILTER:
      json_object_set_member (message, JSON_NODE_HOLDS_ARRAY (value) ? "PacketFilter" : "PacketFilters",
                              json_node_ref (value));
      break;
    case TN_TESTKIT_SETTING_EXTRA:
    case TN_TESTKIT_N_SETTINGS:
    default:
      merge (message, value);
      break;
    }
}

static gboolean
can_see (const TnTestkitRecord *viewer,
         const TnTestkitRecord *peer)
{
  return peer != viewer && viewer->authorized && peer->authorized;
}

static gboolean
is_newer (const TnTestkitRecord *record,
          guint64                since)
{
  for (guint i = 0; i < TN_TESTKIT_N_FIELDS; i++)
    if (record->changed[i] > since)
      return TRUE;

  return FALSE;
}

/* What a node learns of itself is not where it is, but what it is. */
static gboolean
is_self_newer (const TnTestkitRecord *viewer,
               guint64                since)
{
  return viewer->changed[TN_TESTKIT_FIELD_NODE] > since || viewer->changed[TN_TESTKIT_FIELD_NODE_KEY] > since ||
         viewer->changed[TN_TESTKIT_FIELD_KEY_EXPIRY] > since;
}

JsonNode *
tn_testkit_wire_map (const TnTestkitRegistry *registry,
                     const TnTestkitRecord   *viewer,
                     gint64                   now_s)
{
  JsonObject *message = json_object_new ();
  JsonArray *peers = json_array_new ();

  for (guint i = 0; i < registry->nodes->len; i++)
    {
      const TnTestkitRecord *peer = g_ptr_array_index (registry->nodes, i);

      if (can_see (viewer, peer))
        json_array_add_element (peers, tn_testkit_wire_node (registry, peer, now_s));
    }

  json_object_set_member (message, "Node", tn_testkit_wire_node (registry, viewer, now_s));
  json_object_set_string_member (message, "Domain", registry->domain);
  set_time (message, "ControlTime", now_s);
  /* An empty list would mean "as before" to clients, and is not sent. */
  if (json_array_get_length (peers) > 0)
    json_object_set_array_member (message, "Peers", peers);
  else
    json_array_unref (peers);
  json_object_set_member (message, "UserProfiles", tn_testkit_wire_profiles (registry));
  for (guint i = 0; i < TN_TESTKIT_N_SETTINGS; i++)
    set_setting (message, registry, (TnTestkitSetting) i);

  return node_of_object (message);
}

static void
set_removed_peers (JsonObject              *message,
                   const TnTestkitRegistry *registry,
                   guint64                  since)
{
  JsonArray *removed = json_array_new ();

  for (guint i = 0; i < registry->removals->len; i++)
    {
      const TnTestkitRemoval *removal = &g_array_index (registry->removals, TnTestkitRemoval, i);

      if (removal->generation > since)
        json_array_add_int_element (removed, removal->id);
    }

  if (json_array_get_length (removed) > 0)
    json_object_set_array_member (message, "PeersRemoved", removed);
  else
    json_array_unref (removed);
}

static void
set_changed_peers (JsonObject              *message,
                   const TnTestkitRegistry *registry,
                   const TnTestkitRecord   *viewer,
                   guint64                  since,
                   gint64                   now_s)
{
  g_autoptr (JsonArray) whole = json_array_new ();
  g_autoptr (JsonArray) patches = json_array_new ();

  for (guint i = 0; i < registry->nodes->len; i++)
    {
      const TnTestkitRecord *peer = g_ptr_array_index (registry->nodes, i);
      JsonNode *patch;

      if (!can_see (viewer, peer) || !is_newer (peer, since))
        continue;

      patch = tn_testkit_wire_peer_change (peer, since);
      if (patch != NULL)
        json_array_add_element (patches, patch);
      else
        json_array_add_element (whole, tn_testkit_wire_node (registry, peer, now_s));
    }

  if (json_array_get_length (whole) > 0)
    json_object_set_array_member (message, "PeersChanged", json_array_ref (whole));
  if (json_array_get_length (patches) > 0)
    json_object_set_array_member (message, "PeersChangedPatch", json_array_ref (patches));
}

JsonNode *
tn_testkit_wire_map_delta (const TnTestkitRegistry *registry,
                           const TnTestkitRecord   *viewer,
                           guint64                  since,
                           gint64                   now_s)
{
  JsonObject *message;

  if (viewer->admitted > since)
    return tn_testkit_wire_map (registry, viewer, now_s);

  message = json_object_new ();
  if (is_self_newer (viewer, since))
    json_object_set_member (message, "Node", tn_testkit_wire_node (registry, viewer, now_s));
  set_removed_peers (message, registry, since);
  set_changed_peers (message, registry, viewer, since, now_s);
  if (registry->users_changed > since)
    json_object_set_member (message, "UserProfiles", tn_testkit_wire_profiles (registry));
  for (guint i = 0; i < TN_TESTKIT_N_SETTINGS; i++)
    if (registry->settings_changed[i] > since)
      set_setting (message, registry, (TnTestkitSetting) i);

  if (json_object_get_size (message) == 0)
    {
      json_object_unref (message);
      return NULL;
    }

  return node_of_object (message);
}

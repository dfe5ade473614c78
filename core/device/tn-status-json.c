/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-status-json.h"

#define ACTIVE_US (2 * 60 * G_USEC_PER_SEC)     /* ipn/ipnstate/ipnstate.go: PeerStatus.Active */

typedef struct
{
  TnNodeData *data;
  TnNodeLive  live;
} StatusNode;

static void
status_node_clear (gpointer data)
{
  tn_node_data_unref (((StatusNode *) data)->data);
}

TnStatus *
tn_status_new (TnDeviceState state)
{
  TnStatus *status = g_new0 (TnStatus, 1);

  status->state = state;
  status->health = g_ptr_array_new_with_free_func (g_free);
  status->nodes = g_array_new (FALSE, FALSE, sizeof (StatusNode));
  status->self_node = g_array_new (FALSE, FALSE, sizeof (StatusNode));
  g_array_set_clear_func (status->nodes, status_node_clear);
  g_array_set_clear_func (status->self_node, status_node_clear);
  return status;
}

void
tn_status_free (TnStatus *status)
{
  g_free (status->auth_url);
  g_free (status->tailnet_name);
  g_free (status->dns_suffix);
  g_free (status->home_region);
  g_ptr_array_unref (status->health);
  g_array_unref (status->nodes);
  g_array_unref (status->self_node);
  g_free (status);
}

static void
append_node (GArray           *nodes,
             const TnNodeData *data,
             const TnNodeLive *live)
{
  StatusNode node = { tn_node_data_ref (data), TN_NODE_LIVE_INIT };

  if (live != NULL)
    node.live = *live;
  g_array_append_val (nodes, node);
}

void
tn_status_set_self (TnStatus         *status,
                    const TnNodeData *data,
                    const TnNodeLive *live)
{
  g_array_set_size (status->self_node, 0);
  append_node (status->self_node, data, live);
}

void
tn_status_add_peer (TnStatus         *status,
                    const TnNodeData *data,
                    const TnNodeLive *live)
{
  append_node (status->nodes, data, live);
}

void
tn_json_add_strv (JsonBuilder        *builder,
                  const char * const *strings)
{
  json_builder_begin_array (builder);
  for (guint i = 0; strings != NULL && strings[i] != NULL; i++)
    json_builder_add_string_value (builder, strings[i]);
  json_builder_end_array (builder);
}

void
tn_json_add_string (JsonBuilder *builder,
                    const char  *name,
                    const char  *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value != NULL ? value : "");
}

static void
add_int (JsonBuilder *builder,
         const char  *name,
         gint64       value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, value);
}

static void
add_boolean (JsonBuilder *builder,
             const char  *name,
             gboolean     value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_boolean_value (builder, value);
}

static void
add_strv (JsonBuilder *builder,
          const char  *name,
          char       **strings)
{
  json_builder_set_member_name (builder, name);
  tn_json_add_strv (builder, (const char * const *) strings);
}

/* No time is the zero time of Go, as the stock client writes it. */
static void
add_time (JsonBuilder *builder,
          const char  *name,
          gint64       time_us)
{
  g_autoptr (GDateTime) time = time_us != 0 ? g_date_time_new_from_unix_utc (time_us / G_USEC_PER_SEC) : NULL;
  g_autofree char *text = time != NULL ? g_date_time_format (time, "%Y-%m-%dT%H:%M:%SZ") : NULL;

  tn_json_add_string (builder, name, text != NULL ? text : "0001-01-01T00:00:00Z");
}

static void
add_addresses (JsonBuilder      *builder,
               const char       *name,
               const TnNodeData *node)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (guint i = 0; node != NULL && i < node->n_addresses; i++)
    {
      char text[TN_IP_ADDRESS_TEXT_MAX];

      tn_ip_address_print (&node->addresses[i], text);
      json_builder_add_string_value (builder, text);
    }
  json_builder_end_array (builder);
}

static void
add_prefixes (JsonBuilder      *builder,
              const char       *name,
              const TnIpPrefix *prefixes,
              guint             n_prefixes)
{
  if (n_prefixes == 0)
    return;
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (guint i = 0; i < n_prefixes; i++)
    {
      char text[TN_IP_PREFIX_TEXT_MAX];

      tn_ip_prefix_print (&prefixes[i], text);
      json_builder_add_string_value (builder, text);
    }
  json_builder_end_array (builder);
}

/* Values are JSON texts; one that is broken stays a string. null where there are none, as for a nil slice. */
static void
add_capability (JsonBuilder *builder,
                const char  *name,
                GVariant    *values)
{
  gsize n_values = g_variant_n_children (values);

  json_builder_set_member_name (builder, name);
  if (n_values == 0)
    {
      json_builder_add_null_value (builder);
      return;
    }
  json_builder_begin_array (builder);
  for (gsize i = 0; i < n_values; i++)
    {
      const char *text;
      JsonNode *value;

      g_variant_get_child (values, i, "&s", &text);
      value = json_from_string (text, NULL);
      if (value != NULL)
        json_builder_add_value (builder, value);
      else
        json_builder_add_string_value (builder, text);
    }
  json_builder_end_array (builder);
}

static void
add_capabilities (JsonBuilder *builder,
                  GVariant    *capabilities)
{
  GVariantIter iter;
  const char *name;
  GVariant *values;

  if (capabilities == NULL || g_variant_n_children (capabilities) == 0)
    return;

  json_builder_set_member_name (builder, "Capabilities");
  json_builder_begin_array (builder);
  g_variant_iter_init (&iter, capabilities);
  while (g_variant_iter_next (&iter, "{&s@as}", &name, &values))
    {
      json_builder_add_string_value (builder, name);
      g_variant_unref (values);
    }
  json_builder_end_array (builder);

  json_builder_set_member_name (builder, "CapMap");
  json_builder_begin_object (builder);
  g_variant_iter_init (&iter, capabilities);
  while (g_variant_iter_next (&iter, "{&s@as}", &name, &values))
    {
      add_capability (builder, name, values);
      g_variant_unref (values);
    }
  json_builder_end_object (builder);
}

static void
add_location (JsonBuilder          *builder,
              const TnNodeLocation *location)
{
  if (location == NULL)
    return;

  json_builder_set_member_name (builder, "Location");
  json_builder_begin_object (builder);
  if (location->country != NULL)
    tn_json_add_string (builder, "Country", location->country);
  if (location->country_code != NULL)
    tn_json_add_string (builder, "CountryCode", location->country_code);
  if (location->city != NULL)
    tn_json_add_string (builder, "City", location->city);
  if (location->city_code != NULL)
    tn_json_add_string (builder, "CityCode", location->city_code);
  if (location->latitude < 0 || location->latitude > 0)
    {
      json_builder_set_member_name (builder, "Latitude");
      json_builder_add_double_value (builder, location->latitude);
    }
  if (location->longitude < 0 || location->longitude > 0)
    {
      json_builder_set_member_name (builder, "Longitude");
      json_builder_add_double_value (builder, location->longitude);
    }
  if (location->priority != 0)
    add_int (builder, "Priority", location->priority);
  json_builder_end_object (builder);
}

static void
add_identity (JsonBuilder      *builder,
              const TnNodeData *data)
{
  g_autofree char *dns_name = *data->fqdn != '\0' ? g_strconcat (data->fqdn, ".", NULL) : g_strdup ("");
  char key[TN_KEY_TEXT_MAX];

  tn_node_public_key_print (&data->public_key, key);
  tn_json_add_string (builder, "ID", data->stable_id);
  add_int (builder, "NodeID", data->node_id);
  tn_json_add_string (builder, "PublicKey", key);
  tn_json_add_string (builder, "HostName", data->hostname);
  tn_json_add_string (builder, "DNSName", dns_name);
  tn_json_add_string (builder, "OS", data->os);
  add_int (builder, "UserID", data->user != NULL ? tn_user_get_numeric_id (data->user) : 0);
  if (data->sharer_id != 0)
    add_int (builder, "AltSharerUserID", data->sharer_id);
  add_addresses (builder, "TailscaleIPs", data);
  add_prefixes (builder, "AllowedIPs", data->allowed_ips, data->n_allowed_ips);
  if (data->tags != NULL && data->tags[0] != NULL)
    add_strv (builder, "Tags", data->tags);
  add_prefixes (builder, "PrimaryRoutes", data->routes, data->n_routes);
}

static void
add_live (JsonBuilder      *builder,
          const TnNodeData *data,
          const TnNodeLive *live,
          const char       *home_region)
{
  gboolean has_endpoint = live->path.endpoint.address.version != 0;
  char endpoint[TN_IP_ENDPOINT_TEXT_MAX] = "";

  if (has_endpoint)
    tn_ip_endpoint_print (&live->path.endpoint, endpoint);
  add_strv (builder, "Addrs", data->endpoints);
  tn_json_add_string (builder, "CurAddr", live->path.kind == TN_PATH_KIND_DIRECT ? endpoint : "");
  tn_json_add_string (builder, "Relay", home_region);
  tn_json_add_string (builder, "PeerRelay", live->path.kind == TN_PATH_KIND_PEER_RELAY ? endpoint : "");
  add_int (builder, "RxBytes", (gint64) live->rx_bytes);
  add_int (builder, "TxBytes", (gint64) live->tx_bytes);
  add_time (builder, "Created", data->created_us);
  add_time (builder, "LastWrite", live->last_write_us);
  add_time (builder, "LastSeen", data->online ? 0 : data->last_seen_us);
  add_time (builder, "LastHandshake", live->last_handshake_us);
}

static void
add_node (JsonBuilder      *builder,
          const StatusNode *node,
          const char       *home_region,
          gboolean          is_peer)
{
  const TnNodeData *data = node->data;
  gint64 last_write_us = node->live.last_write_us;

  json_builder_begin_object (builder);
  add_identity (builder, data);
  add_live (builder, data, &node->live, home_region);
  add_boolean (builder, "Online", data->online);
  add_boolean (builder, "ExitNode", FALSE);
  add_boolean (builder, "ExitNodeOption", data->exit_node_option);
  add_boolean (builder, "Active", is_peer && last_write_us != 0 && g_get_real_time () - last_write_us < ACTIVE_US);
  add_strv (builder, "PeerAPIURL", data->peer_api_urls);
  add_int (builder, "TaildropTarget", 0);
  tn_json_add_string (builder, "NoFileSharingReason", "");
  add_capabilities (builder, data->capabilities);
  if (data->ssh_host_keys != NULL && data->ssh_host_keys[0] != NULL)
    add_strv (builder, "sshHostKeys", data->ssh_host_keys);
  if (data->sharee)
    add_boolean (builder, "ShareeNode", TRUE);
  add_boolean (builder, "InNetworkMap", is_peer || *data->stable_id != '\0');
  add_boolean (builder, "InMagicSock", is_peer);
  add_boolean (builder, "InEngine", is_peer && node->live.last_handshake_us != 0);
  if (data->expired)
    add_boolean (builder, "Expired", TRUE);
  if (data->key_expiry_us != 0)
    add_time (builder, "KeyExpiry", data->key_expiry_us);
  add_location (builder, data->location);
  json_builder_end_object (builder);
}

static void
add_user (JsonBuilder *builder,
          GHashTable  *seen,
          TnUser      *user)
{
  if (user == NULL || !g_hash_table_add (seen, (gpointer) (guintptr) tn_user_get_id (user)))
    return;

  json_builder_set_member_name (builder, tn_user_get_id (user));
  json_builder_begin_object (builder);
  add_int (builder, "ID", tn_user_get_numeric_id (user));
  tn_json_add_string (builder, "LoginName", tn_user_get_login_name (user));
  tn_json_add_string (builder, "DisplayName", tn_user_get_display_name (user));
  if (tn_user_get_profile_picture_url (user) != NULL)
    tn_json_add_string (builder, "ProfilePicURL", tn_user_get_profile_picture_url (user));
  json_builder_end_object (builder);
}

static void
add_users (JsonBuilder    *builder,
           const TnStatus *status)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  json_builder_set_member_name (builder, "User");
  json_builder_begin_object (builder);
  for (guint i = 0; i < status->self_node->len; i++)
    add_user (builder, seen, g_array_index (status->self_node, StatusNode, i).data->user);
  for (guint i = 0; i < status->nodes->len; i++)
    add_user (builder, seen, g_array_index (status->nodes, StatusNode, i).data->user);
  json_builder_end_object (builder);
}

static void
add_tailnet (JsonBuilder    *builder,
             const TnStatus *status)
{
  tn_json_add_string (builder, "MagicDNSSuffix", status->dns_suffix);
  json_builder_set_member_name (builder, "CurrentTailnet");
  if (status->tailnet_name == NULL)
    {
      json_builder_add_null_value (builder);
      return;
    }
  json_builder_begin_object (builder);
  tn_json_add_string (builder, "Name", status->tailnet_name);
  tn_json_add_string (builder, "MagicDNSSuffix", status->dns_suffix);
  add_boolean (builder, "MagicDNSEnabled", status->magic_dns);
  json_builder_end_object (builder);
}

/* ipn/backend.go: State.String() */
static const char *
backend_state (TnDeviceState state)
{
  switch (state)
    {
    case TN_DEVICE_STATE_STARTING:
      return "Starting";
    case TN_DEVICE_STATE_NEEDS_LOGIN:
      return "NeedsLogin";
    case TN_DEVICE_STATE_NEEDS_APPROVAL:
      return "NeedsMachineAuth";
    case TN_DEVICE_STATE_RUNNING:
      return "Running";
    case TN_DEVICE_STATE_STOPPED:
    default:
      return "Stopped";
    }
}

static void
add_self (JsonBuilder    *builder,
          const TnStatus *status)
{
  const StatusNode *node = status->self_node->len > 0 ? &g_array_index (status->self_node, StatusNode, 0) : NULL;

  add_boolean (builder, "HaveNodeKey", node != NULL);
  tn_json_add_string (builder, "AuthURL", status->auth_url);
  add_addresses (builder, "TailscaleIPs", node != NULL ? node->data : NULL);
  json_builder_set_member_name (builder, "Self");
  if (node != NULL)
    add_node (builder, node, status->home_region, FALSE);
  else
    {
      /* Programs look into it without asking. */
      g_autoptr (TnNodeData) nobody = tn_node_data_new ("");
      StatusNode empty = { nobody, TN_NODE_LIVE_INIT };

      add_node (builder, &empty, NULL, FALSE);
    }
}

static void
add_peers (JsonBuilder    *builder,
           const TnStatus *status)
{
  json_builder_set_member_name (builder, "Peer");
  json_builder_begin_object (builder);
  for (guint i = 0; i < status->nodes->len; i++)
    {
      const StatusNode *node = &g_array_index (status->nodes, StatusNode, i);
      char key[TN_KEY_TEXT_MAX];

      tn_node_public_key_print (&node->data->public_key, key);
      json_builder_set_member_name (builder, key);
      add_node (builder, node, node->data->home_region_code, TRUE);
    }
  json_builder_end_object (builder);
}

char *
tn_status_to_json (const TnStatus *status)
{
  g_autoptr (JsonBuilder) builder = json_builder_new_immutable ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  tn_json_add_string (builder, "Version", TN_VERSION);
  add_boolean (builder, "TUN", FALSE);
  tn_json_add_string (builder, "BackendState", backend_state (status->state));
  add_self (builder, status);
  json_builder_set_member_name (builder, "Health");
  json_builder_begin_array (builder);
  for (guint i = 0; i < status->health->len; i++)
    json_builder_add_string_value (builder, g_ptr_array_index (status->health, i));
  json_builder_end_array (builder);
  add_tailnet (builder, status);
  json_builder_set_member_name (builder, "CertDomains");
  tn_json_add_strv (builder, NULL);
  json_builder_set_member_name (builder, "ExtraRecords");
  tn_json_add_strv (builder, NULL);
  add_peers (builder, status);
  add_users (builder, status);
  json_builder_end_object (builder);

  root = json_builder_get_root (builder);
  return json_to_string (root, TRUE);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-status-json.h"

#include "tn-json-writer.h"

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
  g_clear_object (&status->dns_config);
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

/* No time is the zero time of Go, as the stock client writes it. */
static void
add_time (TnJsonWriter *writer,
          const char   *name,
          gint64        time_us)
{
  g_autoptr (GDateTime) time = time_us != 0 ? g_date_time_new_from_unix_utc (time_us / G_USEC_PER_SEC) : NULL;
  g_autofree char *text = time != NULL ? g_date_time_format (time, "%Y-%m-%dT%H:%M:%SZ") : NULL;

  tn_json_writer_string (writer, name, text != NULL ? text : "0001-01-01T00:00:00Z");
}

static void
add_addresses (TnJsonWriter     *writer,
               const char       *name,
               const TnNodeData *node)
{
  tn_json_writer_name (writer, name);
  tn_json_writer_begin_array (writer);
  for (guint i = 0; node != NULL && i < node->n_addresses; i++)
    {
      char text[TN_IP_ADDRESS_TEXT_MAX];

      tn_ip_address_print (&node->addresses[i], text);
      tn_json_writer_value_string (writer, text);
    }
  tn_json_writer_end_array (writer);
}

static void
add_prefixes (TnJsonWriter     *writer,
              const char       *name,
              const TnIpPrefix *prefixes,
              guint             n_prefixes)
{
  if (n_prefixes == 0)
    return;
  tn_json_writer_name (writer, name);
  tn_json_writer_begin_array (writer);
  for (guint i = 0; i < n_prefixes; i++)
    {
      char text[TN_IP_PREFIX_TEXT_MAX];

      tn_ip_prefix_print (&prefixes[i], text);
      tn_json_writer_value_string (writer, text);
    }
  tn_json_writer_end_array (writer);
}

/* Values are JSON texts; one that is broken stays a string. null where there are none, as for a nil slice. */
static void
add_capability (TnJsonWriter *writer,
                const char   *name,
                GVariant     *values)
{
  gsize n_values = g_variant_n_children (values);

  tn_json_writer_name (writer, name);
  if (n_values == 0)
    {
      tn_json_writer_value_null (writer);
      return;
    }
  tn_json_writer_begin_array (writer);
  for (gsize i = 0; i < n_values; i++)
    {
      const char *text;

      g_variant_get_child (values, i, "&s", &text);
      tn_json_writer_value_json (writer, text);
    }
  tn_json_writer_end_array (writer);
}

static void
add_capabilities (TnJsonWriter *writer,
                  GVariant     *capabilities)
{
  GVariantIter iter;
  const char *name;
  GVariant *values;

  if (capabilities == NULL || g_variant_n_children (capabilities) == 0)
    return;

  tn_json_writer_name (writer, "Capabilities");
  tn_json_writer_begin_array (writer);
  g_variant_iter_init (&iter, capabilities);
  while (g_variant_iter_next (&iter, "{&s@as}", &name, &values))
    {
      tn_json_writer_value_string (writer, name);
      g_variant_unref (values);
    }
  tn_json_writer_end_array (writer);

  tn_json_writer_name (writer, "CapMap");
  tn_json_writer_begin_object (writer);
  g_variant_iter_init (&iter, capabilities);
  while (g_variant_iter_next (&iter, "{&s@as}", &name, &values))
    {
      add_capability (writer, name, values);
      g_variant_unref (values);
    }
  tn_json_writer_end_object (writer);
}

static void
add_location (TnJsonWriter         *writer,
              const TnNodeLocation *location)
{
  if (location == NULL)
    return;

  tn_json_writer_name (writer, "Location");
  tn_json_writer_begin_object (writer);
  if (location->country != NULL)
    tn_json_writer_string (writer, "Country", location->country);
  if (location->country_code != NULL)
    tn_json_writer_string (writer, "CountryCode", location->country_code);
  if (location->city != NULL)
    tn_json_writer_string (writer, "City", location->city);
  if (location->city_code != NULL)
    tn_json_writer_string (writer, "CityCode", location->city_code);
  if (location->latitude < 0 || location->latitude > 0)
    {
      tn_json_writer_double (writer, "Latitude", location->latitude);
    }
  if (location->longitude < 0 || location->longitude > 0)
    {
      tn_json_writer_double (writer, "Longitude", location->longitude);
    }
  if (location->priority != 0)
    tn_json_writer_int (writer, "Priority", location->priority);
  tn_json_writer_end_object (writer);
}

static void
add_identity (TnJsonWriter     *writer,
              const TnNodeData *data)
{
  g_autofree char *dns_name = *data->fqdn != '\0' ? g_strconcat (data->fqdn, ".", NULL) : g_strdup ("");
  char key[TN_KEY_TEXT_MAX];

  tn_node_public_key_print (&data->public_key, key);
  tn_json_writer_string (writer, "ID", data->stable_id);
  tn_json_writer_int (writer, "NodeID", data->node_id);
  tn_json_writer_string (writer, "PublicKey", key);
  tn_json_writer_string (writer, "HostName", data->hostname);
  tn_json_writer_string (writer, "DNSName", dns_name);
  tn_json_writer_string (writer, "OS", data->os);
  tn_json_writer_int (writer, "UserID", data->user != NULL ? tn_user_get_numeric_id (data->user) : 0);
  if (data->sharer_id != 0)
    tn_json_writer_int (writer, "AltSharerUserID", data->sharer_id);
  add_addresses (writer, "TailscaleIPs", data);
  add_prefixes (writer, "AllowedIPs", data->allowed_ips, data->n_allowed_ips);
  if (data->tags != NULL && data->tags[0] != NULL)
    tn_json_writer_strv (writer, "Tags", (const char *const *) data->tags);
  add_prefixes (writer, "PrimaryRoutes", data->routes, data->n_routes);
}

static void
add_live (TnJsonWriter     *writer,
          const TnNodeData *data,
          const TnNodeLive *live,
          const char       *home_region)
{
  gboolean has_endpoint = live->path.endpoint.address.version != 0;
  char endpoint[TN_IP_ENDPOINT_TEXT_MAX] = "";

  if (has_endpoint)
    tn_ip_endpoint_print (&live->path.endpoint, endpoint);
  tn_json_writer_strv (writer, "Addrs", (const char *const *) tn_node_data_get_details (data)->endpoints);
  tn_json_writer_string (writer, "CurAddr", live->path.kind == TN_PATH_KIND_DIRECT ? endpoint : "");
  tn_json_writer_string (writer, "Relay", home_region);
  tn_json_writer_string (writer, "PeerRelay", live->path.kind == TN_PATH_KIND_PEER_RELAY ? endpoint : "");
  tn_json_writer_int (writer, "RxBytes", (gint64) live->rx_bytes);
  tn_json_writer_int (writer, "TxBytes", (gint64) live->tx_bytes);
  add_time (writer, "Created", data->created_us);
  add_time (writer, "LastWrite", live->last_write_us);
  add_time (writer, "LastSeen", data->online ? 0 : data->last_seen_us);
  add_time (writer, "LastHandshake", live->last_handshake_us);
}

static void
add_node (TnJsonWriter     *writer,
          const StatusNode *node,
          const char       *home_region,
          gboolean          is_peer)
{
  const TnNodeData *data = node->data;
  const TnNodeDetails *details = tn_node_data_get_details (data);
  gint64 last_write_us = node->live.last_write_us;

  tn_json_writer_begin_object (writer);
  add_identity (writer, data);
  add_live (writer, data, &node->live, home_region);
  tn_json_writer_boolean (writer, "Online", data->online);
  tn_json_writer_boolean (writer, "ExitNode", FALSE);
  tn_json_writer_boolean (writer, "ExitNodeOption", data->exit_node_option);
  tn_json_writer_boolean (writer, "Active", is_peer && last_write_us != 0 && g_get_real_time () - last_write_us < ACTIVE_US);
  tn_json_writer_strv (writer, "PeerAPIURL", (const char *const *) details->peer_api_urls);
  tn_json_writer_int (writer, "TaildropTarget", 0);
  tn_json_writer_string (writer, "NoFileSharingReason", "");
  add_capabilities (writer, details->capabilities);
  if (data->ssh_host_keys != NULL && data->ssh_host_keys[0] != NULL)
    tn_json_writer_strv (writer, "sshHostKeys", (const char *const *) data->ssh_host_keys);
  if (data->sharee)
    tn_json_writer_boolean (writer, "ShareeNode", TRUE);
  tn_json_writer_boolean (writer, "InNetworkMap", is_peer || *data->stable_id != '\0');
  tn_json_writer_boolean (writer, "InMagicSock", is_peer);
  tn_json_writer_boolean (writer, "InEngine", is_peer && node->live.last_handshake_us != 0);
  if (data->expired)
    tn_json_writer_boolean (writer, "Expired", TRUE);
  if (data->key_expiry_us != 0)
    add_time (writer, "KeyExpiry", data->key_expiry_us);
  add_location (writer, details->location);
  tn_json_writer_end_object (writer);
}

static void
add_user (TnJsonWriter *writer,
          GHashTable   *seen,
          TnUser       *user)
{
  if (user == NULL || !g_hash_table_add (seen, (gpointer) (guintptr) tn_user_get_id (user)))
    return;

  tn_json_writer_name (writer, tn_user_get_id (user));
  tn_json_writer_begin_object (writer);
  tn_json_writer_int (writer, "ID", tn_user_get_numeric_id (user));
  tn_json_writer_string (writer, "LoginName", tn_user_get_login_name (user));
  tn_json_writer_string (writer, "DisplayName", tn_user_get_display_name (user));
  if (tn_user_get_profile_picture_url (user) != NULL)
    tn_json_writer_string (writer, "ProfilePicURL", tn_user_get_profile_picture_url (user));
  tn_json_writer_end_object (writer);
}

static void
add_users (TnJsonWriter   *writer,
           const TnStatus *status)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  tn_json_writer_name (writer, "User");
  tn_json_writer_begin_object (writer);
  for (guint i = 0; i < status->self_node->len; i++)
    add_user (writer, seen, g_array_index (status->self_node, StatusNode, i).data->user);
  for (guint i = 0; i < status->nodes->len; i++)
    add_user (writer, seen, g_array_index (status->nodes, StatusNode, i).data->user);
  tn_json_writer_end_object (writer);
}

static void
add_tailnet (TnJsonWriter   *writer,
             const TnStatus *status)
{
  tn_json_writer_string (writer, "MagicDNSSuffix", status->dns_suffix);
  tn_json_writer_name (writer, "CurrentTailnet");
  if (status->tailnet_name == NULL)
    {
      tn_json_writer_value_null (writer);
      return;
    }
  tn_json_writer_begin_object (writer);
  tn_json_writer_string (writer, "Name", status->tailnet_name);
  tn_json_writer_string (writer, "MagicDNSSuffix", status->dns_suffix);
  tn_json_writer_boolean (writer, "MagicDNSEnabled", status->magic_dns);
  tn_json_writer_end_object (writer);
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
add_self (TnJsonWriter   *writer,
          const TnStatus *status)
{
  const StatusNode *node = status->self_node->len > 0 ? &g_array_index (status->self_node, StatusNode, 0) : NULL;

  tn_json_writer_boolean (writer, "HaveNodeKey", node != NULL);
  tn_json_writer_string (writer, "AuthURL", status->auth_url);
  add_addresses (writer, "TailscaleIPs", node != NULL ? node->data : NULL);
  tn_json_writer_name (writer, "Self");
  if (node != NULL)
    add_node (writer, node, status->home_region, FALSE);
  else
    {
      /* Programs look into it without asking. */
      g_autoptr (TnNodeData) nobody = tn_node_data_new ("");
      StatusNode empty = { nobody, TN_NODE_LIVE_INIT };

      add_node (writer, &empty, NULL, FALSE);
    }
}

static void
add_peers (TnJsonWriter   *writer,
           const TnStatus *status)
{
  tn_json_writer_name (writer, "Peer");
  tn_json_writer_begin_object (writer);
  for (guint i = 0; i < status->nodes->len; i++)
    {
      const StatusNode *node = &g_array_index (status->nodes, StatusNode, i);
      char key[TN_KEY_TEXT_MAX];

      tn_node_public_key_print (&node->data->public_key, key);
      tn_json_writer_name (writer, key);
      add_node (writer, node, node->data->home_region_code, TRUE);
    }
  tn_json_writer_end_object (writer);
}

char *
tn_status_to_json (const TnStatus *status)
{
  TnJsonWriter writing = TN_JSON_WRITER_INIT;
  TnJsonWriter *writer = &writing;

  tn_json_writer_begin_object (writer);
  tn_json_writer_string (writer, "Version", TN_VERSION);
  tn_json_writer_boolean (writer, "TUN", FALSE);
  tn_json_writer_string (writer, "BackendState", backend_state (status->state));
  add_self (writer, status);
  tn_json_writer_name (writer, "Health");
  tn_json_writer_begin_array (writer);
  for (guint i = 0; i < status->health->len; i++)
    tn_json_writer_value_string (writer, g_ptr_array_index (status->health, i));
  tn_json_writer_end_array (writer);
  add_tailnet (writer, status);
  tn_json_writer_strv (writer, "CertDomains", status->dns_config != NULL ? tn_dns_config_get_cert_domains (status->dns_config) : NULL);
  tn_json_writer_name (writer, "ExtraRecords");
  tn_dns_config_write_records (status->dns_config, writer);
  add_peers (writer, status);
  add_users (writer, status);
  tn_json_writer_end_object (writer);
  return tn_json_writer_free (writer);
}

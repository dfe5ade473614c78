/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-node-data.h"

#include <json-glib/json-glib.h>
#include <string.h>

/* What of a node few programs look at, made from the node of the netmap when one does. */

/* The elements of a JSON array, each as JSON text. */
static char **
dup_values (const char *array)
{
  g_autoptr (GStrvBuilder) texts = g_strv_builder_new ();
  g_autoptr (JsonNode) root = strcmp (array, "[]") != 0 ? json_from_string (array, NULL) : NULL;
  JsonArray *values = root != NULL && JSON_NODE_HOLDS_ARRAY (root) ? json_node_get_array (root) : NULL;

  for (guint i = 0; values != NULL && i < json_array_get_length (values); i++)
    {
      g_autofree char *text = json_to_string (json_array_get_element (values, i), FALSE);

      g_strv_builder_add (texts, text);
    }
  return g_strv_builder_end (texts);
}

static GVariant *
capabilities_to_variant (const TnNetmapNode *node)
{
  GVariantBuilder builder;

  if (node->n_capabilities == 0)
    return NULL;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{sas}"));
  for (guint i = 0; i < node->n_capabilities; i++)
    {
      g_auto (GStrv) values = dup_values (node->capabilities[i].values);

      g_variant_builder_add (&builder, "{s^as}", node->capabilities[i].name, values);
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static void
set_endpoints (TnNodeDetails      *details,
               const TnNetmapNode *node)
{
  if (node->n_endpoints == 0)
    return;

  details->endpoints = g_new0 (char *, node->n_endpoints + 1);
  for (guint i = 0; i < node->n_endpoints; i++)
    {
      char text[TN_IP_ENDPOINT_TEXT_MAX];

      tn_ip_endpoint_print (&node->endpoints[i], text);
      details->endpoints[i] = g_strdup (text);
    }
}

static void
set_location (TnNodeDetails      *details,
              const TnNetmapNode *node)
{
  g_autoptr (GHashTable) location = tn_netmap_node_dup_location (node);
  const char *text;

  if (location == NULL)
    return;

  details->location = g_new0 (TnNodeLocation, 1);
  details->location->country = g_strdup (g_hash_table_lookup (location, "Country"));
  details->location->country_code = g_strdup (g_hash_table_lookup (location, "CountryCode"));
  details->location->city = g_strdup (g_hash_table_lookup (location, "City"));
  details->location->city_code = g_strdup (g_hash_table_lookup (location, "CityCode"));
  if ((text = g_hash_table_lookup (location, "Latitude")) != NULL)
    details->location->latitude = g_ascii_strtod (text, NULL);
  if ((text = g_hash_table_lookup (location, "Longitude")) != NULL)
    details->location->longitude = g_ascii_strtod (text, NULL);
  if ((text = g_hash_table_lookup (location, "Priority")) != NULL)
    details->location->priority = (int) g_ascii_strtoll (text, NULL, 10);
}

static void
set_peer_api_urls (TnNodeDetails      *details,
                   const TnNetmapNode *node)
{
  g_autoptr (GStrvBuilder) urls = g_strv_builder_new ();
  guint16 port4 = tn_netmap_node_get_service_port (node, "peerapi4");
  guint16 port6 = tn_netmap_node_get_service_port (node, "peerapi6");

  if (port4 == 0 && port6 == 0)
    return;

  for (guint i = 0; i < node->n_addresses; i++)
    {
      const TnIpAddress *address = &node->addresses[i].address;
      guint16 port = address->version == 4 ? port4 : port6;
      TnIpEndpoint endpoint = { *address, port };
      char text[TN_IP_ENDPOINT_TEXT_MAX];
      g_autofree char *url = NULL;

      if (port == 0)
        continue;
      tn_ip_endpoint_print (&endpoint, text);
      url = g_strdup_printf ("http://%s", text);
      g_strv_builder_add (urls, url);
    }
  details->peer_api_urls = g_strv_builder_end (urls);
}

static TnNodeDetails *
details_new (const TnNetmapNode *node)
{
  TnNodeDetails *details = g_new0 (TnNodeDetails, 1);

  if (node == NULL)
    return details;
  details->capabilities = capabilities_to_variant (node);
  set_endpoints (details, node);
  set_location (details, node);
  set_peer_api_urls (details, node);
  return details;
}

static void
location_free (TnNodeLocation *location)
{
  g_free (location->country);
  g_free (location->country_code);
  g_free (location->city);
  g_free (location->city_code);
  g_free (location);
}

void
tn_node_details_free (TnNodeDetails *details)
{
  g_strfreev (details->endpoints);
  g_clear_pointer (&details->capabilities, g_variant_unref);
  g_clear_pointer (&details->location, location_free);
  g_strfreev (details->peer_api_urls);
  g_free (details);
}

const TnNodeDetails *
tn_node_data_get_details (const TnNodeData *data)
{
  TnNodeDetails **place = (TnNodeDetails **) (guintptr) &data->details;
  TnNodeDetails *details = g_atomic_pointer_get (place);

  if (details != NULL)
    return details;
  details = details_new (data->source);
  if (!g_atomic_pointer_compare_and_exchange (place, NULL, details))
    tn_node_details_free (details);      /* another thread was faster */
  return g_atomic_pointer_get (place);
}

TnNodeDetails *
tn_node_data_edit_details (TnNodeData *data)
{
  tn_node_data_get_details (data);
  return data->details;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-dns-settings.h"
#include "tn-netmap-update.h"
#include "vectors.h"

/* --- What comes in: as a control server sends it --- */

static TnNetmap *
make_netmap (TnVector   *v,
             JsonObject *in)
{
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_auto (TnMapMessage) message = { 0 };
  g_autoptr (JsonObject) map = json_object_new ();
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (GError) error = NULL;
  TnNetmap *netmap = tn_netmap_new ();
  static const struct { const char *from; const char *to; } members[] = {
    { "self", "Node" }, { "peers", "Peers" }, { "dns", "DNSConfig" },
  };
  g_autofree char *text = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (members); i++)
    if (tn_json_has (in, members[i].from))
      json_object_set_member (map, members[i].to, json_node_copy (json_object_get_member (in, members[i].from)));
  json_node_set_object (root, map);
  text = json_to_string (root, FALSE);
  if (!tn_netmap_update (netmap, text, strlen (text), 0, &message, changes, &error))
    tn_vector_fail (v, "%s", error->message);
  return netmap;
}

/* --- What comes out --- */

static JsonArray *
resolvers_to_json (TnDnsResolvers resolvers)
{
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < resolvers.n; i++)
    json_array_add_string_element (array, resolvers.items[i].address);
  return array;
}

static JsonArray *
strings_to_json (const char *const *strings)
{
  JsonArray *array = json_array_new ();

  for (guint i = 0; strings[i] != NULL; i++)
    json_array_add_string_element (array, strings[i]);
  return array;
}

static JsonArray *
addresses_to_json (const TnIpAddress *addresses,
                   guint              n)
{
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < n; i++)
    {
      char text[TN_IP_ADDRESS_TEXT_MAX];

      tn_ip_address_print (&addresses[i], text);
      json_array_add_string_element (array, text);
    }
  return array;
}

static JsonNode *
settings_to_json (const TnDnsSettings *settings)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *out = json_object_new ();
  JsonObject *routes = json_object_new ();
  JsonObject *hosts = json_object_new ();

  for (guint i = 0; i < settings->n_routes; i++)
    json_object_set_array_member (routes, settings->routes[i].suffix, resolvers_to_json (settings->routes[i].resolvers));
  for (guint i = 0; i < settings->n_hosts; i++)
    json_object_set_array_member (hosts, settings->hosts[i].name,
                                  addresses_to_json (settings->hosts[i].addresses, settings->hosts[i].n_addresses));
  json_object_set_array_member (out, "default_resolvers", resolvers_to_json (settings->default_resolvers));
  json_object_set_object_member (out, "routes", routes);
  json_object_set_boolean_member (out, "reverse_zones", settings->reverse_zones);
  json_object_set_array_member (out, "search_domains", strings_to_json (settings->search_domains));
  json_object_set_object_member (out, "extra_hosts", hosts);
  json_object_set_boolean_member (out, "only_ipv6", settings->only_ipv6);
  json_node_take_object (node, out);
  return node;
}

static void
add_node (JsonObject         *out,
          const TnNetmapNode *self,
          const TnNetmapNode *node)
{
  g_autofree TnIpAddress *addresses = g_new (TnIpAddress, node->n_addresses);
  g_autofree char *id = g_strdup_printf ("%" G_GINT64_FORMAT, node->id);
  guint n = tn_dns_node_addresses (self, node, addresses);

  if (n > 0)
    json_object_set_array_member (out, id, addresses_to_json (addresses, n));
}

static JsonNode *
nodes_to_json (const TnNetmap *netmap)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *out = json_object_new ();

  add_node (out, netmap->self, netmap->self);
  for (guint i = 0; i < netmap->peers->len; i++)
    add_node (out, netmap->self, g_ptr_array_index (netmap->peers, i));
  json_node_take_object (node, out);
  return node;
}

/* --- What is expected --- */

/* The reference has this text for an exit node that cannot be asked: no resolver is the same, said plainly. */
static void
remove_broken_url (JsonObject *out)
{
  JsonArray *list = tn_json_array (out, "default_resolvers");

  for (guint i = list != NULL ? json_array_get_length (list) : 0; i-- > 0;)
    if (g_str_equal (json_array_get_string_element (list, i), "/dns-query"))
      json_array_remove_element (list, i);
}

/* A name without an address is the same as none. */
static JsonNode *
dup_without_empty (JsonNode *nodes)
{
  JsonNode *copy = json_node_new (JSON_NODE_OBJECT);
  JsonObject *out = json_object_new ();
  g_autoptr (GList) ids = nodes != NULL ? json_object_get_members (json_node_get_object (nodes)) : NULL;

  for (GList *l = ids; l != NULL; l = l->next)
    {
      JsonArray *addresses = tn_json_array (json_node_get_object (nodes), l->data);

      if (addresses != NULL && json_array_get_length (addresses) > 0)
        json_object_set_array_member (out, l->data, json_array_ref (addresses));
    }
  json_node_take_object (copy, out);
  return copy;
}

static void
test_case (TnVector *v)
{
  JsonObject *in = tn_vector_object (v, "in");
  g_autoptr (TnNetmap) netmap = make_netmap (v, in);
  TnDnsChoices choices = {
    .accept_dns = tn_json_bool (in, "accept_dns"),
    .self_expired = tn_json_bool (in, "self_expired"),
    .exit_node = tn_json_string (in, "exit_node"),
  };
  g_autoptr (TnDnsSettings) settings = NULL;
  g_autoptr (JsonNode) out = NULL;
  g_autoptr (JsonNode) nodes = NULL;
  g_autoptr (JsonNode) expected_nodes = NULL;

  if (v->failed)
    return;
  settings = tn_dns_settings_new (netmap, &choices);
  remove_broken_url (tn_vector_object (v, "out"));
  out = settings_to_json (settings);
  tn_vector_check_json (v, "out", out);
  nodes = nodes_to_json (netmap);
  expected_nodes = dup_without_empty (tn_json_member (v->object, "node_addrs"));
  tn_vector_same_json (v, "node_addrs", nodes, expected_nodes);
}

static void
test_vectors (void)
{
  static const TnVectorOp ops[] = { { NULL, test_case } };

  tn_vectors_run ("dnsconfig.jsonl", 170, ops, G_N_ELEMENTS (ops), NULL);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dns/settings/vectors", test_vectors);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-json-put.h"
#include "tn-json-text.h"
#include "tn-netmap-text.h"
#include "tn-netmap-update.h"
#include "vectors.h"

/* --- A common form for what is expected and what came out: no empty members, times as numbers. --- */

static gboolean
is_empty (JsonNode *node)
{
  return JSON_NODE_HOLDS_NULL (node) || (JSON_NODE_HOLDS_ARRAY (node) && json_array_get_length (json_node_get_array (node)) == 0) ||
         (JSON_NODE_HOLDS_OBJECT (node) && json_object_get_size (json_node_get_object (node)) == 0);
}

/* Members whose values stay even when they are empty: capabilities, DNS routes. null in them is an empty list. */
static void
keep_members (JsonObject *object)
{
  g_autoptr (GList) names = json_object_get_members (object);

  for (GList *l = names; l != NULL; l = l->next)
    if (JSON_NODE_HOLDS_NULL (json_object_get_member (object, l->data)))
      json_object_set_array_member (object, l->data, json_array_new ());
}

static void canon (JsonNode *node);

static void
canon_member (JsonObject *object,
              const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  static const char *const times[] = { "KeyExpiry", "Created", "LastSeen", NULL };

  if (g_strv_contains (times, name) && json_node_get_value_type (node) == G_TYPE_STRING)
    {
      g_autofree char *quoted = g_strdup_printf ("\"%s\"", json_node_get_string (node));
      gint64 us = 0;

      g_assert_true (tn_json_text_get_time ((TnJsonText) { quoted, strlen (quoted) }, &us));
      json_object_set_int_member (object, name, us);
      if (us == 0)
        json_object_remove_member (object, name);
      return;
    }
  if (g_str_equal (name, "CapMap") || g_str_equal (name, "Routes"))
    {
      if (JSON_NODE_HOLDS_OBJECT (node))
        keep_members (json_node_get_object (node));
    }
  else
    canon (node);
  if (is_empty (node))
    json_object_remove_member (object, name);
}

static void
canon (JsonNode *node)
{
  if (JSON_NODE_HOLDS_OBJECT (node))
    {
      JsonObject *object = json_node_get_object (node);
      g_autoptr (GList) names = json_object_get_members (object);

      for (GList *l = names; l != NULL; l = l->next)
        canon_member (object, l->data);
    }
  else if (JSON_NODE_HOLDS_ARRAY (node))
    for (guint i = 0; i < json_array_get_length (json_node_get_array (node)); i++)
      canon (json_array_get_element (json_node_get_array (node), i));
}

/* The older list of capabilities: kept as attributes without values. */
static void
merge_capabilities (JsonObject *node)
{
  JsonArray *list = tn_json_array (node, "Capabilities");

  for (guint i = 0; list != NULL && i < json_array_get_length (list); i++)
    {
      if (!tn_json_has (node, "CapMap"))
        json_object_set_object_member (node, "CapMap", json_object_new ());
      if (!json_object_has_member (tn_json_object (node, "CapMap"), json_array_get_string_element (list, i)))
        json_object_set_array_member (tn_json_object (node, "CapMap"), json_array_get_string_element (list, i), json_array_new ());
    }
  json_object_remove_member (node, "Capabilities");
}

static JsonNode *
canonical_copy (JsonNode *node)
{
  g_autofree char *text = json_to_string (node, FALSE);
  JsonNode *copy = json_from_string (text, NULL);

  if (JSON_NODE_HOLDS_OBJECT (copy))
    merge_capabilities (json_node_get_object (copy));
  canon (copy);
  return copy;
}

static void
compare (TnVector   *v,
         const char *name,
         const char *actual,      /* JSON; NULL: nothing */
         JsonNode   *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) raw = json_from_string (actual != NULL ? actual : "null", &error);
  g_autoptr (JsonNode) a = NULL;
  g_autoptr (JsonNode) e = NULL;

  if (raw == NULL)
    {
      tn_vector_fail (v, "%s: %s is no JSON: %s", name, actual, error != NULL ? error->message : "empty");
      return;
    }
  a = canonical_copy (raw);
  e = expected != NULL ? canonical_copy (expected) : json_node_new (JSON_NODE_NULL);
  if (is_empty (a) && is_empty (e))
    return;
  tn_vector_same_json (v, name, a, e);
}

/* --- What came out, as JSON --- */

static void
put_node (GString           *out,
          const TnRelayNode *node,
          guint              region)
{
  g_string_append_c (out, '{');
  tn_json_put_member_string (out, "Name", node->name);
  tn_json_put_member_int (out, "RegionID", region);
  tn_json_put_member_string (out, "HostName", node->host_name);
  tn_json_put_member_string (out, "CertName", node->cert_name);
  tn_json_put_member_string (out, "IPv4", node->ipv4);
  tn_json_put_member_string (out, "IPv6", node->ipv6);
  tn_json_put_member_string (out, "STUNTestIP", node->stun_test_ip);
  if (node->stun_port != 0)
    tn_json_put_member_int (out, "STUNPort", node->stun_port);
  if (node->derp_port != 0)
    tn_json_put_member_int (out, "DERPPort", node->derp_port);
  if (node->stun_only)
    tn_json_put_member_bool (out, "STUNOnly", TRUE);
  if (node->insecure_for_tests)
    tn_json_put_member_bool (out, "InsecureForTests", TRUE);
  if (node->can_port80)
    tn_json_put_member_bool (out, "CanPort80", TRUE);
  g_string_append_c (out, '}');
}

static void
put_double (GString    *out,
            const char *name,
            double      value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (value != 0)
    tn_json_put_member_raw (out, name, g_ascii_dtostr (text, sizeof text, value));
}

static void
put_region (GString             *out,
            const TnRelayRegion *region)
{
  g_autofree char *id = g_strdup_printf ("%u", region->id);

  tn_json_put_key (out, id);
  g_string_append_c (out, '{');
  tn_json_put_member_int (out, "RegionID", region->id);
  tn_json_put_member_string (out, "RegionCode", region->code);
  tn_json_put_member_string (out, "RegionName", region->name);
  put_double (out, "Latitude", region->latitude);
  put_double (out, "Longitude", region->longitude);
  if (region->avoid)
    tn_json_put_member_bool (out, "Avoid", TRUE);
  if (region->no_measure_no_home)
    tn_json_put_member_bool (out, "NoMeasureNoHome", TRUE);
  tn_json_put_key (out, "Nodes");
  g_string_append_c (out, '[');
  for (guint i = 0; i < region->nodes->len; i++)
    {
      if (i > 0)
        g_string_append_c (out, ',');
      put_node (out, g_ptr_array_index (region->nodes, i), region->id);
    }
  g_string_append (out, "]}");
}

static char *
relays_to_json (const TnNetmap *netmap)
{
  GString *out = g_string_new ("{");
  GHashTableIter iter;
  gpointer id, score;

  if (netmap->relays == NULL)
    return g_string_free (g_string_assign (out, "null"), FALSE);
  if (netmap->relays->scores != NULL)
    {
      g_string_append (out, "\"HomeParams\":{\"RegionScore\":{");
      g_hash_table_iter_init (&iter, netmap->relays->scores);
      while (g_hash_table_iter_next (&iter, &id, &score))
        {
          g_autofree char *name = g_strdup_printf ("%u", GPOINTER_TO_UINT (id));

          put_double (out, name, *(double *) score);
        }
      g_string_append (out, "}}");
    }
  tn_json_put_key (out, "Regions");
  g_string_append_c (out, '{');
  for (guint i = 0; i < netmap->relays->regions->len; i++)
    put_region (out, g_ptr_array_index (netmap->relays->regions, i));
  g_string_append_c (out, '}');
  if (netmap->omit_default_relays)
    tn_json_put_member_bool (out, "omitDefaultRegions", TRUE);
  g_string_append_c (out, '}');
  return g_string_free (out, FALSE);
}

typedef struct
{
  GString         *out;
  TnFilterBuilder *builder;
  gboolean         obsolete;
} Rules;

static void
put_destinations (GString            *out,
                  const TnFilterRule *rule)
{
  tn_json_put_key (out, "DstPorts");
  g_string_append_c (out, '[');
  for (gsize i = 0; i < rule->n_destinations; i++)
    {
      g_string_append (out, i > 0 ? ",{" : "{");
      tn_json_put_member_string (out, "IP", rule->destinations[i].ip);
      g_string_append_printf (out, ",\"Ports\":{\"First\":%u,\"Last\":%u}}", rule->destinations[i].first, rule->destinations[i].last);
    }
  g_string_append_c (out, ']');
}

static void
put_rule (const TnFilterRule *rule,
          gpointer            user_data)
{
  Rules *rules = user_data;
  GString *out = rules->out;

  rules->obsolete |= rule->obsolete_bits;
  tn_filter_builder_add_rule (rules->builder, rule);
  g_string_append (out, out->len > 1 ? ",{" : "{");
  tn_json_put_key (out, "SrcIPs");
  g_string_append_c (out, '[');
  for (gsize i = 0; i < rule->n_sources; i++)
    {
      if (i > 0)
        g_string_append_c (out, ',');
      tn_json_put_string (out, rule->sources[i]);
    }
  g_string_append_c (out, ']');
  put_destinations (out, rule);
  tn_json_put_key (out, "IPProto");
  g_string_append_c (out, '[');
  for (gsize i = 0; i < rule->n_protocols; i++)
    g_string_append_printf (out, "%s%" G_GINT64_FORMAT, i > 0 ? "," : "", rule->protocols[i]);
  g_string_append (out, "]}");
}

static void
check_filter (TnVector       *v,
              const TnNetmap *netmap,
              JsonObject     *expected)
{
  g_autoptr (GString) text = g_string_new ("[");
  g_autoptr (TnFilter) filter = NULL;
  Rules rules = { text, NULL, FALSE };
  g_autofree char *copy = NULL;
  g_autoptr (JsonNode) wanted = NULL;
  JsonArray *list;

  if (expected == NULL)
    return;
  rules.builder = tn_filter_builder_new ();
  tn_netmap_foreach_rule (netmap, put_rule, &rules);
  g_string_append_c (text, ']');
  tn_vector_same_bool (v, "parse_error", tn_filter_builder_get_error (rules.builder) != NULL, tn_json_bool (expected, "parse_error"));
  tn_vector_same_bool (v, "rules_dropped", rules.obsolete, tn_json_bool (expected, "rules_dropped"));
  filter = tn_filter_builder_end (rules.builder);

  /* The members that are obsolete are not kept, only that they were there. */
  copy = json_to_string (json_object_get_member (expected, "rules"), FALSE);
  wanted = json_from_string (copy, NULL);
  list = JSON_NODE_HOLDS_ARRAY (wanted) ? json_node_get_array (wanted) : NULL;
  for (guint i = 0; list != NULL && i < json_array_get_length (list); i++)
    json_object_remove_member (json_array_get_object_element (list, i), "SrcBits");
  compare (v, "filter", text->str, wanted);
}

static void
put_user (GString            *out,
          const TnNetmap     *netmap,
          gint64              id)
{
  const TnNetmapUser *user = tn_netmap_lookup_user (netmap, id);
  g_autofree char *name = g_strdup_printf ("%" G_GINT64_FORMAT, id);
  g_autofree char *mark = g_strdup_printf ("\"%s\":{", name);

  if (id == 0 || user == NULL || strstr (out->str, mark) != NULL)
    return;
  tn_json_put_key (out, name);
  g_string_append_c (out, '{');
  tn_json_put_member_int (out, "ID", user->id);
  tn_json_put_member_string (out, "LoginName", user->login_name);
  tn_json_put_member_string (out, "DisplayName", user->display_name);
  tn_json_put_member_string (out, "ProfilePicURL", user->picture_url);
  tn_json_put_member_strv (out, "Groups", (const char *const *) user->groups);
  g_string_append_c (out, '}');
}

static char *
users_to_json (const TnNetmap *netmap)
{
  GString *out = g_string_new ("{");

  if (netmap->self != NULL)
    put_user (out, netmap, netmap->self->user);
  for (guint i = 0; i < netmap->peers->len; i++)
    {
      const TnNetmapNode *peer = g_ptr_array_index (netmap->peers, i);

      put_user (out, netmap, peer->user);
      put_user (out, netmap, peer->sharer);
    }
  g_string_append_c (out, '}');
  return g_string_free (out, FALSE);
}

static char *
messages_to_json (const TnNetmap *netmap)
{
  GString *out = g_string_new ("{");

  for (guint i = 0; i < netmap->messages->len; i++)
    {
      const TnNetmapMessage *message = g_ptr_array_index (netmap->messages, i);

      tn_json_put_key (out, message->id);
      g_string_append_c (out, '{');
      tn_json_put_member_string (out, "Title", message->title);
      tn_json_put_member_string (out, "Text", message->text);
      tn_json_put_member_string (out, "Severity", message->severity);
      if (message->impacts_connectivity)
        tn_json_put_member_bool (out, "ImpactsConnectivity", TRUE);
      if (message->action_url != NULL)
        {
          tn_json_put_key (out, "PrimaryAction");
          g_string_append_c (out, '{');
          tn_json_put_member_string (out, "URL", message->action_url);
          tn_json_put_member_string (out, "Label", message->action_label);
          g_string_append_c (out, '}');
        }
      g_string_append_c (out, '}');
    }
  g_string_append_c (out, '}');
  return g_string_free (out, FALSE);
}

/* --- Steps --- */

/* What holds after a step: the members of the steps before, replaced by those of this one. */
static void
merge_expected (JsonObject *expected,
                JsonObject *result)
{
  g_autoptr (GList) names = json_object_get_members (result);
  JsonObject *peers = tn_json_object (result, "peers");

  for (GList *l = names; l != NULL; l = l->next)
    if (!g_str_equal (l->data, "peers"))
      json_object_set_member (expected, l->data, json_node_copy (json_object_get_member (result, l->data)));
  if (peers != NULL)
    {
      g_autoptr (GList) ids = json_object_get_members (peers);

      for (GList *l = ids; l != NULL; l = l->next)
        json_object_set_member (tn_json_object (expected, "peers"), l->data, json_node_copy (json_object_get_member (peers, l->data)));
    }
}

static void
check_peers (TnVector       *v,
             const TnNetmap *netmap,
             JsonObject     *expected)
{
  JsonArray *ids = tn_json_array (expected, "peer_ids");
  guint n = ids != NULL ? json_array_get_length (ids) : 0;

  tn_vector_same_int (v, "number of peers", netmap->peers->len, n);
  for (guint i = 0; i < n && !v->failed; i++)
    {
      const TnNetmapNode *peer = g_ptr_array_index (netmap->peers, i);
      g_autofree char *id = g_strdup_printf ("%" G_GINT64_FORMAT, peer->id);
      g_autofree char *name = g_strconcat ("peer ", id, NULL);
      g_autofree char *json = tn_netmap_node_to_json (peer);

      tn_vector_same_int (v, "peer id", peer->id, json_array_get_int_element (ids, i));
      compare (v, name, json, tn_json_member (tn_json_object (expected, "peers"), id));
    }
}

static void
check_key_authority (TnVector       *v,
                     const TnNetmap *netmap,
                     JsonObject     *expected)
{
  JsonObject *tka = tn_json_object (expected, "tka");

  tn_vector_same_bool (v, "tka.enabled", netmap->key_authority_enabled, tka != NULL && tn_json_bool (tka, "enabled"));
  if (netmap->key_authority_enabled && netmap->key_authority_head != NULL)
    tn_vector_same_string (v, "tka.head", netmap->key_authority_head, tka != NULL ? tn_json_string (tka, "head") : NULL);
}

static char *
strv_to_json (const char *const *strings)
{
  GString *out = g_string_new ("{");

  tn_json_put_member_strv (out, "list", strings);
  g_string_append_c (out, '}');
  return g_string_free (out, FALSE);
}

static void
check_state (TnVector       *v,
             const TnNetmap *netmap,
             JsonObject     *expected)
{
  g_autofree char *self = netmap->self != NULL ? tn_netmap_node_to_json (netmap->self) : NULL;
  g_autofree char *relays = relays_to_json (netmap);
  g_autofree char *users = users_to_json (netmap);
  g_autofree char *messages = messages_to_json (netmap);
  g_autofree char *health = strv_to_json ((const char *const *) netmap->health);
  g_autoptr (JsonNode) health_expected = json_from_string ("{}", NULL);

  check_peers (v, netmap, expected);
  compare (v, "self", self, tn_json_member (expected, "self"));
  compare (v, "derp_map", relays, tn_json_member (expected, "derp_map"));
  compare (v, "dns", netmap->dns, tn_json_member (expected, "dns"));
  compare (v, "ssh_policy", netmap->ssh_policy, tn_json_member (expected, "ssh_policy"));
  compare (v, "user_profiles", users, tn_json_member (expected, "user_profiles"));
  compare (v, "display_messages", messages, tn_json_member (expected, "display_messages"));
  if (tn_json_has (expected, "health"))
    json_object_set_member (json_node_get_object (health_expected), "list", json_node_copy (tn_json_member (expected, "health")));
  compare (v, "health", health, health_expected);
  tn_vector_same_string (v, "domain", netmap->domain != NULL ? netmap->domain : "",
                         tn_json_has (expected, "domain") ? tn_json_string (expected, "domain") : "");
  tn_vector_same_string (v, "audit_log_id", netmap->audit_log_id != NULL ? netmap->audit_log_id : "",
                         tn_json_has (expected, "audit_log_id") ? tn_json_string (expected, "audit_log_id") : "");
  tn_vector_same_bool (v, "collect_services", netmap->collect_services == 1,
                       tn_json_has (expected, "collect_services") && tn_json_bool (expected, "collect_services"));
  check_key_authority (v, netmap, expected);
  check_filter (v, netmap, tn_json_object (expected, "filter"));
}

/* Ids in the lists of changes against the nodes themselves. */
static void
check_changes (TnVector              *v,
               GHashTable            *before,
               const TnNetmap        *netmap,
               const TnNetmapChanges *changes)
{
  guint n_added = 0, n_kept = 0, n_changed = 0;

  for (guint i = 0; i < netmap->peers->len; i++)
    {
      TnNetmapNode *peer = g_ptr_array_index (netmap->peers, i);
      TnNetmapNode *was = g_hash_table_lookup (before, &peer->id);

      if (was == NULL)
        n_added++;
      else
        {
          g_autofree char *a = tn_netmap_node_to_json (was);
          g_autofree char *b = tn_netmap_node_to_json (peer);

          n_kept++;
          n_changed += g_str_equal (a, b) ? 0 : 1;
        }
    }
  tn_vector_same_int (v, "added", changes->added->len, n_added);
  tn_vector_same_int (v, "removed", changes->removed->len, (gint64) g_hash_table_size (before) - n_kept);
  if (changes->changed->len < n_changed)
    tn_vector_fail (v, "%u peers changed, %u announced", n_changed, changes->changed->len);
}

static GHashTable *
remember_peers (const TnNetmap *netmap)
{
  GHashTable *peers = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, (GDestroyNotify) tn_netmap_node_unref);

  for (guint i = 0; i < netmap->peers->len; i++)
    {
      TnNetmapNode *peer = g_ptr_array_index (netmap->peers, i);

      g_hash_table_insert (peers, &peer->id, tn_netmap_node_ref (peer));
    }
  return peers;
}

static char *
to_text (const TnNetmap *netmap)
{
  g_autoptr (TnNetmapText) text = tn_netmap_text_new (netmap);
  g_autoptr (GOutputStream) stream = g_memory_output_stream_new_resizable ();
  g_autoptr (GError) error = NULL;

  tn_netmap_text_write (text, G_MAXSIZE, stream, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_output_stream_write_all (stream, "", 1, NULL, NULL, NULL));
  g_assert_true (g_output_stream_close (stream, NULL, NULL));
  return g_memory_output_stream_steal_data (G_MEMORY_OUTPUT_STREAM (stream));
}

/* What is written down and read again is the same map. */
static void
check_text (TnVector       *v,
            const TnNetmap *netmap,
            JsonObject     *expected)
{
  g_autofree char *text = to_text (netmap);
  g_autoptr (GError) error = NULL;
  g_autoptr (TnNetmap) again = tn_netmap_text_read (text, strlen (text), &error);
  g_autofree char *same = again != NULL ? to_text (again) : NULL;

  if (again == NULL)
    {
      tn_vector_fail (v, "text of the map: %s", error->message);
      return;
    }
  check_state (v, again, expected);
  tn_vector_same_string (v, "text of the map", same, text);
  tn_vector_same_bool (v, "magic_dns", again->magic_dns, netmap->magic_dns);
  tn_vector_same_int (v, "users", g_hash_table_size (again->users), g_hash_table_size (netmap->users));
}

static gboolean
run_step (TnVector   *v,
          TnNetmap   *netmap,
          JsonObject *expected,
          JsonObject *step)
{
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_auto (TnMapMessage) message = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GHashTable) before = remember_peers (netmap);
  g_autofree char *json = json_to_string (json_object_get_member (step, "msg"), FALSE);
  g_autofree char *exact = g_memdup2 (json, strlen (json));
  g_autofree char *quoted = g_strdup_printf ("\"%s\"", tn_json_string (step, "now"));
  gint64 now_us = 0;
  gboolean ok;

  g_assert_true (tn_json_text_get_time ((TnJsonText) { quoted, strlen (quoted) }, &now_us));
  ok = tn_netmap_update (netmap, exact, strlen (json), now_us, &message, changes, &error);
  tn_vector_same_bool (v, error != NULL ? error->message : "accepted", ok, !tn_json_has (step, "error"));
  if (!ok || v->failed)
    return FALSE;
  merge_expected (expected, tn_json_object (step, "result"));
  check_state (v, netmap, expected);
  check_changes (v, before, netmap, changes);
  if (netmap->self != NULL && !v->failed)
    check_text (v, netmap, expected);
  return !v->failed;
}

static void
test_case (TnVector *v)
{
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autoptr (JsonObject) expected = json_object_new ();
  JsonArray *steps = tn_vector_array (v, "steps");

  json_object_set_object_member (expected, "peers", json_object_new ());
  for (guint i = 0; i < json_array_get_length (steps); i++)
    if (!run_step (v, netmap, expected, json_array_get_object_element (steps, i)))
      {
        if (v->failed)
          g_test_message ("in step %u", i);
        return;
      }
}

static void
test_vectors (void)
{
  static const TnVectorOp ops[] = { { NULL, test_case } };

  tn_vectors_run ("netmap.jsonl", 155, ops, G_N_ELEMENTS (ops), NULL);
}

/* --- A thousand peers --- */

static GBytes *
unpack (const char *file)
{
  g_autofree char *path = tn_vectors_path (file);
  g_autoptr (GFile) packed = g_file_new_for_path (path);
  g_autoptr (GError) error = NULL;
  g_autoptr (GInputStream) stream = G_INPUT_STREAM (g_file_read (packed, NULL, &error));
  g_autoptr (GConverter) converter = G_CONVERTER (g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP));
  g_autoptr (GInputStream) plain = NULL;
  g_autoptr (GOutputStream) memory = g_memory_output_stream_new_resizable ();

  g_assert_no_error (error);
  plain = g_converter_input_stream_new (stream, converter);
  g_output_stream_splice (memory, plain, G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, NULL, &error);
  g_assert_no_error (error);
  return g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (memory));
}

static void
count_rule (const TnFilterRule *rule,
            gpointer            user_data)
{
  (*(guint *) user_data)++;
}

static void
test_thousand (void)
{
  g_autoptr (GBytes) json = unpack ("netmap-1000.json.gz");
  g_autofree char *path = tn_vectors_path ("netmap-1000.expect.json");
  g_autofree char *text = NULL;
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_auto (TnMapMessage) message = { 0 };
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (GError) error = NULL;
  JsonObject *expect;
  gsize bytes = 0, allowed_ips = 0, online = 0, len;
  guint n_rules = 0;
  const char *data = g_bytes_get_data (json, &len);
  gint64 start;

  g_assert_true (g_file_get_contents (path, &text, NULL, &error));
  root = json_from_string (text, &error);
  g_assert_no_error (error);
  expect = json_node_get_object (root);

  start = g_get_monotonic_time ();
  g_assert_true (tn_netmap_update (netmap, data, len, 0, &message, changes, &error));
  g_assert_no_error (error);
  g_test_message ("parsed %" G_GSIZE_FORMAT " bytes in %" G_GINT64_FORMAT " us", len, g_get_monotonic_time () - start);

  for (guint i = 0; i < netmap->peers->len; i++)
    {
      const TnNetmapNode *peer = g_ptr_array_index (netmap->peers, i);
      char key[TN_KEY_TEXT_MAX], prefix[TN_IP_PREFIX_TEXT_MAX];
      g_autofree char *line = NULL;

      tn_node_public_key_print (&peer->key, key);
      tn_ip_prefix_print (&peer->addresses[0], prefix);
      line = g_strdup_printf ("%" G_GINT64_FORMAT " %s %s\n", peer->id, key, prefix);
      g_checksum_update (checksum, (const guchar *) line, -1);
      allowed_ips += peer->n_allowed_ips;
      online += peer->online == TN_ONLINE_YES ? 1 : 0;
      bytes += tn_netmap_node_size (peer);
    }
  g_test_message ("%" G_GSIZE_FORMAT " bytes a peer", bytes / MAX (netmap->peers->len, 1));
  tn_netmap_foreach_rule (netmap, count_rule, &n_rules);

  g_assert_cmpint (netmap->peers->len, ==, tn_json_int (expect, "peers"));
  g_assert_cmpint (changes->added->len, ==, tn_json_int (expect, "peers"));
  g_assert_cmpint ((gint64) allowed_ips, ==, tn_json_int (expect, "allowed_ips"));
  g_assert_cmpint ((gint64) online, ==, tn_json_int (expect, "online"));
  g_assert_cmpint (netmap->relays->regions->len, ==, tn_json_int (expect, "derp_regions"));
  g_assert_cmpint (n_rules, ==, tn_json_int (expect, "filter_rules"));
  g_assert_cmpint (g_hash_table_size (netmap->users), ==, tn_json_int (expect, "users"));
  g_assert_cmpint ((gint64) len, ==, tn_json_int (expect, "json_bytes"));
  g_assert_cmpint (((TnNetmapNode *) g_ptr_array_index (netmap->peers, 0))->id, ==, tn_json_int (expect, "first_peer_id"));
  g_assert_cmpint (((TnNetmapNode *) g_ptr_array_index (netmap->peers, netmap->peers->len - 1))->id, ==, tn_json_int (expect, "last_peer_id"));
  g_assert_cmpstr (g_checksum_get_string (checksum), ==, tn_json_string (expect, "peers_sha256"));

  /* The same once more: every peer keeps its node. */
  g_autoptr (TnNetmapNode) first = tn_netmap_node_ref (g_ptr_array_index (netmap->peers, 0));
  tn_netmap_changes_clear (changes);
  g_assert_true (tn_netmap_update (netmap, data, len, 0, &message, changes, &error));
  g_assert_true (changes->all_peers);
  g_assert_cmpuint (changes->added->len + changes->changed->len + changes->removed->len, ==, 0);
  g_assert_true (g_ptr_array_index (netmap->peers, 0) == first);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/control/netmap/vectors", test_vectors);
  g_test_add_func ("/control/netmap/thousand-peers", test_thousand);
  return g_test_run ();
}

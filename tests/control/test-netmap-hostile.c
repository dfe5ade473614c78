/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tn-error.h"
#include "tn-netmap-private.h"
#include "tn-netmap-text.h"
#include "tn-netmap-update.h"

/* What no server sends, and one that was taken over could. */

#define KEY "nodekey:0101010101010101010101010101010101010101010101010101010101010101"
#define SELF "\"Node\":{\"ID\":1,\"StableID\":\"s\",\"Name\":\"a.test.\",\"Key\":\"" KEY "\",\"Addresses\":[\"100.64.0.1/32\"]}"

/* Of a quadratic way through it, minutes. */
#define N_MANY 200000

static gboolean
update (TnNetmap        *netmap,
        TnNetmapChanges *changes,
        const char      *json,
        GError         **error)
{
  g_auto (TnMapMessage) message = { 0 };

  tn_netmap_changes_clear (changes);
  return tn_netmap_update (netmap, json, strlen (json), 0, &message, changes, error);
}

static void
test_self (void)
{
  static const char *const bad[] = {
    "{\"Node\":{}}", "{\"Node\":{\"ID\":1}}", "{\"Node\":{\"Key\":\"" KEY "\"}}",
    "{\"Node\":{\"ID\":1,\"Key\":\"nodekey:0000000000000000000000000000000000000000000000000000000000000000\"}}",
  };
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autoptr (GError) none = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (update (netmap, changes, bad[i], &error));
      g_assert_error (error, TN_ERROR, TN_ERROR_MALFORMED);
      g_assert_null (netmap->self);
    }
  update (netmap, changes, "{" SELF "}", &none);
  g_assert_no_error (none);
  g_assert_nonnull (netmap->self);
}

static char *
many_members (const char *member,
              const char *value)
{
  GString *json = g_string_new ("{" SELF);

  g_string_append_printf (json, ",\"%s\":{", member);
  for (guint i = 0; i < N_MANY; i++)
    g_string_append_printf (json, "%s\"m%06u\":%s", i > 0 ? "," : "", N_MANY - i, value);
  g_string_append (json, "}}");
  return g_string_free (json, FALSE);
}

static void
test_messages (void)
{
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autofree char *json = many_members ("DisplayMessages", "{\"Title\":\"t\"}");
  g_autofree char *gone = many_members ("DisplayMessages", "null");
  g_autoptr (GError) error = NULL;

  update (netmap, changes, json, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (netmap->messages->len, ==, TN_NETMAP_MESSAGES_MAX);
  update (netmap, changes, gone, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (netmap->messages->len, ==, 0);
}

static char *
repeat (const char *text, guint n)
{
  GString *out = g_string_new (NULL);

  while (n-- > 0)
    g_string_append (out, text);
  return g_string_free (out, FALSE);
}

/* Nobody reads a book: cut, and between two characters. */
static void
test_long_messages (void)
{
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autofree char *letters = repeat ("ä€", 10000);
  g_autofree char *book = g_strconcat ("x", letters, NULL);      /* no cut falls between two of them by itself */
  g_autofree char *sentences = repeat ("\"s\",", N_MANY);
  g_autofree char *json = g_strdup_printf ("{" SELF ",\"Health\":[\"%s\"],\"DisplayMessages\":{\"%s\":{\"Title\":\"t\"},\"a\":{"
                                           "\"Title\":\"%s\",\"Text\":\"%s\",\"Severity\":\"%s\","
                                           "\"PrimaryAction\":{\"URL\":\"https://%s\",\"Label\":\"%s\"}}}}",
                                           book, book, book, book, book, book, book);
  g_autofree char *many = g_strdup_printf ("{\"Health\":[%s\"s\"]}", sentences);
  g_autoptr (GError) error = NULL;
  const TnNetmapMessage *message;

  update (netmap, changes, json, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (netmap->messages->len, ==, 1);
  message = g_ptr_array_index (netmap->messages, 0);
  g_assert_cmpuint (strlen (message->title), ==, 498 + strlen ("…"));
  g_assert_cmpuint (strlen (message->text), ==, 3998 + strlen ("…"));
  g_assert_cmpuint (strlen (netmap->health[0]), ==, 3998 + strlen ("…"));
  g_assert_true (g_utf8_validate (message->title, -1, NULL) && g_utf8_validate (message->text, -1, NULL));
  g_assert_true (g_utf8_validate (message->severity, -1, NULL) && g_utf8_validate (netmap->health[0], -1, NULL));
  g_assert_null (message->action_url);
  g_assert_null (message->action_label);

  update (netmap, changes, many, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_strv_length (netmap->health), ==, TN_NETMAP_MESSAGES_MAX);
}

/* What says nothing new is no news to anybody. */
static void
test_same_health (void)
{
#define MESSAGES "\"DisplayMessages\":{\"*\":null,\"a\":{\"Title\":\"t\"},\"b\":{\"Title\":\"u\"}},\"Health\":[\"x\"]"
  static const struct { const char *json; gboolean changed; } cases[] = {
    { "{" SELF ",\"DisplayMessages\":{},\"Health\":[]}", FALSE }, { "{\"DisplayMessages\":{\"*\":null,\"a\":null}}", FALSE },
    { "{" MESSAGES "}", TRUE },
    { "{" MESSAGES "}", FALSE },
    { "{\"DisplayMessages\":{\"a\":{\"Title\":\"t\"}}}", FALSE },
    { "{\"DisplayMessages\":{\"a\":{\"Title\":\"T\"}}}", TRUE },
    { "{\"DisplayMessages\":{\"c\":null}}", FALSE },
    { "{\"DisplayMessages\":{\"b\":null}}", TRUE },
    { "{\"Health\":[\"x\"]}", FALSE },
    { "{\"Health\":[\"x\",\"y\"]}", TRUE },
    { "{\"DisplayMessages\":{\"*\":null}}", TRUE },
    { "{\"Health\":[]}", TRUE },
  };
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", cases[i].json);
      update (netmap, changes, cases[i].json, &error);
      g_assert_no_error (error);
      g_assert_cmpint (changes->health, ==, cases[i].changed);
    }
}

static void
test_filters (void)
{
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autofree char *json = many_members ("PacketFilters", "[]");
  g_autoptr (GError) error = NULL;

  g_assert_false (update (netmap, changes, json, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_MALFORMED);
  g_assert_cmpuint (netmap->filters->len, ==, 0);
}

static void
append_peer (GString *json,
             guint    id)
{
  g_string_append_printf (json, "%s{\"ID\":%u,\"StableID\":\"n%u\",\"Key\":\"" KEY "\"}", json->str[json->len - 1] == '[' ? "" : ",", id, id);
}

/* Descending, then all of them away again, so that each peer would have to move all others. */
static void
test_peers (void)
{
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autoptr (GString) json = g_string_new ("{" SELF ",\"PeersChanged\":[");
  g_autoptr (GString) gone = g_string_new ("{\"PeersRemoved\":[2");
  g_autoptr (GError) error = NULL;

  for (guint id = N_MANY; id > 1; id--)
    append_peer (json, id);
  append_peer (json, N_MANY);     /* twice: the last counts */
  g_string_append (json, "]}");
  update (netmap, changes, json->str, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (netmap->peers->len, ==, N_MANY - 1);
  g_assert_cmpuint (changes->added->len, ==, N_MANY - 1);
  for (guint i = 0; i < netmap->peers->len; i++)
    g_assert_cmpint (((TnNetmapNode *) g_ptr_array_index (netmap->peers, i))->id, ==, i + 2);

  for (guint id = 3; id < N_MANY; id++)
    g_string_append_printf (gone, ",%u", id);
  g_string_append (gone, "]}");
  update (netmap, changes, gone->str, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (changes->removed->len, ==, N_MANY - 2);
  g_assert_cmpuint (netmap->peers->len, ==, 1);
  g_assert_nonnull (tn_netmap_lookup (netmap, N_MANY));
}

/* Each patch would have to copy the node. */
static void
test_patches (void)
{
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autoptr (GString) json = g_string_new ("{" SELF ",\"Peers\":[{\"ID\":2,\"StableID\":\"n2\",\"Key\":\"" KEY "\",\"CapMap\":{\"c\":null");
  g_autoptr (GString) patches = g_string_new ("{\"PeersChangedPatch\":[{\"NodeID\":2,\"DERPRegion\":7}");
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 20000; i++)
    g_string_append_printf (json, ",\"c%u\":null", i);
  g_string_append (json, "}}]}");
  update (netmap, changes, json->str, &error);
  g_assert_no_error (error);
  for (guint i = 0; i <= N_MANY; i++)
    g_string_append_printf (patches, ",{\"NodeID\":2,\"DERPRegion\":%u}", 1 + i % 900);
  g_string_append (patches, "]}");
  update (netmap, changes, patches->str, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (changes->changed->len, ==, 1);
  g_assert_cmpint (tn_netmap_lookup (netmap, 2)->home_region, ==, 1 + N_MANY % 900);
}

static void
assert_too_many (TnNetmap   *netmap,
                 const char *json,
                 const char *shown)
{
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_autoptr (GError) error = NULL;

  g_assert_false (update (netmap, changes, json, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_MALFORMED);
  g_assert_nonnull (strstr (error->message, shown));
}

/* Neither at once nor one after the other. */
static void
test_bounds (void)
{
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autoptr (GString) peers = g_string_new ("{" SELF ",\"Peers\":[");
  g_autoptr (GString) users = g_string_new ("],\"UserProfiles\":[{\"ID\":1}");
  g_autoptr (GString) node = g_string_new ("{\"PeersChangedPatch\":[{\"NodeID\":2,\"CapMap\":{\"c\":[\"");
  g_autofree char *all = NULL;
  g_autofree char *more = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 2; i < TN_NETMAP_PEERS_MAX + 2; i++)
    append_peer (peers, i);
  for (guint i = 2; i <= TN_NETMAP_USERS_MAX; i++)
    g_string_append_printf (users, ",{\"ID\":%u}", i);
  all = g_strconcat (peers->str, users->str, "]}", NULL);
  update (netmap, changes, all, &error);
  g_assert_no_error (error);

  append_peer (peers, 1000000);
  more = g_strconcat (peers->str, "]}", NULL);
  assert_too_many (netmap, more, "250001 peers");
  assert_too_many (netmap, "{\"PeersChanged\":[{\"ID\":1000000,\"StableID\":\"n\",\"Key\":\"" KEY "\"}]}", "250001 peers");
  assert_too_many (netmap, "{\"UserProfiles\":[{\"ID\":1},{\"ID\":1000000}]}", "250001 users");
  for (guint i = 0; i < TN_NETMAP_NODE_MAX; i++)
    g_string_append_c (node, 'x');
  g_string_append (node, "\"]}}]}");
  assert_too_many (netmap, node->str, "node 2 of 1048");
  g_assert_cmpuint (netmap->peers->len, ==, TN_NETMAP_PEERS_MAX);
}

static GBytes *
to_text (const TnNetmap *netmap)
{
  g_autoptr (TnNetmapText) text = tn_netmap_text_new (netmap);
  g_autoptr (GOutputStream) stream = g_memory_output_stream_new_resizable ();

  g_assert_true (tn_netmap_text_write (text, G_MAXSIZE, stream, NULL, NULL));
  g_assert_true (g_output_stream_close (stream, NULL, NULL));
  return g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (stream));
}

#define BAD_RULES "[{\"SrcIPs\":[\"100.64.0.1\"],\"DstPorts\":[{\"IP\":\"*\",\"Ports\":{\"First\":-1,\"Last\":\"x\"}}]}]"
#define PEER(id, more) "{\"ID\":" #id ",\"StableID\":\"n" #id "\",\"Key\":\"" KEY "\"" more "}"

/* Who follows the map was told nothing of a message that is refused, so nothing of it may be in the map. */
static void
test_refused (void)
{
  static const char all[] =
    "{" SELF ",\"Domain\":\"a.test\",\"Peers\":[" PEER (2, "") "," PEER (3, "") "],\"UserProfiles\":[{\"ID\":1,\"LoginName\":\"one\"}],"
    "\"PacketFilters\":{\"a\":[],\"b\":[]},\"DERPMap\":{\"Regions\":{\"1\":{\"RegionID\":1,\"RegionCode\":\"r\",\"Nodes\":["
    "{\"Name\":\"1a\",\"RegionID\":1,\"HostName\":\"r.test\"}]}}}}";
  static const char *const bad[] = {
    "{\"PeersRemoved\":[2],\"OnlineChange\":{\"3\":7}}",
    "{\"PeersRemoved\":[2,\"x\"]}",
    "{\"PeersChanged\":[" PEER (3, ",\"Name\":\"c.test.\"") "," PEER (4, "") "],\"PeerSeenChange\":{\"3\":true,\"2\":7}}",
    "{\"OnlineChange\":{\"2\":true},\"PeersChangedPatch\":[{\"NodeID\":3,\"DERPRegion\":1},{\"NodeID\":3,\"DERPRegion\":\"x\"}]}",
    "{\"PeersRemoved\":[3],\"Node\":{}}",
    "{\"Peers\":[" PEER (5, "") "],\"UserProfiles\":[{\"ID\":2,\"LoginName\":\"two\"},{\"ID\":\"x\"}]}",
    "{\"UserProfiles\":[{\"ID\":1,\"LoginName\":\"uno\"}],\"DERPMap\":{\"Regions\":{\"1\":{\"RegionID\":1,\"Latitude\":\"x\"}}}}",
    "{\"DERPMap\":{\"OmitDefaultRegions\":true,\"Regions\":{}},\"PacketFilters\":{\"*\":null,\"c\":[],\"d\":" BAD_RULES "}}",
    "{\"PacketFilters\":{\"a\":[],\"b\":null,\"c\":" BAD_RULES "}}",
    "{\"PacketFilter\":[],\"PacketFilters\":{\"b\":" BAD_RULES "}}",
  };
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autoptr (GBytes) before = NULL;
  g_autoptr (GError) none = NULL;

  update (netmap, changes, all, &none);
  g_assert_no_error (none);
  before = to_text (netmap);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) after = NULL;

      g_test_message ("%s", bad[i]);
      g_assert_false (update (netmap, changes, bad[i], &error));
      g_assert_error (error, TN_ERROR, TN_ERROR_MALFORMED);
      g_assert_true (tn_netmap_changes_is_empty (changes));
      after = to_text (netmap);
      g_assert_true (g_bytes_equal (before, after));
    }
}

static void
test_relay_names (void)
{
  static const char json[] =
    "{" SELF ",\"DERPMap\":{\"Regions\":{\"1\":{\"RegionID\":1,\"RegionCode\":\"r\",\"Nodes\":["
    "{\"Name\":\"1a\\r\\nX: y\",\"RegionID\":1,\"HostName\":\"r.test\"},"
    "{\"Name\":\"1b\",\"RegionID\":1,\"HostName\":\"r.test\\r\\nX: y\"},"
    "{\"Name\":\"1c\",\"RegionID\":1,\"HostName\":\"r.test\",\"CertName\":\"a b\"},"
    "{\"Name\":\"1d\",\"RegionID\":1,\"HostName\":\"r.test\"}]}}}}";
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autoptr (GError) error = NULL;
  const TnRelayRegion *region;

  update (netmap, changes, json, &error);
  g_assert_no_error (error);
  region = tn_relay_map_lookup (netmap->relays, 1);
  g_assert_cmpuint (region->nodes->len, ==, 1);
  g_assert_cmpstr (((TnRelayNode *) g_ptr_array_index (region->nodes, 0))->name, ==, "1d");
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/control/netmap/self-node-without-id", test_self);
  g_test_add_func ("/control/netmap/many-messages", test_messages);
  g_test_add_func ("/control/netmap/long-messages", test_long_messages);
  g_test_add_func ("/control/netmap/same-health", test_same_health);
  g_test_add_func ("/control/netmap/many-filters", test_filters);
  g_test_add_func ("/control/netmap/many-peers", test_peers);
  g_test_add_func ("/control/netmap/many-patches", test_patches);
  g_test_add_func ("/control/netmap/bounds", test_bounds);
  g_test_add_func ("/control/netmap/refused", test_refused);
  g_test_add_func ("/control/netmap/relay-names", test_relay_names);
  return g_test_run ();
}

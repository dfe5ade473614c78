/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tn-netmap-bridge.h"
#include "tn-netmap-update.h"

#define KEY4(x) x x x x
#define KEY(x) KEY4 (x) KEY4 (x) KEY4 (x) KEY4 (x) KEY4 (x) KEY4 (x) KEY4 (x) KEY4 (x)
#define NODE(id, digits, members) \
  "{\"ID\":" #id ",\"StableID\":\"n" #id "\",\"Name\":\"n" #id ".test.\",\"Key\":\"nodekey:" KEY (digits) "\",\"DiscoKey\":\"discokey:" \
  KEY (digits) "\",\"HomeDERP\":1,\"Addresses\":[\"100.64.0." #id "/32\"]" members "}"
#define SELF "\"Node\":" NODE (1, "01", "")
#define FILTER(source) \
  "\"PacketFilter\":[{\"SrcIPs\":[\"" source "\"],\"DstPorts\":[{\"IP\":\"*\",\"Ports\":{\"First\":0,\"Last\":65535}}]}]"

typedef struct
{
  TnNetmap        *netmap;
  TnNetmapChanges *changes;
  TnNetmapBridge  *bridge;
  gboolean         told;
} Fixture;

static void
set_up (Fixture       *f,
        gconstpointer  data)
{
  f->netmap = tn_netmap_new ();
  f->changes = tn_netmap_changes_new ();
  f->bridge = tn_netmap_bridge_new ();
}

static void
tear_down (Fixture       *f,
           gconstpointer  data)
{
  tn_netmap_bridge_free (f->bridge);
  tn_netmap_changes_free (f->changes);
  tn_netmap_free (f->netmap);
}

/* What the data path is told of a message. */
static TnDataPathUpdate *
receive (Fixture    *f,
         const char *json)
{
  g_auto (TnMapMessage) message = { 0 };
  g_autoptr (GError) error = NULL;
  TnDataPathUpdate *update;

  tn_netmap_changes_clear (f->changes);
  if (!tn_netmap_update (f->netmap, json, strlen (json), g_get_real_time (), &message, f->changes, &error))
    g_error ("%s: %s", json, error->message);
  update = tn_netmap_bridge_update (f->bridge, f->netmap, f->told ? f->changes : NULL);
  f->told = TRUE;
  return update;
}

/* --- Where peers are --- */

static void
assert_endpoints (const TnDataPathEndpoints *endpoints,
                  const char                *expected)
{
  g_autoptr (GString) text = g_string_new (NULL);
  char one[TN_IP_ENDPOINT_TEXT_MAX];

  g_assert_cmpint (endpoints->id, ==, 2);
  for (guint i = 0; i < endpoints->n; i++)
    {
      tn_ip_endpoint_print (&endpoints->endpoints[i], one);
      g_string_append_printf (text, "%s%s", i > 0 ? " " : "", one);
    }
  g_assert_cmpstr (text->str, ==, expected);
}

/* Told of whom it wants to know, and of nobody else. */
static void
test_endpoints (Fixture       *f,
                gconstpointer  data)
{
  g_autoptr (TnDataPathUpdate) first = receive (f, "{" SELF ",\"Peers\":[" NODE (2, "02", ",\"Endpoints\":[\"192.0.2.2:1\",\"127.0.0.1:2\"]")
                                                   "," NODE (3, "03", "") "]}");
  g_autofree TnDataPathEndpoints *now = tn_netmap_bridge_watch (f->bridge, 2, TRUE);
  g_autofree TnDataPathEndpoints *with_loopback = NULL;
  g_autoptr (TnDataPathUpdate) moved = NULL;
  g_autoptr (TnDataPathUpdate) other = NULL;
  g_autoptr (TnDataPathUpdate) after = NULL;

  g_assert_null (first->endpoints);
  assert_endpoints (now, "192.0.2.2:1");
  tn_netmap_bridge_set_loopback (f->bridge, TRUE);
  with_loopback = tn_netmap_bridge_watch (f->bridge, 2, TRUE);
  assert_endpoints (with_loopback, "192.0.2.2:1 127.0.0.1:2");
  g_assert_null (tn_netmap_bridge_watch (f->bridge, 99, TRUE));

  moved = receive (f, "{\"PeersChangedPatch\":[{\"NodeID\":2,\"Endpoints\":[\"[2001:db8::1]:3\"]}]}");
  g_assert_cmpuint (moved->endpoints->len, ==, 1);
  g_assert_cmpuint (moved->upserts->len, ==, 0);
  assert_endpoints (&g_array_index (moved->endpoints, TnDataPathEndpoints, 0), "[2001:db8::1]:3");
  other = receive (f, "{\"PeersChangedPatch\":[{\"NodeID\":3,\"Endpoints\":[\"192.0.2.3:3\"]}]}");
  g_assert_true (tn_data_path_update_is_empty (other));
  g_assert_null (tn_netmap_bridge_watch (f->bridge, 2, FALSE));
  after = receive (f, "{\"PeersChangedPatch\":[{\"NodeID\":2,\"Endpoints\":[\"192.0.2.2:1\"]}]}");
  g_assert_true (tn_data_path_update_is_empty (after));
}

/* --- Routes of the system --- */

static void
assert_routes (TnDataPathUpdate *update,
               const char       *expected)
{
  g_autoptr (GString) text = g_string_new (NULL);
  char one[TN_IP_PREFIX_TEXT_MAX];

  for (guint i = 0; i < update->routes->len; i++)
    {
      tn_ip_prefix_print (&g_array_index (update->routes, TnIpPrefix, i), one);
      g_string_append_printf (text, "%s%s", i > 0 ? " " : "", one);
    }
  g_assert_cmpstr (text->str, ==, expected);
}

/* They are told to whom wants them, and only when they are others. */
static void
test_routes (Fixture       *f,
             gconstpointer  data)
{
  g_autoptr (TnDataPathUpdate) first = NULL;
  g_autoptr (TnDataPathUpdate) second = NULL;
  g_autoptr (TnDataPathUpdate) other_key = NULL;
  g_autoptr (TnDataPathUpdate) removed = NULL;

  tn_netmap_bridge_want_routes (f->bridge);
  first = receive (f, "{" SELF ",\"Peers\":[" NODE (2, "02", "") "]}");
  assert_routes (first, "100.64.0.2/32");
  other_key = receive (f, "{\"PeersChanged\":[" NODE (2, "03", "") "]}");
  g_assert_nonnull (other_key->router);
  g_assert_null (other_key->routes);
  second = receive (f, "{\"PeersChanged\":[" NODE (3, "04", "") "]}");
  assert_routes (second, "100.64.0.2/32 100.64.0.3/32");
  removed = receive (f, "{\"PeersRemoved\":[2]}");
  assert_routes (removed, "100.64.0.3/32");
}

static void
test_no_routes (Fixture       *f,
                gconstpointer  data)
{
  g_autoptr (TnDataPathUpdate) update = receive (f, "{" SELF ",\"Peers\":[" NODE (2, "02", "") "]}");

  g_assert_nonnull (update->router);
  g_assert_null (update->routes);
}

/* --- What shows in other nodes --- */

#define USER(id, name) "{\"ID\":" #id ",\"LoginName\":\"" name "\"}"
#define REGION(id, code) "\"" #id "\":{\"RegionID\":" #id ",\"RegionCode\":\"" code "\"}"

static void
assert_concerned (Fixture    *f,
                  const char *json,
                  guint       n,
                  gint64      id)
{
  g_autoptr (TnDataPathUpdate) update = receive (f, json);
  GArray *concerned = tn_netmap_bridge_get_concerned (f->bridge);

  g_assert_true (tn_data_path_update_is_empty (update));
  g_assert_cmpuint (concerned->len, ==, n);
  if (n == 1)
    g_assert_cmpint (g_array_index (concerned, gint64, 0), ==, id);
}

static void
test_concerned (Fixture       *f,
                gconstpointer  data)
{
  g_autoptr (TnDataPathUpdate) first = receive (f, "{" SELF ",\"Peers\":[" NODE (2, "02", ",\"User\":7") "," NODE (3, "03", ",\"User\":8") ","
                                                NODE (4, "04", ",\"User\":9,\"HomeDERP\":2") "],"
                                                "\"UserProfiles\":[" USER (7, "ann") "," USER (8, "bob") "],"
                                                "\"DERPMap\":{\"Regions\":{" REGION (1, "a") "," REGION (2, "b") "}}}");

  g_assert_cmpuint (first->upserts->len, ==, 3);
  for (gint64 id = 2; id <= 4; id++)
    tn_node_data_unref (tn_netmap_bridge_node_data (f->bridge, f->netmap, tn_netmap_lookup (f->netmap, id)));

  /* Said again, a profile is no news. */
  assert_concerned (f, "{\"UserProfiles\":[" USER (7, "ann") "," USER (8, "bob") "]}", 0, 0);
  g_assert_true (tn_netmap_changes_is_empty (f->changes));
  assert_concerned (f, "{\"UserProfiles\":[" USER (7, "ann") "," USER (8, "rob") "]}", 1, 3);
  /* One that nodes had been told of before, and one of which there is none. */
  assert_concerned (f, "{\"UserProfiles\":[" USER (9, "eve") "," USER (10, "joe") "]}", 1, 4);
  assert_concerned (f, "{\"DERPMap\":{\"Regions\":{" REGION (1, "a") "," REGION (2, "c") "}}}", 1, 4);
  assert_concerned (f, "{\"DERPMap\":{\"Regions\":{" REGION (1, "x") "," REGION (2, "c") "}}}", 2, 0);
}

/* However many users nodes tell of that have no profile, none of them is lost. */
static void
test_nameless (Fixture       *f,
               gconstpointer  data)
{
  g_autoptr (TnDataPathUpdate) first = receive (f, "{" SELF ",\"Peers\":[" NODE (2, "02", ",\"User\":7") "," NODE (3, "03", ",\"User\":8") "]}");
  g_autoptr (TnDataPathUpdate) again = NULL;

  for (guint i = 0; i < 5000; i++)
    {
      g_autofree char *json = g_strdup_printf ("{\"PeersChanged\":[{\"ID\":3,\"StableID\":\"n3\",\"Name\":\"n3.test.\",\"User\":%u,"
                                               "\"Key\":\"nodekey:" KEY ("03") "\"}]}", 1000 + i);
      g_autoptr (TnDataPathUpdate) update = receive (f, json);

      tn_node_data_unref (tn_netmap_bridge_node_data (f->bridge, f->netmap, tn_netmap_lookup (f->netmap, 2 + i % 2)));
    }
  assert_concerned (f, "{\"UserProfiles\":[" USER (7, "ann") "," USER (1000, "bob") "]}", 1, 2);
  again = receive (f, "{" SELF ",\"Peers\":[" NODE (2, "02", ",\"User\":7") "," NODE (3, "03", ",\"User\":8") "]}");
  assert_concerned (f, "{\"UserProfiles\":[" USER (8, "eve") "]}", 1, 3);
}

/* --- What the application knows peers by --- */

#define TWIN(id, stable) \
  "{\"ID\":" #id ",\"StableID\":\"" stable "\",\"Name\":\"n" #id ".test.\",\"Key\":\"nodekey:" KEY ("0" #id) "\"}"

/* @expected: those of the peers from 2 on. */
static void
assert_stable_ids (Fixture    *f,
                   const char *json,
                   const char *expected)
{
  g_autoptr (TnDataPathUpdate) update = receive (f, json);
  g_autoptr (GString) ids = g_string_new (NULL);

  for (guint i = 0; i < f->netmap->peers->len; i++)
    {
      const TnNetmapNode *node = g_ptr_array_index (f->netmap->peers, i);
      g_autoptr (TnNodeData) peer = tn_netmap_bridge_node_data (f->bridge, f->netmap, node);

      g_string_append_printf (ids, "%s%s", i > 0 ? " " : "", peer->stable_id);
      g_assert_cmpstr (tn_netmap_bridge_stable_id (f->bridge, node->id), ==, peer->stable_id);
    }
  g_assert_cmpstr (ids->str, ==, expected);
}

static void
test_twins (Fixture       *f,
            gconstpointer  data)
{
  assert_stable_ids (f, "{" SELF ",\"Peers\":[" TWIN (2, "a") "," TWIN (3, "a") "," TWIN (4, "") "," TWIN (5, "") "]}", "a a#3 #4 #5");
  /* The name that was made for one is given to another. */
  assert_stable_ids (f, "{\"PeersChanged\":[" TWIN (6, "a#3") "," TWIN (7, "a#8") "," TWIN (8, "a") "]}", "a a#3 #4 #5 a#3#6 a#8 a#8#");
  /* Each keeps what it has, whoever goes. */
  assert_stable_ids (f, "{\"PeersRemoved\":[2],\"PeersChangedPatch\":[{\"NodeID\":3,\"Online\":true}]}", "a#3 #4 #5 a#3#6 a#8 a#8#");
  assert_stable_ids (f, "{\"PeersChanged\":[" TWIN (2, "a") "]}", "a a#3 #4 #5 a#3#6 a#8 a#8#");
  /* A full list says them again; what two exchange they have. */
  assert_stable_ids (f, "{\"Peers\":[" TWIN (2, "b") "," TWIN (3, "a") "," TWIN (4, "c") "]}", "b a#3 c");
  assert_stable_ids (f, "{\"PeersChanged\":[" TWIN (2, "c") "," TWIN (4, "b") "]}", "c a#3 b");
  assert_stable_ids (f, "{\"PeersChanged\":[" TWIN (3, "d") "," TWIN (5, "a#3") "]}", "c d b a#3");
}

/* --- Nodes outside of tailnet lock --- */

static gboolean
lets_in (TnDataPathUpdate *update,
         const char       *source)
{
  TnIpAddress from, to;

  g_assert_nonnull (update->filter);
  g_assert_true (tn_ip_address_parse (source, &from) && tn_ip_address_parse ("100.64.0.1", &to));
  return tn_filter_reason_accepts (tn_filter_check (update->filter, NULL, &from, &to, 22, TN_PROTO_TCP, 0).reason);
}

static void
test_unlocked (Fixture       *f,
               gconstpointer  data)
{
  g_autoptr (TnDataPathUpdate) first = receive (f, "{" SELF ",\"Peers\":[" NODE (2, "02", "") "," NODE (3, "03", "") "],"
                                                FILTER ("100.64.0.2-100.64.0.3") "}");
  g_autoptr (TnDataPathUpdate) other = NULL;
  g_autoptr (TnDataPathUpdate) marked = NULL;
  g_autoptr (TnDataPathUpdate) unmarked = NULL;
  g_autoptr (TnDataPathUpdate) added = NULL;
  g_autoptr (TnDataPathUpdate) removed = NULL;

  g_assert_true (lets_in (first, "100.64.0.2"));
  g_assert_null (tn_netmap_bridge_filter_problem (f->bridge));

  /* No news of peers costs a filter, and packets have nothing to do with a name. */
  other = receive (f, "{\"PeersChanged\":[" NODE (2, "02", ",\"Hostinfo\":{\"Hostname\":\"x\"}") "]}");
  g_assert_true (tn_data_path_update_is_empty (other));

  /* Some do, and then nobody gets in. */
  marked = receive (f, "{\"PeersChanged\":[" NODE (3, "03", ",\"UnsignedPeerAPIOnly\":true") "]}");
  g_assert_false (lets_in (marked, "100.64.0.3"));
  g_assert_false (lets_in (marked, "100.64.0.2"));
  g_assert_nonnull (strstr (tn_netmap_bridge_filter_problem (f->bridge), "rule 0"));
  unmarked = receive (f, "{\"PeersChanged\":[" NODE (3, "03", "") "]}");
  g_assert_true (lets_in (unmarked, "100.64.0.2"));
  g_assert_null (tn_netmap_bridge_filter_problem (f->bridge));
  added = receive (f, "{\"PeersChanged\":[{\"ID\":4,\"StableID\":\"n4\",\"Name\":\"n4.test.\",\"Key\":\"nodekey:" KEY ("04")
                      "\",\"Addresses\":[\"100.64.0.3/32\"],\"UnsignedPeerAPIOnly\":true}]}");
  g_assert_false (lets_in (added, "100.64.0.2"));
  removed = receive (f, "{\"PeersRemoved\":[4]}");
  g_assert_true (lets_in (removed, "100.64.0.2"));
}

/* One that no rule lets in is no reason to refuse them. */
static void
test_unlocked_apart (Fixture       *f,
                     gconstpointer  data)
{
  g_autoptr (TnDataPathUpdate) first = receive (f, "{" SELF ",\"Peers\":[" NODE (2, "02", "") ","
                                                NODE (3, "03", ",\"UnsignedPeerAPIOnly\":true") "]," FILTER ("100.64.0.2") "}");
  g_autoptr (TnDataPathUpdate) wider = NULL;

  g_assert_true (lets_in (first, "100.64.0.2"));
  g_assert_false (lets_in (first, "100.64.0.3"));
  g_assert_null (tn_netmap_bridge_filter_problem (f->bridge));
  wider = receive (f, "{" FILTER ("*") "}");
  g_assert_false (lets_in (wider, "100.64.0.2"));
  g_assert_nonnull (tn_netmap_bridge_filter_problem (f->bridge));
}

/* No rule counts then, and whoever wonders why nobody comes in is told. */
static void
test_dropped (Fixture       *f,
              gconstpointer  data)
{
  static const char obsolete[] = "{\"PacketFilter\":[{\"SrcIPs\":[\"*\"],\"SrcBits\":[0],"
                                 "\"DstPorts\":[{\"IP\":\"*\",\"Ports\":{\"First\":0,\"Last\":65535}}]}]}";
  g_autoptr (TnDataPathUpdate) first = receive (f, "{" SELF ",\"Peers\":[" NODE (2, "02", "") "]," FILTER ("*") "}");
  g_autoptr (TnDataPathUpdate) dropped = NULL;

  g_assert_null (tn_netmap_bridge_filter_problem (f->bridge));
  dropped = receive (f, obsolete);
  g_assert_false (lets_in (dropped, "100.64.0.2"));
  g_assert_nonnull (strstr (tn_netmap_bridge_filter_problem (f->bridge), "SrcBits"));
}

/* --- Keys that expire --- */

#define PAST "2025-01-01T00:00:00Z"
#define EXPIRES(time) ",\"KeyExpiry\":\"" time "\""

static gboolean
is_routed (TnDataPathUpdate *update,
           const char       *text)
{
  TnIpAddress address;

  g_assert_nonnull (update->router);
  g_assert_true (tn_ip_address_parse (text, &address));
  return tn_overlay_router_lookup (update->router, &address) != NULL;
}

/* Has it the key that all digits of make? */
static gboolean
has_key (TnDataPathUpdate *update,
         guint             index,
         guint8            digit)
{
  const TnPipelinePeer *peer = &g_array_index (update->upserts, TnPipelinePeer, index);
  TnNodePublicKey key;

  memset (key.bytes, digit, sizeof key.bytes);
  return tn_node_public_key_equal (&key, &peer->key) && peer->home_region == 1;
}

static gboolean
shows_expired (Fixture *f,
               gint64   id)
{
  g_autoptr (TnNodeData) data = tn_netmap_bridge_node_data (f->bridge, f->netmap, tn_netmap_lookup (f->netmap, id));

  return data->expired;
}

static void
test_expired (Fixture       *f,
              gconstpointer  data)
{
  g_autoptr (TnDataPathUpdate) first = receive (f, "{" SELF ",\"Peers\":[" NODE (2, "02", EXPIRES (PAST)) "," NODE (3, "03", "") ","
                                                NODE (4, "04", ",\"Expired\":true") "]}");
  g_autoptr (TnDataPathUpdate) patched = NULL;
  g_autoptr (TnDataPathUpdate) back = NULL;

  g_assert_cmpuint (first->upserts->len, ==, 3);
  g_assert_false (has_key (first, 0, 2) || has_key (first, 2, 4));
  g_assert_true (has_key (first, 1, 3));
  g_assert_false (is_routed (first, "100.64.0.2") || is_routed (first, "100.64.0.4"));
  g_assert_true (is_routed (first, "100.64.0.3"));
  g_assert_true (shows_expired (f, 2) && shows_expired (f, 4));
  g_assert_false (shows_expired (f, 3));

  patched = receive (f, "{\"PeersChangedPatch\":[{\"NodeID\":3,\"KeyExpiry\":\"" PAST "\"}]}");
  g_assert_false (has_key (patched, 0, 3) || is_routed (patched, "100.64.0.3"));
  g_assert_true (shows_expired (f, 3));

  /* With another key, or more time for the same one. */
  back = receive (f, "{\"PeersChangedPatch\":[{\"NodeID\":2,\"KeyExpiry\":\"2999-01-01T00:00:00Z\"},"
                     "{\"NodeID\":3,\"Key\":\"nodekey:" KEY ("33") "\",\"KeyExpiry\":\"0001-01-01T00:00:00Z\"}]}");
  g_assert_true (has_key (back, 0, 2) && has_key (back, 1, 0x33));
  g_assert_true (is_routed (back, "100.64.0.2") && is_routed (back, "100.64.0.3"));
  g_assert_false (shows_expired (f, 2) || shows_expired (f, 3));
}

/* The server's clock decides, if it is not years behind; ours, where both agree. */
static void
test_clock (void)
{
  static const struct { const char *control; gint64 now_s, later_s, expected_s; } cases[] = {
    { NULL, 1800000000, 1800000007, 1800000007 },
    { "2027-01-15T09:00:00Z", 1800000000, 1800000007, 1800003607 },      /* an hour ahead */
    { "2027-01-15T08:00:30Z", 1800000000, 1800000007, 1800000007 },
    { "2020-08-03T00:00:00Z", 1800000000, 1800000007, 1800000007 },
    { "2027-01-15T08:00:00Z", 0, 7, 1800000007 },                        /* ours was never set */
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (TnNetmap) netmap = tn_netmap_new ();
      g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
      g_auto (TnMapMessage) message = { 0 };
      g_autofree char *json = cases[i].control != NULL ? g_strdup_printf ("{" SELF ",\"ControlTime\":\"%s\"}", cases[i].control)
                                                       : g_strdup ("{" SELF "}");

      g_assert_true (tn_netmap_update (netmap, json, strlen (json), cases[i].now_s * G_USEC_PER_SEC, &message, changes, NULL));
      g_assert_cmpint (tn_netmap_control_now (netmap, cases[i].later_s * G_USEC_PER_SEC, 0), ==, cases[i].expected_s * G_USEC_PER_SEC);

      /* Who sets our clock then does not change what time it is there. */
      netmap->control_time_boot_us = 100;
      if (cases[i].expected_s != cases[i].later_s)
        g_assert_cmpint (tn_netmap_control_now (netmap, 5, 100 + 7 * G_USEC_PER_SEC), ==, cases[i].expected_s * G_USEC_PER_SEC);
    }
}

/* By the server's clock, whatever ours says. */
static void
test_expired_there (Fixture       *f,
                    gconstpointer  data)
{
  g_autoptr (TnDataPathUpdate) first = receive (f, "{" SELF ",\"ControlTime\":\"2998-01-01T00:00:00Z\",\"Peers\":["
                                                NODE (2, "02", EXPIRES ("2997-01-01T00:00:00Z")) ","
                                                NODE (3, "03", EXPIRES ("2999-01-01T00:00:00Z")) "]}");

  g_assert_false (has_key (first, 0, 2));
  g_assert_true (has_key (first, 1, 3));
}

/* Nothing is said when the time has come. */
static void
test_next (Fixture       *f,
           gconstpointer  data)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint64));
  g_autoptr (GDateTime) soon = g_date_time_new_from_unix_utc (g_get_real_time () / G_USEC_PER_SEC + 1000);
  g_autofree char *when = g_date_time_format_iso8601 (soon);
  g_autofree char *json = g_strdup_printf ("{\"PeersChangedPatch\":[{\"NodeID\":3,\"KeyExpiry\":\"%s\"}]}", when);
  g_autoptr (TnDataPathUpdate) first = receive (f, "{" SELF ",\"Peers\":[" NODE (2, "02", "") "," NODE (3, "03", "") ","
                                                NODE (4, "04", EXPIRES (PAST)) "]}");
  g_autoptr (TnDataPathUpdate) patched = NULL;
  g_autoptr (TnDataPathUpdate) expired = NULL;

  g_assert_cmpint (tn_netmap_bridge_next_expiry_us (f->bridge, f->netmap), ==, G_MAXINT64);
  patched = receive (f, json);
  g_assert_cmpint (tn_netmap_bridge_next_expiry_us (f->bridge, f->netmap), <=, 1000 * G_USEC_PER_SEC);
  g_assert_cmpint (tn_netmap_bridge_next_expiry_us (f->bridge, f->netmap), >, 900 * G_USEC_PER_SEC);
  tn_netmap_bridge_find_expired (f->bridge, f->netmap, ids);
  g_assert_cmpuint (ids->len, ==, 0);

  /* 2000 s later, by the server. */
  f->netmap->control_time_us = g_get_real_time () + 2000 * G_USEC_PER_SEC;
  f->netmap->control_time_at_us = g_get_real_time ();
  tn_netmap_bridge_find_expired (f->bridge, f->netmap, ids);
  g_assert_cmpuint (ids->len, ==, 1);
  g_assert_cmpint (g_array_index (ids, gint64, 0), ==, 3);
  tn_netmap_changes_clear (f->changes);
  g_array_append_vals (f->changes->changed, ids->data, ids->len);
  expired = tn_netmap_bridge_update (f->bridge, f->netmap, f->changes);
  g_assert_false (has_key (expired, 0, 3) || is_routed (expired, "100.64.0.3"));
  g_assert_true (shows_expired (f, 3));
  g_array_set_size (ids, 0);
  tn_netmap_bridge_find_expired (f->bridge, f->netmap, ids);
  g_assert_cmpuint (ids->len, ==, 0);
  g_assert_cmpint (tn_netmap_bridge_next_expiry_us (f->bridge, f->netmap), ==, G_MAXINT64);
}

/* Our own key: nobody is spoken to, and nobody shown as expired, until there is another one. */
static void
test_own_key (Fixture       *f,
              gconstpointer  data)
{
  g_autoptr (TnDataPathUpdate) first = receive (f, "{\"Node\":" NODE (1, "01", EXPIRES ("2999-01-01T00:00:00Z")) ",\"Peers\":["
                                                NODE (2, "02", "") "]}");
  g_autoptr (TnDataPathUpdate) expired = NULL;
  g_autoptr (TnDataPathUpdate) renewed = NULL;

  g_assert_true (has_key (first, 0, 2));
  expired = receive (f, "{\"Node\":" NODE (1, "01", EXPIRES (PAST)) "}");
  g_assert_cmpuint (expired->upserts->len, ==, 1);
  g_assert_false (has_key (expired, 0, 2) || is_routed (expired, "100.64.0.2"));
  g_assert_false (shows_expired (f, 2));
  renewed = receive (f, "{\"Node\":" NODE (1, "11", "") "}");
  g_assert_true (has_key (renewed, 0, 2) && is_routed (renewed, "100.64.0.2"));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/device/netmap-bridge/endpoints", Fixture, NULL, set_up, test_endpoints, tear_down);
  g_test_add ("/device/netmap-bridge/routes", Fixture, NULL, set_up, test_routes, tear_down);
  g_test_add ("/device/netmap-bridge/no-routes", Fixture, NULL, set_up, test_no_routes, tear_down);
  g_test_add ("/device/netmap-bridge/concerned", Fixture, NULL, set_up, test_concerned, tear_down);
  g_test_add ("/device/netmap-bridge/nameless", Fixture, NULL, set_up, test_nameless, tear_down);
  g_test_add ("/device/netmap-bridge/twins", Fixture, NULL, set_up, test_twins, tear_down);
  g_test_add ("/device/netmap-bridge/unlocked", Fixture, NULL, set_up, test_unlocked, tear_down);
  g_test_add ("/device/netmap-bridge/unlocked-apart", Fixture, NULL, set_up, test_unlocked_apart, tear_down);
  g_test_add ("/device/netmap-bridge/dropped", Fixture, NULL, set_up, test_dropped, tear_down);
  g_test_add ("/device/netmap-bridge/expired", Fixture, NULL, set_up, test_expired, tear_down);
  g_test_add_func ("/device/netmap-bridge/clock", test_clock);
  g_test_add ("/device/netmap-bridge/expired-there", Fixture, NULL, set_up, test_expired_there, tear_down);
  g_test_add ("/device/netmap-bridge/next-expiry", Fixture, NULL, set_up, test_next, tear_down);
  g_test_add ("/device/netmap-bridge/own-key", Fixture, NULL, set_up, test_own_key, tear_down);
  return g_test_run ();
}

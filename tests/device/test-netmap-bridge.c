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

  /* No news of peers costs a filter. */
  other = receive (f, "{\"PeersChanged\":[" NODE (2, "02", ",\"Hostinfo\":{\"Hostname\":\"x\"}") "]}");
  g_assert_cmpuint (other->upserts->len, ==, 1);
  g_assert_null (other->filter);

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

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/device/netmap-bridge/unlocked", Fixture, NULL, set_up, test_unlocked, tear_down);
  g_test_add ("/device/netmap-bridge/unlocked-apart", Fixture, NULL, set_up, test_unlocked_apart, tear_down);
  return g_test_run ();
}

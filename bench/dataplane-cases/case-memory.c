/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "cases.h"

#include <malloc.h>
#include <string.h>

#include "initiations.h"
#include "tn-box.h"
#include "tn-netmap-update.h"
#include "tn-pipeline.h"

#define N_PEERS    10000
#define N_SESSIONS 200

static gsize
allocated (void)
{
  struct mallinfo2 info = mallinfo2 ();

  return info.uordblks + info.hblkhd;
}

/* As a control server says it, with what a node of a person usually has. */
static char *
make_map (void)
{
  GString *json = g_string_new ("{\"Node\":{\"ID\":1,\"StableID\":\"n1\",\"Name\":\"self.tail.example.\",\"User\":1,"
                                "\"Key\":\"nodekey:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\","
                                "\"Addresses\":[\"100.64.0.1/32\"],\"AllowedIPs\":[\"100.64.0.1/32\"]},\"Peers\":[");

  for (guint i = 2; i < N_PEERS + 2; i++)
    {
      g_autofree char *key = g_strdup_printf ("%064x", i);
      g_autofree char *addresses = g_strdup_printf ("\"100.%u.%u.%u/32\",\"fd7a:115c:a1e0::%x/128\"", 64 + i / 65536, i / 256 % 256, i % 256, i);

      g_string_append_printf (json, "%s{\"ID\":%u,\"StableID\":\"nStableIdOf%u\",\"Name\":\"machine-%u.tail0123.example.\",\"User\":%u,",
                              i > 2 ? "," : "", i, i, i, 1 + i % 100);
      g_string_append_printf (json, "\"Key\":\"nodekey:%s\",\"DiscoKey\":\"discokey:%s\",\"Addresses\":[%s],\"AllowedIPs\":[%s],",
                              key, key, addresses, addresses);
      g_string_append_printf (json, "\"Endpoints\":[\"192.0.2.%u:41641\",\"10.0.%u.%u:41641\"],\"HomeDERP\":%u,\"Cap\":130,",
                              i % 256, i / 256 % 256, i % 256, 1 + i % 20);
      g_string_append_printf (json, "\"Hostinfo\":{\"OS\":\"linux\",\"Hostname\":\"machine-%u\"},\"Created\":\"2026-01-02T03:04:05Z\",", i);
      g_string_append (json, "\"Online\":true,\"MachineAuthorized\":true}");
    }
  g_string_append (json, "]}");
  return g_string_free (json, FALSE);
}

static void
add_peer (TnPipeline         *pipeline,
          TnOverlayRoutes    *routes,
          const TnNetmapNode *node)
{
  const TnPipelinePeer peer = { .id = node->id, .key = node->key, .disco_key = node->disco_key, .home_region = (guint) node->home_region };
  const TnOverlayPeer overlay = {
    .id = node->id,
    .addresses = node->addresses,
    .n_addresses = node->n_addresses,
    .allowed_ips = node->allowed_ips,
    .n_allowed_ips = node->n_allowed_ips,
    .home_region = (guint) node->home_region,
    .has_disco_key = TRUE,
  };

  tn_pipeline_upsert_peer (pipeline, &peer, 0);
  tn_overlay_routes_upsert (routes, &overlay);
}

static gint64
wall_time (gpointer data)
{
  return 0;
}

static void
random_bytes (gpointer  data,
              void     *out,
              gsize     len)
{
  tn_random (out, len);
}

/* Bytes a peer that nobody talks to: its record, its routes, what the pipeline knows of it. */
static double
idle_peer (gpointer data)
{
  static const TnPipelineHooks hooks = { .wall_time_ns = wall_time, .random = random_bytes };
  g_auto (TnNodePrivateKey) key = { 0 };
  g_auto (TnDiscoPrivateKey) disco_key = { 0 };
  gsize before;
  double size;

  tn_node_private_key_generate (&key);
  tn_disco_private_key_generate (&disco_key);
  before = allocated ();
  {
    g_autoptr (TnNetmap) netmap = tn_netmap_new ();
    g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
    g_autoptr (TnPipeline) pipeline = tn_pipeline_new (&key, &disco_key, &hooks, NULL);
    g_autoptr (TnOverlayRoutes) routes = tn_overlay_routes_new ();
    g_autoptr (TnOverlayRouter) router = NULL;
    g_auto (TnMapMessage) message = { 0 };
    g_autoptr (GError) error = NULL;
    g_autofree char *json = make_map ();

    if (!tn_netmap_update (netmap, json, strlen (json), 0, &message, changes, &error))
      g_error ("%s", error->message);
    g_clear_pointer (&json, g_free);
    tn_netmap_changes_clear (changes);
    for (guint i = 0; i < netmap->peers->len; i++)
      add_peer (pipeline, routes, g_ptr_array_index (netmap->peers, i));
    router = tn_overlay_routes_snapshot (routes);
    tn_pipeline_set_router (pipeline, router);
    size = (double) (allocated () - before) / N_PEERS;
  }
  return size;
}

/* Bytes of the tunnel to a peer that has just called. */
static double
session (gpointer data)
{
  Responder responder;
  g_autofree guint8 *initiations = NULL;
  gsize before;
  double size;

  responder_init (&responder);
  initiations = initiations_new (&responder, N_SESSIONS, FALSE);
  before = allocated ();
  for (guint i = 0; i < N_SESSIONS; i++)
    responder_take (&responder, initiations + i * INITIATION_LEN);
  size = (double) (allocated () - before) / N_SESSIONS;
  if (responder.n_sent != N_SESSIONS)
    g_error ("%u answers to %u initiations", responder.n_sent, N_SESSIONS);
  responder_clear (&responder);
  return size;
}

void
cases_memory (void)
{
  static const Case idle = { "peer/memory", "bytes", FALSE, "bar" };
  static const Case with_session = { "peer/memory/session", "bytes", FALSE, "bar" };

  cases_measure (&idle, idle_peer, NULL, 1536, NULL);
  cases_measure (&with_session, session, NULL, 16384, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../seeds.h"
#include "filter-random.h"
#include "pipeline-world.h"
#include "tn-pipeline-private.h"

/* The same random packets through the pipeline of one node, between two peers, and through a model of it: lists, searched from end to
 * end. Same fate, same reason, same peer. */

#define N_PACKETS 300
#define N_ROUTES 6
#define MANY_FLOWS 100000
#define US 0

static const char *const prefixes[] = {
  "100.64.0.200/32", "100.65.1.1/32", "100.64.0.0/24", "100.64.0.0/10", "10.0.0.5/32", "10.0.0.0/24", "10.0.0.0/8", "169.254.0.0/16",
  "0.0.0.0/0", "fd7a:115c:a1e0::1/128", "fd7a:115c:a1e0::2/128", "fd7a:115c:a1e0::/64", "fd7a:115c:a1e0:1::/64", "fd7a:115c:a1e0::/48",
  "2001:db8::/32", "fe80::/10", "::/0",
};

/* --- The model --- */

typedef struct
{
  gint64     id;
  gboolean   jailed;
  TnIpPrefix routes[N_ROUTES + 1];      /* the first is its own address */
} ModelPeer;

typedef struct
{
  ModelPeer peers[2];
  gboolean  accept_routes;
  gint64    exit_node;
  Model     filter;
  Model     jailed;
} ModelNode;

typedef enum
{
  FATE_THROUGH,
  FATE_CONSUMED,      /* by the node itself */
  FATE_DROPPED,
} FateKind;

typedef struct
{
  FateKind       kind;
  TnPipelineDrop reason;
  gint64         peer;       /* whom it went to, when outbound */
  gboolean       reject;     /* the peer is told */
} Fate;

static gboolean
model_is_address (const TnIpPrefix *prefix)
{
  TnIpPrefix nodes4, nodes6;

  g_assert_true (tn_ip_prefix_parse ("100.64.0.0/10", &nodes4) && tn_ip_prefix_parse ("fd7a:115c:a1e0::/48", &nodes6));
  return prefix->bits == 8 * tn_ip_address_len (&prefix->address) &&
         (tn_ip_prefix_contains (&nodes4, &prefix->address) || tn_ip_prefix_contains (&nodes6, &prefix->address));
}

static gboolean
model_uses (const ModelNode  *node,
            const ModelPeer  *peer,
            const TnIpPrefix *prefix)
{
  if (prefix->bits == 0)
    return node->exit_node == peer->id;
  return node->accept_routes || model_is_address (prefix);
}

/* The longest prefix wins; of equal ones that of the lower id. NULL: nobody. */
static const ModelPeer *
model_route (const ModelNode   *node,
             const TnIpAddress *address)
{
  const ModelPeer *best = NULL;
  int bits = -1;

  for (guint i = 0; i < G_N_ELEMENTS (node->peers); i++)
    for (guint j = 0; j <= N_ROUTES; j++)
      {
        const TnIpPrefix *prefix = &node->peers[i].routes[j];

        if (prefix->bits > bits && tn_ip_prefix_contains (prefix, address) && model_uses (node, &node->peers[i], prefix))
          {
            best = &node->peers[i];
            bits = prefix->bits;
          }
      }
  return best;
}

static gboolean
model_may_send_from (const ModelNode   *node,
                     const ModelPeer   *peer,
                     const TnIpAddress *source)
{
  for (guint j = 0; j <= N_ROUTES; j++)
    if (tn_ip_prefix_contains (&peer->routes[j], source) && model_uses (node, peer, &peer->routes[j]))
      return TRUE;
  return FALSE;
}

static Fate
dropped (TnPipelineDrop reason)
{
  return (Fate) { .kind = FATE_DROPPED, .reason = reason };
}

static Fate
model_outbound (ModelNode      *node,
                const TnParsed *packet)
{
  const ModelPeer *peer = model_route (node, &packet->dst);
  TnFilterVerdict verdict;

  if (packet->version == 0 || packet->proto == TN_PROTO_UNKNOWN)
    return dropped (TN_PIPELINE_DROP_MALFORMED);
  if (packet->proto == TN_PROTO_TSMP)
    return dropped (TN_PIPELINE_DROP_FORBIDDEN);
  if (peer == NULL)
    return dropped (TN_PIPELINE_DROP_NO_ROUTE);
  verdict = model_out (peer->jailed ? &node->jailed : &node->filter, packet);
  if (!tn_filter_reason_accepts (verdict.reason))
    return dropped (TN_PIPELINE_DROP_FILTER_OUT);
  return (Fate) { .kind = FATE_THROUGH, .peer = peer->id };
}

static Fate
model_inbound (ModelNode       *node,
               const ModelPeer *peer,
               const TnParsed  *packet)
{
  gboolean jailed = peer->jailed && model_route (node, &packet->src) == peer;
  TnFilterVerdict verdict;
  Fate fate;

  if (packet->version == 0 || packet->proto == TN_PROTO_UNKNOWN || packet->short_header)
    return dropped (TN_PIPELINE_DROP_MALFORMED);
  if (!model_may_send_from (node, peer, &packet->src))
    return dropped (TN_PIPELINE_DROP_SOURCE);
  if (packet->proto == TN_PROTO_TSMP)
    return (Fate) { .kind = FATE_CONSUMED };
  verdict = model_in (jailed ? &node->jailed : &node->filter, packet);
  if (tn_filter_reason_accepts (verdict.reason))
    return (Fate) { .kind = FATE_THROUGH };
  fate = dropped (TN_PIPELINE_DROP_FILTER);
  fate.reject = packet->version == 4 && tn_parsed_is_tcp_syn (packet) && verdict.reason == TN_FILTER_NO_RULE;
  return fate;
}

/* --- The same for the pipeline --- */

static void
random_routes (GRand     *rand,
               ModelNode *model,
               Node      *us)
{
  g_autoptr (TnOverlayRoutes) routes = tn_overlay_routes_new ();
  g_autoptr (TnOverlayRouter) router = NULL;
  TnOverlayPreferences preferences = { 0 };

  model->accept_routes = g_rand_boolean (rand);
  model->exit_node = g_rand_boolean (rand) ? 0 : us->world->nodes[g_rand_int_range (rand, 1, 3)].id;
  for (guint i = 0; i < G_N_ELEMENTS (model->peers); i++)
    {
      ModelPeer *peer = &model->peers[i];
      Node *node = &us->world->nodes[i + 1];
      TnOverlayPeer overlay = { .id = node->id, .addresses = peer->routes, .n_addresses = 1, .allowed_ips = peer->routes,
                                .n_allowed_ips = N_ROUTES + 1, .home_region = REGION, .has_disco_key = TRUE };

      peer->id = node->id;
      peer->jailed = overlay.jailed = g_rand_int_range (rand, 0, 4) == 0;
      peer->routes[0] = (TnIpPrefix) { node->address, 32 };
      for (guint j = 1; j <= N_ROUTES; j++)
        g_assert_true (tn_ip_prefix_parse (prefixes[g_rand_int_range (rand, 0, G_N_ELEMENTS (prefixes))], &peer->routes[j]));
      tn_overlay_routes_upsert (routes, &overlay);
    }
  preferences.accept_routes = model->accept_routes;
  preferences.exit_node = model->exit_node;
  preferences.exit_node_selected = model->exit_node != 0;
  tn_overlay_routes_set_preferences (routes, &preferences);
  router = tn_overlay_routes_snapshot (routes);
  tn_pipeline_set_router (us->pipeline, router);
}

static guint64
count_drops (const Node *node)
{
  guint64 n = 0;

  for (guint i = 0; i < TN_PIPELINE_N_DROPS; i++)
    n += tn_pipeline_get_drops (node->pipeline, i);
  return n;
}

static TnPacketBatch *
make_batch (const guint8 *bytes,
            gsize         len)
{
  TnPacketBatch *batch = tn_packet_batch_new (4096);

  memcpy (tn_packet_batch_append (batch, len)->data, bytes, len);
  return batch;
}

static void
check_outbound (Node         *us,
                const guint8 *bytes,
                gsize         len,
                const Fate   *fate)
{
  g_autoptr (TnPacketBatch) batch = make_batch (bytes, len);
  guint64 n_drops = count_drops (us);
  guint64 n_for_reason = fate->kind == FATE_DROPPED ? tn_pipeline_get_drops (us->pipeline, fate->reason) : 0;
  const InFlight *flight;

  tn_pipeline_from_overlay (us->pipeline, batch, us->world->now_us);
  g_assert_cmpuint (us->world->wire.length, ==, fate->kind == FATE_THROUGH);
  g_assert_cmpuint (count_drops (us) - n_drops, ==, fate->kind == FATE_DROPPED);
  if (fate->kind == FATE_DROPPED)
    g_assert_cmpuint (tn_pipeline_get_drops (us->pipeline, fate->reason) - n_for_reason, ==, 1);
  if (fate->kind == FATE_THROUGH)
    {
      flight = g_queue_peek_head (&us->world->wire);
      g_assert_cmpint (flight->to->id, ==, fate->peer);
    }
  g_queue_clear_full (&us->world->wire, (GDestroyNotify) flight_free);
}

/* A peer that sends what it likes. */
static void
check_inbound (Node         *us,
               Node         *from,
               const guint8 *bytes,
               gsize         len,
               const Fate   *fate)
{
  g_autoptr (TnPacketBatch) batch = make_batch (bytes, len);
  guint64 n_drops = count_drops (us);
  guint64 n_for_reason = fate->kind == FATE_DROPPED ? tn_pipeline_get_drops (us->pipeline, fate->reason) : 0;
  guint n_received = us->received->len;
  InFlight *flight;

  tn_pipeline_seal_and_send (from->pipeline, tn_pipeline_peer_by_id (from->pipeline, us->id), batch);
  flight = g_queue_pop_head (&us->world->wire);
  g_assert_true (flight->to == us);
  deliver (us->world, flight);
  flight_free (flight);

  g_assert_cmpuint (us->received->len - n_received, ==, fate->kind == FATE_THROUGH);
  g_assert_cmpuint (count_drops (us) - n_drops, ==, fate->kind == FATE_DROPPED);
  if (fate->kind == FATE_DROPPED)
    g_assert_cmpuint (tn_pipeline_get_drops (us->pipeline, fate->reason) - n_for_reason, ==, 1);
  if (fate->kind == FATE_THROUGH)
    g_assert_cmpmem (g_bytes_get_data (us->received->pdata[n_received], NULL), g_bytes_get_size (us->received->pdata[n_received]), bytes, len);
  if (fate->kind != FATE_CONSUMED)
    g_assert_cmpuint (us->world->wire.length, ==, fate->reject);
  g_queue_clear_full (&us->world->wire, (GDestroyNotify) flight_free);
}

static guint n_seen[2][FATE_DROPPED + TN_PIPELINE_N_DROPS];

static void
one_packet (GRand     *rand,
            ModelNode *model,
            Node      *us)
{
  guint8 bytes[RANDOM_PACKET_MAX];
  gboolean outbound = g_rand_int_range (rand, 0, 3) == 0;
  gsize len = random_packet (rand, bytes);
  TnParsed packet;
  Fate fate;
  guint i;

  /* What is shorter than it says travels with padding, and is another packet then. */
  while (!outbound && len < 60)
    len = random_packet (rand, bytes);
  tn_parse (&packet, bytes, len);
  if (outbound)
    {
      fate = model_outbound (model, &packet);
      check_outbound (us, bytes, len, &fate);
    }
  else
    {
      i = (guint) g_rand_int_range (rand, 0, 2);
      fate = model_inbound (model, &model->peers[i], &packet);
      check_inbound (us, &us->world->nodes[i + 1], bytes, len, &fate);
    }
  n_seen[outbound][fate.kind + (fate.kind == FATE_DROPPED ? fate.reason : 0)]++;
}

static void
run_seed (guint32 seed)
{
  static ModelRule rules[N_RULES_MAX];
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  g_autoptr (World) world = world_new ();
  g_autoptr (GPtrArray) flows = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) jailed_flows = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (TnFilter) filter = NULL;
  g_autoptr (TnFilter) jailed_filter = NULL;
  Node *us = &world->nodes[US];
  ModelHolder holders[6];
  TnIpPrefix local[8];
  ModelNode model = {
    .filter = { .rules = rules, .holders = holders, .n_holders = G_N_ELEMENTS (holders), .local = local, .n_local = G_N_ELEMENTS (local),
                .flows = flows, .max_flows = MANY_FLOWS },
    .jailed = { .local = local, .n_local = G_N_ELEMENTS (local), .flows = jailed_flows, .max_flows = MANY_FLOWS },
  };
  TnFilterBuilder *jailed = tn_filter_builder_new ();

  for (guint i = 1; i < G_N_ELEMENTS (world->nodes); i++)
    {
      send_udp (us, &world->nodes[i], 1);      /* tunnels are there from now on */
      settle (world);
      send_udp (&world->nodes[i], us, 1);
      settle (world);
    }
  g_test_message ("seed %u", seed);
  random_routes (rand, &model, us);
  filter = random_filter (rand, &model.filter, rules, holders, local);
  for (guint i = 0; i < G_N_ELEMENTS (local); i++)
    tn_filter_builder_add_local (jailed, &local[i]);
  jailed_filter = tn_filter_builder_end (jailed);
  tn_pipeline_set_filters (us->pipeline, filter, jailed_filter);
  for (guint i = 0; i < N_PACKETS; i++)
    one_packet (rand, &model, us);
}

static void
test_like_model (void)
{
  static const TnPipelineDrop outbound[] = { TN_PIPELINE_DROP_MALFORMED, TN_PIPELINE_DROP_FORBIDDEN, TN_PIPELINE_DROP_NO_ROUTE,
                                             TN_PIPELINE_DROP_FILTER_OUT };
  static const TnPipelineDrop inbound[] = { TN_PIPELINE_DROP_SOURCE, TN_PIPELINE_DROP_FILTER };

  tn_test_run_seeds (300, run_seed);
  if (g_getenv ("TAILNET_TEST_SEED") != NULL)
    return;

  /* Chance left nothing out. */
  g_assert_cmpuint (n_seen[TRUE][FATE_THROUGH], >, 0);
  g_assert_cmpuint (n_seen[FALSE][FATE_THROUGH], >, 0);
  g_assert_cmpuint (n_seen[FALSE][FATE_CONSUMED], >, 0);
  for (guint i = 0; i < G_N_ELEMENTS (outbound); i++)
    g_assert_cmpuint (n_seen[TRUE][FATE_DROPPED + outbound[i]], >, 0);
  for (guint i = 0; i < G_N_ELEMENTS (inbound); i++)
    g_assert_cmpuint (n_seen[FALSE][FATE_DROPPED + inbound[i]], >, 0);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataplane/pipeline/like-the-model", test_like_model);
  return g_test_run ();
}

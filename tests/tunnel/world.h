/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <string.h>

#include "tn-reader.h"
#include "tn-tunnel-private.h"

/* Nodes with an engine each, on a wire that loses, delays, reorders and duplicates, in virtual time. Everything random comes from
 * the seed. The wire and the nodes check at all times what must never happen: a nonce used twice, a packet delivered twice or
 * altered, too many packets staged, a timer that spins. */

#define WORLD_MS       ((gint64) 1000)
#define WORLD_SECOND   (1000 * WORLD_MS)
#define WORLD_MINUTE   (60 * WORLD_SECOND)
#define WORLD_HOUR     (60 * WORLD_MINUTE)
#define WORLD_INNER_LEN 40      /* IPv4 header, then who, to whom, which */
#define WORLD_N_TYPES  5

typedef struct _World World;
typedef struct _Node  Node;

struct _Node
{
  World           *world;
  guint            id;
  TnNodePrivateKey private_key;
  TnNodePublicKey  public_key;
  TnTunnel        *tunnel;
  gint64           wall_offset_ns;
  gint64           wall_max_ns;
  gint64           asleep_until_us;
  gboolean         is_cut_off;
  gboolean         adds_on_lookup;
  gboolean         removes_when_idle;
  guint64          next_seq;
  guint64          n_delivered;
  guint64          last_delivered;              /* sequence number */
  guint            n_events[TN_TUNNEL_EVENT_IDLE + 1];
  guint            n_sent[WORLD_N_TYPES];       /* messages by type */
  guint            n_wakes;
};

typedef struct
{
  gint64  at_us;
  guint64 serial;
  Node   *from;
  Node   *to;
  gsize   len;
  guint8 *data;
} Datagram;

struct _World
{
  GRand      *rand;
  gint64      now_us;
  GPtrArray  *nodes;
  GSequence  *wire;
  guint64     n_datagrams;
  GHashTable *nonces;               /* sender, receiver index, counter */
  GHashTable *delivered;            /* sender, receiver, sequence number */

  double      loss;
  double      duplication;
  gint64      delay_min_us;
  gint64      delay_max_us;
  gboolean  (*filter) (World *world, Node *from, Node *to, const guint8 *data, gsize len);    /* FALSE: lost */
};

static void
datagram_free (gpointer data)
{
  Datagram *datagram = data;

  g_free (datagram->data);
  g_free (datagram);
}

static int
datagram_compare (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const Datagram *x = a;
  const Datagram *y = b;

  if (x->at_us != y->at_us)
    return x->at_us < y->at_us ? -1 : 1;
  return x->serial < y->serial ? -1 : x->serial > y->serial;
}

static inline void
world_random_bytes (World *world, void *out, gsize len)
{
  for (gsize i = 0; i < len; i++)
    ((guint8 *) out)[i] = (guint8) g_rand_int (world->rand);
}

static inline World *
world_new (guint32 seed)
{
  World *world = g_new0 (World, 1);

  world->rand = g_rand_new_with_seed (seed);
  world->now_us = WORLD_HOUR;
  world->nodes = g_ptr_array_new ();
  world->wire = g_sequence_new (datagram_free);
  world->nonces = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  world->delivered = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  world->delay_min_us = world->delay_max_us = 20 * WORLD_MS;
  return world;
}

static inline void
world_free (World *world)
{
  for (guint i = 0; i < world->nodes->len; i++)
    {
      Node *node = g_ptr_array_index (world->nodes, i);

      tn_tunnel_free (node->tunnel);
      g_free (node);
    }
  g_ptr_array_unref (world->nodes);
  g_sequence_free (world->wire);
  g_hash_table_unref (world->nonces);
  g_hash_table_unref (world->delivered);
  g_rand_free (world->rand);
  g_free (world);
}

/* --- Wire --- */

static inline void
world_check_nonce (World *world, Node *from, const guint8 *data)
{
  char *key = g_strdup_printf ("%u %u %" G_GUINT64_FORMAT, from->id, tn_get_u32le (data + 4), tn_get_u64le (data + 8));

  g_assert_true (g_hash_table_add (world->nonces, key));
}

static inline void
world_put (World *world, Node *from, Node *to, const guint8 *data, gsize len)
{
  Datagram *datagram = g_new0 (Datagram, 1);

  datagram->at_us = world->now_us + world->delay_min_us +
                    (gint64) g_rand_double_range (world->rand, 0, (double) (world->delay_max_us - world->delay_min_us + 1));
  datagram->serial = world->n_datagrams++;
  datagram->from = from;
  datagram->to = to;
  datagram->len = len;
  datagram->data = g_memdup2 (data, len);
  g_sequence_insert_sorted (world->wire, datagram, datagram_compare, NULL);
}

static inline void
world_transmit (World *world, Node *from, Node *to, const guint8 *data, gsize len)
{
  g_assert_cmpuint (len, >=, TN_MESSAGE_DATA_MIN);
  g_assert_cmpuint (data[0], <, WORLD_N_TYPES);
  from->n_sent[data[0]]++;
  if (data[0] == TN_MESSAGE_TYPE_DATA)
    world_check_nonce (world, from, data);

  if (from->is_cut_off || to->is_cut_off || g_rand_double (world->rand) < world->loss ||
      (world->filter != NULL && !world->filter (world, from, to, data, len)))
    return;
  world_put (world, from, to, data, len);
  if (g_rand_double (world->rand) < world->duplication)
    world_put (world, from, to, data, len);
}

/* --- Node --- */

static Node *
node_by_key (World *world, const TnNodePublicKey *key)
{
  for (guint i = 0; i < world->nodes->len; i++)
    {
      Node *node = g_ptr_array_index (world->nodes, i);

      if (tn_node_public_key_equal (&node->public_key, key))
        return node;
    }
  return NULL;
}

static void
node_send_cb (gpointer user_data, TnTunnelPeer *peer, gconstpointer reply_to, TnTunnelMessage kind, TnPacket *packets, guint n_packets)
{
  static const guint8 types[] = {
    [TN_TUNNEL_MESSAGE_HANDSHAKE] = 0, [TN_TUNNEL_MESSAGE_COOKIE] = TN_MESSAGE_TYPE_COOKIE,
    [TN_TUNNEL_MESSAGE_KEEPALIVE] = TN_MESSAGE_TYPE_DATA, [TN_TUNNEL_MESSAGE_DATA] = TN_MESSAGE_TYPE_DATA,
  };
  Node *node = user_data;
  Node *to = NULL;

  g_assert_cmpint (peer == NULL, ==, kind == TN_TUNNEL_MESSAGE_COOKIE);
  if (reply_to != NULL)
    for (guint i = 0; i < node->world->nodes->len; i++)
      if (g_ptr_array_index (node->world->nodes, i) == reply_to)
        to = g_ptr_array_index (node->world->nodes, i);
  if (reply_to == NULL)
    to = node_by_key (node->world, tn_tunnel_peer_get_key (peer));

  for (guint i = 0; i < n_packets; i++)
    {
      g_assert_cmpuint (packets[i].headroom, >=, TN_PACKET_HEADROOM - TN_TUNNEL_HEADER_LEN);
      if (types[kind] != 0)
        g_assert_cmpuint (packets[i].data[0], ==, types[kind]);
      g_assert_cmpint (kind == TN_TUNNEL_MESSAGE_KEEPALIVE, ==, packets[i].data[0] == TN_MESSAGE_TYPE_DATA && packets[i].len == 32);
      if (to != NULL)
        world_transmit (node->world, node, to, packets[i].data, packets[i].len);
    }
}

static gboolean
node_lookup_cb (gpointer user_data, const TnNodePublicKey *key, TnTunnelPeerConfig *config)
{
  Node *node = user_data;

  config->user_data = node_by_key (node->world, key);
  return node->adds_on_lookup && config->user_data != NULL;
}

static void
node_event_cb (gpointer user_data, TnTunnelPeer *peer, TnTunnelEvent event)
{
  Node *node = user_data;

  node->n_events[event]++;
  if (event == TN_TUNNEL_EVENT_ESTABLISHED)
    g_assert_true (tn_tunnel_peer_has_session (peer, node->world->now_us));
  if (event == TN_TUNNEL_EVENT_IDLE && node->removes_when_idle)
    tn_tunnel_remove_peer (node->tunnel, peer);
}

static gint64
node_wall_time_cb (gpointer user_data)
{
  Node *node = user_data;
  gint64 wall_ns = 1700000000 * (gint64) 1000000000 + node->world->now_us * 1000 + node->wall_offset_ns;

  node->wall_max_ns = MAX (node->wall_max_ns, wall_ns);
  return wall_ns;
}

static void
node_random_cb (gpointer user_data, void *out, gsize len)
{
  world_random_bytes (((Node *) user_data)->world, out, len);
}

static const TnTunnelHooks node_hooks = {
  .send = node_send_cb, .lookup = node_lookup_cb, .event = node_event_cb, .wall_time_ns = node_wall_time_cb, .random = node_random_cb,
};

static inline Node *
node_new (World *world)
{
  Node *node = g_new0 (Node, 1);

  node->world = world;
  node->id = world->nodes->len;
  world_random_bytes (world, node->private_key.bytes, TN_KEY_LEN);
  tn_node_private_key_get_public (&node->private_key, &node->public_key);
  node->tunnel = tn_tunnel_new (&node->private_key, &node_hooks, node);
  g_ptr_array_add (world->nodes, node);
  return node;
}

static inline TnTunnelPeer *
node_peer (Node *node, Node *other)
{
  return tn_tunnel_add_peer (node->tunnel, &other->public_key, &(TnTunnelPeerConfig) { .user_data = other }, node->world->now_us);
}

/* The process ends and starts again: only its key is left, and a clock that is right. */
static inline void
node_restart (Node *node)
{
  gint64 wall_ns = node_wall_time_cb (node);

  node->wall_offset_ns += node->wall_max_ns - wall_ns;
  tn_tunnel_free (node->tunnel);
  node->tunnel = tn_tunnel_new (&node->private_key, &node_hooks, node);
}

static inline gboolean
node_has_session (Node *node, Node *other)
{
  TnTunnelPeer *peer = tn_tunnel_lookup_peer (node->tunnel, &other->public_key);

  return peer != NULL && tn_tunnel_peer_has_session (peer, node->world->now_us);
}

static inline guint
node_get_n_staged (Node *node, Node *other)
{
  TnTunnelPeerStats stats;

  tn_tunnel_peer_get_stats (node_peer (node, other), &stats);
  return stats.n_staged;
}

/* A packet that says who sent it, to whom, and which it is; all else follows from that. */
static inline void
world_fill_inner (guint8 *data, gsize len, Node *from, Node *to, guint64 seq)
{
  memset (data, 0, len);
  data[0] = 0x45;
  tn_put_u16be (data + 2, (guint16) len);
  tn_put_u32be (data + 20, from->id);
  tn_put_u32be (data + 24, to->id);
  tn_put_u64be (data + 28, seq);
  for (gsize i = WORLD_INNER_LEN; i < len; i++)
    data[i] = (guint8) (seq * 31 + i);
}

/* Sends @n packets of @len bytes in one batch; the first has the sequence number that is returned. */
static inline guint64
node_send (Node *node, Node *to, guint n, gsize len)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (n * (len + 256));
  guint64 first = node->next_seq;

  for (guint i = 0; i < n; i++)
    world_fill_inner (tn_packet_batch_append (batch, len)->data, len, node, to, node->next_seq++);
  if (tn_tunnel_seal (node->tunnel, node_peer (node, to), batch->packets, n, node->world->now_us) == TN_TUNNEL_SEALED)
    for (guint i = 0; i < n; i++)
      world_transmit (node->world, node, to, batch->packets[i].data, batch->packets[i].len);
  g_assert_cmpuint (node_get_n_staged (node, to), <=, TN_STAGED_MAX);
  return first;
}

static inline void
node_check_inner (Node *node, TnTunnelPeer *peer, const TnPacket *packet)
{
  g_autofree guint8 *expected = g_malloc (packet->len);
  Node *from = g_ptr_array_index (node->world->nodes, tn_get_u32be (packet->data + 20));
  guint64 seq = tn_get_u64be (packet->data + 28);
  char *key;

  g_assert_cmpuint (packet->len, >=, WORLD_INNER_LEN);
  world_fill_inner (expected, packet->len, from, node, seq);
  g_assert_cmpmem (packet->data, packet->len, expected, packet->len);
  g_assert_true (tn_node_public_key_equal (tn_tunnel_peer_get_key (peer), &from->public_key));

  key = g_strdup_printf ("%u %u %" G_GUINT64_FORMAT, from->id, node->id, seq);
  g_assert_true (g_hash_table_add (node->world->delivered, key));
  node->n_delivered++;
  node->last_delivered = seq;
}

static inline TnTunnelVerdict
node_receive (Node *node, Node *from, const guint8 *data, gsize len)
{
  g_autofree guint8 *copy = g_memdup2 (data, len);
  TnPacket packet = { .data = copy, .len = (guint32) len };
  TnIpEndpoint endpoint = { .address = { .version = 4, .bytes = { 192, 0, 2, (guint8) from->id } }, .port = (guint16) from->id };
  TnTunnelSource source;
  TnTunnelVerdict verdict;
  TnTunnelPeer *peer;

  tn_tunnel_source_set_udp (&source, &endpoint, from);
  verdict = tn_tunnel_receive (node->tunnel, &packet, &source, node->world->now_us, &peer);
  if (verdict == TN_TUNNEL_DATA)
    node_check_inner (node, peer, &packet);
  if (verdict != TN_TUNNEL_DROP)
    g_assert_nonnull (peer);
  return verdict;
}

/* --- Time --- */

static inline Node *
world_next_timer (World *world, gint64 *at_us)
{
  Node *next = NULL;

  for (guint i = 0; i < world->nodes->len; i++)
    {
      Node *node = g_ptr_array_index (world->nodes, i);
      gint64 deadline_us = tn_tunnel_deadline (node->tunnel);

      if (deadline_us != G_MAXINT64)
        deadline_us = MAX (deadline_us, node->asleep_until_us);
      if (deadline_us < *at_us)
        {
          *at_us = deadline_us;
          next = node;
        }
    }
  return next;
}

static inline void
world_deliver_first (World *world)
{
  GSequenceIter *iter = g_sequence_get_begin_iter (world->wire);
  Datagram *datagram = g_sequence_get (iter);

  if (datagram->to->asleep_until_us <= world->now_us)
    node_receive (datagram->to, datagram->from, datagram->data, datagram->len);
  g_sequence_remove (iter);
}

static inline void
world_run (World *world, gint64 duration_us)
{
  gint64 end_us = world->now_us + duration_us;

  for (;;)
    {
      GSequenceIter *iter = g_sequence_get_begin_iter (world->wire);
      gint64 wire_us = g_sequence_iter_is_end (iter) ? G_MAXINT64 : ((Datagram *) g_sequence_get (iter))->at_us;
      gint64 at_us = MIN (wire_us, end_us + 1);
      Node *node = world_next_timer (world, &at_us);

      if (at_us > end_us)
        break;
      world->now_us = MAX (world->now_us, at_us);
      if (node != NULL)
        {
          node->n_wakes++;
          tn_tunnel_expire (node->tunnel, world->now_us);
        }
      else
        world_deliver_first (world);
    }
  world->now_us = end_us;
}

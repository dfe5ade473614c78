/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tn-reader.h"
#include "tn-tunnel-private.h"

/* Two engines that know each other, and a wire between them that the input plays: each call takes an opcode and what it needs.
 * Messages on the wire can be delivered, delivered again, altered (with good MACs, which no fuzzer would find) or made up. */

#define WIRE_MAX 64

typedef struct
{
  guint8 *data;
  gsize   len;
} Message;

typedef struct
{
  TnTunnel        *tunnel;
  TnNodePublicKey  other;
  guint            side;
} Side;

static Side sides[2];
static Message wire[WIRE_MAX];
static guint n_wire;
static guint64 random_state;

static void
send_cb (gpointer user_data, TnTunnelPeer *peer, gconstpointer reply_to, TnTunnelMessage kind, TnPacket *packets, guint n_packets)
{
  for (guint i = 0; i < n_packets; i++)
    {
      Message *message = &wire[n_wire++ % WIRE_MAX];

      g_free (message->data);
      message->data = g_memdup2 (packets[i].data, packets[i].len);
      message->len = packets[i].len;
    }
}

static gboolean
lookup_cb (gpointer user_data, const TnNodePublicKey *key, TnTunnelPeerConfig *config)
{
  return tn_node_public_key_equal (key, &((Side *) user_data)->other);
}

static void
event_cb (gpointer user_data, TnTunnelPeer *peer, TnTunnelEvent event)
{
  Side *side = user_data;

  if (event == TN_TUNNEL_EVENT_IDLE)
    tn_tunnel_remove_peer (side->tunnel, peer);
}

static gint64
wall_time_cb (gpointer user_data)
{
  return (gint64) (random_state << 8);
}

static void
random_cb (gpointer user_data, void *out, gsize len)
{
  for (gsize i = 0; i < len; i++)
    {
      random_state = random_state * 6364136223846793005u + 1442695040888963407u;
      ((guint8 *) out)[i] = (guint8) (random_state >> 33) & (len == 4 ? 7 : 0xff);      /* few indices: they meet */
    }
}

static void
receive (Side *side, const guint8 *data, gsize len, gint64 now_us)
{
  TnTunnelSource source = { .tag = side, .len = 6, .limit_len = 4 };
  guint8 *copy = g_memdup2 (len > 0 ? data : (const guint8 *) "", MAX (len, 1));
  TnPacket packet = { .data = copy, .len = (guint32) len };
  TnTunnelPeer *peer;
  TnTunnelVerdict verdict;

  verdict = tn_tunnel_receive (side->tunnel, &packet, &source, now_us, &peer);
  g_assert_true (verdict == TN_TUNNEL_DROP || peer != NULL);
  g_assert_true (packet.data >= copy && packet.data + packet.len + packet.tailroom <= copy + MAX (len, 1));
  if (verdict == TN_TUNNEL_DATA)
    g_assert_true (packet.len >= 20 && (packet.data[0] >> 4 == 4 || packet.data[0] >> 4 == 6));
  g_free (copy);
}

static void
alter (TnReader *r, const Message *message, gint64 now_us)
{
  guint8 *copy = g_memdup2 (message->data, message->len);
  TnCookieJar jar;
  guint8 at, value, to;

  if (tn_reader_u8 (r, &at) && tn_reader_u8 (r, &value) && tn_reader_u8 (r, &to))
    {
      Side *side = &sides[to & 1];

      copy[at % message->len] ^= value;
      if (message->len == sizeof (TnMessageInitiation) || message->len == sizeof (TnMessageResponse))
        {
          tn_cookie_jar_init (&jar, &side->tunnel->identity->public_key);
          tn_cookie_jar_add_macs (&jar, copy, message->len, now_us);
        }
      receive (side, copy, message->len, now_us);
    }
  g_free (copy);
}

static void
seal (Side *side, guint8 n, guint8 len, gint64 now_us)
{
  TnPacketBatch *batch = tn_packet_batch_new (8 * 512);
  TnTunnelPeer *peer = tn_tunnel_add_peer (side->tunnel, &side->other, NULL, now_us);

  n = n % 8;
  for (guint i = 0; i < n; i++)
    {
      TnPacket *packet = tn_packet_batch_append (batch, len);

      memset (packet->data, 0x45, len);
      if (len >= 4)
        tn_put_u16be (packet->data + 2, len);
    }
  if (tn_tunnel_seal (side->tunnel, peer, batch->packets, n, now_us) == TN_TUNNEL_SEALED)
    send_cb (side, peer, NULL, TN_TUNNEL_MESSAGE_DATA, batch->packets, n);
  tn_packet_batch_free (batch);
}

static void
check (Side *side)
{
  TnTunnelPeer *peer = tn_tunnel_lookup_peer (side->tunnel, &side->other);

  g_assert_cmpuint (side->tunnel->indices.n_entries, <=, 4);
  g_assert_cmpuint (side->tunnel->n_heap, <=, 1);
  if (peer != NULL)
    for (guint i = 0; i < TN_N_TIMERS; i++)
      g_assert_true (peer->timers[i] == G_MAXINT64 || peer->wake_us <= peer->timers[i]);
}

static gboolean
step (TnReader *r, gint64 *now_us)
{
  const guint8 *bytes;
  guint8 op, x, y;
  guint16 t;
  Side *side;

  if (!tn_reader_u8 (r, &op) || !tn_reader_u8 (r, &x) || !tn_reader_u8 (r, &y))
    return FALSE;
  side = &sides[op >> 7];

  switch (op & 15)
    {
    case 0:
    case 1:      /* the newest messages are the interesting ones */
    case 2:
      if (n_wire > 0)
        receive (side, wire[(n_wire - 1 - x % MIN (n_wire, WIRE_MAX)) % WIRE_MAX].data,
                 wire[(n_wire - 1 - x % MIN (n_wire, WIRE_MAX)) % WIRE_MAX].len, *now_us);
      break;
    case 3:
      if (n_wire > 0)
        alter (r, &wire[(n_wire - 1 - x % MIN (n_wire, WIRE_MAX)) % WIRE_MAX], *now_us);
      break;
    case 4:
      if (tn_reader_bytes (r, x, &bytes))
        receive (side, bytes, x, *now_us);
      break;
    case 5:
    case 6:
      seal (side, x, y, *now_us);
      break;
    case 7:
      *now_us += x * (gint64) 1000 * (y + 1);
      break;
    case 8:
      if (tn_reader_u16be (r, &t))
        *now_us += t * TN_SECOND_US / 16;
      break;
    case 9:
    case 10:
      tn_tunnel_expire (side->tunnel, *now_us);
      break;
    case 11:
      tn_tunnel_set_load_limit (side->tunnel, x % 3);
      break;
    case 12:
      tn_tunnel_connect (side->tunnel, tn_tunnel_add_peer (side->tunnel, &side->other, NULL, *now_us), *now_us);
      break;
    case 13:
      tn_tunnel_send_keepalive (side->tunnel, tn_tunnel_add_peer (side->tunnel, &side->other, NULL, *now_us), *now_us);
      break;
    case 14:
      if (tn_tunnel_lookup_peer (side->tunnel, &side->other) != NULL && x < 64)
        tn_tunnel_remove_peer (side->tunnel, tn_tunnel_lookup_peer (side->tunnel, &side->other));
      else if (x < 128)
        tn_tunnel_reset (side->tunnel);
      break;
    default:      /* near the end of the counter */
      {
        TnTunnelPeer *peer = tn_tunnel_lookup_peer (side->tunnel, &side->other);

        if (peer != NULL && peer->keypairs.current != NULL)
          peer->keypairs.current->send_counter = (x & 1 ? TN_REJECT_AFTER_MESSAGES : TN_REKEY_AFTER_MESSAGES) - y % 8;
      }
      break;
    }
  check (side);
  return TRUE;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  static const TnTunnelHooks hooks = { send_cb, lookup_cb, event_cb, wall_time_cb, random_cb };
  TnReader r = TN_READER_INIT (data, size);
  TnNodePrivateKey keys[2] = { { { 8 } }, { { 16 } } };      /* the low three bits do not count */
  gint64 now_us = 0;

  n_wire = 0;
  random_state = 1;
  for (guint i = 0; i < 2; i++)
    {
      sides[i].side = i;
      sides[i].tunnel = tn_tunnel_new (&keys[i], &hooks, &sides[i]);
      tn_node_private_key_get_public (&keys[1 - i], &sides[i].other);
    }

  for (guint i = 0; i < 200 && step (&r, &now_us); i++)
    continue;

  for (guint i = 0; i < 2; i++)
    tn_tunnel_free (sides[i].tunnel);
  for (guint i = 0; i < WIRE_MAX; i++)
    g_clear_pointer (&wire[i].data, g_free);
  return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "initiations.h"

#include <string.h>

#include "tn-box.h"

#define STEP_US (25 * G_TIME_SPAN_MILLISECOND)      /* a peer may not call more often than every 20 ms */

typedef struct
{
  guint8 *out;
  gint64  now_us;
} Caller;

static gint64
caller_wall_time (gpointer data)
{
  return (((Caller *) data)->now_us + G_GINT64_CONSTANT (1700000000000000)) * 1000;
}

static void
random_bytes (gpointer  data,
              void     *out,
              gsize     len)
{
  tn_random (out, len);
}

static void
caller_send (gpointer         data,
             TnTunnelPeer    *peer,
             gconstpointer    reply_to,
             TnTunnelMessage  message,
             TnPacket        *packets,
             guint            n_packets)
{
  g_assert (packets[0].len == INITIATION_LEN);
  memcpy (((Caller *) data)->out, packets[0].data, INITIATION_LEN);
}

static gboolean
no_lookup (gpointer               data,
           const TnNodePublicKey *key,
           TnTunnelPeerConfig    *config)
{
  return FALSE;
}

guint8 *
initiations_new (const Responder *responder,
                 guint            n,
                 gboolean         one_caller)
{
  static const TnTunnelHooks hooks = { caller_send, no_lookup, NULL, caller_wall_time, random_bytes };
  guint8 *initiations = g_malloc (n * INITIATION_LEN);
  Caller caller = { 0 };
  TnTunnel *tunnel = NULL;
  TnTunnelPeer *peer = NULL;

  for (guint i = 0; i < n; i++)
    {
      caller.out = initiations + i * INITIATION_LEN;
      caller.now_us += STEP_US;
      if (tunnel == NULL || !one_caller)
        {
          g_auto (TnNodePrivateKey) key = { 0 };

          g_clear_pointer (&tunnel, tn_tunnel_free);
          tn_node_private_key_generate (&key);
          tunnel = tn_tunnel_new (&key, &hooks, &caller);
          peer = tn_tunnel_add_peer (tunnel, &responder->key, NULL, caller.now_us);
        }
      tn_tunnel_peer_reset (tunnel, peer);
      tn_tunnel_connect (tunnel, peer, caller.now_us);
    }
  tn_tunnel_free (tunnel);
  return initiations;
}

/* --- The node that is called --- */

static gint64
responder_wall_time (gpointer data)
{
  return ((Responder *) data)->now_us * 1000;
}

static void
responder_send (gpointer         data,
                TnTunnelPeer    *peer,
                gconstpointer    reply_to,
                TnTunnelMessage  message,
                TnPacket        *packets,
                guint            n_packets)
{
  ((Responder *) data)->n_sent++;
}

static gboolean
responder_lookup (gpointer               data,
                  const TnNodePublicKey *key,
                  TnTunnelPeerConfig    *config)
{
  return TRUE;
}

void
responder_init (Responder *responder)
{
  static const TnTunnelHooks hooks = { responder_send, responder_lookup, NULL, responder_wall_time, random_bytes };
  g_auto (TnNodePrivateKey) key = { 0 };

  memset (responder, 0, sizeof *responder);
  tn_node_private_key_generate (&key);
  tn_node_private_key_get_public (&key, &responder->key);
  responder->tunnel = tn_tunnel_new (&key, &hooks, responder);
  tn_tunnel_set_load_limit (responder->tunnel, G_MAXUINT / 2);
}

void
responder_clear (Responder *responder)
{
  tn_tunnel_free (responder->tunnel);
}

void
responder_take (Responder    *responder,
                const guint8  initiation[INITIATION_LEN])
{
  guint8 bytes[INITIATION_LEN + TN_PACKET_TAILROOM];
  TnPacket packet = { .data = bytes, .len = INITIATION_LEN, .tailroom = TN_PACKET_TAILROOM };
  TnTunnelSource source;
  TnTunnelPeer *peer;

  memcpy (bytes, initiation, INITIATION_LEN);
  responder->now_us += STEP_US;
  tn_tunnel_source_set_relay (&source, 1, &responder->key, NULL);
  (void) tn_tunnel_receive (responder->tunnel, &packet, &source, responder->now_us, &peer);
}

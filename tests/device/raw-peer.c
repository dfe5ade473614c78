/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "raw-peer.h"

#include "device-kit.h"
#include "tailnet-plugin.h"
#include "tn-boot-timer.h"
#include "tn-box.h"
#include "tn-tsmp.h"

#define AGAIN_MS 200      /* a ping of which the relay lost the way is sent again */

struct _RawPeer
{
  TnUnderlayTransport *underlay;
  TnTunnel            *tunnel;
  TnTunnelPeer        *other;
  GSource             *timer;
  TnPacketBatch       *batch;
  TnPathAddress        path;
  TnDiscoPublicKey     other_disco;
  TnIpAddress          other_address;
  GBytes              *sealed;
  guint8               token[TN_TSMP_DATA_LEN];
  gboolean             up;
  gboolean             writable;
  gboolean             answered;
};

/* --- The tunnel --- */

static void
settle (RawPeer *peer)
{
  tn_boot_timer_set (peer->timer, tn_tunnel_deadline (peer->tunnel));
}

static gboolean
timer_cb (gpointer data)
{
  RawPeer *peer = data;

  tn_tunnel_expire (peer->tunnel, tn_boot_time_us ());
  settle (peer);
  return G_SOURCE_CONTINUE;
}

static void
send_packet (RawPeer        *peer,
             const TnPacket *packet,
             TnSendFlags     flags)
{
  TnPacketBatch batch = { .packets = { *packet }, .n_packets = 1 };

  if (TN_UNDERLAY_TRANSPORT_GET_IFACE (peer->underlay)->send (peer->underlay, &peer->path, &batch, 0, flags) == 0)
    peer->writable = FALSE;      /* this one is lost */
}

static void
tunnel_send_cb (gpointer         user_data,
                TnTunnelPeer    *tunnel_peer,
                gconstpointer    reply_to,
                TnTunnelMessage  message,
                TnPacket        *packets,
                guint            n_packets)
{
  for (guint i = 0; i < n_packets; i++)
    send_packet (user_data, &packets[i], TN_SEND_URGENT);
}

static gint64
tunnel_wall_time_cb (gpointer user_data)
{
  return g_get_real_time () * 1000;
}

static void
tunnel_random_cb (gpointer  user_data,
                  void     *out,
                  gsize     len)
{
  tn_random (out, len);
}

/* --- The link --- */

static void
look_for_answer (RawPeer        *peer,
                 const TnPacket *packet)
{
  TnParsed parsed;
  TnTsmp tsmp;

  tn_parse (&parsed, packet->data, packet->len);
  if (tn_tsmp_parse (&tsmp, &parsed) && tsmp.type == TN_TSMP_PONG && memcmp (tsmp.pong.data, peer->token, sizeof peer->token) == 0)
    peer->answered = TRUE;
}

static void
receive_cb (gpointer             user_data,
            TnUnderlayTransport *underlay,
            TnPacketBatch       *batch,
            const TnPathAddress *from)
{
  RawPeer *peer = user_data;

  for (guint i = 0; i < batch->n_packets; i++)
    {
      TnTunnelPeer *tunnel_peer = NULL;
      TnTunnelSource source;

      tn_tunnel_source_set_relay (&source, from[i].relay.region, &from[i].relay.key, &from[i]);
      if (tn_tunnel_receive (peer->tunnel, &batch->packets[i], &source, tn_boot_time_us (), &tunnel_peer) == TN_TUNNEL_DATA)
        look_for_answer (peer, &batch->packets[i]);
    }
  settle (peer);
}

static void
writable_cb (gpointer             user_data,
             TnUnderlayTransport *underlay,
             const TnPathAddress *to)
{
  ((RawPeer *) user_data)->writable = TRUE;
}

static void
path_gone_cb (gpointer             user_data,
              TnUnderlayTransport *underlay,
              const TnPathAddress *path)
{
}

static void
link_state_cb (gpointer             user_data,
               TnUnderlayTransport *underlay,
               guint                region,
               TnUnderlayLinkState  state,
               const GError        *error)
{
  ((RawPeer *) user_data)->up = state == TN_UNDERLAY_LINK_UP;
}

static gboolean
is_up (gpointer data)
{
  return ((RawPeer *) data)->up;
}

static TnRelayMap *
make_map (TnTestkitDerp *relay)
{
  TnRelayRegion *region = tn_relay_region_new (tn_testkit_derp_get_region (relay), "test", "Test");
  TnRelayNode *node = tn_relay_node_new ("a", "127.0.0.1");
  TnRelayMap *map = tn_relay_map_new ();

  node->ipv4 = g_strdup ("127.0.0.1");
  node->ipv6 = g_strdup ("none");
  node->derp_port = (guint16) tn_testkit_derp_get_port (relay);
  node->cert_name = tn_testkit_derp_dup_pin (relay);
  g_ptr_array_add (region->nodes, node);
  tn_relay_map_take_region (map, region);
  return map;
}

static void
start_link (RawPeer                *peer,
            TnTestkitDerp          *relay,
            const TnNodePrivateKey *key)
{
  static const TnUnderlayCallbacks callbacks = {
    .receive = receive_cb,
    .writable = writable_cb,
    .path_gone = path_gone_cb,
    .link_state = link_state_cb,
  };
  GIOExtensionPoint *point = g_io_extension_point_lookup (TN_UNDERLAY_TRANSPORT_EXTENSION_POINT_NAME);
  GIOExtension *extension = g_io_extension_point_get_extension_by_name (point, "derp");
  TnUnderlayConfig config = { .context = g_main_context_default (), .node_key = key };
  g_autoptr (TnRelayMap) map = make_map (relay);
  g_autoptr (GError) error = NULL;
  TnUnderlayTransportInterface *iface;

  peer->underlay = g_object_new (g_io_extension_get_type (extension), NULL);
  iface = TN_UNDERLAY_TRANSPORT_GET_IFACE (peer->underlay);
  iface->set_relay_map (peer->underlay, map);
  g_assert_true (iface->start (peer->underlay, &config, &callbacks, peer, &error));
  g_assert_no_error (error);
  iface->set_home (peer->underlay, tn_testkit_derp_get_region (relay));
  kit_wait_for ("a link to the relay", is_up, peer);
}

/* --- Life --- */

RawPeer *
raw_peer_new (TnTestkitDerp          *relay,
              const TnNodePrivateKey *key,
              TnTestkitNode          *other)
{
  static const TnTunnelHooks hooks = { .send = tunnel_send_cb, .wall_time_ns = tunnel_wall_time_cb, .random = tunnel_random_cb };
  RawPeer *peer = g_new0 (RawPeer, 1);

  peer->path.kind = TN_PATH_ADDRESS_RELAY;
  peer->path.relay.region = tn_testkit_derp_get_region (relay);
  g_assert_true (tn_node_public_key_parse (&peer->path.relay.key, tn_testkit_node_get_node_key (other)));
  g_assert_true (tn_disco_public_key_parse (&peer->other_disco, tn_testkit_node_get_disco_key (other)));
  g_assert_true (tn_ip_address_parse (tn_testkit_node_get_ipv4 (other), &peer->other_address));
  peer->batch = tn_packet_batch_new (4096);
  peer->sealed = g_bytes_new (NULL, 0);
  peer->writable = TRUE;
  peer->tunnel = tn_tunnel_new (key, &hooks, peer);
  peer->other = tn_tunnel_add_peer (peer->tunnel, &peer->path.relay.key, NULL, tn_boot_time_us ());
  peer->timer = tn_boot_timer_source_new ();
  g_source_set_callback (peer->timer, timer_cb, peer, NULL);
  g_source_attach (peer->timer, NULL);
  start_link (peer, relay, key);
  return peer;
}

void
raw_peer_free (RawPeer *peer)
{
  TN_UNDERLAY_TRANSPORT_GET_IFACE (peer->underlay)->stop (peer->underlay);
  g_object_unref (peer->underlay);
  g_source_destroy (peer->timer);
  g_source_unref (peer->timer);
  tn_tunnel_free (peer->tunnel);
  tn_packet_batch_free (peer->batch);
  g_bytes_unref (peer->sealed);
  g_free (peer);
}

static gboolean
has_session (gpointer data)
{
  RawPeer *peer = data;

  return tn_tunnel_peer_has_session (peer->other, tn_boot_time_us ());
}

void
raw_peer_shake_hands (RawPeer *peer)
{
  tn_tunnel_connect (peer->tunnel, peer->other, tn_boot_time_us ());
  settle (peer);
  kit_wait_for ("a session", has_session, peer);
}

/* --- Sending --- */

gboolean
raw_peer_is_writable (RawPeer *peer)
{
  return peer->writable && peer->up;
}

static TnPacket *
make_packet (RawPeer    *peer,
             const void *data,
             gsize       len)
{
  TnPacket *packet;

  tn_packet_batch_reset (peer->batch);
  packet = tn_packet_batch_append (peer->batch, len);
  g_assert_nonnull (packet);
  if (len > 0)
    memcpy (packet->data, data, len);
  return packet;
}

void
raw_peer_send_outside (RawPeer    *peer,
                       const void *data,
                       gsize       len)
{
  send_packet (peer, make_packet (peer, data, len), TN_SEND_NONE);
}

void
raw_peer_send_inside (RawPeer    *peer,
                      const void *data,
                      gsize       len)
{
  TnPacket *packet = make_packet (peer, data, len);
  TnTunnelSealed sealed = tn_tunnel_seal (peer->tunnel, peer->other, packet, 1, tn_boot_time_us ());

  settle (peer);
  if (sealed != TN_TUNNEL_SEALED)      /* it leaves with the next session */
    return;
  g_bytes_unref (peer->sealed);
  peer->sealed = g_bytes_new (packet->data, packet->len);
  send_packet (peer, packet, TN_SEND_NONE);
}

void
raw_peer_send_disco (RawPeer                 *peer,
                     const TnDiscoPrivateKey *own,
                     const void              *plain,
                     gsize                    len)
{
  g_autofree guint8 *out = g_malloc (len + TN_DISCO_OVERHEAD);
  guint8 nonce[TN_DISCO_NONCE_LEN], shared[32];
  TnDiscoPublicKey public_key;

  tn_random (nonce, sizeof nonce);
  tn_disco_private_key_get_public (own, &public_key);
  g_assert_true (tn_box_precompute (shared, own->bytes, peer->other_disco.bytes));
  tn_disco_seal (shared, &public_key, nonce, plain, len, out);
  raw_peer_send_outside (peer, out, len + TN_DISCO_OVERHEAD);
}

GBytes *
raw_peer_get_sealed (RawPeer *peer)
{
  return peer->sealed;
}

/* --- Answers --- */

static gboolean
has_answered (gpointer data)
{
  return ((RawPeer *) data)->answered;
}

typedef struct
{
  RawPeer *peer;
  guint8   ping[TN_TSMP_PACKET_MAX];
  gsize    len;
} Question;

static gboolean
ask_cb (gpointer data)
{
  Question *question = data;

  if (question->peer->writable)
    raw_peer_send_inside (question->peer, question->ping, question->len);
  return G_SOURCE_CONTINUE;
}

void
raw_peer_wait_answer (RawPeer    *peer,
                      const char *own_address)
{
  g_autoptr (GSource) again = g_timeout_source_new (AGAIN_MS);
  Question question = { .peer = peer };
  TnIpAddress own;

  g_assert_true (tn_ip_address_parse (own_address, &own));
  tn_random (peer->token, sizeof peer->token);
  question.len = tn_tsmp_write_ping (question.ping, sizeof question.ping, &own, &peer->other_address, peer->token);
  g_assert_cmpuint (question.len, >, 0);
  peer->answered = FALSE;
  ask_cb (&question);
  g_source_set_callback (again, ask_cb, &question, NULL);
  g_source_attach (again, NULL);
  kit_wait_for ("an answer in the tunnel", has_answered, peer);
  g_source_destroy (again);
}

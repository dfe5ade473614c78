/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A node as the tests of the relay transport see it: a transport, its key, and all that its callbacks told. */

#include "relay-map.h"
#include "tn-derp-transport.h"

#define LIMIT_S 50      /* no test takes a second: this only ends one that hangs */

static gboolean
limit_cb (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_CONTINUE;
}

/* Runs the main context until @condition holds. */
#define WAIT_FOR(condition)                                                             \
  G_STMT_START {                                                                        \
    gboolean over = FALSE;                                                              \
    guint limit = g_timeout_add_seconds (LIMIT_S, limit_cb, &over);                     \
    while (!(condition) && !over)                                                       \
      g_main_context_iteration (NULL, TRUE);                                            \
    g_source_remove (limit);                                                            \
    g_assert_true (condition);                                                          \
  } G_STMT_END

/* Everything that is ready now, which is not what takes time. */
static inline void
run_what_is_ready (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

typedef struct Peer Peer;

struct Peer
{
  TnDerpTransport    *transport;
  TnNodePrivateKey    private_key;
  TnNodePublicKey     key;
  char                text[TN_KEY_TEXT_MAX];
  TnRelayMap         *map;
  GTlsDatabase       *database;
  GProxyResolver     *proxy_resolver;

  GPtrArray          *received;        /* GBytes */
  TnPathAddress       from;            /* of the last */
  guint               n_writable;
  TnPathAddress       gone;
  guint               n_gone;
  guint               n_up[10];        /* by region */
  guint               n_down[10];
  guint               n_connecting[10];
  GError             *error;           /* of the last that went down */
  char               *problem;
  guint               n_health;
  guint               n_heard;
  guint               n_callbacks;
  void              (*on_receive) (Peer *peer);
};

static void
peer_receive_cb (gpointer             user_data,
                 TnUnderlayTransport *transport,
                 TnPacketBatch       *batch,
                 const TnPathAddress *from)
{
  Peer *peer = user_data;

  peer->n_callbacks++;
  g_assert_cmpuint (batch->n_packets, >, 0);
  for (guint i = 0; i < batch->n_packets; i++)
    g_ptr_array_add (peer->received, g_bytes_new (batch->packets[i].data, batch->packets[i].len));
  peer->from = from[batch->n_packets - 1];
  if (peer->on_receive != NULL)
    peer->on_receive (peer);
}

static void
peer_writable_cb (gpointer             user_data,
                  TnUnderlayTransport *transport,
                  const TnPathAddress *to)
{
  Peer *peer = user_data;

  peer->n_callbacks++;
  peer->n_writable++;
}

static void
peer_path_gone_cb (gpointer             user_data,
                   TnUnderlayTransport *transport,
                   const TnPathAddress *path)
{
  Peer *peer = user_data;

  peer->n_callbacks++;
  peer->n_gone++;
  peer->gone = *path;
}

static void
peer_link_state_cb (gpointer             user_data,
                    TnUnderlayTransport *transport,
                    guint                region,
                    TnUnderlayLinkState  state,
                    const GError        *error)
{
  Peer *peer = user_data;

  peer->n_callbacks++;
  g_assert_cmpuint (region, <, G_N_ELEMENTS (peer->n_up));
  if (state == TN_UNDERLAY_LINK_UP)
    peer->n_up[region]++;
  else if (state == TN_UNDERLAY_LINK_CONNECTING)
    peer->n_connecting[region]++;
  else
    {
      peer->n_down[region]++;
      g_clear_error (&peer->error);
      peer->error = error != NULL ? g_error_copy (error) : NULL;
    }
}

static void
peer_health_cb (gpointer             user_data,
                TnUnderlayTransport *transport,
                guint                region,
                const char          *problem)
{
  Peer *peer = user_data;

  peer->n_callbacks++;
  peer->n_health++;
  g_free (peer->problem);
  peer->problem = g_strdup (problem);
}

static void
peer_heard_cb (gpointer             user_data,
               TnUnderlayTransport *transport,
               guint                region)
{
  Peer *peer = user_data;

  peer->n_callbacks++;
  peer->n_heard++;
}

static const TnUnderlayCallbacks peer_callbacks = {
  .receive = peer_receive_cb,
  .writable = peer_writable_cb,
  .path_gone = peer_path_gone_cb,
  .link_state = peer_link_state_cb,
  .health = peer_health_cb,
  .heard = peer_heard_cb,
};

#define UNDERLAY(peer) TN_UNDERLAY_TRANSPORT ((peer)->transport)
#define IFACE(peer) TN_UNDERLAY_TRANSPORT_GET_IFACE ((peer)->transport)

/* A busy machine is no dead relay, and a handshake of seconds no reason to give it up. */
static inline void
peer_be_patient (Peer *peer)
{
  TnDerpTransportTimes times;

  tn_derp_transport_get_times (peer->transport, &times);
  times.client.connect_us = times.client.dial_us = times.client.ping_us = LIMIT_S * G_USEC_PER_SEC;
  tn_derp_transport_set_times (peer->transport, &times);
}

static inline Peer *
peer_new (void)
{
  Peer *peer = g_new0 (Peer, 1);

  tn_node_private_key_generate (&peer->private_key);
  tn_node_private_key_get_public (&peer->private_key, &peer->key);
  tn_node_public_key_print (&peer->key, peer->text);
  peer->transport = tn_derp_transport_new ();
  peer_be_patient (peer);
  peer->map = tn_relay_map_new ();
  peer->received = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  return peer;
}

static inline void
peer_free (Peer *peer)
{
  IFACE (peer)->stop (UNDERLAY (peer));
  g_assert_finalize_object (peer->transport);
  run_what_is_ready ();     /* calls that were cancelled come back */
  tn_relay_map_unref (peer->map);
  g_clear_object (&peer->database);
  g_clear_object (&peer->proxy_resolver);
  g_ptr_array_unref (peer->received);
  g_clear_error (&peer->error);
  g_free (peer->problem);
  tn_node_private_key_clear (&peer->private_key);
  g_free (peer);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Peer, peer_free)

static inline void
peer_start (Peer  *peer,
            guint  home)
{
  const TnUnderlayConfig config = {
    .context = g_main_context_default (),
    .node_key = &peer->private_key,
    .tls_database = peer->database,
    .proxy_resolver = peer->proxy_resolver,
    .app_name = "test",
  };
  g_autoptr (GError) error = NULL;

  IFACE (peer)->set_relay_map (UNDERLAY (peer), peer->map);
  g_assert_true (IFACE (peer)->start (UNDERLAY (peer), &config, &peer_callbacks, peer, &error));
  g_assert_no_error (error);
  IFACE (peer)->set_home (UNDERLAY (peer), home);
}

static inline TnPathAddress
path_to (guint region,
         Peer *peer)
{
  return (TnPathAddress) { .kind = TN_PATH_ADDRESS_RELAY, .relay = { region, peer->key } };
}

static inline guint
peer_send_bytes (Peer        *peer,
                 guint        region,
                 Peer        *to,
                 const void  *data,
                 gsize        len,
                 TnSendFlags  flags)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (len + 256);
  TnPathAddress path = path_to (region, to);
  TnPacket *packet = tn_packet_batch_append (batch, len);
  guint n_callbacks = peer->n_callbacks;
  guint n;

  memcpy (packet->data, data, len);
  n = IFACE (peer)->send (UNDERLAY (peer), &path, batch, 0, flags);
  g_assert_cmpuint (peer->n_callbacks, ==, n_callbacks);      /* none from inside send() */
  return n;
}

static inline guint
peer_send (Peer       *peer,
           guint       region,
           Peer       *to,
           const char *text)
{
  return peer_send_bytes (peer, region, to, text, strlen (text), TN_SEND_NONE);
}

static inline void
assert_received (Peer       *peer,
                 guint       i,
                 const char *text)
{
  GBytes *bytes = g_ptr_array_index (peer->received, i);

  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), text, strlen (text));
}

/* Two nodes at home at @relay, let in. */
static inline void
start_two (TnTestkitDerp *relay,
           Peer          *a,
           Peer          *b)
{
  guint region = tn_testkit_derp_get_region (relay);

  add_relay (a->map, relay);
  add_relay (b->map, relay);
  peer_start (a, region);
  peer_start (b, region);
  WAIT_FOR (tn_testkit_derp_get_n_clients (relay) == 2 && a->n_up[region] == 1 && b->n_up[region] == 1);
}

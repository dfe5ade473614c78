/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "contract-overlay.h"
#include "contract-underlay.h"
#include "lossy-overlay.h"
#include "lossy-underlay.h"
#include "tn-checksum.h"
#include "tn-ip-header.h"

static gpointer
setup (void)
{
  return lossy_net_new ();
}

static void
teardown (gpointer network)
{
  lossy_net_free (network);
}

static TnUnderlayTransport *
create (gpointer network)
{
  return lossy_underlay_new (network);
}

static TnRelayMap *
dup_map (gpointer network)
{
  TnRelayMap *map = tn_relay_map_new ();

  tn_relay_map_take_region (map, tn_relay_region_new (1, "mem", "Memory"));
  return map;
}

static void
set_stalled (gpointer network,
             gboolean stalled)
{
  lossy_net_set_stalled (network, stalled);
}

static const ContractUnderlay contract = {
  .name = "lossy",
  .max_len = 65535,
  .tells_gone = TRUE,
  .setup = setup,
  .teardown = teardown,
  .create = create,
  .dup_map = dup_map,
  .set_stalled = set_stalled,
};

/* --- As an overlay: the test is the host, and sees whole packets --- */

#define HEADERS_LEN 28      /* IP and UDP */

typedef struct
{
  TnOverlayTransport *overlay;
  GPtrArray          *payloads;
} LossyHost;

static TnOverlayTransport *
overlay_create (void)
{
  return lossy_overlay_new ();
}

static gpointer
overlay_join (TnOverlayTransport *overlay)
{
  LossyHost *host = g_new (LossyHost, 1);

  *host = (LossyHost) { overlay, g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref) };
  g_ptr_array_set_size (lossy_overlay_get_received (LOSSY_OVERLAY (overlay)), 0);
  return host;
}

static void
overlay_leave (gpointer data)
{
  LossyHost *host = data;

  g_ptr_array_unref (host->payloads);
  g_free (host);
}

static void
overlay_send (gpointer  data,
              GBytes   *payload)
{
  LossyHost *host = data;
  gsize len = g_bytes_get_size (payload), udp_len = 8 + len;
  g_autofree guint8 *packet = g_malloc0 (20 + udp_len);
  TnIpAddress own, other;
  guint16 sum;

  g_assert_true (tn_ip_address_parse (CONTRACT_OWN, &own) && tn_ip_address_parse (CONTRACT_OTHER, &other));
  g_assert_cmpuint (tn_ip_header_write (packet, 20 + udp_len, &own, &other, TN_PROTO_UDP, 1, udp_len), ==, 20);
  packet[20] = packet[22] = CONTRACT_PORT >> 8;
  packet[21] = packet[23] = CONTRACT_PORT & 0xff;
  packet[24] = (guint8) (udp_len >> 8);
  packet[25] = (guint8) udp_len;
  memcpy (packet + HEADERS_LEN, g_bytes_get_data (payload, NULL), len);
  sum = tn_checksum_finish (tn_checksum_add (tn_checksum_add_pseudo (0, packet + 12, 4, TN_PROTO_UDP, (guint32) udp_len), packet + 20, udp_len));
  packet[26] = (guint8) (sum >> 8);
  packet[27] = (guint8) sum;
  lossy_overlay_send (LOSSY_OVERLAY (host->overlay), packet, 20 + udp_len);
}

/* It has no stack that would leave out what is no datagram. */
static GPtrArray *
overlay_received (gpointer data)
{
  LossyHost *host = data;
  GPtrArray *packets = lossy_overlay_get_received (LOSSY_OVERLAY (host->overlay));

  for (guint i = 0; i < packets->len; i++)
    {
      GBytes *packet = g_ptr_array_index (packets, i);

      if (g_bytes_get_size (packet) > HEADERS_LEN)
        g_ptr_array_add (host->payloads, g_bytes_new_from_bytes (packet, HEADERS_LEN, g_bytes_get_size (packet) - HEADERS_LEN));
    }
  g_ptr_array_set_size (packets, 0);
  return host->payloads;
}

static const ContractOverlay overlay_contract = {
  .name = "lossy", .create = overlay_create, .join = overlay_join, .leave = overlay_leave, .send = overlay_send, .received = overlay_received,
};

/* --- What only the lossy one does --- */

typedef struct
{
  guint n_received;
  guint n_offered;
} Counts;

static gboolean
drop_every_third (gpointer             user_data,
                  const TnPathAddress *from,
                  const TnPathAddress *to,
                  const guint8        *data,
                  gsize                len)
{
  return ++((Counts *) user_data)->n_offered % 3 == 0;
}

static void
count_received_cb (gpointer             user_data,
                   TnUnderlayTransport *transport,
                   TnPacketBatch       *batch,
                   const TnPathAddress *from)
{
  ((Counts *) user_data)->n_received += batch->n_packets;
}

static void
ignore_link_state_cb (gpointer             user_data,
                      TnUnderlayTransport *transport,
                      guint                region,
                      TnUnderlayLinkState  state,
                      const GError        *error)
{
}

static void
test_drop (void)
{
  LossyNet *net = lossy_net_new ();
  TnUnderlayTransport *transport = lossy_underlay_new (net);
  TnUnderlayTransportInterface *iface = TN_UNDERLAY_TRANSPORT_GET_IFACE (transport);
  const TnUnderlayCallbacks callbacks = { .receive = count_received_cb, .link_state = ignore_link_state_cb };
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (8192);
  g_autoptr (TnRelayMap) map = dup_map (net);
  g_auto (TnNodePrivateKey) key;
  TnUnderlayConfig config = { .context = g_main_context_default (), .node_key = &key };
  TnPathAddress own = { .kind = TN_PATH_ADDRESS_RELAY, .relay = { .region = 1 } };
  Counts counts = { 0 };

  tn_node_private_key_generate (&key);
  tn_node_private_key_get_public (&key, &own.relay.key);
  g_assert_true (iface->start (transport, &config, &callbacks, &counts, NULL));
  iface->set_relay_map (transport, map);
  lossy_net_set_drop (net, drop_every_third, &counts);
  for (guint i = 0; i < 9; i++)
    tn_packet_batch_append (batch, 100);
  g_assert_cmpuint (iface->send (transport, &own, batch, 0, TN_SEND_NONE), ==, 9);
  while (counts.n_offered < 9)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (counts.n_received, ==, 6);
  iface->stop (transport);
  g_object_unref (transport);
  lossy_net_free (net);
}

static void
overlay_receive_cb (gpointer            user_data,
                    TnOverlayTransport *transport,
                    TnPacketBatch      *batch)
{
  /* An echo: what comes out of the host goes into it again. */
  TN_OVERLAY_TRANSPORT_GET_IFACE (transport)->write (transport, batch);
}

static gboolean
drop_second (gpointer      user_data,
             const guint8 *data,
             gsize         len)
{
  return ++*(guint *) user_data == 2;
}

static void
test_overlay (void)
{
  TnOverlayTransport *overlay = lossy_overlay_new ();
  TnOverlayTransportInterface *iface = TN_OVERLAY_TRANSPORT_GET_IFACE (overlay);
  const TnOverlayCallbacks callbacks = { .receive = overlay_receive_cb };
  TnOverlayConfig config = { .context = g_main_context_default (), .mtu = 1280 };
  TnIpAddress peer;
  guint n = 0;

  g_assert_true (tn_ip_address_parse ("100.64.0.2", &peer));
  g_assert_true (iface->start (overlay, &config, &callbacks, NULL, NULL));
  lossy_overlay_set_drop (LOSSY_OVERLAY (overlay), drop_second, &n);
  for (guint8 i = 0; i < 3; i++)
    lossy_overlay_send (LOSSY_OVERLAY (overlay), &i, 1);
  g_assert_cmpuint (lossy_overlay_get_received (LOSSY_OVERLAY (overlay))->len, ==, 0);
  while (lossy_overlay_get_received (LOSSY_OVERLAY (overlay))->len < 2)
    g_main_context_iteration (NULL, TRUE);

  iface->set_blocked (overlay, &peer, TRUE);
  g_assert_true (lossy_overlay_is_blocked (LOSSY_OVERLAY (overlay), &peer));
  iface->set_blocked (overlay, &peer, FALSE);
  g_assert_false (lossy_overlay_is_blocked (LOSSY_OVERLAY (overlay), &peer));
  iface->stop (overlay);
  g_object_unref (overlay);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  contract_underlay_add (&contract);
  contract_overlay_add (&overlay_contract);
  g_test_add_func ("/transport/lossy/drop", test_drop);
  g_test_add_func ("/transport/lossy/overlay", test_overlay);
  return g_test_run ();
}

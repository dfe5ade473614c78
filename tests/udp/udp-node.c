/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "udp-node.h"

#include <string.h>

#define PATIENCE_S 30

static TnUnderlayTransportInterface *
iface_of (UdpNode *node)
{
  return TN_UNDERLAY_TRANSPORT_GET_IFACE (node->transport);
}

static void
receive_cb (gpointer             user_data,
            TnUnderlayTransport *transport,
            TnPacketBatch       *batch,
            const TnPathAddress *from)
{
  UdpNode *node = user_data;

  g_assert_cmpuint (batch->n_packets, >, 0);
  for (guint i = 0; i < batch->n_packets; i++)
    {
      const TnPacket *packet = &batch->packets[i];
      guint32 size = packet->segment_size != 0 ? packet->segment_size : packet->len;

      g_assert_cmpuint (packet->segment_size, <, packet->len);
      node->n_trains += packet->segment_size != 0 ? 1 : 0;
      for (guint32 offset = 0; offset < packet->len; offset += size)
        g_ptr_array_add (node->received, g_bytes_new (packet->data + offset, MIN (size, packet->len - offset)));
      node->from = from[i];
      memset (packet->data - packet->headroom, 0xdb, packet->headroom + packet->len + packet->tailroom);      /* all of it is ours */
    }
}

static void
writable_cb (gpointer             user_data,
             TnUnderlayTransport *transport,
             const TnPathAddress *to)
{
  UdpNode *node = user_data;

  g_assert_cmpint (to->kind, ==, TN_PATH_ADDRESS_UDP);
  node->writable_version = to->udp.endpoint.address.version;
  node->n_writable++;
}

static void
bound_cb (gpointer             user_data,
          TnUnderlayTransport *transport)
{
  ((UdpNode *) user_data)->n_bound++;
}

void
udp_node_start (UdpNode  *node,
                guint16   port,
                gboolean  segments,
                gboolean  merges)
{
  static const TnUnderlayCallbacks callbacks = { .receive = receive_cb, .writable = writable_cb, .bound = bound_cb };
  TnUnderlayConfig config = { .context = g_main_context_default (), .port = port, .mark = 0x80000 };
  g_autoptr (GError) error = NULL;

  *node = (UdpNode) { .transport = g_object_new (TN_TYPE_UDP_TRANSPORT, NULL) };
  node->received = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  tn_udp_transport_set_offloads (TN_UDP_TRANSPORT (node->transport), segments, merges);
  g_assert_true (iface_of (node)->start (node->transport, &config, &callbacks, node, &error));
  g_assert_no_error (error);
}

void
udp_node_stop (UdpNode *node)
{
  iface_of (node)->stop (node->transport);
  g_assert_finalize_object (node->transport);
  g_ptr_array_unref (node->received);
}

TnPathAddress
udp_node_address (UdpNode *node,
                  guint8   version)
{
  TnPathAddress address = { .kind = TN_PATH_ADDRESS_UDP, .udp = { .vni = TN_PATH_NO_VNI } };

  g_assert_true (tn_ip_address_parse (version == 4 ? "127.0.0.1" : "::1", &address.udp.endpoint.address));
  address.udp.endpoint.port = iface_of (node)->get_port (node->transport, version);
  return address;
}

guint
udp_node_send (UdpNode             *node,
               const TnPathAddress *to,
               const TnPacketBatch *batch,
               TnSendFlags          flags)
{
  return iface_of (node)->send (node->transport, to, batch, 0, flags);
}

static gboolean
impatient_cb (gpointer data)
{
  g_error ("gave up waiting for %s", (const char *) data);
  return G_SOURCE_REMOVE;
}

static void
wait_until_more (const guint *count,
                 guint        n,
                 const char  *what)
{
  guint id = g_timeout_add_seconds (PATIENCE_S, impatient_cb, (gpointer) (guintptr) what);

  while (*count < n)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (id);
}

void
udp_node_wait (UdpNode *node,
               guint    n_received)
{
  wait_until_more (&node->received->len, n_received, "datagrams");
}

void
udp_node_wait_writable (UdpNode *node,
                        guint    n)
{
  wait_until_more (&node->n_writable, n, "room");
}

void
udp_node_wait_bound (UdpNode *node)
{
  wait_until_more (&node->n_bound, 1, "a socket");
}

TnPacketBatch *
udp_batch_new (const gsize *lens,
               guint        n)
{
  gsize total = 0;
  TnPacketBatch *batch;

  for (guint i = 0; i < n; i++)
    total += lens[i] + TN_PACKET_HEADROOM + TN_PACKET_TAILROOM + 32;
  batch = tn_packet_batch_new (total);
  for (guint i = 0; i < n; i++)
    memset (tn_packet_batch_append (batch, lens[i])->data, (int) i, lens[i]);
  return batch;
}

void
udp_node_check (UdpNode     *node,
                const gsize *lens,
                guint        n)
{
  udp_node_wait (node, n);
  g_assert_cmpuint (node->received->len, ==, n);
  for (guint i = 0; i < n; i++)
    {
      gsize len;
      const guint8 *data = g_bytes_get_data (g_ptr_array_index (node->received, i), &len);

      g_assert_cmpuint (len, ==, lens[i]);
      for (gsize j = 0; j < len; j++)
        g_assert_cmpuint (data[j], ==, (guint8) i);
    }
  g_ptr_array_set_size (node->received, 0);
}

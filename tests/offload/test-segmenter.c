/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "frames.h"
#include "tn-checksum.h"
#include "tn-virtio.h"

enum { UDP_LEN = 8, PAYLOAD_LEN = 2, FRAME_MAX_LEN = TN_VIRTIO_HEADER_LEN + TN_IP6_HEADER_LEN + UDP_LEN + PAYLOAD_LEN };

static guint32
pseudo_sum (const guint8 *packet)
{
  return packet[0] >> 4 == 4 ? tn_checksum_add_pseudo (0, packet + 12, 4, TN_PROTO_UDP, UDP_LEN + PAYLOAD_LEN)
                             : tn_checksum_add_pseudo (0, packet + 8, 16, TN_PROTO_UDP, UDP_LEN + PAYLOAD_LEN);
}

/* A datagram whose sum the kernel has left to us: that of its pseudo header is in the place. Returns the length of the frame. */
static gsize
make_datagram (guint8 *frame, gboolean ipv6, guint16 payload)
{
  guint8 *packet = frame + TN_VIRTIO_HEADER_LEN;
  guint16 ip_len = ipv6 ? TN_IP6_HEADER_LEN : TN_IP4_HEADER_LEN;
  guint8 *udp = packet + ip_len;
  TnVirtioHeader header = { .flags = TN_VIRTIO_NEEDS_CHECKSUM, .checksum_start = ip_len, .checksum_offset = 6 };

  memset (frame, 0, FRAME_MAX_LEN);
  memcpy (frame, &header, sizeof header);
  packet[0] = ipv6 ? 0x60 : 0x45;
  packet[ipv6 ? 6 : 9] = TN_PROTO_UDP;
  packet[ipv6 ? 7 : 8] = 64;
  tn_put_u16be (packet + (ipv6 ? 4 : 2), ipv6 ? UDP_LEN + PAYLOAD_LEN : (guint16) (ip_len + UDP_LEN + PAYLOAD_LEN));
  memset (packet + (ipv6 ? 8 : 12), 0x2a, ipv6 ? 32 : 8);
  tn_put_u16be (udp, 4711);
  tn_put_u16be (udp + 2, 53);
  tn_put_u16be (udp + 4, UDP_LEN + PAYLOAD_LEN);
  tn_put_u16be (udp + UDP_LEN, payload);
  tn_put_u16be (udp + 6, (guint16) ~tn_checksum_finish (pseudo_sum (packet)));
  return (gsize) TN_VIRTIO_HEADER_LEN + ip_len + UDP_LEN + PAYLOAD_LEN;
}

static void
check_datagram (gboolean ipv6, guint16 payload, TnPacketBatch *batch)
{
  guint8 frame[FRAME_MAX_LEN];
  gsize len = make_datagram (frame, ipv6, payload);
  gsize ip_len = ipv6 ? TN_IP6_HEADER_LEN : TN_IP4_HEADER_LEN;
  TnSegmenter segmenter;
  const guint8 *packet;

  tn_packet_batch_reset (batch);
  g_assert_true (tn_segmenter_init (&segmenter, frame, len));
  g_assert_false (tn_segmenter_next (&segmenter, batch));
  g_assert_cmpuint (batch->n_packets, ==, 1);
  packet = batch->packets[0].data;
  g_assert_cmpuint (tn_get_u16be (packet + ip_len + 6), !=, 0);
  g_assert_cmpuint (tn_checksum_finish (tn_checksum_add (pseudo_sum (packet), packet + ip_len, UDP_LEN + PAYLOAD_LEN)), ==, 0);
}

/* A sum of 0 says that there is none, and IPv6 drops what says so (RFC 768, RFC 8200 section 8.1). One payload of these has it. */
static void
test_sum_of_zero (void)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (SLAB_LEN);

  for (guint payload = 0; payload <= G_MAXUINT16; payload++)
    {
      check_datagram (FALSE, (guint16) payload, batch);
      check_datagram (TRUE, (guint16) payload, batch);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/offload/segmenter/sum-of-zero", test_sum_of_zero);
  return g_test_run ();
}

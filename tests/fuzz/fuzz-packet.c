/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "tn-ip-header.h"
#include "tn-tsmp.h"

static void
answer (const TnParsed *packet)
{
  static guint8 out[66000];
  TnTsmp tsmp;
  gsize len = tn_echo_reply_write (out, sizeof out, packet);

  if (len > 0)
    {
      TnParsed reply;

      tn_parse (&reply, out, len);
      g_assert_true (tn_parsed_is_echo_reply (&reply) && reply.length == len);
      g_assert_true (tn_ip_address_equal (&reply.src, &packet->dst));
      g_assert_cmpuint (tn_echo_reply_write (out, len - 1, packet), ==, 0);
    }
  if (tn_tsmp_parse (&tsmp, packet) && tsmp.type == TN_TSMP_PING)
    g_assert_cmpuint (tn_tsmp_write_pong (out, TN_TSMP_PACKET_MAX, packet, 1), >, 0);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  const guint8 *payload;
  TnParsed packet;
  gsize len;

  tn_parse (&packet, data, size);
  g_assert_true (packet.version == 0 || packet.version == 4 || packet.version == 6);
  if (packet.proto != TN_PROTO_UNKNOWN)
    {
      g_assert_cmpuint (packet.length, <=, size);
      g_assert_cmpuint (packet.transport, <=, size);
      g_assert_true (packet.src.version == packet.version && packet.dst.version == packet.version);
    }
  if (tn_parsed_get_payload (&packet, &payload, &len))
    g_assert_true (payload >= data && payload + len <= data + size);
  answer (&packet);
  return 0;
}

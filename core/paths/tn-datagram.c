/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-datagram.h"

#include "tn-disco.h"
#include "tn-stun.h"

/* Version 0, no reserved bit, reserved last byte zero. Option length and critical bit are not looked at: payload begins behind the
 * fixed header in any case (tailscale wgengine/magicsock/magicsock.go, packetLooksLike). */
static gboolean
looks_like_geneve (const guint8 *datagram,
                   gsize         len)
{
  return len >= TN_GENEVE_LEN && (datagram[0] & 0xc0) == 0 && (datagram[1] & 0x3f) == 0 && datagram[7] == 0;
}

TnDatagramClass
tn_datagram_classify (const guint8 *datagram,
                      gsize         len)
{
  TnDatagramClass class = { TN_DATAGRAM_WIREGUARD };
  TnGeneve geneve;

  if (tn_stun_is_binding (datagram, len))
    class.kind = TN_DATAGRAM_STUN;
  else if (looks_like_geneve (datagram, len) && tn_geneve_parse (&geneve, datagram, len) &&
           (geneve.protocol == TN_GENEVE_PROTOCOL_DISCO || geneve.protocol == TN_GENEVE_PROTOCOL_WIREGUARD))
    {
      gboolean is_disco = tn_disco_is_packet (datagram + TN_GENEVE_LEN, len - TN_GENEVE_LEN);

      if (geneve.protocol == TN_GENEVE_PROTOCOL_DISCO && !is_disco)
        return class;
      class.kind = geneve.protocol == TN_GENEVE_PROTOCOL_DISCO ? TN_DATAGRAM_DISCO : TN_DATAGRAM_WIREGUARD;
      class.has_geneve = TRUE;
      class.geneve = geneve;
    }
  else if (tn_disco_is_packet (datagram, len))
    class.kind = TN_DATAGRAM_DISCO;
  return class;
}

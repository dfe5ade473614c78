/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-tsmp.h"

#include "tn-ip-header.h"
#include "tn-reader.h"

/* Layouts: tailscale net/packet/tsmp.go. Longer messages than known are fine: newer versions append. */
#define FLAG_MAYBE_BROKEN 0x01

static gboolean
parse_reject (TnTsmpReject   *out,
              TnReader       *r,
              const TnParsed *packet)
{
  guint8 flags = 0;

  /* The flow as the one sees it who gets this: from its own address, which is the destination here. */
  out->src.address = packet->dst;
  out->dst.address = packet->src;
  if (!tn_reader_u8 (r, &out->proto) ||
      !tn_reader_u8 (r, &out->reason) ||
      !tn_reader_u16be (r, &out->src.port) ||
      !tn_reader_u16be (r, &out->dst.port))
    return FALSE;
  if (r->left > 0 && !tn_reader_u8 (r, &flags))
    return FALSE;
  out->maybe_broken = (flags & FLAG_MAYBE_BROKEN) != 0;
  return TRUE;
}

gboolean
tn_tsmp_parse (TnTsmp         *out,
               const TnParsed *packet)
{
  const guint8 *payload;
  gsize len;
  guint8 type;
  TnReader r;

  if (packet->proto != TN_PROTO_TSMP || !tn_parsed_get_payload (packet, &payload, &len))
    return FALSE;
  r = TN_READER_INIT (payload, len);
  if (!tn_reader_u8 (&r, &type))
    return FALSE;

  memset (out, 0, sizeof *out);
  out->type = type;
  switch (type)
    {
    case TN_TSMP_PING:
      return tn_reader_copy (&r, out->ping_data, sizeof out->ping_data);
    case TN_TSMP_PONG:
      if (!tn_reader_copy (&r, out->pong.data, sizeof out->pong.data))
        return FALSE;
      return r.left < 2 || tn_reader_u16be (&r, &out->pong.peerapi_port);
    case TN_TSMP_REJECT:
      return parse_reject (&out->reject, &r, packet);
    case TN_TSMP_DISCO:
      return tn_reader_copy (&r, out->disco_key.bytes, sizeof out->disco_key.bytes);
    default:
      return FALSE;
    }
}

/* Room for @len bytes behind an IP header, the first of which is the type. NULL: no room. */
static guint8 *
start_message (guint8            *out,
               gsize              out_len,
               const TnIpAddress *src,
               const TnIpAddress *dst,
               guint32            id,
               TnTsmpType         type,
               gsize              len)
{
  gsize header_len = tn_ip_header_write (out, out_len, src, dst, TN_PROTO_TSMP, id, len);

  if (header_len == 0)
    return NULL;
  out[header_len] = (guint8) type;
  return out + header_len;
}

gsize
tn_tsmp_write_ping (guint8            *out,
                    gsize              out_len,
                    const TnIpAddress *src,
                    const TnIpAddress *dst,
                    const guint8       data[TN_TSMP_DATA_LEN])
{
  guint8 *message = start_message (out, out_len, src, dst, 0, TN_TSMP_PING, 1 + TN_TSMP_DATA_LEN);

  if (message == NULL)
    return 0;
  memcpy (message + 1, data, TN_TSMP_DATA_LEN);
  return (gsize) (message - out) + 1 + TN_TSMP_DATA_LEN;
}

gsize
tn_tsmp_write_pong (guint8         *out,
                    gsize           out_len,
                    const TnParsed *ping,
                    guint16         peerapi_port)
{
  const gsize len = 1 + TN_TSMP_DATA_LEN + 2;
  guint8 *message;
  TnTsmp parsed;

  if (!tn_tsmp_parse (&parsed, ping) || parsed.type != TN_TSMP_PING)
    return 0;
  message = start_message (out, out_len, &ping->dst, &ping->src, ~tn_ip_header_get_id (ping), TN_TSMP_PONG, len);
  if (message == NULL)
    return 0;
  memcpy (message + 1, parsed.ping_data, TN_TSMP_DATA_LEN);
  tn_put_u16be (message + 1 + TN_TSMP_DATA_LEN, peerapi_port);
  return (gsize) (message - out) + len;
}

gsize
tn_tsmp_write_disco (guint8                 *out,
                     gsize                   out_len,
                     const TnIpAddress      *src,
                     const TnIpAddress      *dst,
                     const TnDiscoPublicKey *key)
{
  guint8 *message = start_message (out, out_len, src, dst, 0, TN_TSMP_DISCO, 1 + TN_KEY_LEN);

  if (message == NULL)
    return 0;
  memcpy (message + 1, key->bytes, TN_KEY_LEN);
  return (gsize) (message - out) + 1 + TN_KEY_LEN;
}

gsize
tn_tsmp_write_reject (guint8             *out,
                      gsize               out_len,
                      const TnIpAddress  *src,
                      const TnIpAddress  *dst,
                      const TnTsmpReject *reject)
{
  gsize len = 7 + (reject->maybe_broken ? 1 : 0);
  guint8 *message = start_message (out, out_len, src, dst, 0, TN_TSMP_REJECT, len);

  if (message == NULL)
    return 0;
  message[1] = reject->proto;
  message[2] = reject->reason;
  tn_put_u16be (message + 3, reject->src.port);
  tn_put_u16be (message + 5, reject->dst.port);
  if (reject->maybe_broken)
    message[7] = FLAG_MAYBE_BROKEN;
  return (gsize) (message - out) + len;
}

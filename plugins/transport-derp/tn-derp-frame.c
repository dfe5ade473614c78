/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-derp-frame.h"

static const guint8 v4_mapped[12] = { [10] = 0xff, [11] = 0xff };

TnDerpParse
tn_derp_frame_next (TnReader    *r,
                    guint32      max_len,
                    TnDerpFrame *frame)
{
  TnReader ahead = *r;
  guint8 type;
  guint32 len;
  const guint8 *payload;

  if (!tn_reader_u8 (&ahead, &type) || !tn_reader_u32be (&ahead, &len))
    return TN_DERP_INCOMPLETE;
  if (len > max_len)
    return TN_DERP_TOO_LONG;
  if (!tn_reader_bytes (&ahead, len, &payload))
    return TN_DERP_INCOMPLETE;

  *frame = (TnDerpFrame) { type, len, payload };
  *r = ahead;
  return TN_DERP_PARSED;
}

gboolean
tn_derp_greeting_parse (const TnDerpFrame *frame,
                        TnNodePublicKey   *server_key)
{
  TnReader r = TN_READER_INIT (frame->payload, frame->len);
  const guint8 *magic;

  return frame->type == TN_DERP_SERVER_KEY && frame->len <= TN_DERP_SERVER_KEY_MAX &&
         tn_reader_bytes (&r, TN_DERP_MAGIC_LEN, &magic) && memcmp (magic, TN_DERP_MAGIC, TN_DERP_MAGIC_LEN) == 0 &&
         tn_reader_copy (&r, server_key->bytes, TN_KEY_LEN);
}

static TnIpEndpoint
endpoint_from_wire (const guint8  address[16],
                    guint16       port)
{
  gboolean is_v4 = memcmp (address, v4_mapped, sizeof v4_mapped) == 0;

  return (TnIpEndpoint) {
    .address = is_v4 ? tn_ip_address_from_bytes (address + sizeof v4_mapped, 4) : tn_ip_address_from_bytes (address, 16),
    .port = port,
  };
}

static gboolean
peer_present_parse (TnReader      *r,
                    TnDerpMessage *message)
{
  TnReader ahead;
  const guint8 *address;
  guint16 port;

  if (!tn_reader_copy (r, message->key.bytes, TN_KEY_LEN))
    return FALSE;

  ahead = *r;
  if (tn_reader_bytes (&ahead, 16, &address) && tn_reader_u16be (&ahead, &port))
    {
      message->endpoint = endpoint_from_wire (address, port);
      if (!tn_reader_u8 (&ahead, &message->flags))
        message->flags = 0;
    }
  return TRUE;
}

gboolean
tn_derp_message_parse (const TnDerpFrame *frame,
                       TnDerpMessage     *message)
{
  TnReader r = TN_READER_INIT (frame->payload, frame->len);

  *message = (TnDerpMessage) { .type = frame->type };

  switch (frame->type)
    {
    case TN_DERP_RECV_PACKET:
      if (!tn_reader_copy (&r, message->key.bytes, TN_KEY_LEN))
        return FALSE;
      message->data = r.pos;
      message->len = (guint32) r.left;
      return TRUE;
    case TN_DERP_KEEP_ALIVE:
      return TRUE;
    case TN_DERP_PEER_GONE:
      if (!tn_reader_copy (&r, message->key.bytes, TN_KEY_LEN))
        return FALSE;
      if (!tn_reader_u8 (&r, &message->reason))
        message->reason = TN_DERP_GONE_DISCONNECTED;     /* servers before the reason byte */
      return TRUE;
    case TN_DERP_PEER_PRESENT:
      return peer_present_parse (&r, message);
    case TN_DERP_PING:
    case TN_DERP_PONG:
      return tn_reader_copy (&r, message->token, sizeof message->token);
    case TN_DERP_HEALTH:
      message->data = r.pos;
      message->len = (guint32) r.left;
      return TRUE;
    case TN_DERP_RESTARTING:
      return tn_reader_u32be (&r, &message->reconnect_in_ms) && tn_reader_u32be (&r, &message->try_for_ms);
    default:
      return FALSE;
    }
}

void
tn_derp_frame_append (GByteArray      *out,
                      TnDerpFrameType  type,
                      const void      *a,
                      gsize            a_len,
                      const void      *b,
                      gsize            b_len)
{
  gsize start = out->len;
  guint8 *p;

  g_byte_array_set_size (out, (guint) (start + TN_DERP_FRAME_HEADER_LEN + a_len + b_len));
  p = out->data + start;
  tn_derp_frame_put_header (p, type, (guint32) (a_len + b_len));
  p += TN_DERP_FRAME_HEADER_LEN;
  if (a_len > 0)
    memcpy (p, a, a_len);
  if (b_len > 0)
    memcpy (p + a_len, b, b_len);
}

void
tn_derp_greeting_append (GByteArray            *out,
                         const TnNodePublicKey *server_key)
{
  tn_derp_frame_append (out, TN_DERP_SERVER_KEY, TN_DERP_MAGIC, TN_DERP_MAGIC_LEN, server_key->bytes, TN_KEY_LEN);
}

void
tn_derp_note_preferred_append (GByteArray *out,
                               gboolean    preferred)
{
  guint8 byte = preferred ? 1 : 0;

  tn_derp_frame_append (out, TN_DERP_NOTE_PREFERRED, &byte, 1, NULL, 0);
}

void
tn_derp_peer_present_append (GByteArray            *out,
                             const TnNodePublicKey *peer,
                             const TnIpEndpoint    *endpoint,
                             guint8                 flags)
{
  guint8 rest[16 + 2 + 1] = { 0 };

  if (endpoint->address.version == 4)
    {
      memcpy (rest, v4_mapped, sizeof v4_mapped);
      memcpy (rest + sizeof v4_mapped, endpoint->address.bytes, 4);
    }
  else
    memcpy (rest, endpoint->address.bytes, 16);
  tn_put_u16be (rest + 16, endpoint->port);
  rest[18] = flags;
  tn_derp_frame_append (out, TN_DERP_PEER_PRESENT, peer->bytes, TN_KEY_LEN, rest, sizeof rest);
}

gboolean
tn_derp_send_append (GByteArray            *out,
                     const TnNodePublicKey *to,
                     const void            *data,
                     gsize                  len)
{
  if (len > TN_DERP_PACKET_MAX)
    return FALSE;

  tn_derp_frame_append (out, TN_DERP_SEND_PACKET, to->bytes, TN_KEY_LEN, data, len);
  return TRUE;
}

gboolean
tn_derp_forward_append (GByteArray            *out,
                        const TnNodePublicKey *from,
                        const TnNodePublicKey *to,
                        const void            *data,
                        gsize                  len)
{
  guint8 keys[2 * TN_KEY_LEN];

  if (len > TN_DERP_PACKET_MAX)
    return FALSE;

  memcpy (keys, from->bytes, TN_KEY_LEN);
  memcpy (keys + TN_KEY_LEN, to->bytes, TN_KEY_LEN);
  tn_derp_frame_append (out, TN_DERP_FORWARD_PACKET, keys, sizeof keys, data, len);
  return TRUE;
}

gboolean
tn_derp_looks_like_disco (const guint8 *data,
                          gsize         len)
{
  static const guint8 magic[] = { 'T', 'S', 0xf0, 0x9f, 0x92, 0xac };

  return len >= sizeof magic + TN_KEY_LEN + TN_DERP_NONCE_LEN && memcmp (data, magic, sizeof magic) == 0;
}

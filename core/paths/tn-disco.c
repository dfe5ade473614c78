/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-disco.h"

#include "tn-box.h"
#include "tn-reader.h"

#define RELAY_FIXED_LEN (3 * TN_KEY_LEN + 8 + 4 + 8 + 8)

static const guint8 magic[TN_DISCO_MAGIC_LEN] = { 'T', 'S', 0xf0, 0x9f, 0x92, 0xac };
static const guint8 mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static TnIpEndpoint
endpoint_from_bytes (const guint8 bytes[TN_DISCO_ENDPOINT_LEN])
{
  gboolean is_mapped = memcmp (bytes, mapped, sizeof mapped) == 0;

  return (TnIpEndpoint) {
    .address = is_mapped ? tn_ip_address_from_bytes (bytes + sizeof mapped, 4) : tn_ip_address_from_bytes (bytes, 16),
    .port = tn_get_u16be (bytes + 16),
  };
}

TnIpEndpoint
tn_disco_endpoint_get (const TnDiscoEndpoints *endpoints,
                       guint                   i)
{
  return endpoint_from_bytes (endpoints->bytes + i * TN_DISCO_ENDPOINT_LEN);
}

void
tn_disco_endpoint_put (const TnIpEndpoint *endpoint,
                       guint8              out[TN_DISCO_ENDPOINT_LEN])
{
  if (endpoint->address.version == 4)
    {
      memcpy (out, mapped, sizeof mapped);
      memcpy (out + sizeof mapped, endpoint->address.bytes, 4);
    }
  else
    memcpy (out, endpoint->address.bytes, 16);
  tn_put_u16be (out + 16, endpoint->port);
}

/* --- Parsing --- */

static gboolean
parse_ping (TnDiscoMessage *message,
            TnReader       *r)
{
  memset (&message->ping, 0, sizeof message->ping);
  if (!tn_reader_copy (r, &message->ping.txid, TN_DISCO_TXID_LEN))
    return FALSE;

  /* Less than a key behind it is padding; more is a key and padding. */
  if (!tn_reader_copy (r, &message->ping.node_key, TN_KEY_LEN))
    memset (&message->ping.node_key, 0, sizeof message->ping.node_key);
  message->ping.padding = r->left;
  return TRUE;
}

static gboolean
parse_pong (TnDiscoMessage *message,
            TnReader       *r)
{
  const guint8 *src;

  if (!tn_reader_copy (r, &message->pong.txid, TN_DISCO_TXID_LEN) || !tn_reader_bytes (r, TN_DISCO_ENDPOINT_LEN, &src))
    return FALSE;

  message->pong.src = endpoint_from_bytes (src);
  return TRUE;
}

static void
parse_call_me_maybe (TnDiscoMessage *message,
                     TnReader       *r,
                     guint8          version)
{
  gboolean ok = version == 0 && r->left % TN_DISCO_ENDPOINT_LEN == 0;

  message->call_me_maybe.endpoints.bytes = r->pos;
  message->call_me_maybe.endpoints.n = ok ? (guint) (r->left / TN_DISCO_ENDPOINT_LEN) : 0;
}

static gboolean
parse_bind (TnDiscoMessage *message,
            TnReader       *r)
{
  return tn_reader_u32be (r, &message->bind.vni) && tn_reader_u32be (r, &message->bind.generation) &&
         tn_reader_copy (r, &message->bind.remote_key, TN_KEY_LEN) &&
         tn_reader_copy (r, message->bind.challenge, TN_DISCO_CHALLENGE_LEN);
}

static gboolean
parse_allocate_request (TnDiscoMessage *message,
                        TnReader       *r)
{
  return tn_reader_copy (r, &message->allocate_request.client_disco[0], TN_KEY_LEN) &&
         tn_reader_copy (r, &message->allocate_request.client_disco[1], TN_KEY_LEN) &&
         tn_reader_u32be (r, &message->allocate_request.generation);
}

static gboolean
parse_relay (TnDiscoRelayEndpoint *relay,
             TnReader             *r)
{
  guint64 bind_lifetime, steady_lifetime;

  if (!tn_reader_copy (r, &relay->server_disco, TN_KEY_LEN) || !tn_reader_copy (r, &relay->client_disco[0], TN_KEY_LEN) ||
      !tn_reader_copy (r, &relay->client_disco[1], TN_KEY_LEN) || !tn_reader_u64be (r, &relay->lamport_id) ||
      !tn_reader_u32be (r, &relay->vni) || !tn_reader_u64be (r, &bind_lifetime) || !tn_reader_u64be (r, &steady_lifetime) ||
      r->left == 0 || r->left % TN_DISCO_ENDPOINT_LEN != 0)
    return FALSE;

  relay->bind_lifetime_ns = (gint64) bind_lifetime;
  relay->steady_lifetime_ns = (gint64) steady_lifetime;
  relay->endpoints.bytes = r->pos;
  relay->endpoints.n = (guint) (r->left / TN_DISCO_ENDPOINT_LEN);
  return TRUE;
}

/* A version other than 0 means: nothing that we understand, yet no error. Zeros then stand for all members. */
gboolean
tn_disco_parse (TnDiscoMessage *message,
                const guint8   *plain,
                gsize           len)
{
  TnReader r = TN_READER_INIT (plain, len);
  guint8 type, version;

  if (!tn_reader_u8 (&r, &type) || !tn_reader_u8 (&r, &version))
    return FALSE;

  memset (message, 0, sizeof *message);
  message->type = (TnDiscoType) type;
  switch (type)
    {
    case TN_DISCO_PING:
      return parse_ping (message, &r);
    case TN_DISCO_PONG:
      return parse_pong (message, &r);
    case TN_DISCO_CALL_ME_MAYBE:
      parse_call_me_maybe (message, &r, version);
      return TRUE;
    case TN_DISCO_BIND:
    case TN_DISCO_CHALLENGE:
    case TN_DISCO_ANSWER:
      return parse_bind (message, &r);
    case TN_DISCO_ALLOCATE_REQUEST:
      return version != 0 || parse_allocate_request (message, &r);
    case TN_DISCO_CALL_ME_MAYBE_VIA:
      return version != 0 || parse_relay (&message->allocate_response.relay, &r);
    case TN_DISCO_ALLOCATE_RESPONSE:
      return version != 0 || (tn_reader_u32be (&r, &message->allocate_response.generation) &&
                              parse_relay (&message->allocate_response.relay, &r));
    default:
      return FALSE;
    }
}

/* --- Writing --- */

static gsize
payload_len (const TnDiscoMessage *message)
{
  switch (message->type)
    {
    case TN_DISCO_PING:
      return TN_DISCO_TXID_LEN + (tn_node_public_key_is_zero (&message->ping.node_key) ? 0 : TN_KEY_LEN) + message->ping.padding;
    case TN_DISCO_PONG:
      return TN_DISCO_TXID_LEN + TN_DISCO_ENDPOINT_LEN;
    case TN_DISCO_CALL_ME_MAYBE:
      return (gsize) message->call_me_maybe.endpoints.n * TN_DISCO_ENDPOINT_LEN;
    case TN_DISCO_BIND:
    case TN_DISCO_CHALLENGE:
    case TN_DISCO_ANSWER:
      return 4 + 4 + TN_KEY_LEN + TN_DISCO_CHALLENGE_LEN;
    case TN_DISCO_ALLOCATE_REQUEST:
      return 2 * TN_KEY_LEN + 4;
    case TN_DISCO_ALLOCATE_RESPONSE:
      return 4 + RELAY_FIXED_LEN + (gsize) message->allocate_response.relay.endpoints.n * TN_DISCO_ENDPOINT_LEN;
    case TN_DISCO_CALL_ME_MAYBE_VIA:
    default:
      return RELAY_FIXED_LEN + (gsize) message->allocate_response.relay.endpoints.n * TN_DISCO_ENDPOINT_LEN;
    }
}

static guint8 *
put (guint8     *out,
     const void *data,
     gsize       len)
{
  if (len > 0)
    memcpy (out, data, len);
  return out + len;
}

static guint8 *
put_endpoints (guint8                 *out,
               const TnDiscoEndpoints *endpoints)
{
  return put (out, endpoints->bytes, (gsize) endpoints->n * TN_DISCO_ENDPOINT_LEN);
}

static void
write_relay (const TnDiscoRelayEndpoint *relay,
             guint8                     *out)
{
  out = put (out, &relay->server_disco, TN_KEY_LEN);
  out = put (out, relay->client_disco, 2 * TN_KEY_LEN);
  tn_put_u64be (out, relay->lamport_id);
  tn_put_u32be (out + 8, relay->vni);
  tn_put_u64be (out + 12, (guint64) relay->bind_lifetime_ns);
  tn_put_u64be (out + 20, (guint64) relay->steady_lifetime_ns);
  put_endpoints (out + 28, &relay->endpoints);
}

static void
write_ping (const TnDiscoMessage *message,
            guint8               *out)
{
  out = put (out, &message->ping.txid, TN_DISCO_TXID_LEN);
  if (!tn_node_public_key_is_zero (&message->ping.node_key))
    out = put (out, &message->ping.node_key, TN_KEY_LEN);
  memset (out, 0, message->ping.padding);
}

static void
write_bind (const TnDiscoMessage *message,
            guint8               *out)
{
  tn_put_u32be (out, message->bind.vni);
  tn_put_u32be (out + 4, message->bind.generation);
  out = put (out + 8, &message->bind.remote_key, TN_KEY_LEN);
  put (out, message->bind.challenge, TN_DISCO_CHALLENGE_LEN);
}

gsize
tn_disco_write (const TnDiscoMessage *message,
                guint8               *out,
                gsize                 size)
{
  gsize len = 2 + payload_len (message);

  if (len > size)
    return 0;

  *out++ = (guint8) message->type;
  *out++ = 0;
  switch (message->type)
    {
    case TN_DISCO_PING:
      write_ping (message, out);
      break;
    case TN_DISCO_PONG:
      out = put (out, &message->pong.txid, TN_DISCO_TXID_LEN);
      tn_disco_endpoint_put (&message->pong.src, out);
      break;
    case TN_DISCO_CALL_ME_MAYBE:
      put_endpoints (out, &message->call_me_maybe.endpoints);
      break;
    case TN_DISCO_BIND:
    case TN_DISCO_CHALLENGE:
    case TN_DISCO_ANSWER:
      write_bind (message, out);
      break;
    case TN_DISCO_ALLOCATE_REQUEST:
      out = put (out, message->allocate_request.client_disco, 2 * TN_KEY_LEN);
      tn_put_u32be (out, message->allocate_request.generation);
      break;
    case TN_DISCO_ALLOCATE_RESPONSE:
      tn_put_u32be (out, message->allocate_response.generation);
      write_relay (&message->allocate_response.relay, out + 4);
      break;
    case TN_DISCO_CALL_ME_MAYBE_VIA:
    default:
      write_relay (&message->allocate_response.relay, out);
      break;
    }
  return len;
}

/* --- Envelope --- */

gboolean
tn_disco_is_packet (const guint8 *packet,
                    gsize         len)
{
  return len >= TN_DISCO_MAGIC_LEN + TN_KEY_LEN && memcmp (packet, magic, sizeof magic) == 0;
}

void
tn_disco_get_sender (const guint8     *packet,
                     TnDiscoPublicKey *out)
{
  memcpy (out->bytes, packet + TN_DISCO_MAGIC_LEN, TN_KEY_LEN);
}

void
tn_disco_seal (const guint8            shared[32],
               const TnDiscoPublicKey *sender,
               const guint8            nonce[TN_DISCO_NONCE_LEN],
               const guint8           *plain,
               gsize                   len,
               guint8                 *out)
{
  out = put (out, magic, sizeof magic);
  out = put (out, sender->bytes, TN_KEY_LEN);
  out = put (out, nonce, TN_DISCO_NONCE_LEN);
  tn_box_seal (shared, nonce, plain, len, out);
}

gboolean
tn_disco_open (const guint8  shared[32],
               const guint8 *packet,
               gsize         len,
               guint8       *out)
{
  if (!tn_disco_is_packet (packet, len) || len < TN_DISCO_OVERHEAD)
    return FALSE;
  return tn_box_open (shared, packet + TN_DISCO_MAGIC_LEN + TN_KEY_LEN, packet + TN_DISCO_HEADER_LEN, len - TN_DISCO_HEADER_LEN, out);
}

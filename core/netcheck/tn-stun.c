/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-stun.h"

#include "tn-reader.h"

#define COOKIE                 0x2112a442u
#define TYPE_BINDING_REQUEST   0x0001
#define TYPE_BINDING_SUCCESS   0x0101
#define ATTR_MAPPED_ADDRESS    0x0001
#define ATTR_XOR_MAPPED_ADDRESS 0x0020
#define ATTR_XOR_MAPPED_ADDRESS_OLD 0x8020     /* before RFC 5389 gave it a number */
#define ATTR_SOFTWARE          0x8022
#define ATTR_FINGERPRINT       0x8028
#define FINGERPRINT_ATTR_LEN   8
#define FINGERPRINT_XOR        0x5354554eu
#define FAMILY_IPV4            1
#define FAMILY_IPV6            2

static const guint8 software[8] = { 't', 'a', 'i', 'l', 'n', 'o', 'd', 'e' };

static guint32
fingerprint (const guint8 *data,
             gsize         len)
{
  guint32 crc = 0xffffffffu;

  for (gsize i = 0; i < len; i++)
    {
      crc ^= data[i];
      for (guint bit = 0; bit < 8; bit++)
        crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
    }
  return ~crc ^ FINGERPRINT_XOR;
}

gboolean
tn_stun_is_stun (const guint8 *datagram,
                 gsize         len)
{
  return len >= TN_STUN_HEADER_LEN && (datagram[0] & 0xc0) == 0 && tn_get_u32be (datagram + 4) == COOKIE;
}

gboolean
tn_stun_is_binding (const guint8 *datagram,
                    gsize         len)
{
  return tn_stun_is_stun (datagram, len) && datagram[1] == 1;
}

static void
write_header (guint8           *out,
              guint16           type,
              guint16           len,
              const TnStunTxid *txid)
{
  tn_put_u16be (out, type);
  tn_put_u16be (out + 2, len);
  tn_put_u32be (out + 4, COOKIE);
  memcpy (out + 8, txid->bytes, TN_STUN_TXID_LEN);
}

void
tn_stun_write_request (const TnStunTxid *txid,
                       guint8            out[TN_STUN_REQUEST_LEN])
{
  const gsize fingerprint_at = TN_STUN_REQUEST_LEN - FINGERPRINT_ATTR_LEN;

  write_header (out, TYPE_BINDING_REQUEST, TN_STUN_REQUEST_LEN - TN_STUN_HEADER_LEN, txid);
  tn_put_u16be (out + 20, ATTR_SOFTWARE);
  tn_put_u16be (out + 22, sizeof software);
  memcpy (out + 24, software, sizeof software);
  tn_put_u16be (out + fingerprint_at, ATTR_FINGERPRINT);
  tn_put_u16be (out + fingerprint_at + 2, 4);
  tn_put_u32be (out + fingerprint_at + 4, fingerprint (out, fingerprint_at));
}

typedef struct
{
  guint16       type;
  const guint8 *value;
  gsize         len;
} Attribute;

/* Values are padded to four bytes, the last one too. */
static gboolean
next_attribute (TnReader  *r,
                Attribute *attribute)
{
  guint16 len;

  if (!tn_reader_u16be (r, &attribute->type) || !tn_reader_u16be (r, &len) ||
      !tn_reader_bytes (r, ((gsize) len + 3) & ~(gsize) 3, &attribute->value))
    return FALSE;

  attribute->len = len;
  return TRUE;
}

gboolean
tn_stun_parse_request (const guint8 *datagram,
                       gsize         len,
                       TnStunTxid   *txid)
{
  TnReader r = TN_READER_INIT (datagram, len);
  gboolean software_ok = FALSE;
  guint32 claimed = 0;
  Attribute attribute = { 0 };

  if (!tn_stun_is_stun (datagram, len) || tn_get_u16be (datagram) != TYPE_BINDING_REQUEST || !tn_reader_skip (&r, TN_STUN_HEADER_LEN))
    return FALSE;

  while (r.left > 0)
    {
      if (!next_attribute (&r, &attribute))
        return FALSE;
      if (attribute.type == ATTR_SOFTWARE && attribute.len == sizeof software && memcmp (attribute.value, software, sizeof software) == 0)
        software_ok = TRUE;
      if (attribute.type == ATTR_FINGERPRINT && attribute.len == 4)
        claimed = tn_get_u32be (attribute.value);
    }
  if (!software_ok || attribute.type != ATTR_FINGERPRINT || claimed != fingerprint (datagram, len - FINGERPRINT_ATTR_LEN))
    return FALSE;

  memcpy (txid->bytes, datagram + 8, TN_STUN_TXID_LEN);
  return TRUE;
}

/* Cookie and transaction id follow one another in the header, in the order in which they cover an address. */
static void
xor_address (guint8       *bytes,
             gsize         len,
             const guint8 *header)
{
  for (gsize i = 0; i < len; i++)
    bytes[i] ^= header[4 + i];
}

gsize
tn_stun_write_response (const TnStunTxid   *txid,
                        const TnIpEndpoint *source,
                        guint8              out[TN_STUN_RESPONSE_MAX])
{
  gsize address_len = tn_ip_address_len (&source->address);

  write_header (out, TYPE_BINDING_SUCCESS, (guint16) (8 + address_len), txid);
  tn_put_u16be (out + 20, ATTR_XOR_MAPPED_ADDRESS);
  tn_put_u16be (out + 22, (guint16) (4 + address_len));
  out[24] = 0;
  out[25] = source->address.version == 4 ? FAMILY_IPV4 : FAMILY_IPV6;
  tn_put_u16be (out + 26, source->port ^ (COOKIE >> 16));
  memcpy (out + 28, source->address.bytes, address_len);
  xor_address (out + 28, address_len, out);
  return 28 + address_len;
}

static TnIpAddress
unmap (const guint8 *bytes,
       gsize         len)
{
  static const guint8 mapped[12] = { [10] = 0xff, [11] = 0xff };

  if (len == 16 && memcmp (bytes, mapped, sizeof mapped) == 0)
    return tn_ip_address_from_bytes (bytes + sizeof mapped, 4);
  return tn_ip_address_from_bytes (bytes, len);
}

static gboolean
parse_address (const Attribute *attribute,
               const guint8    *header,       /* NULL: not covered */
               TnIpEndpoint    *out)
{
  TnReader r = TN_READER_INIT (attribute->value, attribute->len);
  guint8 reserved, family;
  guint8 bytes[16];
  guint16 port;
  gsize len;

  if (!tn_reader_u8 (&r, &reserved) || !tn_reader_u8 (&r, &family) || !tn_reader_u16be (&r, &port))
    return FALSE;
  len = family == FAMILY_IPV4 ? 4 : family == FAMILY_IPV6 ? 16 : 0;
  if (len == 0 || !tn_reader_copy (&r, bytes, len))
    return FALSE;

  if (header != NULL)
    {
      xor_address (bytes, len, header);
      port ^= COOKIE >> 16;
    }
  *out = (TnIpEndpoint) { unmap (bytes, len), port };
  return TRUE;
}

gboolean
tn_stun_parse_response (const guint8 *datagram,
                        gsize         len,
                        TnStunTxid   *txid,
                        TnIpEndpoint *source)
{
  TnIpEndpoint covered = { 0 };
  TnIpEndpoint plain = { 0 };
  Attribute attribute;
  TnReader r;
  gsize attributes_len;

  if (!tn_stun_is_stun (datagram, len) || tn_get_u16be (datagram) != TYPE_BINDING_SUCCESS)
    return FALSE;
  attributes_len = tn_get_u16be (datagram + 2);
  if (attributes_len > len - TN_STUN_HEADER_LEN)
    return FALSE;

  r = TN_READER_INIT (datagram + TN_STUN_HEADER_LEN, attributes_len);
  while (r.left > 0)
    {
      if (!next_attribute (&r, &attribute))
        return FALSE;
      if ((attribute.type == ATTR_XOR_MAPPED_ADDRESS || attribute.type == ATTR_XOR_MAPPED_ADDRESS_OLD) &&
          !parse_address (&attribute, datagram, &covered))
        return FALSE;
      if (attribute.type == ATTR_MAPPED_ADDRESS && !parse_address (&attribute, NULL, &plain))
        return FALSE;
    }
  if (covered.address.version == 0)
    covered = plain;
  if (covered.address.version == 0)
    return FALSE;

  memcpy (txid->bytes, datagram + 8, TN_STUN_TXID_LEN);
  *source = covered;
  return TRUE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-ip.h"

#include <arpa/inet.h>
#include <string.h>

TnIpAddress
tn_ip_address_from_bytes (const guint8 *bytes,
                          gsize         len)
{
  TnIpAddress address = { .version = len == 4 ? 4 : 6 };

  g_assert (len == 4 || len == 16);
  memcpy (address.bytes, bytes, len);
  return address;
}

gboolean
tn_ip_address_is_loopback (const TnIpAddress *address)
{
  static const guint8 loopback6[16] = { [15] = 1 };

  return address->version == 4 ? address->bytes[0] == 127 : memcmp (address->bytes, loopback6, sizeof loopback6) == 0;
}

guint
tn_ip_address_hash (gconstpointer key)
{
  const TnIpAddress *address = key;
  guint64 parts[2];

  memcpy (parts, address->bytes, sizeof parts);
  parts[0] = (parts[0] ^ parts[1] * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15)) * G_GUINT64_CONSTANT (0xff51afd7ed558ccd);
  return (guint) (parts[0] >> 32) ^ address->version;
}

int
tn_ip_address_compare (const TnIpAddress *a,
                       const TnIpAddress *b)
{
  if (a->version != b->version)
    return a->version < b->version ? -1 : 1;
  return memcmp (a->bytes, b->bytes, sizeof a->bytes);
}

gboolean
tn_ip_address_parse (const char  *text,
                     TnIpAddress *out)
{
  TnIpAddress address = { 0 };

  if (inet_pton (AF_INET, text, address.bytes) == 1)
    address.version = 4;
  else if (inet_pton (AF_INET6, text, address.bytes) == 1)
    address.version = 6;
  else
    return FALSE;

  *out = address;
  return TRUE;
}

void
tn_ip_address_print (const TnIpAddress *address,
                     char               out[TN_IP_ADDRESS_TEXT_MAX])
{
  if (address->version == 0 ||
      inet_ntop (address->version == 4 ? AF_INET : AF_INET6, address->bytes, out, TN_IP_ADDRESS_TEXT_MAX) == NULL)
    out[0] = '\0';
}

GInetAddress *
tn_ip_address_to_inet (const TnIpAddress *address)
{
  return g_inet_address_new_from_bytes (address->bytes, address->version == 4 ? G_SOCKET_FAMILY_IPV4 : G_SOCKET_FAMILY_IPV6);
}

TnIpAddress
tn_ip_address_from_inet (GInetAddress *address)
{
  return tn_ip_address_from_bytes (g_inet_address_to_bytes (address), g_inet_address_get_native_size (address));
}

gboolean
tn_ip_prefix_parse (const char *text,
                    TnIpPrefix *out)
{
  const char *slash = strrchr (text, '/');
  char address[TN_IP_ADDRESS_TEXT_MAX];
  TnIpPrefix prefix;
  guint bits = 0;

  if (slash == NULL || (gsize) (slash - text) >= sizeof address || slash[1] == '\0' || strlen (slash + 1) > 3)
    return FALSE;
  if (slash[1] == '0' && slash[2] != '\0')
    return FALSE;
  for (const char *p = slash + 1; *p != '\0'; p++)
    {
      if (!g_ascii_isdigit (*p))
        return FALSE;
      bits = bits * 10 + (guint) (*p - '0');
    }

  memcpy (address, text, (gsize) (slash - text));
  address[slash - text] = '\0';
  if (!tn_ip_address_parse (address, &prefix.address) || bits > tn_ip_address_len (&prefix.address) * 8)
    return FALSE;

  prefix.bits = (guint8) bits;
  *out = prefix;
  return TRUE;
}

void
tn_ip_prefix_print (const TnIpPrefix *prefix,
                    char              out[TN_IP_PREFIX_TEXT_MAX])
{
  char address[TN_IP_ADDRESS_TEXT_MAX];

  tn_ip_address_print (&prefix->address, address);
  g_snprintf (out, TN_IP_PREFIX_TEXT_MAX, "%s/%u", address, prefix->bits);
}

TnIpPrefix
tn_ip_prefix_mask (const TnIpPrefix *prefix)
{
  TnIpPrefix masked = *prefix;

  for (guint i = 0; i < sizeof masked.address.bytes; i++)
    {
      if (i * 8 >= prefix->bits)
        masked.address.bytes[i] = 0;
      else if (i * 8 + 8 > prefix->bits)
        masked.address.bytes[i] &= (guint8) (0xff << (i * 8 + 8 - prefix->bits));
    }
  return masked;
}

gboolean
tn_ip_prefix_is_masked (const TnIpPrefix *prefix)
{
  TnIpPrefix masked = tn_ip_prefix_mask (prefix);

  return tn_ip_address_equal (&masked.address, &prefix->address);
}

gboolean
tn_ip_prefix_contains (const TnIpPrefix  *prefix,
                       const TnIpAddress *address)
{
  guint whole = prefix->bits / 8;
  guint rest = prefix->bits % 8;

  if (prefix->address.version != address->version)
    return FALSE;
  if (memcmp (prefix->address.bytes, address->bytes, whole) != 0)
    return FALSE;
  return rest == 0 || ((prefix->address.bytes[whole] ^ address->bytes[whole]) & (0xff << (8 - rest)) & 0xff) == 0;
}

gboolean
tn_ip_prefix_equal (const TnIpPrefix *a,
                    const TnIpPrefix *b)
{
  return a->bits == b->bits && tn_ip_address_equal (&a->address, &b->address);
}

gboolean
tn_ip_endpoint_parse (const char   *text,
                      TnIpEndpoint *out)
{
  const char *colon = strrchr (text, ':');
  char address[TN_IP_ADDRESS_TEXT_MAX + 2];
  const char *start = text;
  gsize len;
  TnIpEndpoint endpoint;
  guint port = 0;
  gboolean bracketed;

  if (colon == NULL || colon[1] == '\0' || strlen (colon + 1) > 5)
    return FALSE;
  for (const char *p = colon + 1; *p != '\0'; p++)
    {
      if (!g_ascii_isdigit (*p))
        return FALSE;
      port = port * 10 + (guint) (*p - '0');
    }

  len = (gsize) (colon - text);
  bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';
  if (bracketed)
    {
      start++;
      len -= 2;
    }
  if (port > G_MAXUINT16 || len >= sizeof address)
    return FALSE;

  memcpy (address, start, len);
  address[len] = '\0';
  if (!tn_ip_address_parse (address, &endpoint.address) || (endpoint.address.version == 6) != bracketed)
    return FALSE;

  endpoint.port = (guint16) port;
  *out = endpoint;
  return TRUE;
}

void
tn_ip_endpoint_print (const TnIpEndpoint *endpoint,
                      char                out[TN_IP_ENDPOINT_TEXT_MAX])
{
  char address[TN_IP_ADDRESS_TEXT_MAX];

  tn_ip_address_print (&endpoint->address, address);
  g_snprintf (out, TN_IP_ENDPOINT_TEXT_MAX, endpoint->address.version == 6 ? "[%s]:%u" : "%s:%u", address, endpoint->port);
}

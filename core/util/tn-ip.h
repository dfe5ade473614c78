/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <string.h>

G_BEGIN_DECLS

/* An IP address as the engines see it: IPv4 in the first four bytes, the rest zero, so that two of them compare with memcmp(). */
typedef struct
{
  guint8 bytes[16];
  guint8 version;     /* 4, 6, 0 = none */
} TnIpAddress;

typedef struct
{
  TnIpAddress address;
  guint8      bits;
} TnIpPrefix;

typedef struct
{
  TnIpAddress address;
  guint16     port;
} TnIpEndpoint;

#define TN_IP_ADDRESS_TEXT_MAX 46   /* INET6_ADDRSTRLEN */
#define TN_IP_PREFIX_TEXT_MAX  50
#define TN_IP_ENDPOINT_TEXT_MAX 54

static inline gsize
tn_ip_address_len (const TnIpAddress *address)
{
  return address->version == 4 ? 4 : address->version == 6 ? 16 : 0;
}

static inline gboolean
tn_ip_address_equal (const TnIpAddress *a, const TnIpAddress *b)
{
  return a->version == b->version && memcmp (a->bytes, b->bytes, sizeof a->bytes) == 0;
}

TnIpAddress   tn_ip_address_from_bytes (const guint8 *bytes, gsize len);   /* 4 or 16 */
gboolean      tn_ip_address_is_loopback (const TnIpAddress *address);
guint         tn_ip_address_hash       (gconstpointer address);
int           tn_ip_address_compare    (const TnIpAddress *a, const TnIpAddress *b);

/* No zone, no leading zeros, no white space. */
gboolean      tn_ip_address_parse      (const char *text, TnIpAddress *out) G_GNUC_WARN_UNUSED_RESULT;
void          tn_ip_address_print      (const TnIpAddress *address, char out[TN_IP_ADDRESS_TEXT_MAX]);
GInetAddress *tn_ip_address_to_inet    (const TnIpAddress *address);
TnIpAddress   tn_ip_address_from_inet  (GInetAddress *address);

/* Host bits may be set: tn_ip_prefix_is_masked() tells. */
gboolean      tn_ip_prefix_parse       (const char *text, TnIpPrefix *out) G_GNUC_WARN_UNUSED_RESULT;
void          tn_ip_prefix_print       (const TnIpPrefix *prefix, char out[TN_IP_PREFIX_TEXT_MAX]);
gboolean      tn_ip_prefix_is_masked   (const TnIpPrefix *prefix);
TnIpPrefix    tn_ip_prefix_mask        (const TnIpPrefix *prefix);
gboolean      tn_ip_prefix_contains    (const TnIpPrefix *prefix, const TnIpAddress *address);
gboolean      tn_ip_prefix_equal       (const TnIpPrefix *a, const TnIpPrefix *b);

gboolean      tn_ip_endpoint_parse     (const char *text, TnIpEndpoint *out) G_GNUC_WARN_UNUSED_RESULT;   /* 1.2.3.4:5, [::1]:5 */
void          tn_ip_endpoint_print     (const TnIpEndpoint *endpoint, char out[TN_IP_ENDPOINT_TEXT_MAX]);

G_END_DECLS

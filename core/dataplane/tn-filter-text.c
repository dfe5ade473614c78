/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-filter-text.h"

#include "tn-reader.h"

#include <string.h>

/* Forms and what is refused: tailscale wgengine/filter/tailcfg.go, parseIPSet(). */

/* --- An address as a number --- */

typedef struct
{
  guint64 high;
  guint64 low;
} Number;

static Number
number_of (const TnIpAddress *address)
{
  if (address->version == 4)
    return (Number) { 0, tn_get_u32be (address->bytes) };
  return (Number) { tn_get_u64be (address->bytes), tn_get_u64be (address->bytes + 8) };
}

static TnIpAddress
address_of (Number number,
            guint8 version)
{
  TnIpAddress address = { .version = version };

  if (version == 4)
    {
      tn_put_u32be (address.bytes, (guint32) number.low);
    }
  else
    {
      tn_put_u64be (address.bytes, number.high);
      tn_put_u64be (address.bytes + 8, number.low);
    }
  return address;
}

static gboolean
number_less (Number a,
             Number b)
{
  return a.high != b.high ? a.high < b.high : a.low < b.low;
}

static Number
number_subtract (Number a,
                 Number b)
{
  return (Number) { a.high - b.high - (a.low < b.low), a.low - b.low };
}

static guint
number_trailing_zeros (Number a,
                       guint  n_bits)
{
  guint n = a.low != 0 ? (guint) __builtin_ctzll (a.low) : a.high != 0 ? 64 + (guint) __builtin_ctzll (a.high) : 128;

  return MIN (n, n_bits);
}

/* Largest n with 2^n - 1 <= a. */
static guint
number_log2_of_successor (Number a)
{
  if (a.high == G_MAXUINT64)
    return a.low == G_MAXUINT64 ? 128 : 127;
  if (a.low == G_MAXUINT64)
    return a.high == 0 ? 64 : 64 + 63 - (guint) __builtin_clzll (a.high + 1);
  if (a.high != 0)
    return 127 - (guint) __builtin_clzll (a.high);
  return 63 - (guint) __builtin_clzll (a.low + 1);
}

static Number
number_add_power (Number a,
                  guint  exponent)
{
  Number sum = a;

  if (exponent >= 64)
    {
      sum.high += G_GUINT64_CONSTANT (1) << (exponent - 64);
    }
  else
    {
      sum.low += G_GUINT64_CONSTANT (1) << exponent;
      sum.high += sum.low < a.low;
    }
  return sum;
}

/* Blocks as large as alignment and the rest of the range allow, one after the other. */
static void
append_range (GArray *prefixes,
              Number  first,
              Number  last,
              guint8  version)
{
  guint n_bits = version == 4 ? 32 : 128;

  for (;;)
    {
      Number rest = number_subtract (last, first);
      guint exponent = MIN (number_trailing_zeros (first, n_bits), MIN (number_log2_of_successor (rest), n_bits));
      TnIpPrefix prefix = { .address = address_of (first, version), .bits = (guint8) (n_bits - exponent) };
      Number next;

      g_array_append_val (prefixes, prefix);
      if (exponent == n_bits)
        return;
      next = number_add_power (first, exponent);
      if (number_less (last, next) || number_less (next, first))    /* past the end, or wrapped around */
        return;
      first = next;
    }
}

/* --- Text --- */

/* A zone is allowed and dropped; only IPv6 has one. */
static gboolean
parse_address (const char  *text,
               gsize        len,
               TnIpAddress *out)
{
  const char *zone = memchr (text, '%', len);
  char buffer[TN_IP_ADDRESS_TEXT_MAX];
  gsize address_len = zone != NULL ? (gsize) (zone - text) : len;

  if (address_len >= sizeof buffer || (zone != NULL && address_len + 1 == len))
    return FALSE;
  memcpy (buffer, text, address_len);
  buffer[address_len] = '\0';
  return tn_ip_address_parse (buffer, out) && (zone == NULL || out->version == 6);
}

static gboolean
parse_range (const char *text,
             const char *hyphen,
             GArray     *prefixes)
{
  TnIpAddress first, last;

  if (!parse_address (text, (gsize) (hyphen - text), &first) || !parse_address (hyphen + 1, strlen (hyphen + 1), &last))
    return FALSE;
  if (first.version != last.version || number_less (number_of (&last), number_of (&first)))
    return FALSE;
  append_range (prefixes, number_of (&first), number_of (&last), first.version);
  return TRUE;
}

static void
append_all (GArray *prefixes)
{
  TnIpPrefix all4 = { .address.version = 4 };
  TnIpPrefix all6 = { .address.version = 6 };

  g_array_append_val (prefixes, all4);
  g_array_append_val (prefixes, all6);
}

gboolean
tn_filter_text_parse (const char  *text,
                      GArray      *prefixes,
                      const char **capability)
{
  const char *hyphen;
  TnIpPrefix prefix;

  *capability = NULL;
  if (strcmp (text, "*") == 0)
    {
      append_all (prefixes);
      return TRUE;
    }
  if (g_str_has_prefix (text, "cap:"))
    {
      *capability = text + strlen ("cap:");
      return TRUE;
    }

  if (strchr (text, '/') != NULL)
    {
      if (!tn_ip_prefix_parse (text, &prefix) || !tn_ip_prefix_is_masked (&prefix))
        return FALSE;
      g_array_append_val (prefixes, prefix);
      return TRUE;
    }

  hyphen = strchr (text, '-');
  if (hyphen != NULL && strchr (hyphen + 1, '-') == NULL)
    return parse_range (text, hyphen, prefixes);

  if (!parse_address (text, strlen (text), &prefix.address))
    return FALSE;
  prefix.bits = (guint8) (8 * tn_ip_address_len (&prefix.address));
  g_array_append_val (prefixes, prefix);
  return TRUE;
}

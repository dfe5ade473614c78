/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-host-spec.h"

#include <string.h>

#include "tn-error.h"

static gboolean
parse_port (const char *text,
            const char *whole,
            guint16    *port,
            GError    **error)
{
  guint64 value;

  if (!g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT16, &value, NULL))
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "port “%s” in “%s” is no number from 1 to 65535", text, whole);
      return FALSE;
    }
  *port = (guint16) value;
  return TRUE;
}

/* What a DNS name may have, and underscores, which some names of hosts do have. */
static gboolean
check_name (const char *name,
            const char *whole,
            GError    **error)
{
  gsize label_len = 0;

  if (strlen (name) > 253)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "host name of %" G_GSIZE_FORMAT " bytes, at most 253 allowed", strlen (name));
      return FALSE;
    }
  for (const char *p = name; *p != '\0'; p++)
    {
      gboolean dot = *p == '.';

      if (!g_ascii_isalnum (*p) && *p != '-' && *p != '_' && !dot)
        {
          g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "“%s” is neither a host name nor an address", whole);
          return FALSE;
        }
      if (dot ? label_len == 0 : ++label_len > 63)
        {
          g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "host name “%s” has a part of %s", name,
                       dot ? "no length" : "more than 63 bytes");
          return FALSE;
        }
      if (dot)
        label_len = 0;
    }
  return TRUE;
}

static gboolean
take_host (const char *text,
           gsize       len,
           const char *whole,
           gboolean    bracketed,
           char      **host,
           GError    **error)
{
  g_autofree char *name = g_strndup (text, len);
  TnIpAddress address;

  if (tn_ip_address_parse (name, &address) && (!bracketed || address.version == 6))
    {
      char printed[TN_IP_ADDRESS_TEXT_MAX];

      tn_ip_address_print (&address, printed);
      *host = g_strdup (printed);
      return TRUE;
    }
  if (bracketed)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "“%s” between brackets is no IPv6 address", name);
      return FALSE;
    }

  if (len > 1 && name[len - 1] == '.')
    name[len - 1] = '\0';
  if (*name == '\0')
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "no host in “%s”", whole);
      return FALSE;
    }
  if (!check_name (name, whole, error))
    return FALSE;
  *host = g_ascii_strdown (name, -1);
  return TRUE;
}

/* Where the host ends and the port begins; FALSE: broken. @port_text is NULL where there is none. */
static gboolean
split (const char  *text,
       const char **host,
       gsize       *host_len,
       gboolean    *bracketed,
       const char **port_text,
       GError     **error)
{
  const char *colon = strchr (text, ':');
  const char *end;

  *port_text = NULL;
  *bracketed = *text == '[';
  if (*bracketed)
    {
      end = strchr (text, ']');
      if (end == NULL || (end[1] != '\0' && end[1] != ':'))
        {
          g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "“%s” has brackets that do not close before the port", text);
          return FALSE;
        }
      *host = text + 1;
      *host_len = (gsize) (end - text) - 1;
      if (end[1] == ':')
        *port_text = end + 2;
      return TRUE;
    }

  /* Two colons and no brackets: an IPv6 address as it is. */
  if (colon != NULL && strchr (colon + 1, ':') == NULL)
    *port_text = colon + 1;
  *host = text;
  *host_len = *port_text != NULL ? (gsize) (colon - text) : strlen (text);
  return TRUE;
}

gboolean
tn_host_spec_parse (const char *text,
                    guint16     default_port,
                    char      **host,
                    guint16    *port,
                    GError    **error)
{
  g_autofree char *parsed = NULL;
  const char *host_text, *port_text;
  guint16 parsed_port = default_port;
  gboolean bracketed;
  gsize host_len;

  if (!split (text, &host_text, &host_len, &bracketed, &port_text, error) ||
      !take_host (host_text, host_len, text, bracketed, &parsed, error) ||
      (port_text != NULL && !parse_port (port_text, text, &parsed_port, error)))
    return FALSE;

  if (parsed_port == 0)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "no port in “%s”", text);
      return FALSE;
    }
  *host = g_steal_pointer (&parsed);
  *port = parsed_port;
  return TRUE;
}

gboolean
tn_host_spec_parse_host (const char *text,
                         char      **host,
                         GError    **error)
{
  const char *host_text, *port_text;
  gboolean bracketed;
  gsize host_len;

  if (!split (text, &host_text, &host_len, &bracketed, &port_text, error))
    return FALSE;
  if (port_text != NULL)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "“%s” has a port where only a host belongs", text);
      return FALSE;
    }
  return take_host (host_text, host_len, text, bracketed, host, error);
}

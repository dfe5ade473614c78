/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <libsoup/soup.h>

#include "tn-derp-upgrade.h"
#include "tn-error.h"

#define BODY_SHOWN_MAX 200

static void
append_text (GByteArray *out,
             const char *text)
{
  g_byte_array_append (out, (const guint8 *) text, (guint) strlen (text));
}

gboolean
tn_derp_upgrade_append_request (GByteArray        *out,
                                const TnRelayNode *node,
                                const TnRelayNode *ideal,
                                gboolean           fast_start)
{
  guint16 port = tn_derp_upgrade_port (node);
  g_autofree char *host = g_strdup_printf (strchr (node->host_name, ':') != NULL ? "[%s]" : "%s", node->host_name);
  g_autofree char *port_text = port != TN_DERP_HTTPS_PORT ? g_strdup_printf (":%u", port) : g_strdup ("");

  if (!tn_relay_node_has_plain_names (node) || (ideal != NULL && !tn_relay_node_has_plain_names (ideal)))
    return FALSE;
  append_text (out, "GET /derp HTTP/1.1\r\nHost: ");
  append_text (out, host);
  append_text (out, port_text);
  append_text (out, "\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n");
  if (fast_start)
    append_text (out, "Derp-Fast-Start: 1\r\n");
  if (ideal != NULL)
    {
      append_text (out, "Ideal-Node: ");
      append_text (out, ideal->name);
      append_text (out, "\r\n");
    }
  append_text (out, "\r\n");
  return TRUE;
}

static void
set_refused (const guint8  *body,
             gsize          len,
             guint          status,
             GError       **error)
{
  g_autofree char *text = g_utf8_make_valid ((const char *) body, (gssize) MIN (len, BODY_SHOWN_MAX));

  g_strstrip (g_strdelimit (text, "\r\n\t", ' '));
  g_set_error (error, TN_ERROR, TN_ERROR_FAILED, "relay answers with HTTP status %u%s%s", status, *text != '\0' ? ": " : "", text);
}

TnDerpParse
tn_derp_upgrade_parse_response (const guint8  *data,
                                gsize          len,
                                gsize         *head_len,
                                GError       **error)
{
  const guint8 *end = memmem (data, MIN (len, TN_DERP_HEAD_MAX), "\r\n\r\n", 4);
  g_autoptr (SoupMessageHeaders) headers = NULL;
  g_autofree char *head = NULL;
  guint status = 0;

  /* Told at the first byte that cannot be: some servers would keep us waiting for the rest. */
  if (len > 0 && memcmp (data, "HTTP/1.", MIN (len, 7)) != 0)
    {
      g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, "relay does not speak HTTP/1.1");
      return TN_DERP_INCOMPLETE;
    }
  if (end == NULL)
    {
      if (len >= TN_DERP_HEAD_MAX)
        g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "head of the relay's answer has more than %d bytes", TN_DERP_HEAD_MAX);
      return TN_DERP_INCOMPLETE;
    }

  headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_RESPONSE);
  head = g_strndup ((const char *) data, (gsize) (end - data) + 2);
  if (!soup_headers_parse_response (head, (int) (end - data) + 2, headers, NULL, &status, NULL))
    {
      g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, "relay's answer is no HTTP");
      return TN_DERP_INCOMPLETE;
    }
  *head_len = (gsize) (end - data) + 4;
  if (status != SOUP_STATUS_SWITCHING_PROTOCOLS)
    {
      set_refused (data + *head_len, len - *head_len, status, error);
      return TN_DERP_INCOMPLETE;
    }
  return TN_DERP_PARSED;
}

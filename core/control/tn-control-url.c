/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-control-url.h"

#include <string.h>

#include "tn-error.h"
#include "tn-shown.h"

#define PAGE_MAX_LEN   2048     /* of a URL that people are shown */
#define HTTPS_DELAY_MS 500      /* tailscale control/controlhttp: how long plain HTTP may try alone */

static gboolean
is_private_host (const char *host)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (host);
  const guint8 *bytes;

  if (address == NULL)
    return g_ascii_strcasecmp (host, "localhost") == 0;
  if (g_inet_address_get_is_loopback (address) || g_inet_address_get_is_site_local (address) ||
      g_inet_address_get_is_link_local (address))
    return TRUE;
  bytes = g_inet_address_to_bytes (address);
  return g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV6 && (bytes[0] & 0xfe) == 0xfc;     /* RFC 4193 */
}

/* tailscale control/ts2021, control/controlhttp: plain HTTP first, as Noise secures itself and a connect is cheaper. Where the
 * address names a port of its own for https, that one does not wait. */
static void
choose_routes (TnControlUrl *url,
               int           port)
{
  const TnControlRoute plain = { FALSE, (guint16) (!url->tls && port > 0 ? port : 80), 0 };
  const TnControlRoute secure = { TRUE, (guint16) (url->tls && port > 0 ? port : 443), url->tls && port > 0 && port != 443 ? 0 : HTTPS_DELAY_MS };

  url->n_routes = 0;
  url->routes[url->n_routes++] = plain;
  if (url->tls || !url->is_private)
    url->routes[url->n_routes++] = secure;
}

TnControlUrl *
tn_control_url_parse (const char  *text,
                      gboolean     allow_plain,
                      GError     **error)
{
  g_autoptr (GUri) uri = g_uri_parse (text, G_URI_FLAGS_NONE, NULL);
  g_autoptr (TnControlUrl) url = g_new0 (TnControlUrl, 1);
  const char *scheme = uri != NULL ? g_uri_get_scheme (uri) : NULL;
  gboolean is_ipv6;
  gsize len = strlen (text);

  if (uri == NULL || g_uri_get_host (uri) == NULL || *g_uri_get_host (uri) == '\0' ||
      (!g_str_equal (scheme, "https") && !g_str_equal (scheme, "http")) || g_uri_get_query (uri) != NULL ||
      g_uri_get_fragment (uri) != NULL || g_uri_get_userinfo (uri) != NULL)
    {
      g_autofree char *shown = tn_shown (text, 200);

      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "control server address “%s”: not an http or https URL of a host", shown);
      return NULL;
    }

  while (len > 0 && text[len - 1] == '/')
    len--;
  url->text = g_strndup (text, len);
  url->host = g_strdup (g_uri_get_host (uri));
  is_ipv6 = strchr (url->host, ':') != NULL;
  url->authority = g_uri_get_port (uri) > 0 ? g_strdup_printf (is_ipv6 ? "[%s]:%d" : "%s:%d", url->host, g_uri_get_port (uri))
                                            : g_strdup_printf (is_ipv6 ? "[%s]" : "%s", url->host);
  url->tls = g_str_equal (scheme, "https");
  url->is_private = is_private_host (url->host);
  url->allow_plain = allow_plain;
  if (!url->tls && !url->is_private && !allow_plain)
    {
      g_autofree char *shown = tn_shown (text, 200);

      g_set_error (error, TN_ERROR, TN_ERROR_BLOCKED, "control server address “%s”: plain http to a host that is neither loopback nor private is "
                   "allowed with “allow-plain-http” only",
                   shown);
      return NULL;
    }
  choose_routes (url, g_uri_get_port (uri));
  return g_steal_pointer (&url);
}

/* --- Where the server may send people and programs --- */

/* Whose pages have all the same domain: https://controlplane.tailscale.com, and its other name. */
static gboolean
is_official (const char *host)
{
  return g_ascii_strcasecmp (host, "controlplane.tailscale.com") == 0 || g_ascii_strcasecmp (host, "login.tailscale.com") == 0;
}

static gboolean
is_of_official (const char *host)
{
  g_autofree char *lower = g_ascii_strdown (host, -1);

  return g_str_equal (lower, "tailscale.com") || g_str_has_suffix (lower, ".tailscale.com");
}

static gboolean
has_harmful_char (const char *text)
{
  for (; *text != '\0'; text++)
    if (g_ascii_iscntrl (*text) || *text == ' ')
      return TRUE;
  return FALSE;
}

/* tailscale ipn/ipnlocal/local.go: validPopBrowserURL. No files, and nothing that starts a program. */
gboolean
tn_control_url_may_show (const TnControlUrl *url,
                         const char         *page)
{
  gboolean harmful = strlen (page) > PAGE_MAX_LEN || has_harmful_char (page);
  g_autoptr (GUri) uri = harmful ? NULL : g_uri_parse (page, G_URI_FLAGS_PARSE_RELAXED | G_URI_FLAGS_ENCODED, NULL);
  const char *host = uri != NULL ? g_uri_get_host (uri) : NULL;

  if (host == NULL || *host == '\0' || (is_official (url->host) && !is_of_official (host)))
    return FALSE;
  return g_str_equal (g_uri_get_scheme (uri), "https") || (!url->tls && g_str_equal (g_uri_get_scheme (uri), "http"));
}

/* No way leads out of TLS, and without it none that the address itself would not be allowed. */
gboolean
tn_control_url_may_lead_to (const TnControlUrl *url,
                            GUri               *uri)
{
  if (g_str_equal (g_uri_get_scheme (uri), "https"))
    return TRUE;
  return !url->tls && (url->allow_plain || is_private_host (g_uri_get_host (uri)));
}

void
tn_control_url_free (TnControlUrl *url)
{
  g_free (url->text);
  g_free (url->host);
  g_free (url->authority);
  g_free (url);
}

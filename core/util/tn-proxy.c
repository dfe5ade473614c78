/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-proxy.h"

static gboolean
is_loopback (const char *host)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (host);

  return address != NULL ? g_inet_address_get_is_loopback (address) : g_ascii_strcasecmp (host, "localhost") == 0;
}

GProxyResolver *
tn_proxy_resolver_for_host (GProxyResolver *resolver,
                            const char     *host)
{
  if (resolver != NULL)
    return g_object_ref (resolver);
  if (is_loopback (host))
    return NULL;
  return g_object_ref (g_proxy_resolver_get_default ());
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tailnet-plugin.h"
#include "tn-udp-transport.h"

TN_PLUGIN_DEFINE ("udp", "LGPL-2.1-or-later")

TN_PLUGIN_EXPORT void   g_io_tailnet_udp_load   (GIOModule *module);
TN_PLUGIN_EXPORT void   g_io_tailnet_udp_unload (GIOModule *module);
TN_PLUGIN_EXPORT char **g_io_tailnet_udp_query  (void);

/* Below the relays: alone, it leads to few peers. */
void
g_io_tailnet_udp_load (GIOModule *module)
{
  g_type_module_use (G_TYPE_MODULE (module));
  g_io_extension_point_implement (TN_UNDERLAY_TRANSPORT_EXTENSION_POINT_NAME, TN_TYPE_UDP_TRANSPORT, "udp", -10);
}

void
g_io_tailnet_udp_unload (GIOModule *module)
{
}

char **
g_io_tailnet_udp_query (void)
{
  return g_strsplit (TN_UNDERLAY_TRANSPORT_EXTENSION_POINT_NAME, "!", -1);
}

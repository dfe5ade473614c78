/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tailnet-plugin.h"
#include "tn-lwip-netstack.h"

TN_PLUGIN_DEFINE ("netstack", "LGPL-2.1-or-later AND BSD-3-Clause")

TN_PLUGIN_EXPORT void   g_io_tailnet_netstack_load   (GIOModule *module);
TN_PLUGIN_EXPORT void   g_io_tailnet_netstack_unload (GIOModule *module);
TN_PLUGIN_EXPORT char **g_io_tailnet_netstack_query  (void);

void
g_io_tailnet_netstack_load (GIOModule *module)
{
  g_type_module_use (G_TYPE_MODULE (module));     /* stay resident: the lwIP thread outlives the last object */
  g_io_extension_point_implement (TN_NETSTACK_EXTENSION_POINT_NAME, TN_TYPE_LWIP_NETSTACK, "lwip", 0);
}

void
g_io_tailnet_netstack_unload (GIOModule *module)
{
}

char **
g_io_tailnet_netstack_query (void)
{
  return g_strsplit (TN_NETSTACK_EXTENSION_POINT_NAME, "!", -1);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-linux-router.h"

TN_PLUGIN_DEFINE ("router-linux", "LGPL-2.1-or-later")

TN_PLUGIN_EXPORT void   g_io_tailnet_router_linux_load   (GIOModule *module);
TN_PLUGIN_EXPORT void   g_io_tailnet_router_linux_unload (GIOModule *module);
TN_PLUGIN_EXPORT char **g_io_tailnet_router_linux_query  (void);

/* GIO derives these names from libtailnet-router-linux.so. */
void
g_io_tailnet_router_linux_load (GIOModule *module)
{
  g_type_module_use (G_TYPE_MODULE (module));     /* stays: its type is static */
  g_io_extension_point_implement (TN_ROUTER_EXTENSION_POINT_NAME, TN_TYPE_LINUX_ROUTER, "linux", 0);
}

void
g_io_tailnet_router_linux_unload (GIOModule *module)
{
}

char **
g_io_tailnet_router_linux_query (void)
{
  return g_strsplit (TN_ROUTER_EXTENSION_POINT_NAME, "!", -1);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tailnet-plugin.h"
#include "tn-tun-transport.h"

TN_PLUGIN_DEFINE ("tun", "LGPL-2.1-or-later")

TN_PLUGIN_EXPORT void   g_io_tailnet_tun_load   (GIOModule *module);
TN_PLUGIN_EXPORT void   g_io_tailnet_tun_unload (GIOModule *module);
TN_PLUGIN_EXPORT char **g_io_tailnet_tun_query  (void);

/* Below the one in user space: whoever wants an interface of the kernel asks for it by name. */
void
g_io_tailnet_tun_load (GIOModule *module)
{
  g_type_module_use (G_TYPE_MODULE (module));
  g_io_extension_point_implement (TN_NETSTACK_EXTENSION_POINT_NAME, TN_TYPE_TUN_TRANSPORT, "tun", -10);
}

void
g_io_tailnet_tun_unload (GIOModule *module)
{
}

char **
g_io_tailnet_tun_query (void)
{
  return g_strsplit (TN_NETSTACK_EXTENSION_POINT_NAME, "!", -1);
}

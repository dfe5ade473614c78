/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-derp-transport.h"

TN_PLUGIN_DEFINE ("derp", "LGPL-2.1-or-later");

TN_PLUGIN_EXPORT void   g_io_tailnet_derp_load   (GIOModule *module);
TN_PLUGIN_EXPORT void   g_io_tailnet_derp_unload (GIOModule *module);
TN_PLUGIN_EXPORT char **g_io_tailnet_derp_query (void);

/* GIO derives these names from libtailnet-derp.so. */
void
g_io_tailnet_derp_load (GIOModule *module)
{
  g_type_module_use (G_TYPE_MODULE (module));     /* stays: GnuTLS and GIO may hold functions of ours */
  tn_derp_transport_register (G_TYPE_MODULE (module));
  g_io_extension_point_implement (TN_UNDERLAY_TRANSPORT_EXTENSION_POINT_NAME, TN_TYPE_DERP_TRANSPORT, "derp", 0);
}

void
g_io_tailnet_derp_unload (GIOModule *module)
{
}

char **
g_io_tailnet_derp_query (void)
{
  char **names = g_new0 (char *, 2);

  names[0] = g_strdup (TN_UNDERLAY_TRANSPORT_EXTENSION_POINT_NAME);
  return names;
}

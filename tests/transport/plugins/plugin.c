/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tailnet-plugin.h"

/* One source for plugins that are right and for those that are wrong in one thing: meson.build says which by macros. */

#define PASTE_(a, b, c) a##b##c
#define PASTE(a, b, c) PASTE_ (a, b, c)
#define TYPE_NAME G_STRINGIFY (PASTE (TnTestRouter_, PLUGIN_ID, ))

#ifndef PLUGIN_ABI
#define PLUGIN_ABI TN_PLUGIN_ABI
#endif
#ifndef PLUGIN_SIZE
#define PLUGIN_SIZE sizeof (TnPluginDescriptor)
#endif
#ifndef PLUGIN_LICENCE
#define PLUGIN_LICENCE "LGPL-2.1-or-later"
#endif
#ifndef PLUGIN_NAME
#define PLUGIN_NAME G_STRINGIFY (PLUGIN_ID)
#endif

#ifndef WITHOUT_DESCRIPTOR
TN_PLUGIN_EXPORT const TnPluginDescriptor tn_plugin_descriptor;
const TnPluginDescriptor tn_plugin_descriptor = { PLUGIN_ABI, PLUGIN_SIZE, PLUGIN_NAME, TN_VERSION, PLUGIN_LICENCE };
#endif

#ifdef WITH_UNDEFINED
void tn_test_nobody_defines_this (void);
#endif

G_GNUC_UNUSED static void
router_iface_init (gpointer iface,
                   gpointer data)
{
#ifdef WITH_UNDEFINED
  tn_test_nobody_defines_this ();
#endif
}

TN_PLUGIN_EXPORT void PASTE (g_io_tailnet_test_, PLUGIN_ID, _unload) (GIOModule *module);
void
PASTE (g_io_tailnet_test_, PLUGIN_ID, _unload) (GIOModule *module)
{
}

#ifndef WITHOUT_LOAD
TN_PLUGIN_EXPORT void PASTE (g_io_tailnet_test_, PLUGIN_ID, _load) (GIOModule *module);
void
PASTE (g_io_tailnet_test_, PLUGIN_ID, _load) (GIOModule *module)
{
  const GTypeInfo info = { .class_size = sizeof (GObjectClass), .instance_size = sizeof (GObject) };
  const GInterfaceInfo iface_info = { router_iface_init, NULL, NULL };
  GType type;

  g_type_module_use (G_TYPE_MODULE (module));
  type = g_type_module_register_type (G_TYPE_MODULE (module), G_TYPE_OBJECT, TYPE_NAME, &info, 0);
  g_type_module_add_interface (G_TYPE_MODULE (module), type, TN_TYPE_ROUTER, &iface_info);
  g_io_extension_point_implement (TN_ROUTER_EXTENSION_POINT_NAME, type, G_STRINGIFY (PLUGIN_ID), PLUGIN_PRIORITY);
}
#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tn-plugin-loader.h"
#include "tn-transport.h"

static void
test_found (void)
{
  g_autoptr (GError) error = NULL;
  GType type = tn_plugin_loader_find (TN_ROUTER_EXTENSION_POINT_NAME, "linux", &error);

  g_assert_no_error (error);
  g_assert_true (g_type_is_a (type, TN_TYPE_ROUTER));
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/router/plugin/found", test_found);
  return g_test_run ();
}

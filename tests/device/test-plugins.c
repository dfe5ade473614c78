/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A plugin that cannot be loaded, beside those that can. */

#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "device-kit.h"

static void
test_broken_beside_good (gconstpointer folder)
{
  g_autoptr (TnTestkitTailnet) tailnet = kit_tailnet_new ();
  g_autoptr (TnDevice) device = kit_device_join (tailnet, "patched");
  g_autofree char *text = kit_wait_health (device, "plugin");

  g_assert_nonnull (strstr (text, folder));
  g_assert_nonnull (strstr (text, "libtailnet-broken.so"));
  kit_stop (device);
}

int
main (int    argc,
      char **argv)
{
  g_autofree char *parent = g_dir_make_tmp ("tailnet-XXXXXX", NULL);
  g_autofree char *folder = g_build_filename (parent, "broken", NULL);
  g_autofree char *path = g_build_filename (folder, "libtailnet-broken.so", NULL);
  g_autofree char *folders = g_strdup_printf ("%s:%s", g_getenv ("TAILNET_PLUGIN_DIR"), parent);
  int code;

  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, "no ELF", -1, NULL));
  g_assert_true (g_setenv ("TAILNET_PLUGIN_DIR", folders, TRUE));
  g_test_add_data_func ("/device/plugins/broken-beside-good", folder, test_broken_beside_good);
  code = g_test_run ();
  g_assert_cmpint (g_remove (path), ==, 0);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
  g_assert_cmpint (g_rmdir (parent), ==, 0);
  return code;
}

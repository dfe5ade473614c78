/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tailnet-plugin.h"
#include "tn-error.h"
#include "tn-plugin-loader.h"

/* What is loaded stays so: each plugin that works is used by one test alone. */

static char *
make_folder (void)
{
  g_autoptr (GError) error = NULL;
  char *folder = g_dir_make_tmp ("tailnet-loader-XXXXXX", &error);

  g_assert_no_error (error);
  return folder;
}

static void
remove_folder (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_DIR))
        remove_folder (path);
      else
        g_unlink (path);
    }
  g_rmdir (folder);
}

static void
put_plugin (const char *folder,
            const char *id)
{
  g_autofree char *name = g_strdup_printf ("libtailnet-test-%s.so", id);
  g_autofree char *from = g_test_build_filename (G_TEST_BUILT, "transport", name, NULL);
  g_autofree char *to = g_build_filename (folder, name, NULL);
  g_autoptr (GFile) source = g_file_new_for_path (from);
  g_autoptr (GFile) target = g_file_new_for_path (to);
  g_autoptr (GError) error = NULL;

  g_file_copy (source, target, G_FILE_COPY_NONE, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
}

static void
put_text (const char *folder,
          const char *name,
          const char *text)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

static GPtrArray *
new_errors (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) g_error_free);
}

static void
assert_error_says (GPtrArray  *errors,
                   guint       i,
                   const char *file,
                   const char *reason)
{
  const GError *error;

  g_assert_cmpuint (errors->len, >, i);
  error = g_ptr_array_index (errors, i);
  g_assert_error (error, TN_ERROR, TN_ERROR_PLUGIN);
  if (strstr (error->message, file) == NULL || strstr (error->message, reason) == NULL)
    g_error ("“%s” does not say “%s” and “%s”", error->message, file, reason);
}

static gboolean
has_router (const char *name)
{
  GIOExtensionPoint *point = g_io_extension_point_lookup (TN_ROUTER_EXTENSION_POINT_NAME);

  return g_io_extension_point_get_extension_by_name (point, name) != NULL;
}

static void
test_good (void)
{
  g_autofree char *folder = make_folder ();
  g_autoptr (GPtrArray) errors = new_errors ();

  put_plugin (folder, "other");
  put_text (folder, "README", "not a plugin, and no mistake either");
  g_assert_cmpuint (tn_plugin_loader_load_folder (folder, FALSE, errors), ==, 1);
  g_assert_cmpuint (errors->len, ==, 0);
  g_assert_true (has_router ("other"));

  /* The same again is neither loaded twice nor a mistake. */
  g_assert_cmpuint (tn_plugin_loader_load_folder (folder, FALSE, errors), ==, 0);
  g_assert_cmpuint (errors->len, ==, 0);
  remove_folder (folder);
}

static void
test_empty (void)
{
  g_autofree char *folder = make_folder ();
  g_autoptr (GPtrArray) errors = new_errors ();

  g_assert_cmpuint (tn_plugin_loader_load_folder (folder, TRUE, errors), ==, 0);
  g_assert_cmpuint (errors->len, ==, 0);
  remove_folder (folder);
}

static void
test_missing_folder (void)
{
  g_autoptr (GPtrArray) errors = new_errors ();

  g_assert_cmpuint (tn_plugin_loader_load_folder ("/nonexistent/plugins", FALSE, errors), ==, 0);
  g_assert_cmpuint (errors->len, ==, 1);
  assert_error_says (errors, 0, "/nonexistent/plugins", "No such file");
}

typedef struct
{
  const char *id;
  const char *reason;
} Broken;

static const Broken broken[] = {
  { "abi", "made for plugin interface 4711, this is " G_STRINGIFY (TN_PLUGIN_ABI) },
  { "size", "its descriptor has 8 bytes" },
  { "name", "no valid name" },
  { "licence", "names no licence" },
  { "nodescriptor", "no symbol tn_plugin_descriptor" },
  { "noload", "no symbol g_io_tailnet_test_noload_load" },
  { "undefined", "tn_test_nobody_defines_this" },
};

static void
test_broken (gconstpointer data)
{
  const Broken *what = data;
  g_autofree char *folder = make_folder ();
  g_autofree char *file = g_strdup_printf ("%s/libtailnet-test-%s.so: ", folder, what->id);
  g_autoptr (GPtrArray) errors = new_errors ();

  put_plugin (folder, what->id);
  g_assert_cmpuint (tn_plugin_loader_load_folder (folder, FALSE, errors), ==, 0);
  g_assert_cmpuint (errors->len, ==, 1);
  assert_error_says (errors, 0, file, what->reason);
  g_assert_false (has_router (what->id));
  remove_folder (folder);
}

static void
test_not_elf (void)
{
  g_autofree char *folder = make_folder ();
  g_autoptr (GPtrArray) errors = new_errors ();

  put_text (folder, "libtailnet-test-text.so",
            "This is not a shared object, and it is long enough not to be refused for its length, which is asked for first: the "
            "header of an ELF file has sixty-four bytes, and the loader of the C library reads a good deal more than that.\n");
  put_text (folder, "libtailnet-test-void.so", "");
  g_assert_cmpuint (tn_plugin_loader_load_folder (folder, FALSE, errors), ==, 0);
  g_assert_cmpuint (errors->len, ==, 2);
  assert_error_says (errors, 0, "libtailnet-test-text.so: ", "ELF header");
  assert_error_says (errors, 1, "libtailnet-test-void.so: ", "file too short");
  remove_folder (folder);
}

/* A pipe is not waited for. */
static void
test_no_file (void)
{
  g_autofree char *folder = make_folder ();
  g_autofree char *pipe = g_build_filename (folder, "libtailnet-test-pipe.so", NULL);
  g_autoptr (GPtrArray) errors = new_errors ();

  g_assert_cmpint (mkfifo (pipe, 0600), ==, 0);
  g_assert_cmpuint (tn_plugin_loader_load_folder (folder, FALSE, errors), ==, 0);
  g_assert_cmpuint (errors->len, ==, 1);
  assert_error_says (errors, 0, "libtailnet-test-pipe.so: ", "no regular file");
  remove_folder (folder);
}

static void
test_unreadable (void)
{
  g_autofree char *folder = make_folder ();
  g_autofree char *path = g_build_filename (folder, "libtailnet-test-gone.so", NULL);
  g_autoptr (GPtrArray) errors = new_errors ();

  g_assert_cmpint (symlink ("/nonexistent/plugin.so", path), ==, 0);
  g_assert_cmpuint (tn_plugin_loader_load_folder (folder, FALSE, errors), ==, 0);
  g_assert_cmpuint (errors->len, ==, 1);
  assert_error_says (errors, 0, path, "No such file");
  remove_folder (folder);
}

static void
test_twins (void)
{
  g_autofree char *folder = make_folder ();
  g_autofree char *a = g_build_filename (folder, "a", NULL);
  g_autofree char *b = g_build_filename (folder, "b", NULL);
  g_autoptr (GPtrArray) errors = new_errors ();

  g_assert_cmpint (g_mkdir (a, 0700), ==, 0);
  g_assert_cmpint (g_mkdir (b, 0700), ==, 0);
  put_plugin (a, "twin");
  put_plugin (b, "twin");

  /* One level down only when asked to. */
  g_assert_cmpuint (tn_plugin_loader_load_folder (folder, FALSE, errors), ==, 0);
  g_assert_cmpuint (errors->len, ==, 0);

  g_assert_cmpuint (tn_plugin_loader_load_folder (folder, TRUE, errors), ==, 1);
  g_assert_cmpuint (errors->len, ==, 1);
  assert_error_says (errors, 0, "/b/libtailnet-test-twin.so: ", "is there already: ");
  assert_error_says (errors, 0, "/a/libtailnet-test-twin.so", "“twin”");
  remove_folder (folder);
}

/* A fresh process: everything once, from the override, beside what is broken; and not a word on standard error. */
static void
test_ensure (void)
{
  g_autofree char *folder = NULL;
  g_autofree char *list = NULL;
  g_autoptr (GPtrArray) errors = NULL;
  g_autoptr (GPtrArray) again = NULL;
  g_autoptr (GError) error = NULL;
  GType type;

  if (!g_test_subprocess ())
    {
      g_test_trap_subprocess (NULL, 0, 0);
      g_test_trap_assert_passed ();
      g_test_trap_assert_stderr ("");
      return;
    }

  folder = make_folder ();
  put_plugin (folder, "good");
  put_plugin (folder, "abi");
  put_plugin (folder, "better");
  put_text (folder, "libtailnet-test-text.so", "nothing");
  list = g_strdup_printf ("%s::/nonexistent/plugins", folder);
  g_setenv ("TAILNET_PLUGIN_DIR", list, TRUE);

  errors = tn_plugin_loader_ensure ();
  g_assert_cmpuint (errors->len, ==, 3);
  assert_error_says (errors, 0, "libtailnet-test-abi.so", "4711");
  assert_error_says (errors, 1, "libtailnet-test-text.so", "");
  assert_error_says (errors, 2, "/nonexistent/plugins", "");
  again = tn_plugin_loader_ensure ();
  g_assert_true (again == errors);

  type = tn_plugin_loader_find (TN_ROUTER_EXTENSION_POINT_NAME, "good", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (g_type_name (type), ==, "TnTestRouter_good");
  type = tn_plugin_loader_find (TN_ROUTER_EXTENSION_POINT_NAME, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (g_type_name (type), ==, "TnTestRouter_better");

  g_assert_cmpuint (tn_plugin_loader_find (TN_ROUTER_EXTENSION_POINT_NAME, "abi", &error), ==, G_TYPE_INVALID);
  g_assert_error (error, TN_ERROR, TN_ERROR_PLUGIN);
  g_assert_nonnull (strstr (error->message, "no plugin “abi” for tailnet-router in "));
  g_assert_nonnull (strstr (error->message, folder));
  g_assert_nonnull (strstr (error->message, "4711"));
  g_clear_error (&error);

  g_assert_cmpuint (tn_plugin_loader_find (TN_OVERLAY_TRANSPORT_EXTENSION_POINT_NAME, "none", &error), ==, G_TYPE_INVALID);
  g_assert_error (error, TN_ERROR, TN_ERROR_PLUGIN);
  remove_folder (folder);
}

static gpointer
ensure_thread (gpointer data)
{
  return tn_plugin_loader_ensure ();
}

static void
test_threads (void)
{
  GThread *threads[8];
  gpointer first = NULL;

  if (!g_test_subprocess ())
    {
      g_test_trap_subprocess (NULL, 0, 0);
      g_test_trap_assert_passed ();
      return;
    }

  g_unsetenv ("TAILNET_PLUGIN_DIR");
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("ensure", ensure_thread, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    {
      gpointer errors = g_thread_join (threads[i]);

      g_assert_true (first == NULL || errors == first);
      first = errors;
      g_ptr_array_unref (errors);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/transport/loader/good", test_good);
  g_test_add_func ("/transport/loader/empty", test_empty);
  g_test_add_func ("/transport/loader/missing-folder", test_missing_folder);
  for (guint i = 0; i < G_N_ELEMENTS (broken); i++)
    {
      g_autofree char *path = g_strdup_printf ("/transport/loader/broken/%s", broken[i].id);

      g_test_add_data_func (path, &broken[i], test_broken);
    }
  g_test_add_func ("/transport/loader/not-elf", test_not_elf);
  g_test_add_func ("/transport/loader/no-file", test_no_file);
  g_test_add_func ("/transport/loader/unreadable", test_unreadable);
  g_test_add_func ("/transport/loader/twins", test_twins);
  g_test_add_func ("/transport/loader/ensure", test_ensure);
  g_test_add_func ("/transport/loader/threads", test_threads);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-plugin-loader.h"

#include <dlfcn.h>
#include <gmodule.h>
#include <stdlib.h>
#include <string.h>

#include "tailnet-plugin.h"
#include "tn-error.h"

/* GIO's own scan prints what goes wrong and returns nothing, hence this one: each file is opened and looked at here first, and
 * handed to GIOModule only when nothing is left that it could complain about. */

G_LOCK_DEFINE_STATIC (loader);
static GHashTable *loaded_names;     /* plugin name -> path; under the lock */
static GPtrArray *loaded_modules;     /* of GIOModule */
static GHashTable *loaded_paths;     /* canonical paths of what is loaded; under the lock */
static GString *searched;            /* folders looked at by ensure(), for people; under the lock */

static void G_GNUC_PRINTF (3, 4)
add_error (GPtrArray  *errors,
           const char *path,
           const char *format,
           ...)
{
  g_autofree char *reason = NULL;
  va_list args;

  va_start (args, format);
  reason = g_strdup_vprintf (format, args);
  va_end (args);
  g_ptr_array_add (errors, g_error_new (TN_ERROR, TN_ERROR_PLUGIN, "cannot load plugin %s: %s", path, reason));
}

static void
register_extension_points (void)
{
  static gsize once;

  if (g_once_init_enter (&once))
    {
      const struct { const char *name; GType type; } points[] = {
        { TN_UNDERLAY_TRANSPORT_EXTENSION_POINT_NAME, TN_TYPE_UNDERLAY_TRANSPORT },
        { TN_OVERLAY_TRANSPORT_EXTENSION_POINT_NAME, TN_TYPE_OVERLAY_TRANSPORT },
        { TN_NETSTACK_EXTENSION_POINT_NAME, TN_TYPE_NETSTACK },
        { TN_ROUTER_EXTENSION_POINT_NAME, TN_TYPE_ROUTER },
      };

      for (guint i = 0; i < G_N_ELEMENTS (points); i++)
        g_io_extension_point_set_required_type (g_io_extension_point_register (points[i].name), points[i].type);
      g_once_init_leave (&once, 1);
    }
}

static gboolean
name_is_valid (const char *name)
{
  if (name == NULL || *name == '\0' || strlen (name) > 64)
    return FALSE;
  for (const char *p = name; *p != '\0'; p++)
    if (!g_ascii_islower (*p) && !g_ascii_isdigit (*p) && *p != '-')
      return FALSE;
  return TRUE;
}

/* As GIO derives it: libtailnet-example.so has g_io_tailnet_example_load(). */
static char *
dup_symbol (const char *path,
            const char *suffix)
{
  g_autofree char *base = g_path_get_basename (path);
  const char *start = g_str_has_prefix (base, "lib") ? base + 3 : base;
  g_autofree char *stem = g_strndup (start, strcspn (start, "."));

  g_strdelimit (stem, "-", '_');
  return g_strdup_printf ("g_io_%s_%s", stem, suffix);
}

static gboolean
check_descriptor (GModule                   *module,
                  const char                *path,
                  const TnPluginDescriptor **out,
                  GPtrArray                 *errors)
{
  gpointer symbol = NULL;
  const TnPluginDescriptor *descriptor;

  if (!g_module_symbol (module, TN_PLUGIN_DESCRIPTOR_SYMBOL, &symbol) || symbol == NULL)
    {
      add_error (errors, path, "it has no symbol %s", TN_PLUGIN_DESCRIPTOR_SYMBOL);
      return FALSE;
    }

  /* The first two fields stay where they are in every version; the rest is looked at only when they fit. */
  descriptor = symbol;
  if (descriptor->abi != TN_PLUGIN_ABI)
    {
      add_error (errors, path, "it is made for plugin interface %u, this is %d", descriptor->abi, TN_PLUGIN_ABI);
      return FALSE;
    }
  if (descriptor->size != sizeof *descriptor)
    {
      add_error (errors, path, "its descriptor has %u bytes, not %" G_GSIZE_FORMAT, descriptor->size, sizeof *descriptor);
      return FALSE;
    }
  if (!name_is_valid (descriptor->name))
    {
      add_error (errors, path, "its descriptor has no valid name");
      return FALSE;
    }
  if (descriptor->licence == NULL || *descriptor->licence == '\0')
    {
      add_error (errors, path, "its descriptor names no licence");
      return FALSE;
    }

  *out = descriptor;
  return TRUE;
}

static gboolean
check_entry_points (GModule    *module,
                    const char *path,
                    GPtrArray  *errors)
{
  const char *suffixes[] = { "load", "unload" };

  for (guint i = 0; i < G_N_ELEMENTS (suffixes); i++)
    {
      g_autofree char *name = dup_symbol (path, suffixes[i]);
      gpointer symbol = NULL;

      if (!g_module_symbol (module, name, &symbol) || symbol == NULL)
        {
          add_error (errors, path, "it has no symbol %s", name);
          return FALSE;
        }
    }
  return TRUE;
}

/* dlopen() says "PATH: reason" for most of what can go wrong, and the path is told already. */
static const char *
reason_of (const GError *error,
           const char   *path)
{
  const char *reason = error->message;

  if (g_str_has_prefix (reason, path) && g_str_has_prefix (reason + strlen (path), ": "))
    reason += strlen (path) + 2;
  return reason;
}

static gboolean
load_plugin (const char *path,
             GPtrArray  *errors)
{
  g_autofree char *canonical = realpath (path, NULL);
  g_autoptr (GError) error = NULL;
  const TnPluginDescriptor *descriptor;
  const char *other;
  GIOModule *io_module;
  GModule *module;

  if (canonical != NULL && g_hash_table_contains (loaded_paths, canonical))
    return FALSE;
  if (canonical != NULL && !g_file_test (canonical, G_FILE_TEST_IS_REGULAR))      /* a pipe would be waited for */
    {
      add_error (errors, path, "it is no regular file");
      return FALSE;
    }

  /* Bound at once: a missing symbol shows here and not in the middle of something. */
  module = g_module_open_full (path, G_MODULE_BIND_LOCAL, &error);
  if (module == NULL)
    {
      add_error (errors, path, "%s", reason_of (error, path));
      return FALSE;
    }

  if (!check_descriptor (module, path, &descriptor, errors) || !check_entry_points (module, path, errors))
    {
      g_module_close (module);
      return FALSE;
    }

  other = g_hash_table_lookup (loaded_names, descriptor->name);
  if (other != NULL)
    {
      add_error (errors, path, "a plugin “%s” is there already: %s", descriptor->name, other);
      g_module_close (module);
      return FALSE;
    }

  io_module = g_io_module_new (path);
  if (!g_type_module_use (G_TYPE_MODULE (io_module)))
    {
      add_error (errors, path, "it does not load as a GIO module");
      g_object_unref (io_module);
      g_module_close (module);
      return FALSE;
    }

  /* Never unused again, and open for good: threads of it may outlive its last object, and a GTypeModule is never finalized once it
   * has registered a type. */
  g_debug ("loaded plugin %s %s (%s) from %s", descriptor->name, descriptor->version, descriptor->licence, path);
  g_ptr_array_add (loaded_modules, io_module);
  g_hash_table_insert (loaded_names, g_strdup (descriptor->name), g_strdup (path));
  if (canonical != NULL)
    g_hash_table_add (loaded_paths, g_strdup (canonical));
  return TRUE;
}

static int
compare_names (gconstpointer a,
               gconstpointer b)
{
  return strcmp (*(const char * const *) a, *(const char * const *) b);
}

/* Sorted, so that the same one of two with one name wins everywhere. */
static GPtrArray *
list_folder (const char *folder,
             GPtrArray  *errors)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, &error);
  const char *name;

  if (dir == NULL)
    {
      g_ptr_array_add (errors, g_error_new (TN_ERROR, TN_ERROR_PLUGIN, "cannot read plugin folder: %s", error->message));
      return NULL;
    }

  while ((name = g_dir_read_name (dir)) != NULL)
    g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  return g_steal_pointer (&names);
}

static guint
load_folder (const char *folder,
             gboolean    sub_folders,
             GPtrArray  *errors)
{
  g_autoptr (GPtrArray) names = list_folder (folder, errors);
  guint n_loaded = 0;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      const char *name = g_ptr_array_index (names, i);
      g_autofree char *path = g_build_filename (folder, name, NULL);
      gboolean is_folder = g_file_test (path, G_FILE_TEST_IS_DIR);

      if (is_folder && sub_folders)
        n_loaded += load_folder (path, FALSE, errors);
      else if (!is_folder && g_str_has_suffix (name, "." G_MODULE_SUFFIX))
        n_loaded += load_plugin (path, errors);
    }
  return n_loaded;
}

static void
prepare (void)
{
  if (loaded_names != NULL)
    return;
  loaded_names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  loaded_modules = g_ptr_array_new ();
  loaded_paths = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  searched = g_string_new (NULL);
  register_extension_points ();
}

guint
tn_plugin_loader_load_folder (const char *folder,
                              gboolean    sub_folders,
                              GPtrArray  *errors)
{
  guint n_loaded;

  g_return_val_if_fail (folder != NULL, 0);
  g_return_val_if_fail (errors != NULL, 0);

  G_LOCK (loader);
  prepare ();
  n_loaded = load_folder (folder, sub_folders, errors);
  G_UNLOCK (loader);
  return n_loaded;
}

/* Beside the library, wherever that was put: a wheel has no fixed prefix. */
static char *
dup_install_folder (void)
{
  g_autofree char *path = NULL;
  g_autofree char *lib_dir = NULL;
  Dl_info info;

  if (dladdr ((gpointer) (guintptr) tn_plugin_loader_ensure, &info) == 0 || info.dli_fname == NULL)
    return g_build_filename (TN_LIB_DIR, TN_PLUGIN_SUBDIR, NULL);

  path = g_canonicalize_filename (info.dli_fname, NULL);
  lib_dir = g_path_get_dirname (path);
  return g_build_filename (lib_dir, TN_PLUGIN_SUBDIR, NULL);
}

static void
note_searched (const char *folder)
{
  if (searched->len > 0)
    g_string_append (searched, ", ");
  g_string_append (searched, folder);
}

static void
load_everything (GPtrArray *errors)
{
  const char *override = secure_getenv ("TAILNET_PLUGIN_DIR");     /* NULL for a program with raised privileges */
  g_autofree char *install_folder = dup_install_folder ();
  g_auto (GStrv) folders = g_strsplit (override != NULL ? override : "", ":", -1);

  for (guint i = 0; folders[i] != NULL; i++)
    if (*folders[i] != '\0')
      {
        note_searched (folders[i]);
        load_folder (folders[i], TRUE, errors);
      }

  /* A library without plugins is not at fault for that: it shows when one is wanted. */
  note_searched (install_folder);
  if (g_file_test (install_folder, G_FILE_TEST_EXISTS))
    load_folder (install_folder, FALSE, errors);
}

GPtrArray *
tn_plugin_loader_ensure (void)
{
  static GPtrArray *problems;     /* immutable once made */

  G_LOCK (loader);
  prepare ();
  if (problems == NULL)
    {
      problems = g_ptr_array_new_with_free_func ((GDestroyNotify) g_error_free);
      load_everything (problems);
    }
  G_UNLOCK (loader);
  return g_ptr_array_ref (problems);
}

static void
set_not_found (const char *extension_point,
               const char *name,
               GPtrArray  *problems,
               GError    **error)
{
  g_autoptr (GString) text = g_string_new ("no plugin ");

  if (name != NULL)
    g_string_append_printf (text, "“%s” ", name);
  G_LOCK (loader);
  g_string_append_printf (text, "for %s in %s", extension_point, searched->str);
  G_UNLOCK (loader);
  for (guint i = 0; i < problems->len; i++)
    g_string_append_printf (text, "; %s", ((GError *) g_ptr_array_index (problems, i))->message);
  g_set_error_literal (error, TN_ERROR, TN_ERROR_PLUGIN, text->str);
}

GType
tn_plugin_loader_find (const char *extension_point,
                       const char *name,
                       GError    **error)
{
  g_autoptr (GPtrArray) problems = NULL;
  GIOExtensionPoint *point;
  GIOExtension *extension = NULL;

  g_return_val_if_fail (extension_point != NULL, G_TYPE_INVALID);

  problems = tn_plugin_loader_ensure ();
  point = g_io_extension_point_lookup (extension_point);
  g_return_val_if_fail (point != NULL, G_TYPE_INVALID);

  if (name != NULL)
    extension = g_io_extension_point_get_extension_by_name (point, name);
  else
    {
      GList *extensions = g_io_extension_point_get_extensions (point);     /* by priority */

      if (extensions != NULL)
        extension = extensions->data;
    }

  if (extension == NULL)
    {
      set_not_found (extension_point, name, problems, error);
      return G_TYPE_INVALID;
    }
  return g_io_extension_get_type (extension);
}

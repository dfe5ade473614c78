/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Stands in for libFuzzer: hands each file of a corpus folder, and each proper prefix of it, to the target, from a copy of exactly
 * its size, so that ASan and valgrind see a read of one byte too many. */

#include <glib.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define MAX_PREFIXES 2048

static void
replay (const char *contents,
        gsize       len)
{
  gsize first = len > MAX_PREFIXES ? len - MAX_PREFIXES : 0;

  for (gsize n = first; n <= len; n++)
    {
      g_autofree guint8 *copy = g_malloc (MAX (n, 1));

      if (n > 0)
        memcpy (copy, contents, n);
      LLVMFuzzerTestOneInput (copy, n);
    }
}

static void
test_corpus (gconstpointer user_data)
{
  const char *folder = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, &error);
  const char *name;
  guint n = 0;

  g_assert_no_error (error);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_autofree char *contents = NULL;
      gsize len;

      g_file_get_contents (path, &contents, &len, &error);
      g_assert_no_error (error);
      replay (contents, len);
      n++;
    }
  g_assert_cmpuint (n, >, 0);
}

int
main (int   argc,
      char *argv[])
{
  g_autofree char *name = NULL;
  g_autofree char *path = NULL;

  g_test_init (&argc, &argv, NULL);
  if (argc < 2)
    {
      g_printerr ("usage: %s [TEST OPTIONS] CORPUS\n", argv[0]);
      return 2;
    }

  name = g_path_get_basename (argv[1]);
  path = g_strconcat ("/fuzz/corpus/", name, NULL);
  g_test_add_data_func (path, argv[1], test_corpus);
  return g_test_run ();
}

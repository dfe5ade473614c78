/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <gio/gio.h>
#include <glib/gstdio.h>

#include "vectors.h"

/* The reader of conformance vectors itself: a file that lost something must not pass for a good one. */

static void
test_case (TnVector *v)
{
  tn_vector_check_bool (v, "ok", TRUE);
}

static const char *program;

/* In the child: runs @text as a file of @n_wanted cases, and so fails where a test of vectors would. */
static void
run_text (const char *text, gint64 n_wanted)
{
  static const TnVectorOp ops[] = { { "ours", test_case }, { "theirs", NULL } };
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("tailnet-vectors-XXXXXX", &error);
  g_autofree char *path = NULL;

  g_assert_no_error (error);
  path = g_build_filename (folder, "cases.jsonl", NULL);
  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
  tn_vectors_run_path (path, n_wanted, ops, G_N_ELEMENTS (ops), NULL);
  g_unlink (path);
  g_rmdir (folder);
}

#define ABOUT "{\"about\":\"a file\"}\n"
#define ABOUT_TWO "{\"about\":\"a file\",\"cases\":2}\n"
#define OURS "{\"op\":\"ours\",\"ok\":true}\n"
#define THEIRS "{\"op\":\"theirs\"}\n"

typedef struct
{
  const char *name;
  const char *text;
  gint64      n_wanted;
  const char *said;           /* NULL: it passes */
} Case;

static const Case cases[] = {
  { "whole", ABOUT OURS THEIRS, 2, NULL },
  { "any-number", ABOUT OURS THEIRS OURS, -1, NULL },
  { "without-description", OURS, 1, NULL },
  { "says-its-number", ABOUT_TWO OURS OURS, 99, NULL },
  { "lost-a-line", ABOUT OURS, 2, "1 cases run and 0 left to others, of 1" },
  { "line-too-much", ABOUT OURS OURS OURS, 2, "3 cases run" },
  { "lost-a-line-of-its-number", ABOUT_TWO OURS, -1, "should have 2" },
  { "cut-within-a-line", ABOUT OURS "{\"op\":\"ou", -1, "cases.jsonl:3: " },
  { "nothing-for-us", ABOUT THEIRS, 1, "0 cases run and 1 left to others" },
  { "description-only", ABOUT, -1, "0 cases run" },
  { "empty", "", -1, "0 cases run" },
  { "case-with-about", ABOUT OURS "{\"op\":\"ours\",\"about\":\"a case\",\"ok\":false}\n", -1, "ok is true, expected false" },
  { "description-in-the-middle", OURS ABOUT OURS, -1, "cases.jsonl:2:: no test knows this op" },
  { "unknown-op", ABOUT OURS "{\"op\":\"strange\"}\n", -1, "cases.jsonl:3: op=\"strange\": no test knows this op" },
};

static void
test_file (gconstpointer data)
{
  const Case *c = data;
  g_autofree char *name = g_strconcat ("/util/vectors/", c->name, NULL);
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autoptr (GSubprocess) child = NULL;
  g_autofree char *output = NULL;
  g_autoptr (GError) error = NULL;

  if (g_getenv ("TAILNET_TEST_VECTORS_CHILD") != NULL)
    {
      run_text (c->text, c->n_wanted);
      return;
    }

  g_subprocess_launcher_setenv (launcher, "TAILNET_TEST_VECTORS_CHILD", "1", TRUE);
  child = g_subprocess_launcher_spawn (launcher, &error, program, "-p", name, NULL);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (child, NULL, NULL, &output, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_subprocess_get_successful (child), ==, c->said == NULL);
  if (c->said != NULL && strstr (output, c->said) == NULL)
    {
      g_test_message ("'%s' is not in: %s", c->said, output);
      g_test_fail ();
    }
}

int
main (int argc, char **argv)
{
  program = argv[0];
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/util/vectors/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_file);
    }
  return g_test_run ();
}

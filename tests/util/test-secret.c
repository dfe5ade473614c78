/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tn-secret.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef __has_feature
#if __has_feature (address_sanitizer) || __has_feature (thread_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined (__SANITIZE_ADDRESS__) || defined (__SANITIZE_THREAD__)
#define HAVE_MLOCK FALSE      /* the sanitizers make nothing of it */
#else
#define HAVE_MLOCK TRUE
#endif

static gboolean
is_zero (const guint8 *bytes, gsize len)
{
  for (gsize i = 0; i < len; i++)
    if (bytes[i] != 0)
      return FALSE;
  return TRUE;
}

/* The page stays mapped, so what is left of a freed secret can be seen. */
static void
test_erased (void)
{
  guint8 *secret = tn_secret_dup ("0123456789abcdef0123456789abcdef", 32);
  guint8 *again;

  g_assert_cmpmem (secret, 32, "0123456789abcdef0123456789abcdef", 32);
  tn_secret_free (secret);
  g_assert_true (is_zero (secret, TN_SECRET_MAX));

  again = tn_secret_alloc (TN_SECRET_MAX);
  g_assert_true (again == secret);
  g_assert_true (is_zero (again, TN_SECRET_MAX));
  tn_secret_free (again);
  tn_secret_free (NULL);
}

/* More than a page of them, freed in another order; none overlaps. */
static void
test_many (void)
{
  guint8 *secrets[200];

  for (guint i = 0; i < G_N_ELEMENTS (secrets); i++)
    {
      secrets[i] = tn_secret_alloc (TN_SECRET_MAX);
      g_assert_true (is_zero (secrets[i], TN_SECRET_MAX));
      memset (secrets[i], (int) i, TN_SECRET_MAX);
    }
  for (guint i = 0; i < G_N_ELEMENTS (secrets); i += 2)
    tn_secret_free (secrets[i]);
  for (guint i = 1; i < G_N_ELEMENTS (secrets); i += 2)
    {
      for (guint j = 0; j < TN_SECRET_MAX; j++)
        g_assert_cmpuint (secrets[i][j], ==, i);
      tn_secret_free (secrets[i]);
    }
}

/* Of all lengths around those of a slot and of a chunk; none overlaps, and nothing is left. */
static void
test_texts (void)
{
  static const gsize lens[] = { 0, 1, 62, 63, 64, 65, 127, 128, 1000, 4031, 4032, 4095, 4096, 10000 };
  char *texts[G_N_ELEMENTS (lens)];
  char *again;

  for (guint i = 0; i < G_N_ELEMENTS (lens); i++)
    {
      g_autofree char *text = g_strnfill (lens[i], (char) ('a' + i));

      texts[i] = tn_secret_strdup (text);
    }
  for (guint i = 0; i < G_N_ELEMENTS (lens); i++)
    {
      g_autofree char *text = g_strnfill (lens[i], (char) ('a' + i));

      g_assert_cmpstr (texts[i], ==, text);
    }
  for (guint i = 0; i < G_N_ELEMENTS (lens); i++)
    {
      tn_secret_str_free (texts[i]);
      if (lens[i] < 4096)
        g_assert_true (is_zero ((const guint8 *) texts[i], lens[i]));
    }
  again = tn_secret_strdup ("again");
  tn_secret_str_free (again);
  g_assert_null (tn_secret_strdup (NULL));
  tn_secret_str_free (NULL);
}

static gboolean
is_locked_and_left_out_of_dumps (const void *address)
{
  g_autofree char *maps = NULL;
  g_auto (GStrv) lines = NULL;
  gboolean inside = FALSE;

  g_assert_true (g_file_get_contents ("/proc/self/smaps", &maps, NULL, NULL));
  lines = g_strsplit (maps, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      guint64 start, end;
      char *rest;

      start = g_ascii_strtoull (lines[i], &rest, 16);
      if (*rest == '-')
        {
          end = g_ascii_strtoull (rest + 1, &rest, 16);
          if (*rest == ' ')
            inside = (guint64) (gsize) address >= start && (guint64) (gsize) address < end;
        }
      if (inside && g_str_has_prefix (lines[i], "VmFlags:"))
        return strstr (lines[i], " lo") != NULL && strstr (lines[i], " dd") != NULL;
    }
  return FALSE;
}

static void
test_locked (void)
{
  struct rlimit limit;
  gpointer secret;

  getrlimit (RLIMIT_MEMLOCK, &limit);
  if (!HAVE_MLOCK || limit.rlim_cur < 64 * 1024 || !g_file_test ("/proc/self/smaps", G_FILE_TEST_EXISTS))
    {
      g_test_skip ("needs mlock(), RLIMIT_MEMLOCK and /proc");
      return;
    }
  secret = tn_secret_alloc (32);
  g_assert_true (is_locked_and_left_out_of_dumps (secret));
  tn_secret_free (secret);
}

/* A refused lock is one warning, however many keys follow. Root is not held to the limit, so the child is nobody. */
static void
test_refused (void)
{
  if (g_test_subprocess ())
    {
      struct rlimit none = { 0, 0 };

      g_assert_no_errno (setrlimit (RLIMIT_MEMLOCK, &none));
      if (geteuid () == 0)
        g_assert_no_errno (setuid (65534));
      g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
      for (guint i = 0; i < 200; i++)
        ((guint8 *) tn_secret_alloc (32))[31] = 1;
      return;
    }

  if (!HAVE_MLOCK)
    {
      g_test_skip ("needs mlock()");
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("*cannot lock private keys in memory*");
  g_test_trap_assert_stderr_unmatched ("*cannot lock*cannot lock*");
}

static void
test_bytes (void)
{
  char *data = g_strdup ("machine key");
  GBytes *bytes = tn_secret_bytes_new_take (data, strlen (data));

  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), "machine key", 11);
  g_bytes_unref (bytes);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/util/secret/erased", test_erased);
  g_test_add_func ("/util/secret/many", test_many);
  g_test_add_func ("/util/secret/texts", test_texts);
  g_test_add_func ("/util/secret/locked", test_locked);
  g_test_add_func ("/util/secret/refused", test_refused);
  g_test_add_func ("/util/secret/bytes", test_bytes);
  return g_test_run ();
}

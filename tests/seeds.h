/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Runs a test with the seeds 1 to @n; TAILNET_TEST_SEEDS=N with that many, TAILNET_TEST_SEED=N with that one alone. */
static inline void
tn_test_run_seeds (guint32 n, void (*run_seed) (guint32 seed))
{
  const char *seed = g_getenv ("TAILNET_TEST_SEED");
  const char *seeds = g_getenv ("TAILNET_TEST_SEEDS");

  if (seeds != NULL)
    n = (guint32) g_ascii_strtoull (seeds, NULL, 10);
  if (seed != NULL)
    run_seed ((guint32) g_ascii_strtoull (seed, NULL, 10));
  else
    for (guint32 i = 1; i <= n; i++)
      run_seed (i);
}

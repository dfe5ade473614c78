/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-thread.h"

#define N_ROUNDS 20000

static gboolean
release_cb (gpointer data)
{
  tn_thread_unref (data);
  return G_SOURCE_REMOVE;
}

/* The call takes the last reference away, so the thread ends and frees its context while the caller is still in tn_thread_call(). */
static void
test_last_call (void)
{
  for (guint i = 0; i < N_ROUNDS; i++)
    {
      TnThread *thread = tn_thread_new ("test");

      tn_thread_call (thread, release_cb, thread, NULL);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/device/thread/last-call", test_last_call);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>

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

/* What a thread keeps is freed before its end, and nobody leaves before that. */
static gint n_freed;
static GMutex leaving;      /* held until exit() has begun */

static void
kept_free (gpointer data)
{
  g_mutex_lock (&leaving);
  g_mutex_unlock (&leaving);
  g_atomic_int_inc (&n_freed);
}

static gboolean
keep_cb (gpointer data)
{
  static GPrivate kept = G_PRIVATE_INIT (kept_free);

  g_private_set (&kept, &kept);
  return G_SOURCE_REMOVE;
}

/* All begin before one ends: a thread that starts joins those that are through. */
static void
leave_with_threads (void)
{
  TnThread *threads[3];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = tn_thread_new ("test");
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    {
      tn_thread_call (threads[i], keep_cb, NULL, NULL);
      tn_thread_unref (threads[i]);
    }
}

static void
say_leaving (void)
{
  g_mutex_unlock (&leaving);
}

static void
say_freed (void)
{
  g_print ("freed %d", g_atomic_int_get (&n_freed));
}

static void
test_exit (void)
{
  if (g_test_subprocess ())
    {
      /* What is registered first runs last. */
      atexit (say_freed);
      g_mutex_lock (&leaving);
      leave_with_threads ();
      atexit (say_leaving);
      exit (0);
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stdout ("*freed 3*");
}

/* A thread that is joined at exit drops the last hold on another only then: that one is joined too. */
static GMutex joining;      /* held until the first join */
static gboolean held_back;  /* it is held */

gpointer __real_g_thread_join (GThread *thread);
gpointer __wrap_g_thread_join (GThread *thread);

gpointer
__wrap_g_thread_join (GThread *thread)
{
  if (held_back)
    g_mutex_unlock (&joining);
  held_back = FALSE;
  return __real_g_thread_join (thread);
}

static gboolean
release_late_cb (gpointer data)
{
  g_mutex_lock (&joining);
  g_mutex_unlock (&joining);
  tn_thread_unref (data);
  return G_SOURCE_REMOVE;
}

static void
test_exit_of_a_holder (void)
{
  if (g_test_subprocess ())
    {
      TnThread *held, *holder;

      atexit (say_freed);      /* what is registered first runs last */
      held = tn_thread_new ("held");
      holder = tn_thread_new ("holder");
      g_mutex_lock (&joining);
      held_back = TRUE;
      tn_thread_call (held, keep_cb, NULL, NULL);
      tn_thread_call (holder, release_late_cb, held, NULL);
      tn_thread_unref (holder);
      exit (0);
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stdout ("*freed 1*");
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/device/thread/last-call", test_last_call);
  g_test_add_func ("/device/thread/exit", test_exit);
  g_test_add_func ("/device/thread/exit-of-a-holder", test_exit_of_a_holder);
  return g_test_run ();
}

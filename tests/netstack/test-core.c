/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <lwip/opt.h>
#include <stdlib.h>

#include "tn-lwip-core.h"
#include "wire.h"

/* What the network stack's thread keeps is freed before its end, and exit() waits for that. */
static gint n_freed;
static GMutex leaving;      /* held until exit() has begun */
static gint kept;

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
  static GPrivate private = G_PRIVATE_INIT (kept_free);

  g_private_set (&private, &private);
  g_atomic_int_set (&kept, TRUE);
  g_main_context_wakeup (NULL);
  return G_SOURCE_REMOVE;
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
leave_at_once (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_callback (source, keep_cb, NULL, NULL);
  g_source_attach (source, tn_lwip_core_context ());
  while (!g_atomic_int_get (&kept))
    g_main_context_iteration (NULL, TRUE);
  test_wire_free (wire);
}

static void
test_exit (void)
{
  if (g_test_subprocess ())
    {
      /* What is registered first runs last. */
      atexit (say_freed);
      g_mutex_lock (&leaving);
      leave_at_once ();
      atexit (say_leaving);
      exit (0);
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stdout ("*freed 1*");
}

/* Where local ports begin is a matter of chance: each of its ways leaves one for the first connection. */
static void
test_first_port (void)
{
  for (guint chance = 0; chance <= G_MAXUINT16; chance++)
    {
      guint16 before = TCP_ENSURE_LOCAL_PORT_RANGE (chance);

      g_assert_cmpuint (before, >=, TCP_LOCAL_PORT_RANGE_START);
      g_assert_cmpuint (before, <, TCP_LOCAL_PORT_RANGE_END);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/netstack/core/exit", test_exit);
  g_test_add_func ("/netstack/core/first-port", test_first_port);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tn-cancel-source.h"

static gboolean
fired_cb (GCancellable *cancellable,
          gpointer      data)
{
  g_assert_true (g_cancellable_is_cancelled (cancellable));
  *(guint *) data += 1;
  return G_SOURCE_REMOVE;
}

static gpointer
cancel_thread (gpointer data)
{
  g_cancellable_cancel (data);
  return NULL;
}

/* Goes while the other thread is still in g_cancellable_cancel(): the leak sanitizer sees what is left. */
static void
test_other_thread (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();

  for (guint i = 0; i < 2000; i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      GSource *source = tn_cancel_source_new (cancellable);
      GThread *thread;
      guint n = 0;

      g_source_set_callback (source, G_SOURCE_FUNC (fired_cb), &n, NULL);
      g_source_attach (source, context);
      thread = g_thread_new ("cancel", cancel_thread, cancellable);
      while (n == 0)
        g_main_context_iteration (context, TRUE);
      g_assert_true (g_source_is_destroyed (source));
      g_source_unref (source);
      g_thread_join (thread);
      g_assert_cmpuint (n, ==, 1);
      g_assert_cmpuint (G_OBJECT (cancellable)->ref_count, ==, 1);
    }
}

static void
test_cancelled_before (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GSource) source = NULL;
  guint n = 0;

  g_cancellable_cancel (cancellable);
  source = tn_cancel_source_new (cancellable);
  g_source_set_callback (source, G_SOURCE_FUNC (fired_cb), &n, NULL);
  g_source_attach (source, context);
  g_assert_true (g_main_context_iteration (context, FALSE));
  g_assert_cmpuint (n, ==, 1);
}

static void
test_gone_before (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GSource *source = tn_cancel_source_new (cancellable);

  g_source_unref (source);
  g_assert_cmpuint (G_OBJECT (cancellable)->ref_count, ==, 1);
  g_cancellable_cancel (cancellable);
}

static gboolean
fired_on_cb (GCancellable *cancellable,
             gpointer      data)
{
  *(guint *) data += 1;
  return G_SOURCE_CONTINUE;
}

/* A source that stays is not ready for ever. */
static void
test_once_each (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GSource) source = tn_cancel_source_new (cancellable);
  guint n = 0;

  g_source_set_callback (source, G_SOURCE_FUNC (fired_on_cb), &n, NULL);
  g_source_attach (source, context);
  for (guint i = 1; i <= 2; i++)
    {
      g_assert_false (g_main_context_iteration (context, FALSE));
      g_cancellable_cancel (cancellable);
      g_assert_true (g_main_context_iteration (context, FALSE));
      g_assert_false (g_main_context_iteration (context, FALSE));
      g_assert_cmpuint (n, ==, i);
      g_cancellable_reset (cancellable);
    }
  g_source_destroy (source);
}

static gboolean
stream_cb (GObject *stream,
           gpointer data)
{
  *(guint *) data += 1;
  return G_SOURCE_REMOVE;
}

/* As the child of a source that waits for something else. */
static void
test_child (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GInputStream) stream = g_memory_input_stream_new ();
  g_autoptr (GSource) source = g_pollable_source_new (G_OBJECT (stream));
  g_autoptr (GSource) child = tn_cancel_source_new (cancellable);
  guint n = 0;

  g_source_set_dummy_callback (child);
  g_source_add_child_source (source, child);
  g_source_set_callback (source, G_SOURCE_FUNC (stream_cb), &n, NULL);
  g_source_attach (source, context);
  g_assert_false (g_main_context_iteration (context, FALSE));
  g_cancellable_cancel (cancellable);
  while (n == 0)
    g_main_context_iteration (context, TRUE);
  g_assert_true (g_source_is_destroyed (source) && g_source_is_destroyed (child));
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/util/cancel-source/other-thread", test_other_thread);
  g_test_add_func ("/util/cancel-source/cancelled-before", test_cancelled_before);
  g_test_add_func ("/util/cancel-source/gone-before", test_gone_before);
  g_test_add_func ("/util/cancel-source/once-each", test_once_each);
  g_test_add_func ("/util/cancel-source/child", test_child);
  return g_test_run ();
}

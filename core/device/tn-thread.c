/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-thread.h"

#include "tn-joined-thread.h"

struct _TnThread
{
  gatomicrefcount  ref_count;
  TnJoinedThread  *thread;
  GMainContext    *context;
  GMainLoop       *loop;
};

/* Guards control_thread: taking the last reference away and looking for it must not cross. */
static GMutex control_lock;
static TnThread *control_thread;

static void
thread_free (TnThread *thread)
{
  g_main_loop_unref (thread->loop);
  g_main_context_unref (thread->context);
  g_free (thread);
}

static gpointer
thread_main (gpointer data)
{
  TnThread *thread = data;
  TnJoinedThread *self;

  g_main_context_push_thread_default (thread->context);
  g_main_loop_run (thread->loop);

  /* What was queued behind the end still runs: it may free things that belong here. */
  while (g_main_context_iteration (thread->context, FALSE))
    ;
  g_main_context_pop_thread_default (thread->context);
  self = thread->thread;
  thread_free (thread);
  tn_joined_thread_end (self);
  return NULL;
}

TnThread *
tn_thread_new (const char *name)
{
  TnThread *thread = g_new0 (TnThread, 1);

  g_atomic_ref_count_init (&thread->ref_count);
  thread->context = g_main_context_new ();
  thread->loop = g_main_loop_new (thread->context, FALSE);
  thread->thread = tn_joined_thread_new (name, thread_main, thread);
  return thread;
}

TnThread *
tn_thread_ref_control (void)
{
  TnThread *thread;

  g_mutex_lock (&control_lock);
  if (control_thread == NULL)
    control_thread = tn_thread_new ("tailnet-control");
  else
    tn_thread_ref (control_thread);
  thread = control_thread;
  g_mutex_unlock (&control_lock);
  return thread;
}

TnThread *
tn_thread_ref (TnThread *thread)
{
  g_atomic_ref_count_inc (&thread->ref_count);
  return thread;
}

static gboolean
quit_cb (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_REMOVE;
}

void
tn_thread_unref (TnThread *thread)
{
  gboolean last;

  g_mutex_lock (&control_lock);
  last = g_atomic_ref_count_dec (&thread->ref_count);
  if (last && thread == control_thread)
    control_thread = NULL;
  g_mutex_unlock (&control_lock);

  /* A source, and not g_main_loop_quit() from here: that would be lost if the loop does not run yet. */
  if (last)
    {
      tn_joined_thread_set_ending (thread->thread, TRUE);
      tn_thread_call (thread, quit_cb, thread->loop, NULL);
    }
}

GMainContext *
tn_thread_get_context (TnThread *thread)
{
  return thread->context;
}

void
tn_thread_call (TnThread       *thread,
                GSourceFunc     func,
                gpointer        data,
                GDestroyNotify  destroy)
{
  /* The call that ends the thread lets go of its context, maybe before g_source_attach() has returned here. The context is released
   * after the source, whose last reference still looks at it: what comes first here goes last. */
  g_autoptr (GMainContext) context = g_main_context_ref (thread->context);
  g_autoptr (GSource) source = g_idle_source_new ();

  /* Ahead of I/O: whoever hears of a change may send a packet that needs it, and the source of packets is older than this one. */
  g_source_set_priority (source, G_PRIORITY_HIGH);
  g_source_set_callback (source, func, data, destroy);
  g_source_attach (source, context);
}

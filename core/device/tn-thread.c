/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-thread.h"

#include <stdlib.h>
#include <unistd.h>

struct _TnThread
{
  gatomicrefcount  ref_count;
  GThread         *thread;
  GMainContext    *context;
  GMainLoop       *loop;
};

/* Guards control_thread: taking the last reference away and looking for it must not cross. */
static GMutex control_lock;
static TnThread *control_thread;

/* Threads that nobody needs any more are joined: by the next one that starts, once they are through, and by exit(). What libraries
 * keep for a thread is freed as the very last thing in it, and not behind the back of exit(), which takes these libraries away. */
static GMutex ending_lock;
static GSList *ending;       /* of GThread: told to end */
static GSList *ended;        /* of GThread: have nothing to do any more */
static pid_t process;        /* a fork has none of the threads */

static void
thread_free (TnThread *thread)
{
  g_main_loop_unref (thread->loop);
  g_main_context_unref (thread->context);
  g_free (thread);
}

static void
join_all (GSList *threads)
{
  for (GSList *l = threads; l != NULL; l = l->next)
    if (l->data != g_thread_self ())
      g_thread_join (l->data);
  g_slist_free (threads);
}

static void
join_ended (void)
{
  GSList *threads;

  g_mutex_lock (&ending_lock);
  threads = g_steal_pointer (&ended);
  g_mutex_unlock (&ending_lock);
  join_all (threads);
}

static void
join_at_exit (void)
{
  GSList *threads;

  if (getpid () != process)
    return;

  g_mutex_lock (&ending_lock);
  threads = g_slist_concat (g_steal_pointer (&ending), g_steal_pointer (&ended));
  g_mutex_unlock (&ending_lock);
  join_all (threads);
}

static void
watch_exit (void)
{
  static gsize once;

  if (g_once_init_enter (&once))
    {
      process = getpid ();
      g_once_init_leave (&once, atexit (join_at_exit) == 0 ? 1 : 2);      /* without it, they end as they can */
    }
}

static void
note_ending (GThread *self)
{
  g_mutex_lock (&ending_lock);
  ending = g_slist_prepend (ending, self);
  g_mutex_unlock (&ending_lock);
}

static void
note_ended (GThread *self)
{
  GSList *link;

  g_mutex_lock (&ending_lock);
  link = g_slist_find (ending, self);
  if (link != NULL)      /* else exit() waits for it already */
    {
      ending = g_slist_remove_link (ending, link);
      ended = g_slist_concat (link, ended);
    }
  g_mutex_unlock (&ending_lock);
}

static gpointer
thread_main (gpointer data)
{
  TnThread *thread = data;

  g_main_context_push_thread_default (thread->context);
  g_main_loop_run (thread->loop);

  /* What was queued behind the end still runs: it may free things that belong here. */
  while (g_main_context_iteration (thread->context, FALSE))
    ;
  g_main_context_pop_thread_default (thread->context);
  thread_free (thread);
  note_ended (g_thread_self ());
  return NULL;
}

TnThread *
tn_thread_new (const char *name)
{
  TnThread *thread = g_new0 (TnThread, 1);

  watch_exit ();
  join_ended ();
  g_atomic_ref_count_init (&thread->ref_count);
  thread->context = g_main_context_new ();
  thread->loop = g_main_loop_new (thread->context, FALSE);
  thread->thread = g_thread_new (name, thread_main, thread);
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
      note_ending (thread->thread);
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

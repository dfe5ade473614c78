/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-joined-thread.h"

#include <stdlib.h>
#include <unistd.h>

struct _TnJoinedThread
{
  GThread *thread;
  gboolean ending;
  gboolean joining;      /* somebody waits for it, and frees this */
};

/* What libraries keep for a thread is freed as the very last thing in it, and not behind the back of exit(), which takes these
 * libraries away. */
static GMutex lock;
static GQueue ending = G_QUEUE_INIT;      /* of TnJoinedThread: told to end */
static GQueue ended = G_QUEUE_INIT;       /* of TnJoinedThread: have nothing to do any more */
static pid_t process;                     /* a fork has none of the threads */

static void
join (TnJoinedThread *thread)
{
  if (thread->thread != g_thread_self ())
    g_thread_join (thread->thread);
  g_free (thread);
}

static TnJoinedThread *
take (GQueue *first,
      GQueue *second)
{
  TnJoinedThread *thread;

  g_mutex_lock (&lock);
  thread = g_queue_pop_head (first);
  if (thread == NULL && second != NULL)
    thread = g_queue_pop_head (second);
  if (thread != NULL)
    thread->joining = TRUE;
  g_mutex_unlock (&lock);
  return thread;
}

static void
join_ended (void)
{
  TnJoinedThread *thread;

  while ((thread = take (&ended, NULL)) != NULL)
    join (thread);
}

/* One that ends may be what another waits for, which is told to end then. */
static void
join_at_exit (void)
{
  TnJoinedThread *thread;

  while (getpid () == process && (thread = take (&ended, &ending)) != NULL)
    join (thread);
}

/* What a fork finds in the queues are threads that it has not got: there is nobody to wait for. */
static void
forget_parent (void)
{
  g_mutex_lock (&lock);
  if (process != getpid ())
    {
      process = getpid ();
      g_queue_init (&ending);
      g_queue_init (&ended);
    }
  g_mutex_unlock (&lock);
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
  forget_parent ();
}

TnJoinedThread *
tn_joined_thread_new (const char  *name,
                      GThreadFunc  func,
                      gpointer     data)
{
  TnJoinedThread *thread = g_new0 (TnJoinedThread, 1);

  watch_exit ();
  join_ended ();
  g_mutex_lock (&lock);
  thread->thread = g_thread_new (name, func, data);
  g_mutex_unlock (&lock);
  return thread;
}

void
tn_joined_thread_set_ending (TnJoinedThread *thread,
                             gboolean        is_ending)
{
  g_mutex_lock (&lock);
  if (is_ending && !thread->ending && !thread->joining)
    g_queue_push_tail (&ending, thread);
  else if (!is_ending && thread->ending && !thread->joining)
    g_queue_remove (&ending, thread);
  thread->ending = is_ending;
  g_mutex_unlock (&lock);
}

void
tn_joined_thread_end (TnJoinedThread *thread)
{
  g_mutex_lock (&lock);
  if (!thread->joining)
    {
      g_queue_remove (&ending, thread);
      g_queue_push_tail (&ended, thread);
    }
  g_mutex_unlock (&lock);
}

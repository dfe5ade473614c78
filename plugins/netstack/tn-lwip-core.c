/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-core.h"

#include <sodium.h>

#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/sys.h"
#include "tn-lwip-ticks.h"

static struct
{
  GMutex         lock;        /* guards what follows, up to the empty line */
  guint          users;
  gboolean       running;
  gboolean       signalled;   /* jobs wait, and the thread knows it */
  TnLwipJobQueue jobs;
  GSource       *source;
  GMainContext  *context;

  TnLwipJobQueue deferred;    /* of the thread itself */
  gint64         now_us;
} core;

u32_t
sys_now (void)
{
  return (u32_t) (core.now_us / 1000);
}

unsigned int
tn_lwip_random (void)
{
  return randombytes_random ();
}

static void
queue_push (TnLwipJobQueue *queue,
            TnLwipJob      *job)
{
  job->next = NULL;
  if (queue->tail != NULL)
    queue->tail->next = job;
  else
    queue->head = job;
  queue->tail = job;
}

static void
queue_run (TnLwipJobQueue *queue)
{
  TnLwipJob *job = queue->head;

  *queue = (TnLwipJobQueue) { NULL, NULL };
  while (job != NULL)
    {
      TnLwipJob *next = job->next;

      job->run (job);
      job = next;
    }
}

static gboolean
core_dispatch (GSource     *source,
               GSourceFunc  callback,
               gpointer     user_data)
{
  TnLwipJobQueue jobs;
  gint64 next_us;

  g_mutex_lock (&core.lock);
  g_source_set_ready_time (source, -1);
  jobs = core.jobs;
  core.jobs = (TnLwipJobQueue) { NULL, NULL };
  core.signalled = FALSE;
  g_mutex_unlock (&core.lock);

  core.now_us = g_get_monotonic_time ();
  tn_lwip_ticks_catch_up (core.now_us);
  queue_run (&jobs);
  tn_lwip_ticks_run (core.now_us);
  netif_poll_all ();     /* packets from a device to itself */
  while (core.deferred.head != NULL)
    queue_run (&core.deferred);

  next_us = tn_lwip_ticks_next (core.now_us);
  g_mutex_lock (&core.lock);
  if (!core.signalled)
    g_source_set_ready_time (source, next_us);
  g_mutex_unlock (&core.lock);

  return G_SOURCE_CONTINUE;
}

static GSourceFuncs core_source_funcs = { .dispatch = core_dispatch };

static gpointer
core_thread (gpointer data)
{
  static gboolean initialized;
  g_autoptr (GMainContext) context = data;
  gboolean done = FALSE;

  core.now_us = g_get_monotonic_time ();
  if (!initialized)
    lwip_init ();
  initialized = TRUE;
  tn_lwip_ticks_start (core.now_us);

  g_main_context_push_thread_default (context);
  while (!done)
    {
      g_main_context_iteration (context, TRUE);

      g_mutex_lock (&core.lock);
      done = core.users == 0 && core.jobs.head == NULL;
      if (done)
        {
          g_source_destroy (core.source);
          g_clear_pointer (&core.source, g_source_unref);
          core.context = NULL;
          core.signalled = FALSE;
          core.running = FALSE;
        }
      g_mutex_unlock (&core.lock);
    }
  g_main_context_pop_thread_default (context);
  return NULL;
}

static void
core_start_locked (void)
{
  GMainContext *context = g_main_context_new ();

  core.context = context;
  core.source = g_source_new (&core_source_funcs, sizeof (GSource));
  g_source_set_static_name (core.source, "[tailnet] lwIP");
  g_source_attach (core.source, context);
  core.running = TRUE;
  g_thread_unref (g_thread_new ("tailnet-lwip", core_thread, context));
}

void
tn_lwip_core_hold (void)
{
  g_mutex_lock (&core.lock);
  core.users++;
  if (!core.running)
    core_start_locked ();
  g_mutex_unlock (&core.lock);
}

void
tn_lwip_core_release (void)
{
  g_mutex_lock (&core.lock);
  core.users--;
  if (core.users == 0)
    g_source_set_ready_time (core.source, 0);
  g_mutex_unlock (&core.lock);
}

/* Whoever posts holds the core, or knows somebody who does. */
void
tn_lwip_core_post (TnLwipJob *job)
{
  g_mutex_lock (&core.lock);
  g_assert (core.running);
  queue_push (&core.jobs, job);
  if (!core.signalled)
    {
      core.signalled = TRUE;
      g_source_set_ready_time (core.source, 0);
    }
  g_mutex_unlock (&core.lock);
}

void
tn_lwip_core_defer (TnLwipJob *job)
{
  queue_push (&core.deferred, job);
}

GMainContext *
tn_lwip_core_context (void)
{
  return core.context;
}

gint64
tn_lwip_core_now_us (void)
{
  return core.now_us;
}

void
tn_lwip_core_fragment_seen (void)
{
  tn_lwip_ticks_fragment_seen (core.now_us);
}

gboolean
tn_lwip_core_is_running (void)
{
  gboolean running;

  g_mutex_lock (&core.lock);
  running = core.running;
  g_mutex_unlock (&core.lock);
  return running;
}

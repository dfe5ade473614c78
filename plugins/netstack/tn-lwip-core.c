/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-core.h"

#include <sodium.h>

#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/sys.h"
#include "tn-joined-thread.h"
#include "tn-lwip-ticks.h"

#define TURNS_MAX 16

static struct
{
  GMutex         lock;        /* guards what follows, up to the empty line */
  guint          users;
  guint          staying;     /* of these: they have not said that they go */
  gboolean       running;
  TnJoinedThread *thread;     /* while it runs */
  gboolean       busy;        /* somebody has a turn */
  TnLwipJobQueue jobs;
  gint64         armed_us;    /* when the thread looks next, -1: never */
  GSource       *source;
  GMainContext  *context;

  TnLwipJobQueue deferred;    /* of whoever has the turn, as what follows */
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

/* Later than what it is at already: then it sets itself anew. Waking it up for that costs more than its looking once in vain. */
static void
arm_locked (gint64 at_us)
{
  if (at_us < 0 || (core.armed_us >= 0 && core.armed_us <= at_us))
    return;
  core.armed_us = at_us;
  g_source_set_ready_time (core.source, at_us);
}

static gint64
run_turn (TnLwipJobQueue *jobs)
{
  core.now_us = g_get_monotonic_time ();
  tn_lwip_ticks_catch_up (core.now_us);
  queue_run (jobs);
  tn_lwip_ticks_run (core.now_us);
  netif_poll_all ();     /* packets from a device to itself */
  while (core.deferred.head != NULL)
    queue_run (&core.deferred);
  return tn_lwip_ticks_next (core.now_us);
}

/* Takes turns until nothing waits, so that others may leave their jobs and go; or until others should have theirs. */
static void
take_turns (void)
{
  guint n = 0;

  g_mutex_lock (&core.lock);
  if (!core.busy && core.running)
    {
      core.busy = TRUE;
      do
        {
          TnLwipJobQueue jobs = core.jobs;
          gint64 next_us;

          core.jobs = (TnLwipJobQueue) { NULL, NULL };
          g_mutex_unlock (&core.lock);
          next_us = run_turn (&jobs);
          g_mutex_lock (&core.lock);
          arm_locked (next_us);
        }
      while (core.jobs.head != NULL && ++n < TURNS_MAX);
      core.busy = FALSE;
      if (core.jobs.head != NULL || core.users == 0)
        arm_locked (0);
    }
  g_mutex_unlock (&core.lock);
}

static gboolean
core_dispatch (GSource     *source,
               GSourceFunc  callback,
               gpointer     user_data)
{
  g_mutex_lock (&core.lock);
  core.armed_us = -1;
  g_source_set_ready_time (source, -1);
  g_mutex_unlock (&core.lock);

  take_turns ();
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs core_source_funcs = { .dispatch = core_dispatch };

static gpointer
core_thread (gpointer data)
{
  static gboolean initialized;
  g_autoptr (GMainContext) context = data;
  TnJoinedThread *self = NULL;
  gboolean done = FALSE;

  core.now_us = g_get_monotonic_time ();
  if (!initialized)
    lwip_init ();
  initialized = TRUE;
  tn_lwip_ticks_start (core.now_us);

  g_mutex_lock (&core.lock);
  core.busy = FALSE;
  arm_locked (0);
  g_mutex_unlock (&core.lock);

  g_main_context_push_thread_default (context);
  while (!done)
    {
      g_main_context_iteration (context, TRUE);

      g_mutex_lock (&core.lock);
      done = core.users == 0 && core.jobs.head == NULL && !core.busy;
      if (done)
        {
          g_source_destroy (core.source);
          g_clear_pointer (&core.source, g_source_unref);
          core.context = NULL;
          core.running = FALSE;
          self = core.thread;
        }
      g_mutex_unlock (&core.lock);
    }
  g_main_context_pop_thread_default (context);
  g_clear_pointer (&context, g_main_context_unref);
  tn_joined_thread_end (self);
  return NULL;
}

static void
core_start_locked (void)
{
  GMainContext *context = g_main_context_new ();

  core.context = context;
  core.armed_us = -1;
  core.source = g_source_new (&core_source_funcs, sizeof (GSource));
  g_source_set_static_name (core.source, "[tailnet] lwIP");
  g_source_attach (core.source, context);
  core.running = TRUE;
  core.busy = TRUE;      /* until lwIP is ready: nobody has a turn before */
  core.thread = tn_joined_thread_new ("tailnet-lwip", core_thread, context);
}

void
tn_lwip_core_hold (void)
{
  g_mutex_lock (&core.lock);
  core.users++;
  if (!core.running)
    core_start_locked ();
  if (core.staying++ == 0)
    tn_joined_thread_set_ending (core.thread, FALSE);
  g_mutex_unlock (&core.lock);
}

void
tn_lwip_core_will_release (void)
{
  g_mutex_lock (&core.lock);
  if (--core.staying == 0)
    tn_joined_thread_set_ending (core.thread, TRUE);
  g_mutex_unlock (&core.lock);
}

void
tn_lwip_core_release (void)
{
  g_mutex_lock (&core.lock);
  core.users--;
  if (core.users == 0)
    arm_locked (0);
  g_mutex_unlock (&core.lock);
}

/* Whoever posts holds the core, or knows somebody who does. */
void
tn_lwip_core_post (TnLwipJob *job)
{
  g_mutex_lock (&core.lock);
  g_assert (core.running);
  queue_push (&core.jobs, job);
  if (!core.busy)
    arm_locked (0);
  g_mutex_unlock (&core.lock);
}

gboolean
tn_lwip_core_leave (TnLwipJob *job)
{
  gboolean busy;

  g_mutex_lock (&core.lock);
  g_assert (core.running);
  queue_push (&core.jobs, job);
  busy = core.busy;
  g_mutex_unlock (&core.lock);
  return !busy;
}

void
tn_lwip_core_help (void)
{
  take_turns ();
}

void
tn_lwip_core_call_thread (void)
{
  g_mutex_lock (&core.lock);
  if (core.jobs.head != NULL && !core.busy)
    arm_locked (0);
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

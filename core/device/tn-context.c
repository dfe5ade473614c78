/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-context.h"

typedef struct
{
  void         (*func) (gpointer data);
  gpointer       data;
  GDestroyNotify destroy;
} Invocation;

static gboolean
invocation_cb (gpointer user_data)
{
  Invocation *invocation = user_data;

  invocation->func (invocation->data);
  return G_SOURCE_REMOVE;
}

static void
invocation_free (gpointer user_data)
{
  Invocation *invocation = user_data;

  if (invocation->destroy != NULL)
    invocation->destroy (invocation->data);
  g_free (invocation);
}

void
tn_context_invoke (GMainContext  *context,
                   void         (*func) (gpointer data),
                   gpointer       data,
                   GDestroyNotify destroy)
{
  /* Released after the source, as in tn_thread_call(): the call may let go of the last other reference. */
  g_autoptr (GMainContext) held = g_main_context_ref (context);
  g_autoptr (GSource) source = g_idle_source_new ();
  Invocation *invocation = g_new (Invocation, 1);

  invocation->func = func;
  invocation->data = data;
  invocation->destroy = destroy;
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, invocation_cb, invocation, invocation_free);
  g_source_set_static_name (source, "tailnet call");
  g_source_attach (source, held);
}

struct _TnBell
{
  gatomicrefcount ref_count;
  GMainContext   *context;
  GWeakRef        target;
  TnBellFunc      func;
  int             ringing;     /* atomic: a call is on its way */
  int             muted;       /* atomic */
};

TnBell *
tn_bell_new (GMainContext *context,
             GObject      *target,
             TnBellFunc    func)
{
  TnBell *bell = g_new0 (TnBell, 1);

  g_atomic_ref_count_init (&bell->ref_count);
  bell->context = g_main_context_ref (context);
  g_weak_ref_init (&bell->target, target);
  bell->func = func;
  return bell;
}

TnBell *
tn_bell_ref (TnBell *bell)
{
  g_atomic_ref_count_inc (&bell->ref_count);
  return bell;
}

void
tn_bell_unref (TnBell *bell)
{
  if (!g_atomic_ref_count_dec (&bell->ref_count))
    return;
  g_weak_ref_clear (&bell->target);
  g_main_context_unref (bell->context);
  g_free (bell);
}

void
tn_bell_mute (TnBell *bell)
{
  g_atomic_int_set (&bell->muted, 1);
}

static void
bell_heard (gpointer user_data)
{
  TnBell *bell = user_data;
  g_autoptr (GObject) target = NULL;

  /* Before the look at the state: what changes from here on rings again. */
  g_atomic_int_set (&bell->ringing, 0);
  if (g_atomic_int_get (&bell->muted))
    return;
  target = g_weak_ref_get (&bell->target);
  if (target != NULL)
    bell->func (target);
}

void
tn_bell_ring (TnBell *bell)
{
  if (g_atomic_int_compare_and_exchange (&bell->ringing, 0, 1))
    tn_context_invoke (bell->context, bell_heard, tn_bell_ref (bell), (GDestroyNotify) tn_bell_unref);
}

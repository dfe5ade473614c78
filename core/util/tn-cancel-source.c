/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-cancel-source.h"

/* What the source and the handler share: either may be gone first. The handler wakes the context, and leaves the source alone: one
 * that is about to be disposed of has no reference any more for a moment. */
typedef struct
{
  gatomicrefcount ref_count;
  GMutex          lock;
  GMainContext   *context;     /* NULL: not prepared yet, or gone */
} Link;

typedef struct
{
  GSource       source;
  GCancellable *cancellable;   /* nullable */
  gulong        handler;
  gboolean      fired;         /* once for each time that it is cancelled */
  Link         *link;
} CancelSource;

static void
link_unref (gpointer data)
{
  Link *link = data;

  if (!g_atomic_ref_count_dec (&link->ref_count))
    return;
  g_mutex_clear (&link->lock);
  g_free (link);
}

static void
closure_gone_cb (gpointer  data,
                 GClosure *closure)
{
  link_unref (data);
}

static void
cancelled_cb (GCancellable *cancellable,
              gpointer      user_data)
{
  Link *link = user_data;

  g_mutex_lock (&link->lock);
  if (link->context != NULL)
    g_main_context_wakeup (link->context);
  g_mutex_unlock (&link->lock);
}

/* For g_source_set_dummy_callback(): it is the child of a source that has the caller's. */
static gboolean
closure_cb (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

static gboolean
check (GSource *source)
{
  CancelSource *self = (CancelSource *) source;
  gboolean cancelled = g_cancellable_is_cancelled (self->cancellable);

  self->fired &= cancelled;
  return cancelled && !self->fired;
}

static gboolean
prepare (GSource *source,
         int     *timeout)
{
  Link *link = ((CancelSource *) source)->link;

  g_mutex_lock (&link->lock);
  if (link->context == NULL)      /* before it is looked whether it is cancelled: what comes later finds it */
    link->context = g_main_context_ref (g_source_get_context (source));
  g_mutex_unlock (&link->lock);
  *timeout = -1;
  return check (source);
}

static gboolean
dispatch (GSource     *source,
          GSourceFunc  callback,
          gpointer     user_data)
{
  CancelSource *self = (CancelSource *) source;

  self->fired = TRUE;
  if (callback == NULL || callback == closure_cb)
    return G_SOURCE_CONTINUE;
  return ((GCancellableSourceFunc) (void (*) (void)) callback) (self->cancellable, user_data);
}

static void
dispose (GSource *source)
{
  CancelSource *self = (CancelSource *) source;

  g_mutex_lock (&self->link->lock);
  g_clear_pointer (&self->link->context, g_main_context_unref);
  g_mutex_unlock (&self->link->lock);
}

static void
cancel_source_finalize (GSource *source)
{
  CancelSource *self = (CancelSource *) source;

  if (self->cancellable != NULL)
    g_signal_handler_disconnect (self->cancellable, self->handler);
  g_clear_object (&self->cancellable);
  link_unref (self->link);
}

static GSourceFuncs source_funcs = {
  .prepare = prepare,
  .check = check,
  .dispatch = dispatch,
  .finalize = cancel_source_finalize,
  .closure_callback = closure_cb,
};

GSource *
tn_cancel_source_new (GCancellable *cancellable)
{
  GSource *source = g_source_new (&source_funcs, sizeof (CancelSource));
  CancelSource *self = (CancelSource *) source;

  g_source_set_static_name (source, "[tailnet] cancellable");
  g_source_set_dispose_function (source, dispose);
  self->link = g_new0 (Link, 1);
  g_atomic_ref_count_init (&self->link->ref_count);
  g_mutex_init (&self->link->lock);
  if (cancellable == NULL)
    return source;

  self->cancellable = g_object_ref (cancellable);
  g_atomic_ref_count_inc (&self->link->ref_count);
  self->handler = g_signal_connect_data (cancellable, "cancelled", G_CALLBACK (cancelled_cb), self->link, closure_gone_cb, 0);
  return source;
}

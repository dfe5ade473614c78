/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-cancel-source.h"

/* What the source and the handler share: either may be gone first. */
typedef struct
{
  gatomicrefcount ref_count;
  GMutex          lock;
  GSource        *source;      /* NULL: gone */
} Link;

typedef struct
{
  GSource       source;
  GCancellable *cancellable;   /* nullable */
  gulong        handler;
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
  if (link->source != NULL)
    g_source_set_ready_time (link->source, 0);
  g_mutex_unlock (&link->lock);
}

/* For g_source_set_dummy_callback(): it is the child of a source that has the caller's. */
static gboolean
closure_cb (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

static gboolean
dispatch (GSource     *source,
          GSourceFunc  callback,
          gpointer     user_data)
{
  CancelSource *self = (CancelSource *) source;

  g_source_set_ready_time (source, -1);
  if (callback == NULL || callback == closure_cb)
    return G_SOURCE_CONTINUE;
  return ((GCancellableSourceFunc) (void (*) (void)) callback) (self->cancellable, user_data);
}

static void
dispose (GSource *source)
{
  CancelSource *self = (CancelSource *) source;

  g_mutex_lock (&self->link->lock);
  self->link->source = NULL;
  g_mutex_unlock (&self->link->lock);
}

static void
finalize (GSource *source)
{
  CancelSource *self = (CancelSource *) source;

  if (self->cancellable != NULL)
    g_signal_handler_disconnect (self->cancellable, self->handler);
  g_clear_object (&self->cancellable);
  link_unref (self->link);
}

static GSourceFuncs source_funcs = { .dispatch = dispatch, .finalize = finalize, .closure_callback = closure_cb };

GSource *
tn_cancel_source_new (GCancellable *cancellable)
{
  GSource *source = g_source_new (&source_funcs, sizeof (CancelSource));
  CancelSource *self = (CancelSource *) source;

  g_source_set_static_name (source, "[tailnet] cancellable");
  g_source_set_dispose_function (source, dispose);
  self->link = g_new (Link, 1);
  g_atomic_ref_count_init (&self->link->ref_count);
  g_mutex_init (&self->link->lock);
  self->link->source = source;
  if (cancellable == NULL)
    return source;

  self->cancellable = g_object_ref (cancellable);
  g_atomic_ref_count_inc (&self->link->ref_count);
  self->handler = g_signal_connect_data (cancellable, "cancelled", G_CALLBACK (cancelled_cb), self->link, closure_gone_cb, 0);
  if (g_cancellable_is_cancelled (cancellable))
    g_source_set_ready_time (source, 0);
  return source;
}

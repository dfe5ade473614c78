/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-conn-private.h"

typedef struct
{
  GSource       source;
  TnLwipConn   *conn;          /* a reference */
  GIOCondition  condition;     /* G_IO_IN or G_IO_OUT */
  GMainContext *context;       /* atomic; NULL until the first time that it is prepared */
} TnLwipConnSource;

static gboolean
is_ready (TnLwipConnSource *source)
{
  return source->condition == G_IO_IN ? tn_lwip_conn_is_readable (source->conn) : tn_lwip_conn_is_writable (source->conn);
}

static gboolean
source_prepare (GSource *source,
                int     *timeout)
{
  TnLwipConnSource *self = (TnLwipConnSource *) source;

  if (self->context == NULL)      /* before it is looked whether it is ready: what comes later finds it */
    g_atomic_pointer_set (&self->context, g_main_context_ref (g_source_get_context (source)));
  *timeout = -1;
  return is_ready (self);
}

static gboolean
source_check (GSource *source)
{
  return is_ready ((TnLwipConnSource *) source);
}

/* It may be here because it was woken, and find that somebody else has read what it was woken for. */
static gboolean
source_dispatch (GSource     *source,
                 GSourceFunc  callback,
                 gpointer     user_data)
{
  if (!is_ready ((TnLwipConnSource *) source) || callback == NULL)
    return G_SOURCE_CONTINUE;
  return callback (user_data);
}

/* Under the lock that whoever wakes it has: its memory is there until then. */
static void
source_dispose (GSource *source)
{
  TnLwipConn *conn = ((TnLwipConnSource *) source)->conn;

  g_mutex_lock (&conn->lock);
  g_ptr_array_remove_fast (conn->sources, source);
  g_mutex_unlock (&conn->lock);
}

static void
source_finalize (GSource *source)
{
  TnLwipConnSource *self = (TnLwipConnSource *) source;

  g_clear_pointer (&self->context, g_main_context_unref);
  tn_lwip_conn_unref (self->conn);
}

/* For g_source_set_dummy_callback(), which g_pollable_source_new_full() calls: the pollable source has the caller's. */
static gboolean
source_closure_cb (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_funcs = {
  .prepare = source_prepare,
  .check = source_check,
  .dispatch = source_dispatch,
  .finalize = source_finalize,
  .closure_callback = source_closure_cb,
};

GSource *
tn_lwip_conn_create_source (TnLwipConn  *self,
                            GIOCondition condition)
{
  GSource *source = g_source_new (&source_funcs, sizeof (TnLwipConnSource));

  g_source_set_static_name (source, "[tailnet] connection");
  g_source_set_dispose_function (source, source_dispose);
  ((TnLwipConnSource *) source)->conn = tn_lwip_conn_ref (self);
  ((TnLwipConnSource *) source)->condition = condition;
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->sources, source);
  g_mutex_unlock (&self->lock);
  return source;
}

/* Not g_source_set_ready_time(): a source that is about to be disposed of has no reference any more for a moment. */
void
tn_lwip_conn_wake_sources (TnLwipConn  *self,
                           GIOCondition condition)
{
  for (guint i = 0; i < self->sources->len; i++)
    {
      TnLwipConnSource *source = g_ptr_array_index (self->sources, i);
      GMainContext *context = g_atomic_pointer_get (&source->context);

      if ((source->condition & condition) != 0 && context != NULL)
        g_main_context_wakeup (context);
    }
}

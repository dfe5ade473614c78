/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-runtime-private.h"

#include "tn-context.h"

/* The state store is asked in the device's context, where it lives, one thing after the other: what is asked for last is what stays. */

static void
call_free (TnStoreCall *call)
{
  call->kind->clear (call);
  g_clear_object (&call->cancellable);
  g_clear_error (&call->error);
  tn_runtime_unref (call->runtime);
  g_free (call);
}

static void start_call (TnStoreCall *call);

/* On the control thread. */
static gboolean
ended_cb (gpointer data)
{
  TnStoreCall *call = data;
  TnRuntime *runtime = call->runtime;
  TnStoreCall *next;

  if (g_queue_peek_head (&runtime->store_calls) != call)
    return G_SOURCE_REMOVE;      /* given up */

  call->kind->conclude (call);      /* which may ask for more, but not start it */
  g_queue_pop_head (&runtime->store_calls);
  next = g_queue_peek_head (&runtime->store_calls);
  if (next != NULL)
    start_call (next);
  tn_runtime_check_closed (runtime);
  return G_SOURCE_REMOVE;
}

void
tn_store_call_ended (TnStoreCall *call)
{
  tn_thread_call (call->runtime->control, ended_cb, call, (GDestroyNotify) call_free);
}

static void
start_in_context (gpointer data)
{
  TnStoreCall *call = data;

  g_main_context_push_thread_default (call->runtime->context);
  call->kind->start (call);
  g_main_context_pop_thread_default (call->runtime->context);
}

static void
start_call (TnStoreCall *call)
{
  tn_context_invoke (call->runtime->context, start_in_context, call, NULL);
}

void
tn_runtime_ask_store (TnRuntime   *runtime,
                      TnStoreCall *call)
{
  call->runtime = tn_runtime_ref (runtime);
  call->cancellable = g_cancellable_new ();
  if (runtime->closed || runtime->store_given_up)      /* the store may be somebody else's by now */
    {
      g_set_error_literal (&call->error, G_IO_ERROR, G_IO_ERROR_CLOSED, "device stopped");
      call->kind->conclude (call);
      call_free (call);
      return;
    }
  g_queue_push_tail (&runtime->store_calls, call);
  if (runtime->store_calls.length == 1)
    start_call (call);
}

/* --- Close --- */

static void
cancel_in_context (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
}

static void
cancel_call (gpointer data,
             gpointer runtime)
{
  TnStoreCall *call = data;

  tn_context_invoke (((TnRuntime *) runtime)->context, cancel_in_context, g_object_ref (call->cancellable), g_object_unref);
}

static void
cancel_needless (gpointer data,
                 gpointer runtime)
{
  if (((TnStoreCall *) data)->kind->needless)
    cancel_call (data, runtime);
}

/* The first one is under way, and is freed if ever it ends. */
static void
give_up (TnRuntime *runtime)
{
  TnStoreCall *first = g_queue_peek_head (&runtime->store_calls);
  TnStoreCall *call;

  g_message ("device %s stops, and its state store does not answer", runtime->hostname);
  runtime->store_given_up = TRUE;
  while ((call = g_queue_pop_head (&runtime->store_calls)) != NULL)
    {
      if (call->kind->give_up != NULL)
        call->kind->give_up (call);
      if (call != first)
        call_free (call);
    }
}

static gboolean
given_up_cb (gpointer data)
{
  TnRuntime *runtime = data;

  if (runtime->store_calls.length > 0)
    give_up (runtime);
  tn_runtime_check_closed (runtime);
  return G_SOURCE_REMOVE;
}

static void
set_limit (TnRuntime   *runtime,
           GSourceFunc  func)
{
  if (runtime->store_limit != NULL)
    g_source_destroy (runtime->store_limit);
  g_clear_pointer (&runtime->store_limit, g_source_unref);
  runtime->store_limit = g_timeout_source_new_seconds (TN_RUNTIME_STORE_PATIENCE_S);
  g_source_set_callback (runtime->store_limit, func, runtime, NULL);
  g_source_attach (runtime->store_limit, tn_thread_get_context (runtime->control));
}

static gboolean
late_cb (gpointer data)
{
  TnRuntime *runtime = data;

  g_queue_foreach (&runtime->store_calls, cancel_call, runtime);
  set_limit (runtime, given_up_cb);
  return G_SOURCE_REMOVE;
}

/* What somebody asked for, as to forget keys, has its time first. */
void
tn_runtime_close_store (TnRuntime *runtime)
{
  g_queue_foreach (&runtime->store_calls, cancel_needless, runtime);
  set_limit (runtime, late_cb);
}

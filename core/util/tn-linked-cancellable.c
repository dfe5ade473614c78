/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-linked-cancellable.h"

static void
outer_cancelled_cb (GCancellable *outer,
                    gpointer      user_data)
{
  g_cancellable_cancel (user_data);
}

void
tn_linked_cancellable_init (TnLinkedCancellable *self,
                            GCancellable        *outer)
{
  *self = (TnLinkedCancellable) { .own = g_cancellable_new () };
  if (outer == NULL)
    return;
  self->outer = g_object_ref (outer);
  self->id = g_signal_connect_object (outer, "cancelled", G_CALLBACK (outer_cancelled_cb), self->own, 0);
  if (g_cancellable_is_cancelled (outer))
    g_cancellable_cancel (self->own);
}

void
tn_linked_cancellable_clear (TnLinkedCancellable *self)
{
  if (self->outer != NULL)
    g_signal_handler_disconnect (self->outer, self->id);
  g_clear_object (&self->outer);
  g_clear_object (&self->own);
}

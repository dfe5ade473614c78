/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A cancellable of one's own that is cancelled with the caller's, and can be without that. */
typedef struct
{
  GCancellable *own;
  GCancellable *outer;      /* nullable: the caller's */
  gulong        id;
} TnLinkedCancellable;

/* @outer may be NULL. As with g_cancellable_connect(), which does not suit who lets go of it inside of the handler. */
void tn_linked_cancellable_init  (TnLinkedCancellable *self, GCancellable *outer);
void tn_linked_cancellable_clear (TnLinkedCancellable *self);

G_END_DECLS

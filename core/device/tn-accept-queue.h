/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-connection.h"

G_BEGIN_DECLS

/* Where the calls that wait for a connection and the connections that wait for a call meet: at most one of the two waits. One context
 * only; part of the object that is the source of the calls' tasks, which keep it alive. */
typedef struct
{
  GQueue waiting;     /* of TnAcceptWaiter, in order */
  GQueue ready;       /* of TnConnection: accepted when the one who asked had gone */
} TnAcceptQueue;

void          tn_accept_queue_init          (TnAcceptQueue *self);

/* Takes the task, whose cancellable ends the wait in @context. */
void          tn_accept_queue_wait          (TnAcceptQueue *self, GTask *task, GMainContext *context);
gboolean      tn_accept_queue_is_waited_for (const TnAcceptQueue *self);

gboolean      tn_accept_queue_hand_over     (TnAcceptQueue *self, TnConnection *connection);     /* FALSE: nobody waits */
void          tn_accept_queue_keep          (TnAcceptQueue *self, TnConnection *connection);
TnConnection *tn_accept_queue_take          (TnAcceptQueue *self);                               /* (transfer full) (nullable) */

void          tn_accept_queue_fail          (TnAcceptQueue *self, const GError *error);          /* who waits */
void          tn_accept_queue_clear         (TnAcceptQueue *self, const GError *error);          /* and what waits */

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One connection to the relay of a process: TLS, HTTP requests, then frames. */

#include <gio/gio.h>

#include "tn-testkit-relay.h"

G_BEGIN_DECLS

typedef struct _TnTestkitDerpConnection TnTestkitDerpConnection;

typedef struct
{
  void (*joined) (TnTestkitDerpConnection *connection, gpointer user_data);     /* it says who it is */
  void (*closed) (TnTestkitDerpConnection *connection, gpointer user_data);     /* not after close() */
} TnTestkitDerpConnectionEvents;

TnTestkitDerpConnection *tn_testkit_derp_connection_new  (GSocketConnection *base, GTlsCertificate *certificate, TnTestkitRelay *relay,
                                                          const TnTestkitDerpConnectionEvents *events, gpointer user_data);
void                     tn_testkit_derp_connection_free (TnTestkitDerpConnection *self);      /* closes at once */

/* NULL: no frames yet. */
TnTestkitRelayLink      *tn_testkit_derp_connection_get_link    (TnTestkitDerpConnection *self);
void                     tn_testkit_derp_connection_set_stalled (TnTestkitDerpConnection *self, gboolean stalled);

/* For the relay: there is output, or a verdict. */
void                     tn_testkit_derp_connection_wake        (TnTestkitRelayLink *link, gpointer connection);

G_END_DECLS

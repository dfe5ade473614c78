/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-relay-map.h"

G_BEGIN_DECLS

typedef enum
{
  TN_CAPTIVE_UNKNOWN,      /* nobody answered in a way that says anything */
  TN_CAPTIVE_NO,
  TN_CAPTIVE_YES,          /* somebody else answers in the place of servers: the network wants a login first */
} TnCaptive;

/* Whether the network holds its users captive until they have logged in: asks relays over plain HTTP for a page that is empty, and for a
 * word that only they know to give back, as well as the control server (tailscale net/captivedetection). It takes some seconds
 * at most. @relays and @control_host may be NULL; of the relays those are asked that let themselves be asked, @home first. @mark: of
 * sockets, 0: none. */
void      tn_captive_probe_async  (TnRelayMap *relays, guint home, const char *control_host, guint16 port, guint32 mark,
                                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

/* @portal: where the answer leads, an HTTP URL; NULL: nowhere. TN_CAPTIVE_UNKNOWN also when it was cancelled. */
TnCaptive tn_captive_probe_finish (GAsyncResult *result, char **portal);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whole devices on a tailnet in the same process: blocking helpers for tests. Each waits for its event on the thread-default main
 * context, and gives up loudly if that does not come. */

#include "tailnet.h"
#include "tailnet-testkit.h"

#define KIT_REGION 900

TnTestkitTailnet *kit_tailnet_new (void);      /* started */

/* NULL: in memory, with the tailnet's auth key. A device with a store gets no key. */
TnDevice     *kit_device_new      (TnTestkitTailnet *tailnet, const char *hostname, TnStateStore *store, gboolean with_key);
TnDevice     *kit_device_join     (TnTestkitTailnet *tailnet, const char *hostname);      /* new and running */

/* For any asynchronous call: the callback, and the wait for what it got. The caller drops the result. */
void          kit_result_cb       (GObject *object, GAsyncResult *result, gpointer place);
GAsyncResult *kit_wait            (GAsyncResult **place);
void          kit_wait_for        (const char *what, gboolean (*condition) (gpointer), gpointer data);

gboolean      kit_start           (TnDevice *device, GError **error);
void          kit_stop            (TnDevice *device);
void          kit_free            (TnDevice *device);      /* stops it; it must be the last reference */

void          kit_wait_state      (TnDevice *device, TnDeviceState state);
TnNode       *kit_wait_peer       (TnDevice *device, const char *name);      /* until it can be reached; full reference */
void          kit_wait_gone       (TnDevice *device, const char *name);
char         *kit_wait_health     (TnDevice *device, const char *code);      /* its text */
void          kit_wait_healthy    (TnDevice *device, const char *code);

TnPingResult *kit_ping            (TnDevice *device, const char *host, TnPingKind kind, GError **error);
TnConnection *kit_connect         (TnDevice *device, const char *host, guint16 port, GError **error);
TnListener   *kit_listen          (TnDevice *device, guint16 port, const char *address, GError **error);
TnConnection *kit_accept          (TnListener *listener);
void          kit_pair            (TnDevice *client, TnDevice *server, const char *server_name, guint16 port,
                                   TnConnection **client_end, TnConnection **server_end);

/* Sends @len bytes of a pattern one way, and checks them at the other end. */
typedef struct _KitTransfer KitTransfer;
KitTransfer  *kit_transfer_start  (TnConnection *from, TnConnection *to, gsize len, guint32 seed);
gsize         kit_transfer_received (KitTransfer *transfer);
void          kit_transfer_wait_bytes (KitTransfer *transfer, gsize len);
void          kit_transfer_finish (KitTransfer *transfer);

/* One small question and its answer. */
void          kit_echo            (TnConnection *one, TnConnection *other, const char *text);

guint         kit_count_threads   (void);
guint         kit_count_fds       (void);      /* without what a server of this process accepted: libsoup 3.2 keeps such a socket after its end */

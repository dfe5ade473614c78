/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-connection.h"
#include "tn-datagram-socket.h"
#include "tn-dns-config.h"
#include "tn-listener.h"
#include "tn-node.h"
#include "tn-ping-result.h"
#include "tn-preferences.h"
#include "tn-version-macros.h"

G_BEGIN_DECLS

/**
 * TnDeviceState:
 * @TN_DEVICE_STATE_STOPPED: not on the network
 * @TN_DEVICE_STATE_STARTING: on the way: reaching the control server, joining, waiting for the first map
 * @TN_DEVICE_STATE_NEEDS_LOGIN: somebody has to log in; [property@Tailnet.Device:auth-url] says where, if it is known
 * @TN_DEVICE_STATE_NEEDS_APPROVAL: an administrator has to approve the node
 * @TN_DEVICE_STATE_RUNNING: part of the tailnet
 *
 * How far a device is.
 *
 * Since: 0.1
 */
typedef enum
{
  TN_DEVICE_STATE_STOPPED,
  TN_DEVICE_STATE_STARTING,
  TN_DEVICE_STATE_NEEDS_LOGIN,
  TN_DEVICE_STATE_NEEDS_APPROVAL,
  TN_DEVICE_STATE_RUNNING,
} TnDeviceState;

#define TN_TYPE_DEVICE (tn_device_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_INTERFACE (TnDevice, tn_device, TN, DEVICE, GObject)

/* What it knows. */
TN_AVAILABLE_IN_ALL
TnDeviceState     tn_device_get_state                     (TnDevice             *self);
TN_AVAILABLE_IN_ALL
GError           *tn_device_dup_error                     (TnDevice             *self);
TN_AVAILABLE_IN_ALL
char             *tn_device_dup_auth_url                  (TnDevice             *self);
TN_AVAILABLE_IN_ALL
TnNode           *tn_device_dup_self_node                 (TnDevice             *self);
TN_AVAILABLE_IN_ALL
GListModel       *tn_device_get_peers                     (TnDevice             *self);
TN_AVAILABLE_IN_ALL
char             *tn_device_dup_tailnet_name              (TnDevice             *self);
TN_AVAILABLE_IN_ALL
char             *tn_device_dup_dns_suffix                (TnDevice             *self);
TN_AVAILABLE_IN_ALL
TnDnsConfig      *tn_device_dup_dns_config                (TnDevice             *self);
TN_AVAILABLE_IN_ALL
TnPreferences    *tn_device_dup_preferences               (TnDevice             *self);
TN_AVAILABLE_IN_ALL
GListModel       *tn_device_get_health                    (TnDevice             *self);
TN_AVAILABLE_IN_ALL
GDateTime        *tn_device_dup_key_expiry                (TnDevice             *self);
TN_AVAILABLE_IN_ALL
char             *tn_device_dup_home_region               (TnDevice             *self);

TN_AVAILABLE_IN_ALL
TnNode           *tn_device_lookup_peer                   (TnDevice             *self,
                                                           const char           *name_or_address);
TN_AVAILABLE_IN_ALL
GPtrArray        *tn_device_peers_with_route              (TnDevice             *self,
                                                           GInetAddress         *address);

/* Waits for one that is expected. */
TN_AVAILABLE_IN_ALL
void              tn_device_wait_for_peer_async           (TnDevice             *self,
                                                           const char           *name_or_address,
                                                           GCancellable         *cancellable,
                                                           GAsyncReadyCallback   callback,
                                                           gpointer              user_data);
TN_AVAILABLE_IN_ALL
TnNode           *tn_device_wait_for_peer_finish          (TnDevice             *self,
                                                           GAsyncResult         *result,
                                                           GError              **error);

/* Life. */
TN_AVAILABLE_IN_ALL
void              tn_device_start_async                   (TnDevice             *self,
                                                           GCancellable         *cancellable,
                                                           GAsyncReadyCallback   callback,
                                                           gpointer              user_data);
TN_AVAILABLE_IN_ALL
gboolean          tn_device_start_finish                  (TnDevice             *self,
                                                           GAsyncResult         *result,
                                                           GError              **error);
TN_AVAILABLE_IN_ALL
void              tn_device_stop_async                    (TnDevice             *self,
                                                           GCancellable         *cancellable,
                                                           GAsyncReadyCallback   callback,
                                                           gpointer              user_data);
TN_AVAILABLE_IN_ALL
gboolean          tn_device_stop_finish                   (TnDevice             *self,
                                                           GAsyncResult         *result,
                                                           GError              **error);
TN_AVAILABLE_IN_ALL
void              tn_device_login_async                   (TnDevice             *self,
                                                           GCancellable         *cancellable,
                                                           GAsyncReadyCallback   callback,
                                                           gpointer              user_data);
TN_AVAILABLE_IN_ALL
gboolean          tn_device_login_finish                  (TnDevice             *self,
                                                           GAsyncResult         *result,
                                                           GError              **error);
TN_AVAILABLE_IN_ALL
void              tn_device_logout_async                  (TnDevice             *self,
                                                           GCancellable         *cancellable,
                                                           GAsyncReadyCallback   callback,
                                                           gpointer              user_data);
TN_AVAILABLE_IN_ALL
gboolean          tn_device_logout_finish                 (TnDevice             *self,
                                                           GAsyncResult         *result,
                                                           GError              **error);

/* Sockets. */
TN_AVAILABLE_IN_ALL
void              tn_device_connect_to_host_async         (TnDevice             *self,
                                                           const char           *host_and_port,
                                                           guint16               default_port,
                                                           GCancellable         *cancellable,
                                                           GAsyncReadyCallback   callback,
                                                           gpointer              user_data);
TN_AVAILABLE_IN_ALL
TnConnection     *tn_device_connect_to_host_finish        (TnDevice             *self,
                                                           GAsyncResult         *result,
                                                           GError              **error);
TN_AVAILABLE_IN_ALL
void              tn_device_connect_to_connectable_async  (TnDevice             *self,
                                                           GSocketConnectable   *connectable,
                                                           GCancellable         *cancellable,
                                                           GAsyncReadyCallback   callback,
                                                           gpointer              user_data);
TN_AVAILABLE_IN_ALL
TnConnection     *tn_device_connect_to_connectable_finish (TnDevice             *self,
                                                           GAsyncResult         *result,
                                                           GError              **error);
TN_AVAILABLE_IN_ALL
void              tn_device_listen_async                  (TnDevice             *self,
                                                           guint16               port,
                                                           const char           *address,
                                                           GCancellable         *cancellable,
                                                           GAsyncReadyCallback   callback,
                                                           gpointer              user_data);
TN_AVAILABLE_IN_ALL
TnListener       *tn_device_listen_finish                 (TnDevice             *self,
                                                           GAsyncResult         *result,
                                                           GError              **error);
TN_AVAILABLE_IN_ALL
void              tn_device_bind_datagram_async           (TnDevice             *self,
                                                           guint16               port,
                                                           const char           *address,
                                                           GCancellable         *cancellable,
                                                           GAsyncReadyCallback   callback,
                                                           gpointer              user_data);
TN_AVAILABLE_IN_ALL
TnDatagramSocket *tn_device_bind_datagram_finish          (TnDevice             *self,
                                                           GAsyncResult         *result,
                                                           GError              **error);

/* Questions. */
TN_AVAILABLE_IN_ALL
void              tn_device_ping_async                    (TnDevice             *self,
                                                           const char           *host,
                                                           TnPingKind            kind,
                                                           guint                 size,
                                                           GCancellable         *cancellable,
                                                           GAsyncReadyCallback   callback,
                                                           gpointer              user_data);
TN_AVAILABLE_IN_ALL
TnPingResult     *tn_device_ping_finish                   (TnDevice             *self,
                                                           GAsyncResult         *result,
                                                           GError              **error);
TN_AVAILABLE_IN_ALL
void              tn_device_whois_async                   (TnDevice             *self,
                                                           const char           *address,
                                                           const char           *protocol,
                                                           GCancellable         *cancellable,
                                                           GAsyncReadyCallback   callback,
                                                           gpointer              user_data);
TN_AVAILABLE_IN_ALL
TnNode           *tn_device_whois_finish                  (TnDevice             *self,
                                                           GAsyncResult         *result,
                                                           GVariant            **capabilities,
                                                           GError              **error);
TN_AVAILABLE_IN_ALL
void              tn_device_resolve_async                 (TnDevice             *self,
                                                           const char           *host,
                                                           GCancellable         *cancellable,
                                                           GAsyncReadyCallback   callback,
                                                           gpointer              user_data);
TN_AVAILABLE_IN_ALL
GPtrArray        *tn_device_resolve_finish                (TnDevice             *self,
                                                           GAsyncResult         *result,
                                                           GError              **error);
TN_AVAILABLE_IN_ALL
void              tn_device_status_to_json_async          (TnDevice             *self,
                                                           GCancellable         *cancellable,
                                                           GAsyncReadyCallback   callback,
                                                           gpointer              user_data);
TN_AVAILABLE_IN_ALL
char             *tn_device_status_to_json_finish         (TnDevice             *self,
                                                           GAsyncResult         *result,
                                                           GError              **error);
TN_AVAILABLE_IN_ALL
void              tn_device_fetch_id_token_async          (TnDevice             *self,
                                                           const char           *audience,
                                                           GCancellable         *cancellable,
                                                           GAsyncReadyCallback   callback,
                                                           gpointer              user_data);
TN_AVAILABLE_IN_ALL
char             *tn_device_fetch_id_token_finish         (TnDevice             *self,
                                                           GAsyncResult         *result,
                                                           GError              **error);
TN_AVAILABLE_IN_ALL
void              tn_device_publish_txt_async             (TnDevice             *self,
                                                           const char           *name,
                                                           const char           *value,
                                                           GCancellable         *cancellable,
                                                           GAsyncReadyCallback   callback,
                                                           gpointer              user_data);
TN_AVAILABLE_IN_ALL
gboolean          tn_device_publish_txt_finish            (TnDevice             *self,
                                                           GAsyncResult         *result,
                                                           GError              **error);

G_END_DECLS

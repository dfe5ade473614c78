/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-testkit-node.h"
#include "tn-version-macros.h"

G_BEGIN_DECLS

/**
 * TnTestkitAuthKeyFlags:
 * @TN_TESTKIT_AUTH_KEY_DEFAULT: works once
 * @TN_TESTKIT_AUTH_KEY_REUSABLE: works any number of times
 * @TN_TESTKIT_AUTH_KEY_EPHEMERAL: nodes that used it go away when they log out or stay offline
 * @TN_TESTKIT_AUTH_KEY_EXPIRED: has expired already
 *
 * What an auth key is good for.
 *
 * Since: 0.1
 */
typedef enum
{
  TN_TESTKIT_AUTH_KEY_DEFAULT   = 0,
  TN_TESTKIT_AUTH_KEY_REUSABLE  = 1 << 0,
  TN_TESTKIT_AUTH_KEY_EPHEMERAL = 1 << 1,
  TN_TESTKIT_AUTH_KEY_EXPIRED   = 1 << 2,
} TnTestkitAuthKeyFlags;

/**
 * TnTestkitStage:
 * @TN_TESTKIT_STAGE_KEY: the fetch of the server's key
 * @TN_TESTKIT_STAGE_UPGRADE: the upgrade to the encrypted transport and its handshake
 * @TN_TESTKIT_STAGE_REGISTER: a registration
 * @TN_TESTKIT_STAGE_MAP: a request for the network map, streaming or not
 * @TN_TESTKIT_STAGE_STREAM: only one that opens a map stream
 * @TN_TESTKIT_STAGE_UPDATE: only one that opens none
 * @TN_TESTKIT_STAGE_ID_TOKEN: a request for an identity token
 *
 * Where in the protocol a fault strikes.
 *
 * Since: 0.1
 */
typedef enum
{
  TN_TESTKIT_STAGE_KEY,
  TN_TESTKIT_STAGE_UPGRADE,
  TN_TESTKIT_STAGE_REGISTER,
  TN_TESTKIT_STAGE_MAP,
  TN_TESTKIT_STAGE_STREAM,
  TN_TESTKIT_STAGE_UPDATE,
  TN_TESTKIT_STAGE_ID_TOKEN,
} TnTestkitStage;

/**
 * TnTestkitFault:
 * @TN_TESTKIT_FAULT_NONE: no fault
 * @TN_TESTKIT_FAULT_CLOSE: the connection is closed without an answer; in an upgrade, after the 101
 * @TN_TESTKIT_FAULT_HANG: no answer ever comes
 * @TN_TESTKIT_FAULT_GARBAGE: bytes that are no message of the protocol
 * @TN_TESTKIT_FAULT_BAD_JSON: well-formed messages around text that is not JSON
 * @TN_TESTKIT_FAULT_OVERSIZE: a length that no message may have
 * @TN_TESTKIT_FAULT_TRUNCATED: the first half of the answer, then the end of the stream
 * @TN_TESTKIT_FAULT_SERVER_ERROR: HTTP status 500
 * @TN_TESTKIT_FAULT_TOO_MANY_REQUESTS: HTTP status 429 with Retry-After
 * @TN_TESTKIT_FAULT_UNAVAILABLE: HTTP status 503 with Retry-After, as of a server that is maintained, or a proxy before it
 *
 * What a server does wrong. Not every fault makes sense at each stage: see [method@TailnetTestkit.Control.inject_fault].
 *
 * Since: 0.1
 */
typedef enum
{
  TN_TESTKIT_FAULT_NONE,
  TN_TESTKIT_FAULT_CLOSE,
  TN_TESTKIT_FAULT_HANG,
  TN_TESTKIT_FAULT_GARBAGE,
  TN_TESTKIT_FAULT_BAD_JSON,
  TN_TESTKIT_FAULT_OVERSIZE,
  TN_TESTKIT_FAULT_TRUNCATED,
  TN_TESTKIT_FAULT_SERVER_ERROR,
  TN_TESTKIT_FAULT_TOO_MANY_REQUESTS,
  TN_TESTKIT_FAULT_UNAVAILABLE,
} TnTestkitFault;

#define TN_TESTKIT_TYPE_CONTROL (tn_testkit_control_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnTestkitControl, tn_testkit_control, TN_TESTKIT, CONTROL, GObject)

TN_AVAILABLE_IN_ALL
TnTestkitControl *tn_testkit_control_new                 (void);
TN_AVAILABLE_IN_ALL
TnTestkitControl *tn_testkit_control_new_threaded        (void);

/* Life of the server. */
TN_AVAILABLE_IN_ALL
gboolean          tn_testkit_control_start               (TnTestkitControl       *self,
                                                          GError                **error);
TN_AVAILABLE_IN_ALL
void              tn_testkit_control_stop                (TnTestkitControl       *self);
TN_AVAILABLE_IN_ALL
void              tn_testkit_control_forget              (TnTestkitControl       *self);
TN_AVAILABLE_IN_ALL
char             *tn_testkit_control_dup_url             (TnTestkitControl       *self);

/* Accounts. */
TN_AVAILABLE_IN_ALL
char             *tn_testkit_control_create_auth_key     (TnTestkitControl       *self,
                                                          const char             *user,
                                                          TnTestkitAuthKeyFlags   flags,
                                                          const char * const     *tags);
TN_AVAILABLE_IN_ALL
gboolean          tn_testkit_control_add_auth_key        (TnTestkitControl       *self,
                                                          const char             *auth_key,
                                                          const char             *user,
                                                          TnTestkitAuthKeyFlags   flags,
                                                          const char * const     *tags);
TN_AVAILABLE_IN_ALL
GStrv             tn_testkit_control_dup_pending_logins  (TnTestkitControl       *self);
TN_AVAILABLE_IN_ALL
gboolean          tn_testkit_control_approve             (TnTestkitControl       *self,
                                                          const char             *auth_url,
                                                          const char             *user,
                                                          GError                **error);

/* Nodes; each call takes a node's name or stable id. */
TN_AVAILABLE_IN_ALL
GPtrArray        *tn_testkit_control_list_nodes          (TnTestkitControl       *self);
TN_AVAILABLE_IN_ALL
TnTestkitNode    *tn_testkit_control_lookup_node         (TnTestkitControl       *self,
                                                          const char             *node);
TN_AVAILABLE_IN_ALL
gboolean          tn_testkit_control_expire_node         (TnTestkitControl       *self,
                                                          const char             *node,
                                                          GError                **error);
TN_AVAILABLE_IN_ALL
gboolean          tn_testkit_control_set_node_expiry     (TnTestkitControl       *self,
                                                          const char             *node,
                                                          gint64                  expiry,
                                                          GError                **error);
TN_AVAILABLE_IN_ALL
gboolean          tn_testkit_control_delete_node         (TnTestkitControl       *self,
                                                          const char             *node,
                                                          GError                **error);
TN_AVAILABLE_IN_ALL
gboolean          tn_testkit_control_rename_node         (TnTestkitControl       *self,
                                                          const char             *node,
                                                          const char             *name,
                                                          GError                **error);
TN_AVAILABLE_IN_ALL
gboolean          tn_testkit_control_authorize_node      (TnTestkitControl       *self,
                                                          const char             *node,
                                                          GError                **error);
TN_AVAILABLE_IN_ALL
gboolean          tn_testkit_control_set_node_tags       (TnTestkitControl       *self,
                                                          const char             *node,
                                                          const char * const     *tags,
                                                          GError                **error);
TN_AVAILABLE_IN_ALL
gboolean          tn_testkit_control_set_node_routes     (TnTestkitControl       *self,
                                                          const char             *node,
                                                          const char * const     *routes,
                                                          GError                **error);
TN_AVAILABLE_IN_ALL
gboolean          tn_testkit_control_set_node_json       (TnTestkitControl       *self,
                                                          const char             *node,
                                                          const char             *json,
                                                          GError                **error);

/* What every node is told. */
TN_AVAILABLE_IN_ALL
gboolean          tn_testkit_control_set_packet_filter_json (TnTestkitControl    *self,
                                                          const char             *json,
                                                          GError                **error);
TN_AVAILABLE_IN_ALL
gboolean          tn_testkit_control_set_dns_config_json (TnTestkitControl       *self,
                                                          const char             *json,
                                                          GError                **error);
TN_AVAILABLE_IN_ALL
gboolean          tn_testkit_control_set_derp_map_json   (TnTestkitControl       *self,
                                                          const char             *json,
                                                          GError                **error);
TN_AVAILABLE_IN_ALL
gboolean          tn_testkit_control_set_map_json        (TnTestkitControl       *self,
                                                          const char             *json,
                                                          GError                **error);
TN_AVAILABLE_IN_ALL
guint             tn_testkit_control_send_map_response   (TnTestkitControl       *self,
                                                          const char             *node,
                                                          const char             *json);

/* Asking a node. */
TN_AVAILABLE_IN_ALL
void              tn_testkit_control_ping_async          (TnTestkitControl       *self,
                                                          const char             *node,
                                                          const char             *types,
                                                          const char             *address,
                                                          gboolean                encrypted,
                                                          GCancellable           *cancellable,
                                                          GAsyncReadyCallback     callback,
                                                          gpointer                user_data);
TN_AVAILABLE_IN_ALL
GBytes           *tn_testkit_control_ping_finish         (TnTestkitControl       *self,
                                                          GAsyncResult           *result,
                                                          GError                **error);
TN_AVAILABLE_IN_ALL
void              tn_testkit_control_call_node_async     (TnTestkitControl       *self,
                                                          const char             *node,
                                                          GBytes                 *request,
                                                          GCancellable           *cancellable,
                                                          GAsyncReadyCallback     callback,
                                                          gpointer                user_data);
TN_AVAILABLE_IN_ALL
GBytes           *tn_testkit_control_call_node_finish    (TnTestkitControl       *self,
                                                          GAsyncResult           *result,
                                                          GError                **error);

/* Trouble. */
TN_AVAILABLE_IN_ALL
void              tn_testkit_control_inject_fault        (TnTestkitControl       *self,
                                                          TnTestkitStage          stage,
                                                          TnTestkitFault          fault,
                                                          guint                   n_times);
TN_AVAILABLE_IN_ALL
void              tn_testkit_control_script_answer       (TnTestkitControl       *self,
                                                          TnTestkitStage          stage,
                                                          guint                   status,
                                                          const char * const     *headers,
                                                          GBytes                 *body);
TN_AVAILABLE_IN_ALL
void              tn_testkit_control_script_message      (TnTestkitControl       *self,
                                                          const char             *json);
TN_AVAILABLE_IN_ALL
void              tn_testkit_control_hold                (TnTestkitControl       *self,
                                                          TnTestkitStage          stage);
TN_AVAILABLE_IN_ALL
guint             tn_testkit_control_release             (TnTestkitControl       *self,
                                                          TnTestkitStage          stage);
TN_AVAILABLE_IN_ALL
void              tn_testkit_control_rotate_key          (TnTestkitControl       *self);
TN_AVAILABLE_IN_ALL
guint             tn_testkit_control_end_streams         (TnTestkitControl       *self,
                                                          const char             *node);
TN_AVAILABLE_IN_ALL
guint             tn_testkit_control_drop_connections    (TnTestkitControl       *self,
                                                          const char             *node);
TN_AVAILABLE_IN_ALL
guint             tn_testkit_control_retire_connections  (TnTestkitControl       *self,
                                                          const char             *node);

G_END_DECLS

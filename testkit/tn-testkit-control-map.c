/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-control.h"

#include <string.h>

#include "tn-testkit-control-private.h"
#include "tn-testkit-json.h"

/* TnTestkitControl: what nodes are told and asked, and what goes wrong. */

typedef struct
{
  TnTestkitSetting setting;
  JsonNode        *value;
} SettingCall;

static void
change_setting (TnTestkitServer *server,
                gpointer         data)
{
  const SettingCall *call = data;

  tn_testkit_registry_set (tn_testkit_server_registry (server), call->setting, call->value);
  tn_testkit_server_changed (server);
}

static gboolean
set_setting (TnTestkitControl  *self,
             TnTestkitSetting   setting,
             const char        *json,
             gboolean           may_be_array,
             GError           **error)
{
  g_autoptr (JsonNode) value = NULL;
  SettingCall call = { setting, NULL };

  if (json != NULL)
    {
      value = tn_testkit_json_parse (json, strlen (json), error);
      if (value == NULL)
        return FALSE;

      if (!JSON_NODE_HOLDS_OBJECT (value) && !(may_be_array && JSON_NODE_HOLDS_ARRAY (value)))
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "no JSON object%s", may_be_array ? " or list" : "");
          return FALSE;
        }
    }

  call.value = value;
  tn_testkit_control_invoke (self, change_setting, &call);
  return TRUE;
}

/**
 * tn_testkit_control_set_packet_filter_json:
 * @self: a server
 * @json: (nullable): a list of rules (`PacketFilter`), or an object of named lists (`PacketFilters`). %NULL: everything may pass
 * @error: return location for an error
 *
 * Sets the packet filter of every node.
 *
 * Returns: whether @json can be one
 *
 * Since: 0.1
 */
gboolean
tn_testkit_control_set_packet_filter_json (TnTestkitControl  *self,
                                           const char        *json,
                                           GError           **error)
{
  g_return_val_if_fail (TN_TESTKIT_IS_CONTROL (self), FALSE);

  return set_setting (self, TN_TESTKIT_SETTING_PACKET_FILTER, json, TRUE, error);
}

/**
 * tn_testkit_control_set_dns_config_json:
 * @self: a server
 * @json: (nullable): an object (`DNSConfig`). %NULL: the names of the nodes, and nothing else
 * @error: return location for an error
 *
 * Sets the DNS configuration of every node.
 *
 * Returns: whether @json can be one
 *
 * Since: 0.1
 */
gboolean
tn_testkit_control_set_dns_config_json (TnTestkitControl  *self,
                                        const char        *json,
                                        GError           **error)
{
  g_return_val_if_fail (TN_TESTKIT_IS_CONTROL (self), FALSE);

  return set_setting (self, TN_TESTKIT_SETTING_DNS_CONFIG, json, FALSE, error);
}

/**
 * tn_testkit_control_set_derp_map_json:
 * @self: a server
 * @json: (nullable): an object (`DERPMap`). %NULL: no relays
 * @error: return location for an error
 *
 * Sets the relays that nodes use.
 *
 * Returns: whether @json can be a relay map
 *
 * Since: 0.1
 */
gboolean
tn_testkit_control_set_derp_map_json (TnTestkitControl  *self,
                                      const char        *json,
                                      GError           **error)
{
  g_return_val_if_fail (TN_TESTKIT_IS_CONTROL (self), FALSE);

  return set_setting (self, TN_TESTKIT_SETTING_DERP_MAP, json, FALSE, error);
}

/**
 * tn_testkit_control_set_map_json:
 * @self: a server
 * @json: (nullable): an object. %NULL: nothing more
 * @error: return location for an error
 *
 * Sets further members of the map, such as `SSHPolicy` or `Health`. They replace what the first message of a stream would hold,
 * a `null` takes a member away, and streams that are open get them now.
 *
 * Returns: whether @json is an object
 *
 * Since: 0.1
 */
gboolean
tn_testkit_control_set_map_json (TnTestkitControl  *self,
                                 const char        *json,
                                 GError           **error)
{
  g_return_val_if_fail (TN_TESTKIT_IS_CONTROL (self), FALSE);

  return set_setting (self, TN_TESTKIT_SETTING_EXTRA, json, FALSE, error);
}

/* To one node or all */

typedef guint (*StreamAction) (TnTestkitServer *server, TnTestkitRecord *record, const char *json);

typedef struct
{
  StreamAction  action;
  const char   *node;
  const char   *json;
  guint         n;
} StreamCall;

static void
act_on_streams (TnTestkitServer *server,
                gpointer         data)
{
  StreamCall *call = data;
  TnTestkitRecord *record = NULL;

  if (call->node != NULL)
    record = tn_testkit_registry_lookup (tn_testkit_server_registry (server), call->node);
  if (call->node == NULL || record != NULL)
    call->n = call->action (server, record, call->json);
}

/**
 * tn_testkit_control_send_map_response:
 * @self: a server
 * @node: (nullable): name or stable id; %NULL: all
 * @json: the message, which is not looked at
 *
 * Sends a message of your own on the map streams.
 *
 * Returns: on how many streams
 *
 * Since: 0.1
 */
guint
tn_testkit_control_send_map_response (TnTestkitControl *self,
                                      const char       *node,
                                      const char       *json)
{
  StreamCall call = { tn_testkit_server_send, node, json, 0 };

  g_return_val_if_fail (TN_TESTKIT_IS_CONTROL (self), 0);
  g_return_val_if_fail (json != NULL, 0);

  tn_testkit_control_invoke (self, act_on_streams, &call);
  return call.n;
}

static guint
end_streams (TnTestkitServer *server,
             TnTestkitRecord *record,
             const char      *json)
{
  return tn_testkit_server_end_streams (server, record);
}

/**
 * tn_testkit_control_end_streams:
 * @self: a server
 * @node: (nullable): name or stable id; %NULL: all
 *
 * Ends map streams in good order. Clients come back.
 *
 * Returns: how many
 *
 * Since: 0.1
 */
guint
tn_testkit_control_end_streams (TnTestkitControl *self,
                                const char       *node)
{
  StreamCall call = { end_streams, node, NULL, 0 };

  g_return_val_if_fail (TN_TESTKIT_IS_CONTROL (self), 0);

  tn_testkit_control_invoke (self, act_on_streams, &call);
  return call.n;
}

static guint
drop_connections (TnTestkitServer *server,
                  TnTestkitRecord *record,
                  const char      *json)
{
  return tn_testkit_server_drop (server, record);
}

/**
 * tn_testkit_control_drop_connections:
 * @self: a server
 * @node: (nullable): name or stable id; %NULL: all
 *
 * Closes connections without a word.
 *
 * Returns: how many
 *
 * Since: 0.1
 */
guint
tn_testkit_control_drop_connections (TnTestkitControl *self,
                                     const char       *node)
{
  StreamCall call = { drop_connections, node, NULL, 0 };

  g_return_val_if_fail (TN_TESTKIT_IS_CONTROL (self), 0);

  tn_testkit_control_invoke (self, act_on_streams, &call);
  return call.n;
}

static guint
retire_connections (TnTestkitServer *server,
                    TnTestkitRecord *record,
                    const char      *json)
{
  return tn_testkit_server_retire (server, record);
}

/**
 * tn_testkit_control_retire_connections:
 * @self: a server
 * @node: (nullable): name or stable id; %NULL: all
 *
 * Takes no new requests on connections that are there, as a server does that is to be replaced (GOAWAY of HTTP/2). Requests under way go
 * on, map streams as well; clients make another connection for what comes next.
 *
 * Returns: how many
 *
 * Since: 0.1
 */
guint
tn_testkit_control_retire_connections (TnTestkitControl *self,
                                       const char       *node)
{
  StreamCall call = { retire_connections, node, NULL, 0 };

  g_return_val_if_fail (TN_TESTKIT_IS_CONTROL (self), 0);

  tn_testkit_control_invoke (self, act_on_streams, &call);
  return call.n;
}

typedef struct
{
  TnTestkitStage stage;
  TnTestkitFault fault;
  guint          n_times;
} FaultCall;

static void
inject_fault (TnTestkitServer *server,
              gpointer         data)
{
  const FaultCall *call = data;

  tn_testkit_server_inject_fault (server, call->stage, call->fault, call->n_times);
}

/**
 * tn_testkit_control_inject_fault:
 * @self: a server
 * @stage: where
 * @fault: what goes wrong
 * @n_times: how often; 0 ends it
 *
 * Makes the next @n_times requests of @stage fail. It replaces what was set for @stage before. Where a request is of two stages, the
 * fault of the narrower one strikes first. [method@TailnetTestkit.Control.script_answer] makes a server say what no fault says.
 *
 * At %TN_TESTKIT_STAGE_UPGRADE, bad JSON strikes the message that may precede HTTP/2, and an oversize length a frame behind a good
 * handshake; there the other faults replace the handshake, but for the HTTP ones, which come instead of the upgrade.
 *
 * Since: 0.1
 */
void
tn_testkit_control_inject_fault (TnTestkitControl *self,
                                 TnTestkitStage    stage,
                                 TnTestkitFault    fault,
                                 guint             n_times)
{
  FaultCall call = { stage, fault, n_times };

  g_return_if_fail (TN_TESTKIT_IS_CONTROL (self));
  g_return_if_fail (stage <= TN_TESTKIT_STAGE_ID_TOKEN);

  tn_testkit_control_invoke (self, inject_fault, &call);
}

/* Questions */

typedef struct
{
  const char *node;
  const char *types;
  const char *address;
  gboolean    encrypted;
  GBytes     *payload;
  GTask      *task;
} AskCall;

static void
ask (TnTestkitServer *server,
     gpointer         data)
{
  const AskCall *call = data;
  TnTestkitRecord *record = tn_testkit_registry_lookup (tn_testkit_server_registry (server), call->node);

  if (record == NULL)
    {
      g_task_return_new_error (call->task, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no node '%s'", call->node);
      g_object_unref (call->task);
      return;
    }

  tn_testkit_server_ask (server, record, call->types, call->address, call->encrypted, call->payload, call->task);
}

/**
 * tn_testkit_control_ping_async:
 * @self: a server
 * @node: name or stable id of who is asked
 * @types: (nullable): what @node shall send to @address, such as `disco` or `TSMP`, separated by commas. %NULL: nothing, it only answers
 * @address: (nullable): address of a peer of @node
 * @encrypted: whether the answer comes over the encrypted connection
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called with the answer
 * @user_data: data for @callback
 *
 * Asks a node to show that it is there, or to ping a peer. A node that does not succeed does not answer; so cancel in the end.
 * Fails with %G_IO_ERROR_NOT_CONNECTED if the node follows no map.
 *
 * Since: 0.1
 */
void
tn_testkit_control_ping_async (TnTestkitControl    *self,
                               const char          *node,
                               const char          *types,
                               const char          *address,
                               gboolean             encrypted,
                               GCancellable        *cancellable,
                               GAsyncReadyCallback  callback,
                               gpointer             user_data)
{
  AskCall call = { node, types != NULL ? types : "", address != NULL ? address : "", encrypted, NULL, NULL };

  g_return_if_fail (TN_TESTKIT_IS_CONTROL (self));
  g_return_if_fail (node != NULL);

  call.task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (call.task, tn_testkit_control_ping_async);
  tn_testkit_control_invoke (self, ask, &call);
}

/**
 * tn_testkit_control_ping_finish:
 * @self: a server
 * @result: a result
 * @error: return location for an error
 *
 * Ends [method@TailnetTestkit.Control.ping_async].
 *
 * Returns: (transfer full): the answer: JSON (`PingResponse`), or empty where no types were given
 *
 * Since: 0.1
 */
GBytes *
tn_testkit_control_ping_finish (TnTestkitControl  *self,
                                GAsyncResult      *result,
                                GError           **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * tn_testkit_control_call_node_async:
 * @self: a server
 * @node: name or stable id of who is called
 * @request: an HTTP/1.1 request
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called with the answer
 * @user_data: data for @callback
 *
 * Sends an HTTP request to a node, which answers over the encrypted connection. Fails with %G_IO_ERROR_NOT_CONNECTED if the node
 * follows no map.
 *
 * Since: 0.1
 */
void
tn_testkit_control_call_node_async (TnTestkitControl    *self,
                                    const char          *node,
                                    GBytes              *request,
                                    GCancellable        *cancellable,
                                    GAsyncReadyCallback  callback,
                                    gpointer             user_data)
{
  AskCall call = { node, "c2n", "", TRUE, request, NULL };

  g_return_if_fail (TN_TESTKIT_IS_CONTROL (self));
  g_return_if_fail (node != NULL);
  g_return_if_fail (request != NULL);

  call.task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (call.task, tn_testkit_control_call_node_async);
  tn_testkit_control_invoke (self, ask, &call);
}

/**
 * tn_testkit_control_call_node_finish:
 * @self: a server
 * @result: a result
 * @error: return location for an error
 *
 * Ends [method@TailnetTestkit.Control.call_node_async].
 *
 * Returns: (transfer full): the HTTP response, head and body
 *
 * Since: 0.1
 */
GBytes *
tn_testkit_control_call_node_finish (TnTestkitControl  *self,
                                     GAsyncResult      *result,
                                     GError           **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

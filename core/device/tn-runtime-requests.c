/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-runtime-private.h"

#include <string.h>

#include "tn-error.h"
#include "tn-json-put.h"
#include "tn-json-text.h"

/* What the control server wants of the node. The client bounds how much of it goes on, and for how long. */

/* --- Pings of peers --- */

typedef struct
{
  TnRuntime *runtime;      /* a reference, which keeps the control thread: the answer comes there */
  GTask     *task;
  TnPong    *pong;         /* NULL: handed on */
} Ping;

static Ping *
ping_new (TnRuntime *runtime,
          GTask     *task)
{
  Ping *ping = g_new0 (Ping, 1);

  ping->runtime = tn_runtime_ref (runtime);
  ping->task = g_object_ref (task);
  ping->pong = tn_pong_new ();
  return ping;
}

static void
ping_free (Ping *ping)
{
  g_clear_pointer (&ping->pong, tn_pong_free);
  g_object_unref (ping->task);
  tn_runtime_unref (ping->runtime);
  g_free (ping);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Ping, ping_free)

static void
return_pong (Ping *ping)
{
  g_task_return_pointer (ping->task, g_steal_pointer (&ping->pong), (GDestroyNotify) tn_pong_free);
}

static void G_GNUC_PRINTF (2, 3)
return_problem (Ping       *ping,
                const char *format,
                ...)
{
  va_list args;

  va_start (args, format);
  ping->pong->problem = g_strdup_vprintf (format, args);
  va_end (args);
  return_pong (ping);
}

/* The server is told what cannot be. Of a peer that does not answer it hears nothing. */
static void
return_failure (Ping   *ping,
                GError *error)      /* taken */
{
  if (error->domain != TN_ERROR)
    {
      g_task_return_error (ping->task, error);
      return;
    }
  return_problem (ping, "%s", error->message);
  g_error_free (error);
}

static void
fill_path (Ping                *ping,
           const TnPathAddress *address)
{
  TnPathData path = { .latency_us = -1 };

  tn_runtime_describe_path (ping->runtime, address, &path);
  ping->pong->endpoint = path.endpoint;
  if (path.kind == TN_PATH_KIND_PEER_RELAY)
    ping->pong->vni = address->udp.vni;
  ping->pong->region = path.region;
  if (*path.region_code != '\0')
    ping->pong->region_code = g_strdup (path.region_code);
}

static void
pong_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autoptr (Ping) ping = user_data;
  GError *error = NULL;
  g_autofree TnPipelinePong *pong = g_task_propagate_pointer (G_TASK (result), &error);

  if (pong == NULL)
    {
      return_failure (ping, error);
      return;
    }
  ping->pong->latency_us = pong->latency_us;
  fill_path (ping, &pong->path);
  return_pong (ping);
}

static void
echo_path_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr (Ping) ping = user_data;
  g_autofree TnPathAddress *address = g_task_propagate_pointer (G_TASK (result), NULL);

  if (address != NULL)
    fill_path (ping, address);
  return_pong (ping);
}

typedef struct
{
  Ping   *ping;
  gint64  node_id;
} Echo;

static void
echo_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autofree Echo *echo = user_data;
  g_autoptr (Ping) ping = echo->ping;
  TnDataPath *path = tn_runtime_get_data_path (ping->runtime);
  g_autoptr (GTask) question = NULL;
  GError *error = NULL;

  ping->pong->latency_us = TN_NETSTACK_GET_IFACE (object)->ping_finish (TN_NETSTACK (object), result, &error);
  if (ping->pong->latency_us < 0)
    {
      return_failure (ping, error);
      return;
    }
  /* The stack knows nothing of paths. */
  question = g_task_new (NULL, NULL, echo_path_cb, g_steal_pointer (&ping));
  tn_data_path_ask_path (path, echo->node_id, question);
}

static void
send_echo (Ping              *ping,      /* taken */
           gint64             node_id,
           const TnIpAddress *address)
{
  TnNetstack *netstack = TN_NETSTACK (tn_data_path_get_overlay (tn_runtime_get_data_path (ping->runtime)));
  g_autoptr (GInetAddress) inet = tn_ip_address_to_inet (address);
  Echo *echo = g_new (Echo, 1);

  *echo = (Echo) { ping, node_id };
  TN_NETSTACK_GET_IFACE (netstack)->ping_async (netstack, inet, 0, g_task_get_cancellable (ping->task), echo_cb, echo);
}

static gboolean
has_address (const TnNetmapNode *node,
             const TnIpAddress  *address)
{
  for (guint i = 0; i < node->n_addresses; i++)
    if (tn_ip_address_equal (&node->addresses[i].address, address))
      return TRUE;
  return FALSE;
}

/* The peer with the narrowest prefix around @address. */
static const TnNetmapNode *
find_peer (const TnNetmap    *netmap,
           const TnIpAddress *address)
{
  const TnNetmapNode *found = NULL;
  int bits = -1;

  for (guint i = 0; i < netmap->peers->len; i++)
    {
      const TnNetmapNode *node = g_ptr_array_index (netmap->peers, i);

      for (guint j = 0; j < node->n_allowed_ips; j++)
        if (node->allowed_ips[j].bits > bits && tn_ip_prefix_contains (&node->allowed_ips[j], address))
          {
            found = node;
            bits = node->allowed_ips[j].bits;
          }
    }
  return found;
}

/* The address itself, if the peer has it; of one that routes it, its own. */
static void
fill_peer (TnPong             *pong,
           const TnNetmap     *netmap,
           const TnNetmapNode *node,
           const TnIpAddress  *address)
{
  g_autofree char *suffix = tn_netmap_bridge_dns_suffix (netmap);
  g_autofree char *end = g_strdup_printf (".%s", suffix);
  char *name = g_strdup (node->name);

  if (g_str_has_suffix (name, "."))
    name[strlen (name) - 1] = '\0';
  if (*suffix != '\0' && g_str_has_suffix (name, end))
    name[strlen (name) - strlen (end)] = '\0';
  pong->node_name = name;
  if (has_address (node, address))
    pong->node_address = *address;
  else if (node->n_addresses > 0)
    pong->node_address = node->addresses[0].address;
}

static void
send_ping (Ping              *ping,      /* taken */
           TnControlPing      kind,
           gint64             node_id,
           const TnIpAddress *address)
{
  TnDataPath *path = tn_runtime_get_data_path (ping->runtime);
  g_autoptr (GTask) pong = NULL;

  if (kind == TN_CONTROL_PING_ICMP)
    {
      send_echo (ping, node_id, address);
      return;
    }
  pong = g_task_new (NULL, g_task_get_cancellable (ping->task), pong_cb, ping);
  tn_data_path_ping (path, kind == TN_CONTROL_PING_TSMP ? TN_PING_KIND_TSMP : TN_PING_KIND_DISCO, node_id, address, 0, pong);
}

void
tn_runtime_answer_ping (TnControlClient   *client,
                        TnControlPing      kind,
                        const TnIpAddress *address,
                        GTask             *task,
                        gpointer           user_data)
{
  TnRuntime *runtime = user_data;
  const TnNetmap *netmap = tn_control_client_get_netmap (client);
  g_autoptr (Ping) ping = ping_new (runtime, task);
  const TnNetmapNode *node = NULL;
  char text[TN_IP_ADDRESS_TEXT_MAX];

  tn_ip_address_print (address, text);
  if (netmap != NULL && netmap->self != NULL)
    ping->pong->is_own = has_address (netmap->self, address);
  if (netmap != NULL && !ping->pong->is_own)
    node = find_peer (netmap, address);
  if (node != NULL)
    fill_peer (ping->pong, netmap, node, address);

  if (ping->pong->is_own)
    return_problem (ping, "%s is an address of this node itself", text);
  else if (node == NULL)
    return_problem (ping, "no peer has or routes %s", text);
  else if (!runtime->data_open)
    return_problem (ping, "this node may not talk to its peers now");
  else if (kind == TN_CONTROL_PING_PEERAPI)
    return_problem (ping, "pings by way of the peer API are not supported");
  else
    send_ping (g_steal_pointer (&ping), kind, node->id, address);
}

/* --- Reports --- */

static const char *
severity_name (TnHealthSeverity severity)
{
  static const char *const names[] = {
    [TN_HEALTH_SEVERITY_LOW] = "low", [TN_HEALTH_SEVERITY_MEDIUM] = "medium", [TN_HEALTH_SEVERITY_HIGH] = "high",
  };

  return names[severity];
}

/* tailscale health: State. */
static char *
write_health (TnRuntime *runtime)
{
  GString *out = g_string_new ("{\"Warnings\":{");
  g_autoptr (GPtrArray) items = tn_health_book_dup_items (runtime->health);

  for (guint i = 0; i < items->len; i++)
    {
      TnHealthItem *item = g_ptr_array_index (items, i);

      tn_json_put_key (out, tn_health_item_get_code (item));
      g_string_append_c (out, '{');
      tn_json_put_member_string (out, "WarnableCode", tn_health_item_get_code (item));
      tn_json_put_member_string (out, "Severity", severity_name (tn_health_item_get_severity (item)));
      tn_json_put_member_string (out, "Title", tn_health_item_get_title (item));
      tn_json_put_member_string (out, "Text", tn_health_item_get_text (item));
      g_string_append_c (out, '}');
    }
  g_string_append (out, "}}");
  return g_string_free (out, FALSE);
}

void
tn_runtime_answer_report (TnControlClient *client,
                          TnC2nReport      report,
                          GTask           *task,
                          gpointer         user_data)
{
  TnRuntime *runtime = user_data;

  if (report == TN_C2N_REPORT_METRICS)
    tn_data_path_ask_metrics (tn_runtime_get_data_path (runtime), task);
  else
    g_task_return_pointer (task, write_health (runtime), g_free);
}

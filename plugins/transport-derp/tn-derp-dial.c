/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-derp-dial.h"
#include "tn-derp-upgrade.h"
#include "tn-proxy.h"
#include "tn-socket-mark.h"

/* Each call under way holds a reference, and is the business of one node; what comes back for an earlier node is thrown away. */
struct _TnDerpDial
{
  grefcount            ref_count;
  const TnRelayRegion *region;
  GProxyResolver      *resolver;       /* nullable */
  TnDerpDialFunc       func;           /* NULL: over */
  gpointer             user_data;
  guint                next;           /* node to try after the current one */
  const TnRelayNode   *node;
  GCancellable        *cancellable;    /* of the current node's calls */
  GSource             *timer;
  gint64               node_us;        /* for one node */
  guint32              mark;           /* of sockets */
  guint                n_pending;
  GError              *error;          /* of the last attempt */
};

typedef struct
{
  TnDerpDial   *dial;
  GCancellable *cancellable;           /* tells whose call it was */
} Call;

static void dial_next_node (TnDerpDial *dial);

static void
dial_unref (TnDerpDial *dial)
{
  if (!g_ref_count_dec (&dial->ref_count))
    return;

  g_clear_object (&dial->resolver);
  g_clear_error (&dial->error);
  g_free (dial);
}

static Call *
call_new (TnDerpDial *dial)
{
  Call *call = g_new (Call, 1);

  g_ref_count_inc (&dial->ref_count);
  call->dial = dial;
  call->cancellable = g_object_ref (dial->cancellable);
  return call;
}

static void
call_free (Call *call)
{
  dial_unref (call->dial);
  g_object_unref (call->cancellable);
  g_free (call);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Call, call_free)

static void
end_node (TnDerpDial *dial)
{
  if (dial->cancellable != NULL)
    g_cancellable_cancel (dial->cancellable);
  g_clear_object (&dial->cancellable);
  if (dial->timer != NULL)
    g_source_destroy (dial->timer);
  g_clear_pointer (&dial->timer, g_source_unref);
  dial->n_pending = 0;
}

static void
finish (TnDerpDial        *dial,
        GSocketConnection *connection,
        const GError      *error)
{
  TnDerpDialFunc func = g_steal_pointer (&dial->func);

  end_node (dial);
  func (dial->user_data, connection, dial->node, error);
  dial_unref (dial);
}

static void
node_failed (TnDerpDial *dial)
{
  g_prefix_error (&dial->error, "%s: ", dial->node->host_name);
  dial_next_node (dial);
}

static void
connected_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr (Call) call = user_data;
  TnDerpDial *dial = call->dial;
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketConnection) connection = g_socket_client_connect_finish (G_SOCKET_CLIENT (object), result, &error);

  if (dial->func == NULL || call->cancellable != dial->cancellable)
    return;

  dial->n_pending--;
  if (connection != NULL)
    {
      finish (dial, connection, NULL);
      return;
    }
  g_clear_error (&dial->error);
  dial->error = g_steal_pointer (&error);
  if (dial->n_pending == 0)
    node_failed (dial);
}

static void
attempt (TnDerpDial         *dial,
         GSocketConnectable *target,
         GSocketFamily       family,
         gboolean            by_proxy)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GProxyResolver) resolver = by_proxy ? tn_proxy_resolver_for_host (dial->resolver, dial->node->host_name) : NULL;

  tn_socket_mark_client (client, dial->mark);
  g_socket_client_set_enable_proxy (client, by_proxy);
  if (by_proxy)
    g_socket_client_set_proxy_resolver (client, resolver);
  else
    g_socket_client_set_family (client, family);
  dial->n_pending++;
  g_socket_client_connect_async (client, target, dial->cancellable, connected_cb, call_new (dial));
}

/* @literal: what the map says for this family; empty: ask DNS; no address of the family: not at all. */
static void
attempt_family (TnDerpDial    *dial,
                GSocketFamily  family,
                const char    *literal)
{
  guint16 port = tn_derp_upgrade_port (dial->node);
  g_autoptr (GSocketConnectable) target = NULL;
  g_autoptr (GInetAddress) address = NULL;

  if (literal == NULL || *literal == '\0')
    literal = g_hostname_is_ip_address (dial->node->host_name) ? dial->node->host_name : NULL;
  if (literal != NULL)
    {
      address = g_inet_address_new_from_string (literal);
      if (address == NULL || g_inet_address_get_family (address) != family)
        return;
      target = G_SOCKET_CONNECTABLE (g_inet_socket_address_new (address, port));
    }
  else
    target = g_network_address_new (dial->node->host_name, port);
  attempt (dial, target, family, FALSE);
}

static gboolean
timeout_cb (gpointer user_data)
{
  TnDerpDial *dial = user_data;

  g_clear_error (&dial->error);
  dial->error = g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no connection within %" G_GINT64_FORMAT " ms", dial->node_us / 1000);
  node_failed (dial);
  return G_SOURCE_REMOVE;
}

static void
dial_directly (TnDerpDial *dial)
{
  dial->timer = g_timeout_source_new ((guint) (dial->node_us / 1000));
  g_source_set_callback (dial->timer, timeout_cb, dial, NULL);
  g_source_attach (dial->timer, g_main_context_get_thread_default ());

  attempt_family (dial, G_SOCKET_FAMILY_IPV4, dial->node->ipv4);
  attempt_family (dial, G_SOCKET_FAMILY_IPV6, dial->node->ipv6);
  if (dial->n_pending == 0)
    {
      g_clear_error (&dial->error);
      dial->error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_HOST_UNREACHABLE, "both address families are off");
      node_failed (dial);
    }
}

/* By name, never by the addresses of the map: behind a proxy those may lead nowhere. */
static GSocketConnectable *
proxied_target (const TnRelayNode *node)
{
  g_autofree char *uri = g_strdup_printf (strchr (node->host_name, ':') != NULL ? "https://[%s]:%u" : "https://%s:%u",
                                          node->host_name, tn_derp_upgrade_port (node));

  return g_network_address_parse_uri (uri, TN_DERP_HTTPS_PORT, NULL);
}

static void
proxies_found_cb (GObject      *object,
                  GAsyncResult *result,
                  gpointer      user_data)
{
  g_autoptr (Call) call = user_data;
  TnDerpDial *dial = call->dial;
  g_auto (GStrv) proxies = g_proxy_resolver_lookup_finish (G_PROXY_RESOLVER (object), result, NULL);
  g_autoptr (GSocketConnectable) target = NULL;

  if (dial->func == NULL || call->cancellable != dial->cancellable)
    return;

  if (proxies != NULL && proxies[0] != NULL && !g_str_has_prefix (proxies[0], "direct"))
    target = proxied_target (dial->node);
  if (target != NULL)
    attempt (dial, target, G_SOCKET_FAMILY_INVALID, TRUE);
  else
    dial_directly (dial);
}

static void
dial_next_node (TnDerpDial *dial)
{
  g_autoptr (GProxyResolver) resolver = NULL;
  g_autofree char *uri = NULL;

  end_node (dial);
  dial->node = NULL;
  while (dial->node == NULL && dial->next < dial->region->nodes->len)
    {
      TnRelayNode *node = g_ptr_array_index (dial->region->nodes, dial->next++);

      if (!node->stun_only && node->host_name != NULL && *node->host_name != '\0')
        dial->node = node;
    }
  if (dial->node == NULL)
    {
      if (dial->error == NULL)
        dial->error = g_error_new (G_IO_ERROR, G_IO_ERROR_HOST_UNREACHABLE, "region %u has no relay", dial->region->id);
      finish (dial, NULL, dial->error);
      return;
    }

  dial->cancellable = g_cancellable_new ();
  resolver = tn_proxy_resolver_for_host (dial->resolver, dial->node->host_name);
  if (resolver == NULL)
    {
      dial_directly (dial);
      return;
    }
  uri = g_uri_join (G_URI_FLAGS_NONE, "https", NULL, dial->node->host_name, dial->node->derp_port != 0 ? (int) dial->node->derp_port : -1,
                    "/", NULL, NULL);
  g_proxy_resolver_lookup_async (resolver, uri, dial->cancellable, proxies_found_cb, call_new (dial));
}

static gboolean
begin_cb (gpointer user_data)
{
  dial_next_node (user_data);
  return G_SOURCE_REMOVE;
}

TnDerpDial *
tn_derp_dial_start (const TnRelayRegion *region,
                    GProxyResolver      *resolver,
                    guint32              mark,
                    gint64               node_us,
                    TnDerpDialFunc       func,
                    gpointer             user_data)
{
  TnDerpDial *dial = g_new0 (TnDerpDial, 1);

  g_ref_count_init (&dial->ref_count);
  dial->region = region;
  g_set_object (&dial->resolver, resolver);
  dial->mark = mark;
  dial->node_us = node_us;
  dial->func = func;
  dial->user_data = user_data;

  /* Never from here: the caller has not got the dial yet. */
  dial->timer = g_idle_source_new ();
  g_source_set_priority (dial->timer, G_PRIORITY_DEFAULT);
  g_source_set_callback (dial->timer, begin_cb, dial, NULL);
  g_source_attach (dial->timer, g_main_context_get_thread_default ());
  return dial;
}

void
tn_derp_dial_cancel (TnDerpDial *dial)
{
  dial->func = NULL;
  end_node (dial);
  dial_unref (dial);
}

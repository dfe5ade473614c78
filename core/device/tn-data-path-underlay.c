/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-data-path-private.h"

#include "tn-boot-timer.h"
#include "tn-secret.h"

/* Between the pipeline and the transports to other nodes. */

static TnUnderlayTransport *
underlay_for (TnDataPath        *path,
              TnPathAddressKind  kind)
{
  for (guint i = 0; i < path->underlays->len; i++)
    {
      TnUnderlayTransport *underlay = g_ptr_array_index (path->underlays, i);

      if (TN_UNDERLAY_TRANSPORT_GET_IFACE (underlay)->kind == kind)
        return underlay;
    }
  return NULL;
}

guint
tn_data_path_to_underlay (gpointer             user_data,
                          const TnPathAddress *to,
                          const TnPacketBatch *batch,
                          guint                first,
                          gboolean             urgent)
{
  TnUnderlayTransport *underlay = underlay_for (user_data, to->kind);

  if (underlay == NULL)
    return batch->n_packets - first;
  return TN_UNDERLAY_TRANSPORT_GET_IFACE (underlay)->send (underlay, to, batch, first, urgent ? TN_SEND_URGENT : TN_SEND_NONE);
}

static void
underlay_receive (gpointer             user_data,
                  TnUnderlayTransport *transport,
                  TnPacketBatch       *batch,
                  const TnPathAddress *from)
{
  TnDataPath *path = user_data;

  tn_pipeline_from_underlay (path->pipeline, batch, from, tn_boot_time_us ());
  tn_data_path_settle (path);
}

static void
underlay_writable (gpointer             user_data,
                   TnUnderlayTransport *transport,
                   const TnPathAddress *to)
{
  TnDataPath *path = user_data;

  tn_pipeline_path_writable (path->pipeline, to, tn_boot_time_us ());
}

static void
underlay_path_gone (gpointer             user_data,
                    TnUnderlayTransport *transport,
                    const TnPathAddress *address)
{
  TnDataPath *path = user_data;

  tn_pipeline_path_gone (path->pipeline, address);
}

static void
underlay_link_state (gpointer             user_data,
                     TnUnderlayTransport *transport,
                     guint                region,
                     TnUnderlayLinkState  state,
                     const GError        *error)
{
  TnDataPath *path = user_data;

  g_hash_table_add (path->regions, GUINT_TO_POINTER (region));
  path->callbacks.link_state (path->user_data, region, state, error);
}

static void
underlay_health (gpointer             user_data,
                 TnUnderlayTransport *transport,
                 guint                region,
                 const char          *problem)
{
  TnDataPath *path = user_data;

  g_hash_table_add (path->regions, GUINT_TO_POINTER (region));
  path->callbacks.relay_health (path->user_data, region, problem);
}

static void
underlay_heard (gpointer             user_data,
                TnUnderlayTransport *transport,
                guint                region)
{
  TnDataPath *path = user_data;

  if (region == path->home)
    g_atomic_int_set (&path->home_heard_s, (int) (tn_boot_time_us () / G_USEC_PER_SEC));
}

gint64
tn_data_path_get_home_heard_us (TnDataPath *path)
{
  int heard_s = g_atomic_int_get (&path->home_heard_s);

  return heard_s != 0 ? heard_s * (gint64) G_USEC_PER_SEC : G_MININT64;
}

static guint16
port_of (TnUnderlayTransport *underlay,
         guint8               version)
{
  TnUnderlayTransportInterface *iface = TN_UNDERLAY_TRANSPORT_GET_IFACE (underlay);

  return iface->get_port != NULL ? iface->get_port (underlay, version) : 0;
}

/* Datagrams straight to peers are of use as soon as there is a socket. */
static void
tell_ports (TnDataPath *path)
{
  TnUnderlayTransport *udp = underlay_for (path, TN_PATH_ADDRESS_UDP);

  tn_pipeline_set_direct (path->pipeline, udp != NULL);
  if (udp != NULL)
    path->callbacks.bound (path->user_data, port_of (udp, 4), port_of (udp, 6));
}

static void
underlay_bound (gpointer             user_data,
                TnUnderlayTransport *transport)
{
  TnDataPath *path = user_data;

  tell_ports (path);
  tn_data_path_settle (path);
}

gboolean
tn_data_path_start_underlays (TnDataPath  *path,
                              GError     **error)
{
  static const TnUnderlayCallbacks callbacks = {
    .receive = underlay_receive,
    .writable = underlay_writable,
    .path_gone = underlay_path_gone,
    .link_state = underlay_link_state,
    .health = underlay_health,
    .heard = underlay_heard,
    .bound = underlay_bound,
  };
  TnUnderlayConfig config = {
    .context = tn_thread_get_context (path->thread),
    .node_key = path->node_key,
    .tls_database = path->tls_database,
    .proxy_resolver = path->proxy_resolver,
    .app_name = path->app_name,
    .port = path->port,
    .mark = path->mark,
  };

  for (guint i = 0; i < path->underlays->len; i++)
    {
      TnUnderlayTransport *underlay = g_ptr_array_index (path->underlays, i);

      if (!TN_UNDERLAY_TRANSPORT_GET_IFACE (underlay)->start (underlay, &config, &callbacks, path, error))
        return FALSE;
      path->n_started++;
    }
  tell_ports (path);
  return TRUE;
}

void
tn_data_path_stop_underlays (TnDataPath *path)
{
  while (path->n_started > 0)
    {
      TnUnderlayTransport *underlay = g_ptr_array_index (path->underlays, --path->n_started);

      TN_UNDERLAY_TRANSPORT_GET_IFACE (underlay)->stop (underlay);
    }
}

/* A transport that is stopped tells nothing any more: what it told has to be taken back for it. */
static void
take_back_links (TnDataPath *path)
{
  GHashTableIter iter;
  gpointer region;

  g_hash_table_iter_init (&iter, path->regions);
  while (g_hash_table_iter_next (&iter, &region, NULL))
    {
      path->callbacks.link_state (path->user_data, GPOINTER_TO_UINT (region), TN_UNDERLAY_LINK_DOWN, NULL);
      path->callbacks.relay_health (path->user_data, GPOINTER_TO_UINT (region), NULL);
    }
  g_hash_table_remove_all (path->regions);
}

/* A new key is a new identity towards the relays, too: they are left and joined again. */
static gboolean
node_key_cb (gpointer data)
{
  TnDataPath *path = ((TnDataPathCall *) data)->path;
  g_autoptr (GError) error = NULL;

  if (path->pipeline == NULL)
    return G_SOURCE_REMOVE;

  memcpy (path->node_key, ((TnDataPathCall *) data)->data, sizeof *path->node_key);
  tn_pipeline_set_node_key (path->pipeline, path->node_key);
  tn_data_path_stop_underlays (path);
  take_back_links (path);
  if (!tn_data_path_start_underlays (path, &error))
    path->callbacks.failed (path->user_data, error);
  tn_pipeline_reset_direct (path->pipeline, tn_boot_time_us ());      /* and nobody waits for room in a socket that is closed */
  tn_data_path_settle (path);
  return G_SOURCE_REMOVE;
}

void
tn_data_path_set_node_key (TnDataPath             *path,
                           const TnNodePrivateKey *key)
{
  tn_data_path_call (path, node_key_cb, tn_secret_dup (key, sizeof *key), tn_secret_free);
}

static gboolean
relay_map_cb (gpointer data)
{
  TnDataPath *path = ((TnDataPathCall *) data)->path;
  TnUnderlayTransport *relay = path->pipeline != NULL ? underlay_for (path, TN_PATH_ADDRESS_RELAY) : NULL;

  if (relay != NULL)
    TN_UNDERLAY_TRANSPORT_GET_IFACE (relay)->set_relay_map (relay, ((TnDataPathCall *) data)->data);
  return G_SOURCE_REMOVE;
}

void
tn_data_path_set_relay_map (TnDataPath *path,
                            TnRelayMap *map)
{
  tn_data_path_call (path, relay_map_cb, tn_relay_map_ref (map), (GDestroyNotify) tn_relay_map_unref);
}

static gboolean
home_cb (gpointer data)
{
  TnDataPath *path = ((TnDataPathCall *) data)->path;
  TnUnderlayTransport *relay = path->pipeline != NULL ? underlay_for (path, TN_PATH_ADDRESS_RELAY) : NULL;
  guint region = GPOINTER_TO_UINT (((TnDataPathCall *) data)->data);

  if (region != path->home)
    g_atomic_int_set (&path->home_heard_s, 0);
  path->home = region;
  if (relay != NULL)
    TN_UNDERLAY_TRANSPORT_GET_IFACE (relay)->set_home (relay, region);
  return G_SOURCE_REMOVE;
}

void
tn_data_path_set_home (TnDataPath *path,
                       guint       region)
{
  tn_data_path_call (path, home_cb, GUINT_TO_POINTER (region), NULL);
}

static gboolean
rebind_cb (gpointer data)
{
  TnDataPath *path = ((TnDataPathCall *) data)->path;

  for (guint i = 0; i < path->n_started && path->pipeline != NULL; i++)
    {
      TnUnderlayTransport *underlay = g_ptr_array_index (path->underlays, i);

      if (TN_UNDERLAY_TRANSPORT_GET_IFACE (underlay)->rebind != NULL)
        TN_UNDERLAY_TRANSPORT_GET_IFACE (underlay)->rebind (underlay);
    }
  if (path->pipeline == NULL)
    return G_SOURCE_REMOVE;
  tell_ports (path);
  tn_pipeline_reset_direct (path->pipeline, tn_boot_time_us ());
  tn_data_path_settle (path);
  return G_SOURCE_REMOVE;
}

void
tn_data_path_rebind (TnDataPath *path)
{
  tn_data_path_call (path, rebind_cb, NULL, NULL);
}

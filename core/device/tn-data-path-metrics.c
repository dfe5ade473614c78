/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-data-path-private.h"

/* What a data path has counted, in the text format of Prometheus. It tells of amounts, and of nobody. */

static void
put_head (GString    *out,
          const char *name,
          const char *kind,
          const char *help)
{
  g_string_append_printf (out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

static void
put_drops (GString    *out,
           TnPipeline *pipeline)
{
  TnTunnel *tunnel = tn_pipeline_get_tunnel (pipeline);

  put_head (out, "tailnet_dropped_packets_total", "counter", "Packets that went no further, by layer and reason.");
  for (TnPipelineDrop reason = 0; reason < TN_PIPELINE_N_DROPS; reason++)
    g_string_append_printf (out, "tailnet_dropped_packets_total{layer=\"pipeline\",reason=\"%s\"} %" G_GUINT64_FORMAT "\n",
                            tn_pipeline_drop_get_name (reason), tn_pipeline_get_drops (pipeline, reason));
  for (TnTunnelDrop reason = 0; reason < TN_TUNNEL_N_DROPS; reason++)
    g_string_append_printf (out, "tailnet_dropped_packets_total{layer=\"tunnel\",reason=\"%s\"} %" G_GUINT64_FORMAT "\n",
                            tn_tunnel_drop_get_name (reason), tn_tunnel_get_drops (tunnel, reason));
}

/* Bytes go with the tunnel that they went through: no counters, which would only grow. */
static void
put_tunnels (GString    *out,
             TnPipeline *pipeline)
{
  g_autoptr (GArray) infos = tn_pipeline_dup_infos (pipeline);
  guint64 rx_bytes = 0;
  guint64 tx_bytes = 0;

  for (guint i = 0; i < infos->len; i++)
    {
      const TnTunnelPeerStats *stats = &g_array_index (infos, TnPipelinePeerInfo, i).stats;

      rx_bytes += stats->rx_bytes;
      tx_bytes += stats->tx_bytes;
    }
  put_head (out, "tailnet_tunnels", "gauge", "Peers with a tunnel.");
  g_string_append_printf (out, "tailnet_tunnels %u\n", infos->len);
  put_head (out, "tailnet_tunnel_bytes", "gauge", "Bytes that the tunnels of now have carried, by direction.");
  g_string_append_printf (out, "tailnet_tunnel_bytes{direction=\"in\"} %" G_GUINT64_FORMAT "\n", rx_bytes);
  g_string_append_printf (out, "tailnet_tunnel_bytes{direction=\"out\"} %" G_GUINT64_FORMAT "\n", tx_bytes);
}

static gboolean
ask_metrics_cb (gpointer data)
{
  TnDataPath *path = ((TnDataPathCall *) data)->path;
  GTask *task = ((TnDataPathCall *) data)->data;
  GString *out;

  if (path->pipeline == NULL)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "device stopped");
      return G_SOURCE_REMOVE;
    }
  out = g_string_new (NULL);
  put_tunnels (out, path->pipeline);
  put_drops (out, path->pipeline);
  g_task_return_pointer (task, g_string_free (out, FALSE), g_free);
  return G_SOURCE_REMOVE;
}

void
tn_data_path_ask_metrics (TnDataPath *path,
                          GTask      *task)
{
  tn_data_path_call (path, ask_metrics_cb, g_object_ref (task), g_object_unref);
}

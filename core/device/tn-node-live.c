/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-node-instance.h"

/* What this device measures of a node. */

void
tn_node_update_live (TnNode           *self,
                     const TnNodeLive *live)
{
  TnNodeLive old = self->live;

  self->live = *live;
  g_object_freeze_notify (G_OBJECT (self));

  if (!tn_path_data_equal (&old.path, &live->path))
    {
      g_clear_pointer (&self->path, tn_path_unref);
      tn_node_notify_if (self, TRUE, "path");
    }
  tn_node_notify_if (self, old.rx_bytes != live->rx_bytes, "rx-bytes");
  tn_node_notify_if (self, old.tx_bytes != live->tx_bytes, "tx-bytes");
  tn_node_notify_if (self, tn_node_drop_date_time (&self->last_handshake, old.last_handshake_us, live->last_handshake_us), "last-handshake");

  g_object_thaw_notify (G_OBJECT (self));
}

/**
 * tn_node_get_path: (get-property path)
 * @self: a node
 *
 * Gets how packets travel to the node at present.
 *
 * Returns: (transfer none): the path
 *
 * Since: 0.1
 */
TnPath *
tn_node_get_path (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  if (self->path == NULL)
    self->path = tn_path_new (&self->live.path);
  return self->path;
}

/**
 * tn_node_get_rx_bytes: (get-property rx-bytes)
 * @self: a node
 *
 * Gets how much was received from the node since the device started.
 *
 * Returns: bytes
 *
 * Since: 0.1
 */
guint64
tn_node_get_rx_bytes (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), 0);

  return self->live.rx_bytes;
}

/**
 * tn_node_get_tx_bytes: (get-property tx-bytes)
 * @self: a node
 *
 * Gets how much was sent to the node since the device started.
 *
 * Returns: bytes
 *
 * Since: 0.1
 */
guint64
tn_node_get_tx_bytes (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), 0);

  return self->live.tx_bytes;
}

/**
 * tn_node_get_last_handshake: (get-property last-handshake)
 * @self: a node
 *
 * Gets when keys were last agreed on with the node.
 *
 * Returns: (nullable) (transfer none): the time, or %NULL if they never were
 *
 * Since: 0.1
 */
GDateTime *
tn_node_get_last_handshake (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  return tn_node_ensure_date_time (&self->last_handshake, self->live.last_handshake_us);
}

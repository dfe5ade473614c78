/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-peer-expiry.h"

#include "tn-expiry.h"

void
tn_peer_expiry_init (TnPeerExpiry *expiry)
{
  expiry->expired = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  expiry->next_us = TN_EXPIRY_NEVER;
}

void
tn_peer_expiry_clear (TnPeerExpiry *expiry)
{
  g_clear_pointer (&expiry->expired, g_hash_table_unref);
}

void
tn_peer_expiry_reset (TnPeerExpiry *expiry)
{
  g_hash_table_remove_all (expiry->expired);
  expiry->next_us = TN_EXPIRY_NEVER;
}

static TnExpiryPeer
make_peer (const TnNetmapNode *node)
{
  return (TnExpiryPeer) {
    .expiry_us = node->key_expiry_us != 0 ? node->key_expiry_us : TN_EXPIRY_NEVER,
    .key = node->key,
    .expired = node->expired,
  };
}

gboolean
tn_peer_expiry_note (TnPeerExpiry       *expiry,
                     const TnNetmapNode *node,
                     gint64              now_us)
{
  TnExpiryPeer peer = make_peer (node);
  gint64 next_us;

  tn_expiry_flag (&peer, 1, now_us, 0);
  if (peer.expired)
    {
      g_hash_table_add (expiry->expired, g_memdup2 (&node->id, sizeof node->id));
      return TRUE;
    }

  g_hash_table_remove (expiry->expired, &node->id);
  next_us = tn_expiry_next (&peer, 1, TN_EXPIRY_NEVER, now_us, 0);
  if (next_us != TN_EXPIRY_NEVER && (expiry->next_us == TN_EXPIRY_NEVER || next_us < expiry->next_us))
    expiry->next_us = next_us;
  return FALSE;
}

void
tn_peer_expiry_forget (TnPeerExpiry *expiry,
                       gint64        id)
{
  g_hash_table_remove (expiry->expired, &id);
}

gboolean
tn_peer_expiry_has (const TnPeerExpiry *expiry,
                    gint64              id)
{
  return g_hash_table_contains (expiry->expired, &id);
}

void
tn_peer_expiry_find (TnPeerExpiry   *expiry,
                     const TnNetmap *netmap,
                     gint64          now_us,
                     GArray         *ids)
{
  g_autoptr (GArray) peers = g_array_sized_new (FALSE, FALSE, sizeof (TnExpiryPeer), netmap->peers->len);

  for (guint i = 0; i < netmap->peers->len; i++)
    {
      const TnNetmapNode *node = g_ptr_array_index (netmap->peers, i);
      TnExpiryPeer peer = make_peer (node);

      tn_expiry_flag (&peer, 1, now_us, 0);
      if (peer.expired && !tn_peer_expiry_has (expiry, node->id))
        g_array_append_val (ids, node->id);
      g_array_append_val (peers, peer);
    }
  expiry->next_us = tn_expiry_next ((const TnExpiryPeer *) (gconstpointer) peers->data, peers->len, TN_EXPIRY_NEVER, now_us, 0);
}

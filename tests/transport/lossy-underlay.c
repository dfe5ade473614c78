/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lossy-underlay.h"

typedef struct
{
  TnPathAddress to;
  GBytes       *data;
} Datagram;

struct _LossyNet
{
  GPtrArray    *transports;     /* of LossyUnderlay that are started; borrowed */
  LossyDropFunc drop;
  gpointer      drop_data;
  guint         queue_len;
  gboolean      stalled;
};

struct _LossyUnderlay
{
  GObject              parent_instance;
  LossyNet            *net;
  GMainContext        *context;
  TnUnderlayCallbacks  callbacks;
  gpointer             user_data;
  TnNodePublicKey      key;
  TnRelayMap          *map;
  guint                home;
  GQueue               queue;          /* of Datagram */
  guint                n_urgent;       /* the first ones */
  GHashTable          *blocked;        /* regions whose send() took fewer than given */
  GSource             *source;         /* NULL: nothing is to be done */
  guint                announce;       /* region whose link is to be told of */
  gboolean             started;
};

static void lossy_underlay_iface_init (TnUnderlayTransportInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (LossyUnderlay, lossy_underlay, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TN_TYPE_UNDERLAY_TRANSPORT, lossy_underlay_iface_init))

static void
datagram_free (gpointer data)
{
  Datagram *datagram = data;

  g_bytes_unref (datagram->data);
  g_free (datagram);
}

static LossyUnderlay *
find_receiver (LossyNet              *net,
               const TnNodePublicKey *key)
{
  for (guint i = 0; i < net->transports->len; i++)
    {
      LossyUnderlay *transport = g_ptr_array_index (net->transports, i);

      if (tn_node_public_key_equal (&transport->key, key))
        return transport;
    }
  return NULL;
}

static void
deliver (LossyUnderlay *self,
         Datagram      *datagram)
{
  g_autoptr (TnPacketBatch) batch = NULL;
  TnPathAddress from = { .kind = TN_PATH_ADDRESS_RELAY, .relay = { datagram->to.relay.region, self->key } };
  LossyUnderlay *receiver = find_receiver (self->net, &datagram->to.relay.key);
  gsize len;
  const guint8 *data = g_bytes_get_data (datagram->data, &len);

  if (receiver == NULL)
    {
      if (self->callbacks.path_gone != NULL)
        self->callbacks.path_gone (self->user_data, TN_UNDERLAY_TRANSPORT (self), &datagram->to);
      return;
    }
  if (self->net->drop != NULL && self->net->drop (self->net->drop_data, &from, &datagram->to, data, len))
    return;

  batch = tn_packet_batch_new (len + 256);
  memcpy (tn_packet_batch_append (batch, len)->data, data, len);
  receiver->callbacks.receive (receiver->user_data, TN_UNDERLAY_TRANSPORT (receiver), batch, &from);
}

static void
tell_writable (LossyUnderlay *self)
{
  g_autoptr (GHashTable) blocked = self->blocked;
  GHashTableIter iter;
  gpointer region;

  self->blocked = g_hash_table_new (NULL, NULL);
  g_hash_table_iter_init (&iter, blocked);
  while (self->started && g_hash_table_iter_next (&iter, &region, NULL))
    {
      TnPathAddress to = { .kind = TN_PATH_ADDRESS_RELAY, .relay = { .region = GPOINTER_TO_UINT (region) } };

      self->callbacks.writable (self->user_data, TN_UNDERLAY_TRANSPORT (self), &to);
    }
}

static gboolean
dispatch_cb (gpointer user_data)
{
  g_autoptr (LossyUnderlay) self = g_object_ref (LOSSY_UNDERLAY (user_data));

  g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
  if (self->announce != 0)
    {
      guint region = self->announce;

      self->announce = 0;
      self->callbacks.link_state (self->user_data, TN_UNDERLAY_TRANSPORT (self), region, TN_UNDERLAY_LINK_UP, NULL);
    }

  while (self->started && !self->net->stalled && !g_queue_is_empty (&self->queue))
    {
      Datagram *datagram = g_queue_pop_head (&self->queue);

      self->n_urgent -= self->n_urgent > 0 ? 1 : 0;
      deliver (self, datagram);
      datagram_free (datagram);
    }
  if (self->started && !self->net->stalled)
    tell_writable (self);
  return G_SOURCE_REMOVE;
}

static void
schedule (LossyUnderlay *self)
{
  if (self->source != NULL || !self->started)
    return;
  self->source = g_idle_source_new ();
  g_source_set_priority (self->source, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->source, dispatch_cb, self, NULL);
  g_source_attach (self->source, self->context);
}

static gboolean
lossy_underlay_start (TnUnderlayTransport       *transport,
                      const TnUnderlayConfig    *config,
                      const TnUnderlayCallbacks *callbacks,
                      gpointer                   user_data,
                      GError                   **error)
{
  LossyUnderlay *self = LOSSY_UNDERLAY (transport);

  if (self->started)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_PENDING, "has been started already");
      return FALSE;
    }
  tn_node_private_key_get_public (config->node_key, &self->key);
  self->context = g_main_context_ref (config->context);
  self->callbacks = *callbacks;
  self->user_data = user_data;
  self->started = TRUE;
  g_ptr_array_add (self->net->transports, self);
  return TRUE;
}

static void
lossy_underlay_stop (TnUnderlayTransport *transport)
{
  LossyUnderlay *self = LOSSY_UNDERLAY (transport);

  if (!self->started)
    return;
  self->started = FALSE;
  self->announce = 0;
  g_ptr_array_remove (self->net->transports, self);
  g_queue_clear_full (&self->queue, datagram_free);
  self->n_urgent = 0;
  g_hash_table_remove_all (self->blocked);
  if (self->source != NULL)
    g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
  g_clear_pointer (&self->context, g_main_context_unref);
}

static guint
lossy_underlay_send (TnUnderlayTransport *transport,
                     const TnPathAddress *to,
                     const TnPacketBatch *batch,
                     guint                first,
                     TnSendFlags          flags)
{
  LossyUnderlay *self = LOSSY_UNDERLAY (transport);
  guint limit = self->net->queue_len * (flags & TN_SEND_URGENT ? 2 : 1);
  guint n_taken = 0;

  if (to->kind != TN_PATH_ADDRESS_RELAY || self->map == NULL || tn_relay_map_lookup (self->map, to->relay.region) == NULL)
    return batch->n_packets - first;

  for (guint i = first; i < batch->n_packets && self->queue.length < limit; i++, n_taken++)
    {
      Datagram *datagram = g_new (Datagram, 1);

      datagram->to = *to;
      datagram->data = g_bytes_new (batch->packets[i].data, batch->packets[i].len);
      if (flags & TN_SEND_URGENT)
        g_queue_push_nth (&self->queue, datagram, (int) self->n_urgent++);
      else
        g_queue_push_tail (&self->queue, datagram);
    }
  if (n_taken < batch->n_packets - first)
    g_hash_table_add (self->blocked, GUINT_TO_POINTER (to->relay.region));
  schedule (self);
  return n_taken;
}

static void
lossy_underlay_set_relay_map (TnUnderlayTransport *transport,
                              TnRelayMap          *map)
{
  LossyUnderlay *self = LOSSY_UNDERLAY (transport);

  g_clear_pointer (&self->map, tn_relay_map_unref);
  self->map = tn_relay_map_ref (map);
}

static void
lossy_underlay_set_home (TnUnderlayTransport *transport,
                         guint                region)
{
  LossyUnderlay *self = LOSSY_UNDERLAY (transport);

  if (self->home != region || self->source == NULL)
    self->announce = region;
  self->home = region;
  schedule (self);
}

static void
lossy_underlay_iface_init (TnUnderlayTransportInterface *iface)
{
  iface->kind = TN_PATH_ADDRESS_RELAY;
  iface->start = lossy_underlay_start;
  iface->stop = lossy_underlay_stop;
  iface->send = lossy_underlay_send;
  iface->set_relay_map = lossy_underlay_set_relay_map;
  iface->set_home = lossy_underlay_set_home;
}

static void
lossy_underlay_finalize (GObject *object)
{
  LossyUnderlay *self = LOSSY_UNDERLAY (object);

  lossy_underlay_stop (TN_UNDERLAY_TRANSPORT (self));
  g_clear_pointer (&self->map, tn_relay_map_unref);
  g_hash_table_unref (self->blocked);
  G_OBJECT_CLASS (lossy_underlay_parent_class)->finalize (object);
}

static void
lossy_underlay_class_init (LossyUnderlayClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lossy_underlay_finalize;
}

static void
lossy_underlay_init (LossyUnderlay *self)
{
  g_queue_init (&self->queue);
  self->blocked = g_hash_table_new (NULL, NULL);
}

TnUnderlayTransport *
lossy_underlay_new (LossyNet *net)
{
  LossyUnderlay *self = g_object_new (LOSSY_TYPE_UNDERLAY, NULL);

  self->net = net;
  return TN_UNDERLAY_TRANSPORT (self);
}

LossyNet *
lossy_net_new (void)
{
  LossyNet *net = g_new0 (LossyNet, 1);

  net->transports = g_ptr_array_new ();
  net->queue_len = 256;
  return net;
}

void
lossy_net_free (LossyNet *net)
{
  g_assert_cmpuint (net->transports->len, ==, 0);
  g_ptr_array_unref (net->transports);
  g_free (net);
}

void
lossy_net_set_drop (LossyNet      *net,
                    LossyDropFunc  drop,
                    gpointer       user_data)
{
  net->drop = drop;
  net->drop_data = user_data;
}

void
lossy_net_set_queue (LossyNet *net,
                     guint     n_packets)
{
  net->queue_len = n_packets;
}

void
lossy_net_set_stalled (LossyNet *net,
                       gboolean  stalled)
{
  net->stalled = stalled;
  for (guint i = 0; i < net->transports->len; i++)
    schedule (g_ptr_array_index (net->transports, i));
}

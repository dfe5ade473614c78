/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lossy-overlay.h"

struct _LossyOverlay
{
  GObject               parent_instance;
  GMainContext         *context;
  TnOverlayCallbacks    callbacks;
  gpointer              user_data;
  LossyOverlayDropFunc  drop;
  gpointer              drop_data;
  GPtrArray            *received;
  GQueue                outgoing;     /* of GBytes */
  GHashTable           *blocked;      /* of TnIpAddress */
  GSource              *source;       /* NULL: nothing goes out */
};

static void lossy_overlay_iface_init (TnOverlayTransportInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (LossyOverlay, lossy_overlay, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TN_TYPE_OVERLAY_TRANSPORT, lossy_overlay_iface_init))

static gboolean
address_equal (gconstpointer a,
               gconstpointer b)
{
  return tn_ip_address_equal (a, b);
}

static gboolean
lossy_overlay_start (TnOverlayTransport       *transport,
                     const TnOverlayConfig    *config,
                     const TnOverlayCallbacks *callbacks,
                     gpointer                  user_data,
                     GError                  **error)
{
  LossyOverlay *self = LOSSY_OVERLAY (transport);

  if (self->context != NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_PENDING, "has been started already");
      return FALSE;
    }
  self->context = g_main_context_ref (config->context);
  self->callbacks = *callbacks;
  self->user_data = user_data;
  return TRUE;
}

static void
lossy_overlay_stop (TnOverlayTransport *transport)
{
  LossyOverlay *self = LOSSY_OVERLAY (transport);

  if (self->source != NULL)
    g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_queue_clear_full (&self->outgoing, (GDestroyNotify) g_bytes_unref);
}

static void
lossy_overlay_write (TnOverlayTransport *transport,
                     TnPacketBatch      *batch)
{
  LossyOverlay *self = LOSSY_OVERLAY (transport);

  for (guint i = 0; i < batch->n_packets; i++)
    {
      const TnPacket *packet = &batch->packets[i];

      if (self->drop == NULL || !self->drop (self->drop_data, packet->data, packet->len))
        g_ptr_array_add (self->received, g_bytes_new (packet->data, packet->len));
    }
}

static void
lossy_overlay_set_blocked (TnOverlayTransport *transport,
                           const TnIpAddress  *destination,
                           gboolean            blocked)
{
  LossyOverlay *self = LOSSY_OVERLAY (transport);

  if (blocked)
    g_hash_table_add (self->blocked, g_memdup2 (destination, sizeof *destination));
  else
    g_hash_table_remove (self->blocked, destination);
}

static void
lossy_overlay_iface_init (TnOverlayTransportInterface *iface)
{
  iface->start = lossy_overlay_start;
  iface->stop = lossy_overlay_stop;
  iface->write = lossy_overlay_write;
  iface->set_blocked = lossy_overlay_set_blocked;
}

static void
lossy_overlay_finalize (GObject *object)
{
  LossyOverlay *self = LOSSY_OVERLAY (object);

  lossy_overlay_stop (TN_OVERLAY_TRANSPORT (self));
  g_ptr_array_unref (self->received);
  g_hash_table_unref (self->blocked);
  G_OBJECT_CLASS (lossy_overlay_parent_class)->finalize (object);
}

static void
lossy_overlay_class_init (LossyOverlayClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lossy_overlay_finalize;
}

static void
lossy_overlay_init (LossyOverlay *self)
{
  self->received = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  self->blocked = g_hash_table_new_full (tn_ip_address_hash, address_equal, g_free, NULL);
  g_queue_init (&self->outgoing);
}

TnOverlayTransport *
lossy_overlay_new (void)
{
  return g_object_new (LOSSY_TYPE_OVERLAY, NULL);
}

void
lossy_overlay_set_drop (LossyOverlay         *self,
                        LossyOverlayDropFunc  drop,
                        gpointer              user_data)
{
  self->drop = drop;
  self->drop_data = user_data;
}

static gboolean
send_cb (gpointer user_data)
{
  g_autoptr (LossyOverlay) self = g_object_ref (LOSSY_OVERLAY (user_data));
  GBytes *packet;

  g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
  while (self->context != NULL && (packet = g_queue_pop_head (&self->outgoing)) != NULL)
    {
      gsize len = g_bytes_get_size (packet);
      g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (len + 256);

      memcpy (tn_packet_batch_append (batch, len)->data, g_bytes_get_data (packet, NULL), len);
      g_bytes_unref (packet);
      self->callbacks.receive (self->user_data, TN_OVERLAY_TRANSPORT (self), batch);
    }
  return G_SOURCE_REMOVE;
}

void
lossy_overlay_send (LossyOverlay *self,
                    const guint8 *data,
                    gsize         len)
{
  g_assert_nonnull (self->context);
  g_queue_push_tail (&self->outgoing, g_bytes_new (data, len));
  if (self->source != NULL)
    return;
  self->source = g_idle_source_new ();
  g_source_set_callback (self->source, send_cb, self, NULL);
  g_source_attach (self->source, self->context);
}

GPtrArray *
lossy_overlay_get_received (LossyOverlay *self)
{
  return self->received;
}

gboolean
lossy_overlay_is_blocked (LossyOverlay      *self,
                          const TnIpAddress *destination)
{
  return g_hash_table_contains (self->blocked, destination);
}

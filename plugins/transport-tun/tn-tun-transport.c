/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-tun-transport.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tn-merger.h"
#include "tn-parse.h"
#include "tn-segmenter.h"
#include "tn-tun-device.h"
#include "tn-tun-sockets.h"

enum
{
  FRAME_MAX_LEN = TN_VIRTIO_HEADER_LEN + 65535,
  SLAB_LEN = 256 << 10,      /* a full batch of common packets, or the segments of one frame */
  TURN_MAX = 8,              /* frames in one turn of the loop: some 400 packets */
  FAILURES_MAX = 64,         /* reads in a row, and then it is not the packets */
  STALL_US = 10 * 1000,      /* how long frames stay unread when all paths are full: one for another path is among them, perhaps */
};

/* The host behind an interface of the kernel. Of the data thread, but for the name. */
struct _TnTunTransport
{
  GObject                   parent_instance;

  const TnOverlayCallbacks *callbacks;
  gpointer                  user_data;
  gboolean                  started;
  TnTunDevice               device;
  GSource                  *source;         /* NULL: the interface is gone */
  gpointer                  source_tag;
  gboolean                  busy;           /* the last turn had several frames */
  gboolean                  stalled;        /* frames stay where they are */
  guint8                   *frame;
  TnPacketBatch            *batch;          /* out of the host */
  TnMerger                 *merger;         /* into it */
  guint64                   n_drops;        /* packets that the interface did not take, or could not give */
  guint                     n_failures;     /* of reads in a row */

  GMutex                    lock;           /* guards what follows */
  char                     *interface;      /* nullable */
};

static void tn_tun_transport_overlay_init (TnOverlayTransportInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (TnTunTransport, tn_tun_transport, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TN_TYPE_OVERLAY_TRANSPORT, tn_tun_transport_overlay_init)
                               G_IMPLEMENT_INTERFACE (TN_TYPE_NETSTACK, tn_tun_sockets_init))

/* --- Losses --- */

static void
drop (TnTunTransport *self,
      guint           n_packets,
      int             number)
{
  self->n_drops += n_packets;
  if (self->n_drops == n_packets)      /* the first ones */
    g_debug ("interface %s loses packets: %s", self->device.name, g_strerror (number));
}

/* --- Out of the host --- */

/* A descriptor, and the time from which on it is looked at again. */
static gboolean
frames_dispatch (GSource     *source,
                 GSourceFunc  callback,
                 gpointer     user_data)
{
  return callback (user_data);
}

static GSourceFuncs frames_funcs = {
  .dispatch = frames_dispatch,
};

static void
tn_tun_transport_set_stalled (TnOverlayTransport *overlay,
                              gboolean            stalled)
{
  TnTunTransport *self = TN_TUN_TRANSPORT (overlay);

  if (self->source == NULL || stalled == self->stalled)
    return;
  self->stalled = stalled;
  g_source_modify_unix_fd (self->source, self->source_tag, stalled ? 0 : G_IO_IN);
  g_source_set_ready_time (self->source, stalled ? g_source_get_time (self->source) + STALL_US : -1);
}

static void
deliver (TnTunTransport *self)
{
  if (self->batch->n_packets > 0)
    self->callbacks->receive (self->user_data, TN_OVERLAY_TRANSPORT (self), self->batch);
  tn_packet_batch_reset (self->batch);
}

static void
take_frame (TnTunTransport *self,
            gsize           len)
{
  TnSegmenter segmenter;

  if (!tn_segmenter_init (&segmenter, self->frame, len))
    return;
  while (tn_segmenter_next (&segmenter, self->batch))
    deliver (self);
}

static void
lose_interface (TnTunTransport *self,
                int             number)
{
  g_autoptr (GError) error = g_error_new (G_IO_ERROR, g_io_error_from_errno (number), "interface %s is gone: %s", self->device.name,
                                          g_strerror (number));

  g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
  self->callbacks->failed (self->user_data, TN_OVERLAY_TRANSPORT (self), error);
}

/* A packet that the kernel cannot express as a frame (EINVAL), or has no memory for, is lost alone. */
static gboolean
is_gone (TnTunTransport *self,
         int             number)
{
  if (number == EBADFD || number == EBADF || ++self->n_failures == FAILURES_MAX)
    return TRUE;
  drop (self, 1, number);
  return FALSE;
}

/* A frame that comes alone does not wait until the interface has said that there is no other. */
static gboolean
readable_cb (gpointer user_data)
{
  TnTunTransport *self = user_data;
  gboolean busy = self->busy;

  tn_tun_transport_set_stalled (TN_OVERLAY_TRANSPORT (self), FALSE);
  self->busy = FALSE;
  for (guint i = 0; i < TURN_MAX && !self->stalled; i++)
    {
      gssize n = read (self->device.fd, self->frame, FRAME_MAX_LEN);
      int number = errno;

      if (n >= 0)
        {
          take_frame (self, (gsize) n);
          self->n_failures = 0;
          self->busy = i > 0;
          if (!busy && i == 0)
            deliver (self);
          continue;
        }
      if (number == EAGAIN || number == EINTR)
        break;
      if (is_gone (self, number))
        {
          deliver (self);
          lose_interface (self, number);
          return G_SOURCE_REMOVE;
        }
    }
  deliver (self);
  return G_SOURCE_CONTINUE;
}

/* --- Into the host --- */

static void
write_alone (TnTunTransport *self,
             const TnPacket *packet)
{
  guint8 header[TN_VIRTIO_HEADER_LEN] = { 0 };
  const struct iovec pieces[] = { { header, sizeof header }, { packet->data, packet->len } };

  if (writev (self->device.fd, pieces, G_N_ELEMENTS (pieces)) < 0)
    drop (self, 1, errno);
}

/* Some kernels take no merged packets of a kind although they say so: these go as they were, and so do all from now on. */
static void
write_split (TnTunTransport      *self,
             const TnMergedFrame *frame)
{
  g_autofree guint8 *bytes = g_malloc (FRAME_MAX_LEN);
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (SLAB_LEN);
  TnSegmenter segmenter;
  gboolean more = TRUE;
  gsize len = 0;

  for (guint i = 0; i < frame->n_pieces; len += frame->pieces[i++].iov_len)
    memcpy (bytes + len, frame->pieces[i].iov_base, frame->pieces[i].iov_len);
  if (!tn_segmenter_init (&segmenter, bytes, len))
    {
      drop (self, frame->n_packets, EINVAL);
      return;
    }
  self->device.merges &= ~(guint) (segmenter.proto == TN_PROTO_UDP ? TN_MERGE_UDP : TN_MERGE_TCP);
  while (more)
    {
      tn_packet_batch_reset (batch);
      more = tn_segmenter_next (&segmenter, batch);
      for (guint i = 0; i < batch->n_packets; i++)
        write_alone (self, &batch->packets[i]);
    }
}

static void
write_frames (TnTunTransport *self,
              guint           n_frames)
{
  const TnMergedFrame *frames = tn_merger_get_frames (self->merger);

  for (guint i = 0; i < n_frames; i++)
    {
      if (writev (self->device.fd, frames[i].pieces, (int) frames[i].n_pieces) >= 0)
        continue;
      if (errno == EINVAL && frames[i].n_packets > 1)
        write_split (self, &frames[i]);
      else
        drop (self, frames[i].n_packets, errno);
    }
}

static gboolean
have_headroom (const TnPacketBatch *batch)
{
  for (guint i = 0; i < batch->n_packets; i++)
    if (batch->packets[i].headroom < TN_VIRTIO_HEADER_LEN)
      return FALSE;
  return TRUE;
}

static void
tn_tun_transport_write (TnOverlayTransport *overlay,
                        TnPacketBatch      *batch)
{
  TnTunTransport *self = TN_TUN_TRANSPORT (overlay);

  if (self->source == NULL)
    return;
  if (have_headroom (batch))
    write_frames (self, tn_merger_run (self->merger, batch, self->device.merges));
  else
    for (guint i = 0; i < batch->n_packets; i++)
      write_alone (self, &batch->packets[i]);
}

/* --- Life --- */

static gboolean
open_device (TnTunTransport         *self,
             const TnOverlayConfig  *config,
             GError                **error)
{
  if (!(config->fd > 0 ? tn_tun_device_take (&self->device, config->fd, error) : tn_tun_device_open (&self->device, config->interface, error)))
    return FALSE;
  if (tn_tun_device_set_up (&self->device, config->mtu, error))
    return TRUE;
  if (config->fd > 0)
    self->device.fd = -1;      /* the caller's still */
  else
    tn_tun_device_close (&self->device);
  return FALSE;
}

static void
set_interface (TnTunTransport *self,
               const char     *name)
{
  g_mutex_lock (&self->lock);
  g_free (self->interface);
  self->interface = g_strdup (name);
  g_mutex_unlock (&self->lock);
}

static gboolean
tn_tun_transport_start (TnOverlayTransport        *overlay,
                        const TnOverlayConfig     *config,
                        const TnOverlayCallbacks  *callbacks,
                        gpointer                   user_data,
                        GError                   **error)
{
  TnTunTransport *self = TN_TUN_TRANSPORT (overlay);

  if (self->started)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_PENDING, "the interface is in use already");
      return FALSE;
    }
  if (!open_device (self, config, error))
    return FALSE;

  self->started = TRUE;
  self->callbacks = callbacks;
  self->user_data = user_data;
  self->n_drops = 0;
  self->busy = FALSE;
  self->stalled = FALSE;
  self->n_failures = 0;
  self->frame = g_malloc (FRAME_MAX_LEN);
  self->batch = tn_packet_batch_new (SLAB_LEN);
  self->merger = tn_merger_new ();
  self->source = g_source_new (&frames_funcs, sizeof (GSource));
  self->source_tag = g_source_add_unix_fd (self->source, self->device.fd, G_IO_IN);
  g_source_set_callback (self->source, readable_cb, self, NULL);
  g_source_set_can_recurse (self->source, TRUE);      /* it does not, and GLib need not take it out of the set and wake itself for that */
  g_source_attach (self->source, config->context);
  set_interface (self, self->device.name);
  return TRUE;
}

static void
tn_tun_transport_stop (TnOverlayTransport *overlay)
{
  TnTunTransport *self = TN_TUN_TRANSPORT (overlay);

  if (!self->started)
    return;
  self->started = FALSE;
  set_interface (self, NULL);
  if (self->source != NULL)
    g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
  tn_tun_device_close (&self->device);
  g_clear_pointer (&self->frame, g_free);
  g_clear_pointer (&self->batch, tn_packet_batch_free);
  g_clear_pointer (&self->merger, tn_merger_free);
}

static const char *
tn_tun_transport_get_interface (TnOverlayTransport *overlay)
{
  TnTunTransport *self = TN_TUN_TRANSPORT (overlay);

  return self->started ? self->device.name : NULL;
}

static void
tn_tun_transport_overlay_init (TnOverlayTransportInterface *iface)
{
  iface->start = tn_tun_transport_start;
  iface->stop = tn_tun_transport_stop;
  iface->write = tn_tun_transport_write;
  iface->get_interface = tn_tun_transport_get_interface;
  iface->set_stalled = tn_tun_transport_set_stalled;
}

char *
tn_tun_transport_dup_interface (TnTunTransport *self)
{
  char *name;

  g_mutex_lock (&self->lock);
  name = g_strdup (self->interface);
  g_mutex_unlock (&self->lock);
  return name;
}

/* --- Type --- */

static void
tn_tun_transport_finalize (GObject *object)
{
  TnTunTransport *self = TN_TUN_TRANSPORT (object);

  tn_tun_transport_stop (TN_OVERLAY_TRANSPORT (self));
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (tn_tun_transport_parent_class)->finalize (object);
}

static void
tn_tun_transport_class_init (TnTunTransportClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = tn_tun_transport_finalize;
}

static void
tn_tun_transport_init (TnTunTransport *self)
{
  g_mutex_init (&self->lock);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-derp-client-private.h"
#include "tn-error.h"

#define READS_PER_DISPATCH 4              /* buffers: others on this thread have to live too */

/* FALSE: closed in the callback. */
static gboolean
deliver (TnDerpClient *self)
{
  if (self->batch->n_packets > 0)
    {
      self->events->receive (self->user_data, self->batch, self->from);
      self->batch->n_packets = 0;
    }
  return self->state == TN_DERP_CLIENT_UP;
}

static gboolean
handle_server_info (TnDerpClient      *self,
                    const TnDerpFrame *frame)
{
  TnDerpMessage message = { .type = TN_DERP_SERVER_INFO };
  TnDerpServerInfo info;
  GError *error = NULL;

  if (!tn_derp_server_info_open (frame, self->secrets->shared, &info, &error))
    {
      tn_derp_client_fail (self, error);
      return FALSE;
    }

  tn_derp_queue_set_tokens (&self->queue, info.bytes_per_second, info.burst_bytes, g_get_monotonic_time ());
  self->events->frame (self->user_data, &message);
  return self->state == TN_DERP_CLIENT_UP;
}

static gboolean
handle_frame (TnDerpClient      *self,
              const TnDerpFrame *frame)
{
  TnDerpMessage message;

  if (frame->type == TN_DERP_SERVER_INFO)
    return handle_server_info (self, frame);
  if (!tn_derp_message_parse (frame, &message))
    return TRUE;

  if (message.type == TN_DERP_PING)
    tn_derp_client_push_frame (self, TN_DERP_PONG, message.token, sizeof message.token);
  else if (message.type == TN_DERP_PONG && memcmp (message.token, self->ping_token, sizeof message.token) == 0)
    self->ping_deadline_us = 0;
  self->events->frame (self->user_data, &message);
  return self->state == TN_DERP_CLIENT_UP;
}

/* In place: the packet keeps the header of its frame as headroom. */
static void
append_packet (TnDerpClient      *self,
               const TnDerpFrame *frame)
{
  guint i = self->batch->n_packets++;

  self->from[i].kind = TN_PATH_ADDRESS_RELAY;
  self->from[i].relay.region = self->region->id;
  memcpy (self->from[i].relay.key.bytes, frame->payload, TN_KEY_LEN);
  self->batch->packets[i] = (TnPacket) {
    .data = self->batch->slab + (frame->payload - self->batch->slab) + TN_KEY_LEN,
    .len = frame->len - TN_KEY_LEN,
    .headroom = TN_DERP_SEND_HEADER_LEN,
  };
}

static gboolean
parse_frames (TnDerpClient *self,
              TnReader     *r)
{
  TnDerpFrame frame;
  TnDerpParse parsed;
  gsize before = r->left;

  while ((parsed = tn_derp_frame_next (r, TN_DERP_FRAME_MAX, &frame)) == TN_DERP_PARSED)
    {
      if (frame.type == TN_DERP_RECV_PACKET && frame.len >= TN_KEY_LEN)
        {
          append_packet (self, &frame);
          if (self->batch->n_packets == TN_PACKET_BATCH_MAX && !deliver (self))
            return FALSE;
        }
      else if (!deliver (self) || !handle_frame (self, &frame))
        return FALSE;
    }
  if (!deliver (self))
    return FALSE;

  if (parsed == TN_DERP_TOO_LONG)
    {
      tn_derp_client_fail_malformed (self, "relay sends a frame of more than 1048576 bytes");
      return FALSE;
    }
  if (r->left < before)
    self->deadline_us = g_get_monotonic_time () + self->times.read_us;
  return TRUE;
}

/* Room for the rest of a frame longer than the buffer; it goes back to its length when that is through. */
static void
fit_buffer (TnDerpClient *self)
{
  TnPacketBatch *batch = self->batch;
  gsize need = TN_DERP_READ_BUFFER_LEN;

  if (self->state == TN_DERP_CLIENT_UP && batch->slab_used >= TN_DERP_FRAME_HEADER_LEN)
    need = MAX (need, TN_DERP_FRAME_HEADER_LEN + (gsize) tn_get_u32be (batch->slab + 1));
  if (need != batch->slab_len)
    {
      batch->slab = g_realloc (batch->slab, need);
      batch->slab_len = need;
    }
}

/* FALSE: closed. */
static gboolean
parse (TnDerpClient *self)
{
  TnReader r = TN_READER_INIT (self->batch->slab, self->batch->slab_used);

  if (self->state == TN_DERP_CLIENT_UPGRADE && !tn_derp_client_parse_upgrade (self, &r))
    return self->state != TN_DERP_CLIENT_CLOSED;
  if (self->state == TN_DERP_CLIENT_GREETING && !tn_derp_client_parse_greeting (self, &r) && self->state == TN_DERP_CLIENT_CLOSED)
    return FALSE;
  if (self->state == TN_DERP_CLIENT_UP && !parse_frames (self, &r))
    return FALSE;

  if (r.left > 0 && r.pos != self->batch->slab)
    memmove (self->batch->slab, r.pos, r.left);
  self->batch->slab_used = r.left;
  fit_buffer (self);
  return TRUE;
}

/* One buffer full, or all there is. */
static TnDerpIo
fill_buffer (TnDerpClient  *self,
             GError       **error)
{
  TnPacketBatch *batch = self->batch;
  TnDerpIo io = TN_DERP_IO_DONE;

  while (io == TN_DERP_IO_DONE && batch->slab_used < batch->slab_len)
    {
      gsize len = 0;

      io = tn_derp_tls_read (self->tls, batch->slab + batch->slab_used, batch->slab_len - batch->slab_used, &len, error);
      batch->slab_used += len;
    }
  return io;
}

/* FALSE: closed. */
gboolean
tn_derp_client_read (TnDerpClient *self)
{
  for (guint i = 0; i < READS_PER_DISPATCH; i++)
    {
      g_autoptr (GError) error = NULL;
      TnDerpIo io = fill_buffer (self, &error);

      if (!parse (self))
        return FALSE;
      if (io == TN_DERP_IO_AGAIN)
        {
          self->input_left = FALSE;
          return TRUE;
        }
      if (io != TN_DERP_IO_DONE)
        {
          tn_derp_client_fail_io (self, io, g_steal_pointer (&error));
          return FALSE;
        }
    }
  self->input_left = TRUE;
  return TRUE;
}

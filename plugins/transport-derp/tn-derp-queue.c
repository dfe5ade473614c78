/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-derp-queue.h"

#define WINDOW_US 5000                       /* long enough for a rate, short enough to follow it */
#define START_LIMIT (64 << 10)

static gsize
bytes_len (const TnDerpBytes *b)
{
  return b->end - b->start;
}

/* Room for @len more at the end. Moves what is left to the front at most once per buffer length, so that a byte is moved less than
 * once on average. */
static guint8 *
bytes_reserve (TnDerpBytes *b,
               gsize        len)
{
  if (len > b->size - b->end)
    {
      gsize used = bytes_len (b);

      if (used + len > b->size / 2)
        {
          while (used + len > b->size / 2)
            b->size = MAX (b->size * 2, 16 << 10);
          b->bytes = g_realloc (b->bytes, b->size);
        }
      memmove (b->bytes, b->bytes + b->start, used);
      b->start = 0;
      b->end = used;
    }
  b->end += len;
  return b->bytes + b->end - len;
}

void
tn_derp_queue_init (TnDerpQueue *queue)
{
  *queue = (TnDerpQueue) { .limit = START_LIMIT };
}

void
tn_derp_queue_clear (TnDerpQueue *queue)
{
  g_free (queue->packets.bytes);
  g_free (queue->urgent.bytes);
  tn_derp_queue_init (queue);
}

static void
begin_window (TnDerpQueue *queue,
              gint64       now_us)
{
  if (queue->window_us == 0)
    {
      queue->window_us = now_us;
      queue->window_bytes = 0;
    }
}

gboolean
tn_derp_queue_push (TnDerpQueue           *queue,
                    const TnNodePublicKey *to,
                    const guint8          *data,
                    gsize                  len,
                    gboolean               urgent,
                    gint64                 now_us)
{
  TnDerpBytes *bytes = urgent ? &queue->urgent : &queue->packets;
  gsize limit = urgent ? TN_DERP_QUEUE_URGENT_MAX : queue->limit;
  gsize used = bytes_len (bytes);
  guint8 *p;

  if (used > 0 && used + TN_DERP_SEND_HEADER_LEN + len > limit)     /* an empty queue takes a packet of any length */
    {
      queue->refused = TRUE;
      return FALSE;
    }

  p = bytes_reserve (bytes, TN_DERP_SEND_HEADER_LEN + len);
  tn_derp_frame_put_header (p, TN_DERP_SEND_PACKET, (guint32) (TN_KEY_LEN + len));
  memcpy (p + TN_DERP_FRAME_HEADER_LEN, to->bytes, TN_KEY_LEN);
  memcpy (p + TN_DERP_SEND_HEADER_LEN, data, len);
  begin_window (queue, now_us);
  return TRUE;
}

gboolean
tn_derp_queue_push_frame (TnDerpQueue     *queue,
                          TnDerpFrameType  type,
                          const void      *payload,
                          gsize            len,
                          gint64           now_us)
{
  guint8 *p;

  if (bytes_len (&queue->urgent) + TN_DERP_FRAME_HEADER_LEN + len > TN_DERP_QUEUE_URGENT_MAX)
    return FALSE;

  p = bytes_reserve (&queue->urgent, TN_DERP_FRAME_HEADER_LEN + len);
  tn_derp_frame_put_header (p, type, (guint32) len);
  memcpy (p + TN_DERP_FRAME_HEADER_LEN, payload, len);
  begin_window (queue, now_us);
  return TRUE;
}

static void
refill_tokens (TnDerpQueue *queue,
               gint64       now_us)
{
  queue->tokens = MIN (queue->tokens + queue->tokens_rate * (double) (now_us - queue->tokens_us) / G_USEC_PER_SEC, queue->tokens_burst);
  queue->tokens_us = now_us;
}

/* Packets may go into debt by one record, so that a burst smaller than a packet does not stop them for good. */
static gboolean
may_send_packets (TnDerpQueue *queue,
                  gint64       now_us)
{
  if (queue->tokens_rate <= 0)
    return TRUE;

  refill_tokens (queue, now_us);
  return queue->tokens > 0;
}

gsize
tn_derp_queue_peek (TnDerpQueue   *queue,
                    gsize          max,
                    gint64         now_us,
                    const guint8 **bytes)
{
  TnDerpBytes *from;
  gsize len;

  if (queue->frame_left > 0)
    from = queue->current;
  else if (bytes_len (&queue->urgent) > 0)
    from = &queue->urgent;
  else if (bytes_len (&queue->packets) > 0 && may_send_packets (queue, now_us))
    from = &queue->packets;
  else
    return 0;

  len = MIN (max, bytes_len (from));
  if (from == &queue->packets && bytes_len (&queue->urgent) > 0)
    len = MIN (len, queue->frame_left);     /* only to the end of this frame */
  queue->current = from;
  *bytes = from->bytes + from->start;
  return len;
}

/* A rate says something only while bytes wait all the time. */
static void
measure (TnDerpQueue *queue,
         gsize        len,
         gint64       now_us)
{
  gint64 elapsed_us = now_us - queue->window_us;
  double rate, limit;

  queue->window_bytes += len;
  if (elapsed_us >= WINDOW_US)
    {
      rate = (double) queue->window_bytes * G_USEC_PER_SEC / (double) elapsed_us;
      queue->rate = queue->rate > 0 ? queue->rate + (rate - queue->rate) / 4 : rate;
      limit = queue->rate * TN_DERP_QUEUE_MS / 1000;
      queue->limit = (gsize) CLAMP (limit, TN_DERP_QUEUE_MIN, TN_DERP_QUEUE_MAX);
      queue->window_us = now_us;
      queue->window_bytes = 0;
    }
  if (tn_derp_queue_is_empty (queue))
    queue->window_us = 0;
}

void
tn_derp_queue_consume (TnDerpQueue *queue,
                       gsize        len,
                       gint64       now_us)
{
  TnDerpBytes *from = queue->current;

  g_assert (from != NULL && len <= bytes_len (from));

  if (from == &queue->packets)
    queue->tokens -= (double) len;
  for (gsize left = len; left > 0;)
    {
      gsize step;

      if (queue->frame_left == 0)
        queue->frame_left = TN_DERP_FRAME_HEADER_LEN + tn_get_u32be (from->bytes + from->start + 1);
      step = MIN (left, queue->frame_left);
      from->start += step;
      queue->frame_left -= step;
      left -= step;
    }
  if (bytes_len (from) == 0)
    from->start = from->end = 0;
  measure (queue, len, now_us);
}

gboolean
tn_derp_queue_is_empty (const TnDerpQueue *queue)
{
  return bytes_len (&queue->packets) == 0 && bytes_len (&queue->urgent) == 0;
}

gint64
tn_derp_queue_deadline (const TnDerpQueue *queue)
{
  if (tn_derp_queue_is_empty (queue))
    return G_MAXINT64;
  if (queue->tokens_rate <= 0 || queue->tokens > 0 || queue->frame_left > 0 || bytes_len (&queue->urgent) > 0)
    return 0;

  return queue->tokens_us + (gint64) ((1 - queue->tokens) * G_USEC_PER_SEC / queue->tokens_rate) + 1;
}

gboolean
tn_derp_queue_take_room (TnDerpQueue *queue)
{
  if (!queue->refused || bytes_len (&queue->packets) > queue->limit / 2 ||
      bytes_len (&queue->urgent) > TN_DERP_QUEUE_URGENT_MAX / 2)
    return FALSE;

  queue->refused = FALSE;
  return TRUE;
}

void
tn_derp_queue_set_tokens (TnDerpQueue *queue,
                          gint64       bytes_per_second,
                          gint64       burst_bytes,
                          gint64       now_us)
{
  queue->tokens_rate = (double) MAX (bytes_per_second, 0);
  queue->tokens_burst = (double) MAX (burst_bytes, 1);
  queue->tokens = queue->tokens_burst;
  queue->tokens_us = now_us;
}

G_STATIC_ASSERT (TN_DERP_QUEUE_MIN < START_LIMIT && START_LIMIT < TN_DERP_QUEUE_MAX);

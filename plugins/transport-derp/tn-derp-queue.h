/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What waits to be written to one relay: whole frames, one after the other in memory, so that a TLS record of them needs no further
 * copy. Packets are bounded by the time they would wait, as measured; urgent frames pass them, between two frames. */

#include "tn-derp-frame.h"

G_BEGIN_DECLS

enum
{
  TN_DERP_QUEUE_MS = 10,                  /* what a queued packet waits at most, at the measured rate */
  TN_DERP_QUEUE_MIN = 16 << 10,           /* but one TLS record is always worth it */
  TN_DERP_QUEUE_MAX = 256 << 10,
  TN_DERP_QUEUE_URGENT_MAX = 64 << 10,
};

typedef struct
{
  guint8 *bytes;
  gsize   size;
  gsize   start;
  gsize   end;
} TnDerpBytes;

typedef struct
{
  TnDerpBytes  packets;
  TnDerpBytes  urgent;
  TnDerpBytes *current;        /* whose frame is written in part, while frame_left > 0 */
  gsize        frame_left;
  gsize        limit;          /* of packets, bytes */
  gint64       window_us;      /* since when bytes wait without a pause; 0: none do */
  gsize        window_bytes;   /* written since then */
  double       rate;           /* bytes a second, smoothed; 0: never measured */
  gint64       tokens_us;      /* the relay's own limit, when it names one */
  double       tokens;
  double       tokens_rate;    /* bytes a second; 0: none */
  double       tokens_burst;
  gboolean     refused;        /* somebody waits for room */
} TnDerpQueue;

void          tn_derp_queue_init         (TnDerpQueue *queue);
void          tn_derp_queue_clear        (TnDerpQueue *queue);

/* A packet as a SendPacket frame; FALSE: no room. */
gboolean      tn_derp_queue_push         (TnDerpQueue *queue, const TnNodePublicKey *to, const guint8 *data, gsize len, gboolean urgent,
                                          gint64 now_us) G_GNUC_WARN_UNUSED_RESULT;

/* A frame of our own, which is urgent; FALSE: no room. */
gboolean      tn_derp_queue_push_frame   (TnDerpQueue *queue, TnDerpFrameType type, const void *payload, gsize len,
                                          gint64 now_us) G_GNUC_WARN_UNUSED_RESULT;

/* The next bytes to write, at most @max; 0: none, or none yet: see the deadline. They stay until they are consumed. */
gsize         tn_derp_queue_peek         (TnDerpQueue *queue, gsize max, gint64 now_us, const guint8 **bytes);
void          tn_derp_queue_consume      (TnDerpQueue *queue, gsize len, gint64 now_us);

gint64        tn_derp_queue_deadline     (const TnDerpQueue *queue);     /* when peek() has something; G_MAXINT64: when something was pushed */
gboolean      tn_derp_queue_is_empty     (const TnDerpQueue *queue);

/* TRUE once, when there is room again after a push was refused. */
gboolean      tn_derp_queue_take_room    (TnDerpQueue *queue);

void          tn_derp_queue_set_tokens   (TnDerpQueue *queue, gint64 bytes_per_second, gint64 burst_bytes, gint64 now_us);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-lwip-netif.h"

G_BEGIN_DECLS

#define TN_LWIP_OUT_BATCHES  8        /* towards the data thread; more, and connections are held back */
#define TN_LWIP_OUT_SLAB     (64 * 1024)
#define TN_LWIP_IN_PACKETS   8192     /* on the way to a turn; more are dropped */
#define TN_LWIP_REJECTS      64       /* the same */

struct _TnLwipNetif
{
  gatomicrefcount     ref_count;
  guint               mtu;                    /* immutable */

  /* Of the data thread. */
  TnOverlayTransport *overlay;
  TnOverlayCallbacks  callbacks;
  gpointer            user_data;
  GSource            *source;

  GMutex              lock;                   /* guards what follows, up to the empty line */
  GQueue              out;                    /* TnPacketBatch */
  GQueue              spare;                  /* TnPacketBatch */
  gboolean            out_signalled;
  gboolean            turn_signalled;         /* the data thread is to take a turn */
  gboolean            out_refused;            /* something was held back because of it */
  gboolean            stopped;
  GHashTable         *blocked;                /* TnIpAddress, set */
  gboolean            resume_posted;
  TnLwipJob           resume;

  guint               n_blocked;              /* atomic */
  guint               n_in;                   /* atomic: packets on the way to a turn */
  guint               n_rejects;              /* atomic: on the way to a turn */
  guint               dropped;                /* atomic */

  /* Of whoever has the turn. */
  struct netif        netif;
  gboolean            added;
  GQueue              users;                  /* TnLwipNetifUser */
  TnPacketBatch      *open;                   /* being filled */
  TnLwipJob           flush;
  gboolean            flush_queued;
};

/* tn-lwip-output.c */
void     tn_lwip_output_init    (TnLwipNetif *self, GMainContext *context);
void     tn_lwip_output_attach  (TnLwipNetif *self);     /* in a turn: sets the output functions */
void     tn_lwip_output_stop    (TnLwipNetif *self);     /* on the data thread */
void     tn_lwip_output_clear   (TnLwipNetif *self);     /* in a turn */
void     tn_lwip_output_resume  (TnLwipNetif *self);     /* any thread: held connections go on */
gboolean tn_lwip_output_is_own_thread (TnLwipNetif *self);     /* whether this is the data thread, of an interface that is not stopped */
void     tn_lwip_output_post_locked (TnLwipNetif *self, TnLwipJob *job);     /* to be run on the data thread, or where a turn is taken */

/* tn-lwip-unreachable.c: what an ICMP message says of a connection that is being made; @packet is whole and for us */
void     tn_lwip_unreachable_input (TnLwipNetif *self, const guint8 *packet, gsize len);

G_END_DECLS

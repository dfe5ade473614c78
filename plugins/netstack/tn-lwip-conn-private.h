/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lwip/tcp.h"
#include "tn-lwip-conn.h"
#include "tn-lwip-pace.h"
#include "tn-lwip-sack.h"

G_BEGIN_DECLS

struct _TnLwipConn
{
  gatomicrefcount ref_count;
  TnLwipNetif    *netif;           /* a reference */
  TnIpEndpoint    local;           /* both immutable once connected */
  TnIpEndpoint    remote;

  GMutex          lock;            /* guards what follows, up to the empty line */
  GCond           changed;
  TnLwipBytes     rx;              /* came in, not yet read */
  TnLwipBytes     tx;              /* written, not yet acknowledged */
  gsize           consumed;        /* read, and lwIP does not know yet */
  int             error_code;      /* GIOErrorEnum, with error_text */
  const char     *error_text;
  gboolean        failed;
  gboolean        rx_reading;      /* somebody copies from rx, without the lock */
  gboolean        rx_ended;        /* the peer sends no more */
  gboolean        rx_shut;         /* nobody reads any more */
  gboolean        tx_full;         /* writers wait until a quarter has been acknowledged */
  gboolean        tx_shut;         /* nobody writes any more: its end follows the last byte */
  gboolean        closed;
  gboolean        cancelled;
  gboolean        backlog_left;
  gboolean        posted;
  guint           n_waiting;       /* blocked readers and writers */
  GPtrArray      *sources;         /* TnLwipConnSource, not referenced */
  TnLwipJob       job;

  /* Of whoever has the turn (tn-lwip-core.h). */
  struct tcp_pcb *pcb;             /* NULL: none yet, or gone. It holds a reference */
  gsize           given;           /* bytes of tx that lwIP has */
  TnLwipCursor    cursor;          /* behind them */
  TnLwipPace      pace;
  TnLwipSack      sack;
  gint64          held_since_us;   /* 0: nothing waits for its path */
  gboolean        recovering;      /* lwIP sends again, on its own */
  gboolean        end_given;
  gboolean        orphaned;        /* closed, and watched for progress */
  guint32         orphan_acked;    /* up to there the peer had taken it when that was looked at last */
  gboolean        pcb_gone;        /* its reference is to be dropped */
  int             abort_code;      /* why we abort it */
  const char     *abort_text;
  GTask          *connect_task;
  TnLwipConnDied  died;            /* NULL: nobody watches. With its data */
  gpointer        died_data;
  GDestroyNotify  died_destroy;
  TnLwipNetifUser user;
  TnLwipJob       flush;
  gboolean        flush_queued;
  guint           wake;            /* GIOCondition */
};

/* tn-lwip-conn-tcp.c */
void tn_lwip_conn_init_tcp  (TnLwipConn *self);
void tn_lwip_conn_post      (TnLwipConn *self);     /* lock held */

/* The same, in a turn. */
void tn_lwip_conn_adopt          (TnLwipConn *self, struct tcp_pcb *pcb);
void tn_lwip_conn_take_endpoints (TnLwipConn *self);     /* the pcb's */
void tn_lwip_conn_wake_later     (TnLwipConn *self, GIOCondition condition);     /* readers and writers, once a turn */
void tn_lwip_conn_end            (TnLwipConn *self);     /* if it is to end, and all has been sent */
void tn_lwip_conn_abort          (TnLwipConn *self, int code, const char *text);     /* GIOErrorEnum */

/* How long a closed connection may wait for room at its peer, in ticks of half a second; less only in tests. */
extern guint8 tn_lwip_conn_orphan_ticks;

/* tn-lwip-conn-send.c */
void  tn_lwip_conn_push    (TnLwipConn *self);
err_t tn_lwip_conn_sent_cb (void *arg, struct tcp_pcb *pcb, u16_t len);

/* tn-lwip-conn-connect.c */
void tn_lwip_conn_fail_connect (TnLwipConn *self, int code, const char *text);     /* of the task, while it connects */

/* tn-lwip-conn-source.c */
void tn_lwip_conn_wake_sources (TnLwipConn *self, GIOCondition condition);     /* lock held */

G_END_DECLS

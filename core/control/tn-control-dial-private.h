/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-control-dial.h"

G_BEGIN_DECLS

/* For tn-control-dial.c, which knows when to try what, and tn-control-attempt.c, which tries one of them. */
typedef struct
{
  gint             ref_count;      /* one for the dial, one for each operation under way */
  TnControlDial   *dial;           /* NULL: abandoned */
  TnControlRoute   route;
  TnIpAddress      address;        /* of a candidate of the plan; version 0: what DNS says */
  guint            limit_ms;       /* of this one alone, from its start; 0: the dial's */
  GSource         *delay;
  GSource         *limit;          /* nullable */
  GCancellable    *cancellable;
  GIOStream       *stream;
  TnNoiseHandshake handshake;
  GString         *request;
  GByteArray      *received;
  gsize            head_len;       /* of the 101 answer; 0 until it is whole */
  gboolean         started;
  gboolean         waiting;        /* connected, for the control key */
} TnControlAttempt;

struct _TnControlDial
{
  TnControlUrl       *url;
  TnMachinePrivateKey *machine_key;      /* in the secret pool */
  TnMachinePublicKey  control_key;
  gboolean            have_key;
  guint16             version;
  GProxyResolver     *resolver;
  guint32             mark;        /* of sockets; 0: none */
  TnControlDialFunc   func;
  gpointer            user_data;
  GMainContext       *context;
  GSource            *timeout;
  GSource            *plan_end;    /* while candidates are tried: what is left of the time is for DNS */
  guint               limit_ms;
  gboolean            skip_plain;
  gboolean            asks_dns;    /* not only the candidates of a plan */
  GPtrArray          *attempts;    /* that still run or wait */
  GError             *error;       /* the first one, which says most */
};

/* Connects, shakes hands and says how it went by one of the next two. */
void              tn_control_attempt_start   (TnControlAttempt *attempt);
void              tn_control_attempt_upgrade (TnControlAttempt *attempt);      /* one that was waiting: the control key is there */
void              tn_control_attempt_unref   (TnControlAttempt *attempt);

/* @error is taken. The attempt is the dial's no more on return, which may be gone itself. */
void              tn_control_dial_fail       (TnControlAttempt *attempt, GError *error);
void              tn_control_dial_succeed    (TnControlAttempt *attempt, TnNoiseSession *session, gsize used);      /* of what was received */
GSource          *tn_control_dial_add_timer  (TnControlDial *dial, guint wait_ms, GSourceFunc callback, gpointer user_data);

G_END_DECLS

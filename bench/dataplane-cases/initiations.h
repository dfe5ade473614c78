/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-tunnel.h"

G_BEGIN_DECLS

#define INITIATION_LEN 148

/* A node that others call. */
typedef struct
{
  TnTunnel        *tunnel;
  TnNodePublicKey  key;
  gint64           now_us;
  guint            n_sent;
} Responder;

void responder_init  (Responder *responder);
void responder_clear (Responder *responder);
void responder_take  (Responder *responder, const guint8 initiation[INITIATION_LEN]);

/* Initiations for it: @n of one caller in the order of their time, or of @n callers. */
guint8 *initiations_new (const Responder *responder, guint n, gboolean one_caller);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-keys.h"

G_BEGIN_DECLS

/* Peers whose key has expired. Times are microseconds of Unix time; control's clock decides. */
#define TN_EXPIRY_NEVER G_MININT64

/* Of early 2023 (tailscale ipn/ipnlocal/expiry.go): a clock that is behind it is wrong. */
#define TN_EXPIRY_EPOCH_US (G_GINT64_CONSTANT (1673373066) * G_TIME_SPAN_SECOND)

typedef struct
{
  gint64          expiry_us;    /* TN_EXPIRY_NEVER: it does not expire */
  TnNodePublicKey key;
  gboolean        expired;      /* flagged, by control or here: endpoints and home region count no more */
} TnExpiryPeer;

/* Control's clock minus ours, as its last message told; a difference of up to a minute counts as none. */
gint64   tn_expiry_clock_delta (gint64 now_us, gint64 control_us);

/* Flags peers whose time has come and makes their key one that nobody has. Returns how many. */
gsize    tn_expiry_flag        (TnExpiryPeer *peers, gsize n_peers, gint64 now_us, gint64 delta_us);

/* When to look again; TN_EXPIRY_NEVER: no need to. */
gint64   tn_expiry_next        (const TnExpiryPeer *peers, gsize n_peers, gint64 self_expiry_us, gint64 now_us, gint64 delta_us);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "lwip/tcp.h"

G_BEGIN_DECLS

/* What a sender knows of what arrived out of order. Of whoever has the turn (tn-lwip-core.h). */
typedef struct
{
  guint32 acked;     /* sequence number up to which everything was acknowledged when it was last looked at */
  guint32 end;       /* of the last segment that arrived */
  guint32 bytes;     /* that arrived behind a gap */
} TnLwipSack;

/* For each acknowledgement. Returns how many bytes are sent again because of it. */
gsize tn_lwip_sack_received (TnLwipSack *sack, struct tcp_pcb *pcb, const struct tcp_sack_range *ranges, guint n_ranges);

G_END_DECLS

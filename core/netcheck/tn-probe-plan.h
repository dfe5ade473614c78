/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-netcheck-result.h"
#include "tn-relay-map.h"

G_BEGIN_DECLS

#define TN_PROBE_MAX_TRIES 4

/* STUN requests to one region by one family. It ends with its first answer. */
typedef struct
{
  guint              region;
  gboolean           ipv6;
  guint              n_tries;
  gint64             delay_us[TN_PROBE_MAX_TRIES];      /* since the start of the measurement */
  const TnRelayNode *nodes[TN_PROBE_MAX_TRIES];         /* of the map */
} TnProbeSet;

/* Whom to ask, and when. @last: what is known already; NULL: everything is asked. The array is of TnProbeSet. */
GArray  *tn_probe_plan_new        (const TnRelayMap *map, const TnNetcheckResult *last, guint home);

/* Can peers find us at a relay of this region? */
gboolean tn_probe_region_can_be_home (const TnRelayRegion *region);

G_END_DECLS

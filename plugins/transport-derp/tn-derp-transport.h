/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"
#include "tn-derp-client.h"

G_BEGIN_DECLS

#define TN_TYPE_DERP_TRANSPORT (tn_derp_transport_get_type ())
G_DECLARE_FINAL_TYPE (TnDerpTransport, tn_derp_transport, TN, DERP_TRANSPORT, GObject)

typedef struct
{
  TnDerpTimes client;
  gint64      idle_us;          /* a region that is not the home, since the last write */
  gint64      back_off_us;      /* after the first failure; grows with the square of their number */
  gint64      back_off_max_us;
  gint64      stable_us;        /* a connection that lasted so long was none that failed */
} TnDerpTransportTimes;

typedef struct
{
  guint64 sent;                 /* packets */
  guint64 received;
  guint64 dropped;              /* could not be sent at all */
} TnDerpTransportCounters;

void             tn_derp_transport_register     (GTypeModule *module);
TnDerpTransport *tn_derp_transport_new          (void);

/* Before start(). */
void             tn_derp_transport_set_times    (TnDerpTransport *self, const TnDerpTransportTimes *times);
void             tn_derp_transport_get_times    (TnDerpTransport *self, TnDerpTransportTimes *times);
void             tn_derp_transport_get_counters (TnDerpTransport *self, TnDerpTransportCounters *counters);

G_END_DECLS

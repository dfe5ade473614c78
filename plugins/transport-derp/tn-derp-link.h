/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a transport keeps for one region: its connection, or the pause before the next. */

#include "tn-derp-transport.h"

G_BEGIN_DECLS

typedef struct
{
  TnDerpTransport *transport;
  guint            region;
  TnDerpClient    *client;          /* NULL: none now */
  guint            n_failures;      /* in a row: a relay that takes everyone in and closes at once is one that fails */
  gint64           up_us;           /* since when it is up, 0: it is not */
  GSource         *timer;           /* ends the back-off, or the idle link */
  gint64           last_write_us;
  gint64           heard_us;        /* when that something came was told last */
  gint64           wait_us;         /* the relay asked us to stay away so long after this connection */
  gboolean         unhealthy;
} TnDerpLink;

struct _TnDerpTransport
{
  GObject                 parent_instance;

  GMainContext           *context;          /* NULL: stopped */
  TnNodePrivateKey       *node_key;         /* in the locked pool; NULL: stopped */
  GTlsDatabase           *tls_database;
  GProxyResolver         *proxy_resolver;
  char                   *app_name;
  guint32                 mark;
  TnUnderlayCallbacks     callbacks;
  gpointer                user_data;

  TnRelayMap             *map;              /* nullable; kept over stop() */
  guint                   home;
  GHashTable             *links;            /* region -> TnDerpLink */
  TnDerpTransportTimes    times;
  TnDerpTransportCounters counters;
};

/* The link of a region, dialled when it is new; NULL: there is no such region. */
TnDerpLink *tn_derp_link_get      (TnDerpTransport *self, guint region);

/* To the region as the map has it now. */
void        tn_derp_link_dial     (TnDerpLink *link);

/* Closes it when nothing has been written for long, and it is not the home's. */
void        tn_derp_link_may_idle (TnDerpLink *link);

/* It goes for good, and that is told: a callback may stop the transport. */
void        tn_derp_link_remove   (TnDerpLink *link, const GError *error);

/* Tells nobody; for the table of links. */
void        tn_derp_link_free     (gpointer link);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-netcheck-result.h"
#include "tn-relay-map.h"

G_BEGIN_DECLS

/* Looks at the network around: which relay regions answer, how fast, by which family, and under which address they see us; and
 * chooses the home region. Lives in the thread-default context in which it was made: all calls and hooks come there.
 *
 * Measures at once when it gets a map, every 20 to 26 s while active, and when asked. With a single region there is nothing to
 * choose: it is home the moment the map is known, and the measurement follows. */
typedef struct _TnNetcheck TnNetcheck;

typedef struct
{
  void   (*home)          (gpointer user_data, guint region);                      /* it changed; 0: none */
  void   (*result)        (gpointer user_data, TnNetcheckResult *result);          /* a measurement ended; borrowed */
  gint64 (*last_heard_us) (gpointer user_data, guint region);    /* boot time of the last frame; G_MININT64: never. Nullable */
} TnNetcheckHooks;

TnNetcheck             *tn_netcheck_new                (const TnNetcheckHooks *hooks, gpointer user_data);
void                    tn_netcheck_free               (TnNetcheck *netcheck);       /* no hook follows */

void                    tn_netcheck_set_tls_database   (TnNetcheck *netcheck, GTlsDatabase *database);        /* NULL: the system's */
void                    tn_netcheck_set_proxy_resolver (TnNetcheck *netcheck, GProxyResolver *resolver);      /* NULL: the default */

void                    tn_netcheck_set_mark           (TnNetcheck *netcheck, guint32 mark);                  /* of sockets; 0, at first: none */

void                    tn_netcheck_set_relay_map      (TnNetcheck *netcheck, TnRelayMap *map);               /* nullable */
void                    tn_netcheck_set_active         (TnNetcheck *netcheck, gboolean active);               /* FALSE at first */

/* Sends no datagram from the next measurement on: latencies are those of HTTPS. */
void                    tn_netcheck_set_tcp_only       (TnNetcheck *netcheck, gboolean tcp_only);             /* FALSE at first */

/* Measures now, or once more after the measurement that runs. @anew: with all regions, as when the network changed. */
void                    tn_netcheck_run                (TnNetcheck *netcheck, gboolean anew);

guint                   tn_netcheck_get_home           (TnNetcheck *netcheck);
const TnNetcheckResult *tn_netcheck_get_last           (TnNetcheck *netcheck);       /* NULL: none yet */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnNetcheck, tn_netcheck_free)

G_END_DECLS

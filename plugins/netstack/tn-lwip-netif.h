/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lwip/ip_addr.h"
#include "lwip/netif.h"
#include "tailnet-plugin.h"
#include "tn-ip.h"
#include "tn-lwip-core.h"

G_BEGIN_DECLS

/* A device's interface: its packets on the way between its data thread and lwIP's turns, its addresses, its blocked paths. */
typedef struct _TnLwipNetif TnLwipNetif;

typedef struct
{
  guint64 dropped;          /* packets from outside that were malformed, not for us, or too many at once */
} TnLwipNetifCounters;

/* On the data thread. @overlay is not referenced: it stops the interface before it goes. */
TnLwipNetif *tn_lwip_netif_start       (TnOverlayTransport *overlay, const TnOverlayConfig *config,
                                        const TnOverlayCallbacks *callbacks, gpointer user_data);
void         tn_lwip_netif_stop        (TnLwipNetif *self);     /* no callback follows; sockets fail */
void         tn_lwip_netif_write       (TnLwipNetif *self, TnPacketBatch *batch);
void         tn_lwip_netif_set_blocked (TnLwipNetif *self, const TnIpAddress *destination, gboolean blocked);
/* The connection from @local to @remote is not let in there, for @reason: it fails if it is still being made. */
void         tn_lwip_netif_reject      (TnLwipNetif *self, const TnIpEndpoint *local, const TnIpEndpoint *remote, const char *reason);
gboolean     tn_lwip_netif_is_lingering (TnLwipNetif *self);     /* waits for a turn */
/* More than the stack can have: the first ones. */
void         tn_lwip_netif_configure   (TnLwipNetif *self, const TnIpPrefix *addresses, guint n_addresses);

/* Any thread. */
TnLwipNetif *tn_lwip_netif_ref         (TnLwipNetif *self);
void         tn_lwip_netif_unref       (TnLwipNetif *self);
gboolean     tn_lwip_netif_is_blocked  (TnLwipNetif *self, const TnIpAddress *destination);
gboolean     tn_lwip_netif_post        (TnLwipNetif *self, TnLwipJob *job);     /* FALSE: stopped; else it runs before the interface ends */
guint64      tn_lwip_netif_get_dropped (TnLwipNetif *self);

/* In a turn; @func returns the task, unless it was cancelled before. Takes the task. */
void         tn_lwip_netif_run_task    (TnLwipNetif *self, GTask *task, void (*func) (GTask *task));

/* What has to end when the interface does. In a turn. */
typedef struct _TnLwipNetifUser TnLwipNetifUser;
struct _TnLwipNetifUser
{
  GList   link;
  void  (*stopped) (TnLwipNetifUser *user);
  void  (*resumed) (TnLwipNetifUser *user);     /* nullable: there is room again after tn_lwip_netif_is_full() */
  gboolean (*lingers) (TnLwipNetifUser *user);  /* nullable: it is closed, but not all that was sent has arrived */
};

struct netif *tn_lwip_netif_get         (TnLwipNetif *self);     /* NULL: gone */
gboolean      tn_lwip_netif_add_user    (TnLwipNetif *self, TnLwipNetifUser *user);     /* FALSE: gone */
void          tn_lwip_netif_remove_user (TnLwipNetif *self, TnLwipNetifUser *user);
gboolean      tn_lwip_netif_is_full       (TnLwipNetif *self);     /* and asks to be resumed */
gboolean      tn_lwip_netif_has_room      (TnLwipNetif *self, gsize len);     /* for a datagram; else it asks to be resumed, too */
gboolean      tn_lwip_netif_has_address (TnLwipNetif *self, const TnIpAddress *address);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnLwipNetif, tn_lwip_netif_unref)

/* Between the two address types. */
ip_addr_t     tn_lwip_address_to_lwip   (const TnIpAddress *address);     /* none: any */
TnIpAddress   tn_lwip_address_from_lwip (const ip_addr_t *address);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-dns-name.h"
#include "tn-dns-wire.h"
#include "tn-netmap.h"

G_BEGIN_DECLS

/* What a node makes of the DNS configuration of its tailnet, for a resolver and for the system: where queries go, and which names are
 * answered by the node itself (tailscale ipn/ipnlocal/node_backend.go: dnsConfigForNetmap).
 *
 * It does not hold the names of nodes, so that no change of a peer touches it, but for the exit node: they are looked up when somebody
 * asks, and tn_dns_node_addresses() says what to answer. Immutable, good for any thread. */
typedef struct
{
  const char        *name;
  const TnIpAddress *addresses;
  guint              n_addresses;
} TnDnsHost;

typedef struct
{
  TnDnsResolvers     default_resolvers;  /* none: those that the system has */
  const TnDnsRoute  *routes;             /* by suffix, each once; one without resolvers is answered here */
  const TnDnsHost   *hosts;              /* extra records, by name */
  guint              n_routes;
  guint              n_hosts;
  const char *const *search_domains;
  gboolean           reverse_zones;      /* those of the tailnet's addresses are answered here */
  gboolean           only_ipv6;          /* this node has no IPv4 address */
  char              *suffix;             /* of the names of nodes, without dots around it; "" for none */
  TnDnsWire          wire;               /* as it came */

  /*< private >*/
  TnArena            arena;
  char              *exit_node;          /* nullable */
  gint64             exit_node_id;       /* 0: it is not on the map */
} TnDnsSettings;

/* What the user wants, and how things are. */
typedef struct
{
  gboolean    accept_dns;                /* else: nothing but the names of the tailnet */
  gboolean    self_expired;              /* then nothing, since what is reached by way of the tailnet would not answer */
  const char *exit_node;                 /* nullable; stable id */
} TnDnsChoices;

TnDnsSettings *tn_dns_settings_new       (const TnNetmap *netmap, const TnDnsChoices *choices);
void           tn_dns_settings_free      (TnDnsSettings *settings);

/* Do they have to be made again? Costs what changed. */
gboolean       tn_dns_settings_are_stale (const TnDnsSettings *settings, const TnNetmap *netmap, const TnNetmapChanges *changes);

/* What the name of @node, which may be @self, stands for: at most its n_addresses, and how many. The node has no name: none. */
guint          tn_dns_node_addresses     (const TnNetmapNode *self, const TnNetmapNode *node, TnIpAddress *addresses);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnDnsSettings, tn_dns_settings_free)

G_END_DECLS

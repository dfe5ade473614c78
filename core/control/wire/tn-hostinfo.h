/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-ip.h"
#include "tn-json-text.h"

G_BEGIN_DECLS

typedef enum
{
  TN_TRISTATE_UNKNOWN,
  TN_TRISTATE_NO,
  TN_TRISTATE_YES,
} TnTristate;

/* tailcfg.NetInfo: what a node knows of its own network. { 0 } knows nothing. */
typedef struct
{
  TnTristate  mapping_varies;
  TnTristate  working_ipv6;
  TnTristate  os_has_ipv6;
  TnTristate  working_udp;
  TnTristate  working_icmpv4;
  TnTristate  upnp;
  TnTristate  pmp;
  TnTristate  pcp;
  gboolean    have_port_map;
  gint64      home_region;          /* 0: none yet */
  char       *link_type;            /* nullable; "wired", "wifi", "mobile" */
  GHashTable *latency;              /* nullable; "<region>-v4" -> double * seconds */
} TnNetInfo;

typedef struct
{
  char   *protocol;                 /* "peerapi4", "tcp", … */
  guint16 port;
  char   *description;              /* nullable */
} TnService;

/* tailcfg.Hostinfo, as a node says it of itself. Strings are nullable. */
typedef struct
{
  char       *hostname;
  char       *app;
  char       *ipn_version;
  char       *os;
  char       *os_version;
  char       *distro;
  char       *distro_version;
  char       *distro_code_name;
  char       *machine;
  char       *package;
  char       *device_model;
  char       *exit_node_id;
  TnTristate  container;
  TnTristate  desktop;
  TnTristate  userspace;            /* packets end in this process, not in a kernel interface */
  TnTristate  userspace_router;
  gboolean    shields_up;
  GStrv       tags;                 /* nullable */
  GArray     *routes;               /* nullable; of TnIpPrefix: offered to the tailnet */
  GPtrArray  *services;             /* nullable; of TnService */
  TnNetInfo   net_info;
  gboolean    have_net_info;
} TnHostinfo;

TnHostinfo *tn_hostinfo_new            (void);

/* With what this system says of itself: operating system, distribution, machine, container. */
TnHostinfo *tn_hostinfo_new_for_system (void);
TnHostinfo *tn_hostinfo_copy           (const TnHostinfo *hostinfo);
void        tn_hostinfo_free           (TnHostinfo *hostinfo);
void        tn_hostinfo_add_service    (TnHostinfo *hostinfo, const char *protocol, guint16 port);
void        tn_net_info_clear          (TnNetInfo *net_info);
void        tn_net_info_copy           (TnNetInfo *to, const TnNetInfo *from);

/* Would control want to hear of it? Latencies alone are no news. */
gboolean    tn_net_info_is_news        (const TnNetInfo *old, const TnNetInfo *net_info);

void        tn_hostinfo_append         (GString *out, const TnHostinfo *hostinfo);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnHostinfo, tn_hostinfo_free)

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-ip.h"
#include "tn-keys.h"
#include "tn-netmap.h"
#include "tn-path-private.h"
#include "tn-user-private.h"

G_BEGIN_DECLS

/* Where a node says or is said to be. Strings may be NULL. */
typedef struct
{
  char  *country;
  char  *country_code;
  char  *city;
  char  *city_code;
  double latitude;
  double longitude;
  int    priority;
} TnNodeLocation;

/* What few look at. */
typedef struct
{
  char          **endpoints;             /* nullable; "1.2.3.4:5" */
  GVariant       *capabilities;          /* nullable; a{sas}: name and its values as JSON texts; not floating */
  TnNodeLocation *location;              /* nullable */
  char          **peer_api_urls;         /* nullable */
} TnNodeDetails;

/* What a netmap says of a node: filled by whoever makes it, immutable as soon as it is handed on, from then on good for every
 * thread. Times are unix time in microseconds, 0 for none. Who gets a new netmap keeps the pointer of a node that did not change. */
typedef struct
{
  gatomicrefcount ref_count;
  const TnNetmapNode *source;            /* nullable: what is said below lies there, or behind this structure, in the same block */
  TnNodeDetails  *details;               /* tn_node_data_get_details() */

  char           *stable_id;             /* never NULL; identifies the node for good */
  gint64          node_id;               /* tailcfg.NodeID */
  char           *fqdn;                  /* lower case, no final dot; "" while unknown */
  char           *name;                  /* first label of the FQDN */
  char           *hostname;              /* nullable; what the node calls itself */
  char           *os;                    /* nullable */
  TnNodePublicKey public_key;
  TnUser         *user;                  /* nullable */
  gint64          sharer_id;             /* user who shared it in, 0: none */
  char          **tags;                  /* nullable */
  TnIpAddress    *addresses;
  guint           n_addresses;
  TnIpPrefix     *allowed_ips;           /* what it may send from: addresses and all routes */
  guint           n_allowed_ips;
  TnIpPrefix     *routes;                /* subnets it is the primary router of */
  guint           n_routes;
  guint           home_region;           /* 0: none */
  char           *home_region_code;      /* nullable; "fra" */
  gint64          created_us;
  gint64          last_seen_us;
  gint64          key_expiry_us;
  int             capability_version;
  char          **ssh_host_keys;         /* nullable */
  guint           online : 1;
  guint           expired : 1;
  guint           exit_node_option : 1;
  guint           sharee : 1;            /* there only because somebody we share with may call us: hidden by default */
} TnNodeData;

/* The empty dictionary that a caller sees for no capabilities; it lives for good. */
GVariant *tn_node_data_no_capabilities (void);

TnNodeData *tn_node_data_new   (const char *stable_id);
TnNodeData *tn_node_data_ref   (const TnNodeData *data);
void        tn_node_data_unref (const TnNodeData *data);

/* One block beside @node, which it keeps. @stable_id: that of the node, or what stands for it. */
TnNodeData *tn_node_data_new_from_netmap (const TnNetmapNode *node, const char *stable_id, const char *region_code);

/* From any thread: made when somebody first asks, unless whoever filled the data did. */
const TnNodeDetails *tn_node_data_get_details (const TnNodeData *data);
TnNodeDetails       *tn_node_data_edit_details (TnNodeData *data);      /* while it is being filled */
void                 tn_node_details_free (TnNodeDetails *details);

/* Sets fqdn (lower case, without final dot) and name from a DNS name in any form. */
void        tn_node_data_set_dns_name (TnNodeData *data, const char *dns_name);

/* Order of the peer list: by name, then by stable id. */
int         tn_node_data_compare (const TnNodeData *a, const TnNodeData *b);

gboolean    tn_node_data_has_address (const TnNodeData *data, const TnIpAddress *address);

/* Length of the longest of routes, exit routes and own addresses that holds @address, -1: none does. */
int         tn_node_data_match_route (const TnNodeData *data, const TnIpAddress *address);

/* What the data thread measures of a node, at most once a second. */
typedef struct
{
  TnPathData path;
  guint64    rx_bytes;
  guint64    tx_bytes;
  gint64     last_handshake_us;          /* unix time, 0: never */
  gint64     last_write_us;              /* unix time, 0: never */
} TnNodeLive;

#define TN_NODE_LIVE_INIT { .path = { .latency_us = -1 } }

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnNodeData, tn_node_data_unref)

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-device.h"
#include "tn-dns-config-private.h"
#include "tn-node-data.h"

G_BEGIN_DECLS

/* What "status --json" says, with the field names of ipn/ipnstate/ipnstate.go. Immutable once it is filled. */
typedef struct
{
  TnDeviceState state;
  char         *auth_url;          /* nullable */
  char         *tailnet_name;      /* nullable */
  char         *dns_suffix;        /* nullable */
  char         *home_region;       /* nullable; of the own node */
  gboolean      magic_dns;
  TnDnsConfig  *dns_config;        /* nullable */
  GPtrArray    *health;            /* of char * */
  GArray       *nodes;             /* peers */
  GArray       *self_node;         /* none or one */
} TnStatus;

TnStatus *tn_status_new      (TnDeviceState state);
void      tn_status_free     (TnStatus *status);

/* @live is nullable, and copied. */
void      tn_status_set_self (TnStatus *status, const TnNodeData *data, const TnNodeLive *live);
void      tn_status_add_peer (TnStatus *status, const TnNodeData *data, const TnNodeLive *live);

char     *tn_status_to_json  (const TnStatus *status);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnStatus, tn_status_free)

G_END_DECLS

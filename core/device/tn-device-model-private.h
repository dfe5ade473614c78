/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-context.h"
#include "tn-device-model.h"
#include "tn-name-index.h"
#include "tn-peer-list.h"

G_BEGIN_DECLS

/* For tn-device-model*.c alone. */
typedef struct
{
  TnDeviceState state;
  char         *auth_url;
  char         *tailnet_name;
  char         *dns_suffix;
  char         *home_region;
  gint64        key_expiry_us;
  gboolean      magic_dns;
  TnDnsConfig  *dns_config;
  GError       *error;
} TnModelFacts;

/* What was published and is not in place yet. */
typedef struct
{
  TnModelFacts         *facts;
  TnPreferences *preferences;
  GPtrArray     *health;           /* of TnHealthItem */
  TnNodeData    *self_node;
  GPtrArray     *all_peers;        /* of TnNodeData: replaces the list, before peer_changes */
  GHashTable    *peer_changes;     /* stable id -> TnNodeData or NULL */
  guint          has_self : 1;     /* self_node may be NULL and still mean something */
} TnModelPending;

struct _TnDeviceModel
{
  gatomicrefcount ref_count;
  GMainContext   *context;
  GWeakRef        device;

  GMutex          lock;            /* guards these */
  TnModelPending         pending;
  GHashTable     *live;            /* stable id -> TnNodeLive, not shown yet */
  GHashTable     *unseen;          /* stable id in the data -> TnNodeData: all peers, until somebody asks for one; NULL from then on */
  GHashTable     *unseen_live;     /* stable id -> TnNodeLive, of these */

  /* In the context. */
  TnBell         *bell;
  TnBell         *live_bell;
  GSource        *live_timer;      /* NULL: none runs */
  gint64          live_shown_us;   /* monotonic */
  TnModelFacts           facts;
  TnPreferences  *preferences;
  TnNode         *self_node;       /* NULL until the first map */
  TnPeerList     *peers;
  GListStore     *health;
  TnNameIndex    *index;           /* NULL until somebody looks for a name */
  GPtrArray      *waiters;         /* who waits for a name */
  gboolean        applying;
};

void tn_model_facts_clear         (TnModelFacts *facts);
void tn_model_facts_free          (TnModelFacts *facts);
void tn_model_pending_clear       (TnModelPending *pending);

GPtrArray *tn_device_model_new_waiters (void);

/* Who asks for a peer, or for all, asks this for them; an application that never does is spared the list. */
TnPeerList *tn_device_model_need_peers (TnDeviceModel *model);

/* There is a new map, or state. */
void tn_device_model_end_waits    (TnDeviceModel *model);

/* Counters are waiting to be shown. */
void tn_device_model_live_bell_cb (gpointer target);
void tn_device_model_stop_live    (TnDeviceModel *model);

G_END_DECLS

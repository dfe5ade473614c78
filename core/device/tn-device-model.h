/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-device-private.h"
#include "tn-dns-config-private.h"
#include "tn-health-item-private.h"
#include "tn-node-data.h"
#include "tn-preferences-private.h"

G_BEGIN_DECLS

/* The application's side of a device: everything that its properties show, kept for one TnDevice, which has one and forwards to it.
 *
 * publish functions: from any thread, in any order; they take effect in the context, coalesced to the latest. Each notify::, list
 * change and login-required is emitted there and only there, after all that was published together is in place, and only where
 * something is different. The rest: in the context. */
typedef struct _TnDeviceModel TnDeviceModel;

typedef struct
{
  TnDeviceState state;
  const char   *auth_url;          /* nullable; a new one emits login-required */
  const char   *tailnet_name;      /* nullable */
  const char   *dns_suffix;        /* nullable; "example.ts.net" */
  const char   *home_region;       /* nullable; "fra" */
  gint64        key_expiry_us;     /* unix time, 0: never */
  gboolean      magic_dns;
  TnDnsConfig  *dns_config;        /* nullable */
  const GError *error;             /* nullable: why it is stopped */
} TnDeviceFacts;

/* @device is held weakly. */
TnDeviceModel *tn_device_model_new     (TnDevice *device, GMainContext *context);
void           tn_device_model_dispose (TnDeviceModel *model);     /* in the device's dispose: nothing is emitted any more */
TnDeviceModel *tn_device_model_ref     (TnDeviceModel *model);
void           tn_device_model_unref   (TnDeviceModel *model);
TnDeviceModel *tn_device_model_of      (TnDevice *device);         /* not a reference */
GMainContext  *tn_device_model_get_context (TnDeviceModel *model);

/* From any thread. What is given is copied or referenced. */
void tn_device_model_publish_facts       (TnDeviceModel *model, const TnDeviceFacts *facts);
void tn_device_model_publish_preferences (TnDeviceModel *model, TnPreferences *preferences);
void tn_device_model_publish_health      (TnDeviceModel *model, GPtrArray *items);                /* of TnHealthItem */
void tn_device_model_publish_self        (TnDeviceModel *model, const TnNodeData *self_node);     /* nullable */
void tn_device_model_publish_peers       (TnDeviceModel *model, GPtrArray *peers);                /* all of them: TnNodeData */
void tn_device_model_publish_peer        (TnDeviceModel *model, const TnNodeData *peer);          /* one that is new or changed */
void tn_device_model_publish_removed     (TnDeviceModel *model, const char *stable_id);
/* Many of both, which come into place together. */
void tn_device_model_publish_changes     (TnDeviceModel *model, const TnNodeData *const *peers, gsize n_peers,
                                          const char *const *removed, gsize n_removed);
void tn_device_model_publish_live        (TnDeviceModel *model, const char *stable_id, const TnNodeLive *live);     /* shown at most once a second */

/* Brings what was published into place at once, in the context: for an _async that must not finish before its state shows. */
void tn_device_model_flush (TnDeviceModel *model);

/* For the implementer's class_init (takes TN_DEVICE_N_PROPERTIES ids from @first_id on) and get_property. */
#define TN_DEVICE_N_PROPERTIES 12
void     tn_device_model_override_properties (GObjectClass *klass, guint first_id);
gboolean tn_device_model_get_property        (TnDeviceModel *model, guint first_id, guint id, GValue *value);     /* FALSE: not one of them */

/* For the interface. */
TnNode    *tn_device_model_lookup_peer       (TnDeviceModel *model, const char *name_or_address);
TnNode    *tn_device_model_dup_node          (TnDeviceModel *model, const char *stable_id);
GPtrArray *tn_device_model_peers_with_route  (TnDeviceModel *model, GInetAddress *address);
TnNode    *tn_device_model_identify          (TnDeviceModel *model, GInetAddress *source);

/* Ends @task (of the device) with a TnNode when one is called that, or has that address; with an error when the device is stopped. */
void       tn_device_model_wait_for_peer     (TnDeviceModel *model, const char *name, GTask *task);

/* Runs @task (source object: the device) in a thread and returns a string: the text of status --json. */
void       tn_device_model_status_to_json    (TnDeviceModel *model, GTask *task);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnDeviceModel, tn_device_model_unref)

G_END_DECLS

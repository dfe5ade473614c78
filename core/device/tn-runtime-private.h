/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-control-client.h"
#include "tn-health-item-private.h"
#include "tn-netcheck.h"
#include "tn-netmap-bridge.h"
#include "tn-runtime.h"
#include "tn-secret.h"
#include "tn-thread.h"

G_BEGIN_DECLS

#define TN_RUNTIME_MTU 1280      /* bytes: what every path between nodes of a tailnet carries */

struct _TnRuntime
{
  gatomicrefcount     ref_count;

  /* Immutable. */
  TnRuntimeCallbacks  callbacks;
  gpointer            user_data;
  TnThread           *control;
  GMainContext       *context;
  TnStateStore       *store;               /* used in that context alone, and there until closed(): not referenced */
  TnDeviceModel      *model;
  TnDataPath         *data;
  char               *hostname;
  char               *control_url;
  char               *app_name;
  char              **tags;
  GTlsDatabase       *tls_database;
  gboolean            ephemeral;
  gboolean            allow_plain_http;

  /* Of the control thread alone. */
  char               *auth_key;
  TnMachinePrivateKey *machine_key;
  TnNodePrivateKey   *node_key;
  TnNodePublicKey     old_node_key;
  gboolean            node_key_is_new;
  TnDiscoPrivateKey  *disco_key;
  TnControlClient    *client;              /* NULL: not yet, or no more */
  TnNetcheck         *netcheck;            /* NULL until there is a relay map */
  TnNetcheckResult   *measured;            /* nullable: the latest one */
  GPtrArray          *logins;              /* of GTask: logins asked for */
  GQueue              savings;             /* of keys; the first one is under way */
  GSource            *store_limit;         /* nullable: while closing */
  gboolean            store_given_up;      /* it did not answer */
  TnNetmapBridge     *bridge;
  gboolean            has_netmap;
  GSource            *expiry_timer;        /* of boot time; nullable */
  GHashTable         *health;              /* code -> TnHealthItem */
  TnDeviceState       state;
  TnDeviceState       wanted_state;        /* not told yet: running waits for the data thread */
  gboolean            data_ready;
  gboolean            data_open;
  GHashTable         *messages;             /* set of codes in health: what control shows */
  guint               chosen_home;          /* region; home, unless that has to wait */
  char               *auth_url;
  char               *tailnet_name;
  char               *dns_suffix;
  char               *home_code;
  guint               home;
  guint               announced_home;      /* what control was told */
  GHashTable         *relays_up;           /* set of regions with a connection */
  gint64              key_expiry_us;
  gboolean            magic_dns;
  gboolean            closing;
  gboolean            client_closed;
  gboolean            data_stopped;
  gboolean            closed;

  GMutex              lock;                /* guards what follows, which any thread may ask for */
  GHashTable         *relay_problems;      /* region -> what it told last, "" for nothing any more; until the control thread takes it */
  TnFilter           *filter;
  TnRelayMap         *relays;
  TnIpAddress         address4;
  TnIpAddress         address6;
};

/* A call into the control thread. @func gets a TnRuntimeCall. */
typedef struct
{
  TnRuntime *runtime;
  gpointer   data;
} TnRuntimeCall;

/* tn-runtime.c; on the control thread */
void tn_runtime_call          (TnRuntime *runtime, GSourceFunc func, gpointer data);      /* any thread */
void tn_runtime_fail          (TnRuntime *runtime, const GError *error);     /* any thread */
void tn_runtime_publish_facts (TnRuntime *runtime);
void tn_runtime_open_data     (TnRuntime *runtime, TnDeviceState state);
void tn_runtime_set_state     (TnRuntime *runtime, TnDeviceState state);
void tn_runtime_set_health    (TnRuntime *runtime, const char *code, TnHealthSeverity severity, const char *title, const char *text);
void tn_runtime_check_closed  (TnRuntime *runtime);

/* tn-runtime-keys.c; on the control thread */
void tn_runtime_save_keys     (TnRuntime *runtime, const TnNodePrivateKey *key, const TnNodePublicKey *old_key);
void tn_runtime_forget_keys   (TnRuntime *runtime, GTask *logout);      /* then logs out, too; @logout: taken */
void tn_runtime_close_store   (TnRuntime *runtime);      /* its savings end within bounds */

/* tn-runtime-client.c; on the control thread */
void tn_runtime_start_client  (TnRuntime *runtime);
void tn_runtime_close_client  (TnRuntime *runtime);
GPtrArray *tn_runtime_new_logins (void);
void tn_runtime_tell_net_info (TnRuntime *runtime);
void tn_runtime_log_out       (TnRuntime *runtime, GTask *task, GError *forget_error);      /* both taken */

/* tn-runtime-netmap.c; on the control thread */
void tn_runtime_apply_netmap  (TnRuntime *runtime, const TnNetmap *netmap, const TnNetmapChanges *changes);     /* NULL: all of it is new */

/* tn-runtime-expiry.c; on the control thread */
void tn_runtime_await_expiry  (TnRuntime *runtime, const TnNetmap *netmap);
void tn_runtime_stop_expiry   (TnRuntime *runtime);

/* tn-runtime-netcheck.c; on the control thread */
void tn_runtime_update_netcheck (TnRuntime *runtime, TnRelayMap *relays);
void tn_runtime_stop_netcheck   (TnRuntime *runtime);
void tn_runtime_settle_home     (TnRuntime *runtime);      /* on the region that was chosen, now or when control is back */
void tn_runtime_relay_changed   (TnRuntime *runtime, guint region, gboolean up);
void tn_runtime_fill_net_info   (TnRuntime *runtime, TnNetInfo *net_info);      /* clear it with tn_net_info_clear() */

G_END_DECLS

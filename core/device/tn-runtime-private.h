/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-control-client.h"
#include "tn-dns-config-private.h"
#include "tn-health-book.h"
#include "tn-link-monitor.h"
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
  guint32             mark;                /* of sockets; 0: none */
  gboolean            has_router;          /* packets end in the kernel */
  gboolean            ephemeral;
  gboolean            keeps_netmap;        /* in the store */
  gboolean            allow_plain_http;

  /* Of the control thread alone. */
  char               *auth_key;
  TnMachinePrivateKey *machine_key;
  TnNodePrivateKey   *node_key;
  TnNodePublicKey     old_node_key;
  gboolean            node_key_is_new;
  TnLockPublicKey     lock_key;
  TnDiscoPrivateKey  *disco_key;
  TnControlClient    *client;              /* NULL: not yet, or no more */
  TnLinkMonitor      *links;               /* nullable */
  GSource            *captive_timer;       /* nullable: until the next question whether the network wants a login */
  GCancellable       *captive_probe;       /* nullable: of the one that is under way */
  gboolean            captive;
  TnNetcheck         *netcheck;            /* NULL until there is a relay map */
  TnNetcheckResult   *measured;            /* nullable: the latest one */
  GPtrArray          *logins;              /* of GTask: logins asked for */
  GQueue              store_calls;         /* of TnStoreCall; the first one is under way */
  GSource            *store_limit;         /* nullable: while closing */
  gboolean            store_given_up;      /* it did not answer */
  GSource            *cache_wait_timer;    /* of boot time, as the next one; nullable: when the server has had its time */
  GSource            *cache_write_timer;   /* nullable */
  gint64              cache_written_us;    /* boot time; 0: never */
  gint64              netmap_told_us;      /* Unix time: when the server said something of the map last */
  gboolean            cache_asked;         /* for the map that was kept */
  gboolean            cache_dirty;         /* what is kept is not the map of now */
  gboolean            cache_forgotten;     /* nothing is kept */
  gboolean            cache_dropped;       /* nothing is kept any more */
  gboolean            netmap_is_old;       /* kept from an earlier run; the server has not been heard yet */
  TnNetmapBridge     *bridge;
  gboolean            has_netmap;
  GSource            *expiry_timer;        /* of boot time; nullable */
  TnHealthBook       *health;
  TnDeviceState       state;
  TnDeviceState       wanted_state;        /* not told yet: running waits for the data thread */
  gboolean            data_ready;         /* atomic: the data thread asks, too */
  gboolean            data_open;
  GHashTable         *messages;             /* set of codes in health: what control shows */
  guint               chosen_home;          /* region; home, unless that has to wait */
  char               *auth_url;
  char               *tailnet_name;
  char               *dns_suffix;
  TnDnsSettings      *dns;                 /* NULL until there is a map, as is what is made of it for the program */
  TnDnsConfig        *dns_config;
  char               *home_code;
  guint               home;
  guint               announced_home;      /* what control was told */
  guint16             ports[2];            /* UDP, of IPv4 and IPv6; 0: none */
  GHashTable         *relays_up;           /* set of regions with a connection */
  gint64              key_expiry_us;
  gint64              warned_expiry_us;    /* what health warns of; 0: nothing */
  gboolean            magic_dns;
  gboolean            logging_out;         /* its keys are forgotten, or about to be: an end follows */
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

/* A question to the state store. Each kind begins with this struct. */
typedef struct _TnStoreCall TnStoreCall;

typedef struct
{
  void     (*start)    (TnStoreCall *call);      /* in the device's context; leads to tn_store_call_ended() */
  void     (*conclude) (TnStoreCall *call);      /* on the control thread, as the rest: it ended, or will not begin */
  void     (*give_up)  (TnStoreCall *call);      /* nullable: the store does not answer */
  void     (*clear)    (TnStoreCall *call);
  gboolean   needless;                           /* once the node stops */
} TnStoreCallKind;

struct _TnStoreCall
{
  const TnStoreCallKind *kind;
  TnRuntime             *runtime;
  GCancellable          *cancellable;      /* cancelled in the device's context */
  GError                *error;            /* nullable: how it ended */
};

/* tn-runtime-store.c; on the control thread */
void tn_runtime_ask_store     (TnRuntime *runtime, TnStoreCall *call);      /* taken; its kind is set */
void tn_store_call_ended      (TnStoreCall *call);       /* in the device's context, its error set */
void tn_runtime_close_store   (TnRuntime *runtime);      /* its calls end within bounds */

/* tn-runtime-keys.c; on the control thread */
void tn_runtime_save_keys     (TnRuntime *runtime, const TnNodePrivateKey *key, const TnNodePublicKey *old_key);
void tn_runtime_forget_keys   (TnRuntime *runtime, GTask *logout);      /* then logs out, too; @logout: taken */

/* tn-runtime-cache.c; on the control thread */
void tn_runtime_start_cache   (TnRuntime *runtime);
void tn_runtime_use_cache     (TnRuntime *runtime);      /* the server does not answer: now or never */
void tn_runtime_note_netmap   (TnRuntime *runtime);      /* of the server, and in force */
void tn_runtime_touch_cache   (TnRuntime *runtime);      /* something that is kept has changed */
void tn_runtime_forget_cache  (TnRuntime *runtime);      /* what is kept is worth nothing */
void tn_runtime_drop_cache    (TnRuntime *runtime);      /* likewise, and nothing is written again; the caller removes it */
void tn_runtime_stop_cache    (TnRuntime *runtime);      /* writes what is to be kept */

/* tn-runtime-client.c; on the control thread */
void tn_runtime_start_client  (TnRuntime *runtime);
void tn_runtime_close_client  (TnRuntime *runtime);
GPtrArray *tn_runtime_new_logins (void);
void tn_runtime_tell_net_info (TnRuntime *runtime);
void tn_runtime_log_out       (TnRuntime *runtime, GTask *task, GError *forget_error);      /* both taken */

/* tn-runtime-requests.c: what control wants of the node; on the control thread */
void tn_runtime_answer_ping   (TnControlClient *client, TnControlPing kind, const TnIpAddress *address, GTask *task, gpointer runtime);
void tn_runtime_answer_report (TnControlClient *client, TnC2nReport report, GTask *task, gpointer runtime);

/* tn-runtime-netmap.c; on the control thread */
void tn_runtime_apply_netmap  (TnRuntime *runtime, const TnNetmap *netmap, const TnNetmapChanges *changes);     /* NULL: all of it is new */

/* tn-runtime-dns.c; on the control thread. TRUE: the configuration is another one */
gboolean tn_runtime_update_dns (TnRuntime *runtime, const TnNetmap *netmap, const TnNetmapChanges *changes);

/* tn-runtime-endpoints.c */
void tn_runtime_tell_endpoints  (TnRuntime *runtime);                                      /* on the control thread */
void tn_runtime_bound           (gpointer runtime, guint16 port4, guint16 port6);           /* on the data thread, as the next one */
void tn_runtime_wants_endpoints (gpointer runtime, gint64 id, gboolean wanted);

/* tn-runtime-expiry.c; on the control thread */
void tn_runtime_await_expiry  (TnRuntime *runtime, const TnNetmap *netmap);
void tn_runtime_look_for_expired (TnRuntime *runtime);      /* now */
void tn_runtime_stop_expiry   (TnRuntime *runtime);

/* tn-runtime-network.c; on the control thread */
void tn_runtime_watch_network (TnRuntime *runtime);
void tn_runtime_stop_network  (TnRuntime *runtime);
void tn_runtime_check_mark      (TnRuntime *runtime);      /* that sockets which are opened now bear it */
void tn_runtime_network_changed (TnRuntime *runtime);

/* tn-runtime-captive.c; on the control thread */
void tn_runtime_suspect_captive (TnRuntime *runtime);      /* control or a relay came or went */
void tn_runtime_stop_captive    (TnRuntime *runtime);

/* tn-runtime-netcheck.c; on the control thread */
void tn_runtime_heed_attributes (TnRuntime *runtime, const TnNetmap *netmap);      /* of the own node */
void tn_runtime_update_netcheck (TnRuntime *runtime, const TnNetmap *netmap);      /* which has relays */
void tn_runtime_stop_netcheck   (TnRuntime *runtime);
void tn_runtime_settle_home     (TnRuntime *runtime);      /* on the region that was chosen, now or when control is back */
void tn_runtime_relay_changed   (TnRuntime *runtime, guint region, gboolean up);
void tn_runtime_fill_net_info   (TnRuntime *runtime, TnNetInfo *net_info);      /* clear it with tn_net_info_clear() */

G_END_DECLS

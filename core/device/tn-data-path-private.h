/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-data-path.h"
#include "tn-thread.h"

G_BEGIN_DECLS

struct _TnDataPath
{
  gatomicrefcount      ref_count;
  TnThread            *thread;
  GPtrArray           *underlays;
  TnOverlayTransport  *overlay;
  TnRouter            *router;           /* nullable: the overlay is its own */
  GTlsDatabase        *tls_database;
  GProxyResolver      *proxy_resolver;
  char                *app_name;
  char                *wanted_interface; /* nullable */
  int                  tun_fd;           /* taken at the start; 0: none */
  guint32              mark;
  TnCapture           *capture;          /* nullable */
  guint                mtu;
  guint16              port;
  TnDataPathCallbacks  callbacks;
  gpointer             user_data;
  int                  home_heard_s;     /* atomic; boot time, 0: never */

  /* From here on of the data thread alone. */
  TnNodePrivateKey    *node_key;         /* both in the secret pool */
  TnDiscoPrivateKey   *disco_key;
  TnPipeline          *pipeline;         /* NULL: stopped */
  GSource             *timer;
  GSource             *live;             /* NULL: nothing happened since it was told last */
  gboolean             overlay_started;
  guint                n_started;        /* of the underlays */
  guint                home;             /* region, 0: none */
  GHashTable          *regions;          /* set of regions of which something was told: a link, or a problem */
  GSource             *linger;           /* stopping, as soon as closed connections are through */
  gint64               linger_until_us;
  GHashTable          *pings;            /* guint64 * in it -> Ping */
  guint64              last_token;
  GArray              *addresses;        /* of TnIpPrefix: the router's, as the next one; never changed in place */
  GArray              *routes;
  char                *interface;        /* nullable */
  TnThread            *router_thread;    /* nullable: there is no router, or not yet, or no more */
  guint                interface_index;
  int                  kernel_fd;
  GSource             *kernel;           /* nullable: hears of changes by others of what the router makes */
  GSource             *route_soon;       /* nullable: after such a change */
  gint64               routed_us;        /* monotonic: when the router was called last */
  GSource             *route_again;      /* nullable: after a refusal */
  gboolean             routing;          /* the router is at work */
  gboolean             route_outdated;   /* on what has changed meanwhile */
  gboolean             router_troubled;
  gboolean             update_waits;     /* for the router, to be told of */
  gboolean             unrouting;
  void               (*unrouted) (TnDataPath *path);
};

/* A call into the data thread, with what it needs. */
typedef struct
{
  TnDataPath     *path;
  gpointer        data;
  GDestroyNotify  destroy;
} TnDataPathCall;

void tn_data_path_call   (TnDataPath *path, GSourceFunc func, gpointer data, GDestroyNotify destroy);

/* After anything that may have moved timers or counters. */
void tn_data_path_settle (TnDataPath *path);

/* tn-data-path-ping.c */
GHashTable *tn_data_path_new_pings (void);
void        tn_data_path_pong      (gpointer path, const TnPipelinePong *pong);

/* tn-data-path-underlay.c */
gboolean    tn_data_path_start_underlays (TnDataPath *path, GError **error);
void        tn_data_path_stop_underlays  (TnDataPath *path);
guint       tn_data_path_to_underlay     (gpointer path, const TnPathAddress *to, const TnPacketBatch *batch, guint first, gboolean urgent);

/* tn-data-path-router.c */
void        tn_data_path_start_router    (TnDataPath *path);      /* after the overlay */
void        tn_data_path_route           (TnDataPath *path);      /* by what is in the path now */
void        tn_data_path_stop_router     (TnDataPath *path, void (*stopped) (TnDataPath *path));

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"
#include "tn-capture.h"
#include "tn-pipeline.h"
#include "tn-ping-result.h"

G_BEGIN_DECLS

/* The data thread of a device: its pipeline, and the transports around it. Reference counted; every function may be called from any
 * thread, returns at once and takes effect in order. */
typedef struct _TnDataPath TnDataPath;

typedef struct
{
  const TnNodePrivateKey  *node_key;         /* copied, and erased with the data path */
  const TnDiscoPrivateKey *disco_key;
  GPtrArray               *underlays;        /* of TnUnderlayTransport, one for each kind of path */
  TnOverlayTransport      *overlay;
  TnRouter                *router;           /* nullable: of the overlay's interface */
  const char              *interface;        /* nullable: name for one */
  int                      tun_fd;           /* of one, taken; 0: none */
  GTlsDatabase            *tls_database;     /* nullable */
  GProxyResolver          *proxy_resolver;   /* nullable */
  const char              *app_name;         /* nullable */
  guint32                  mark;             /* of sockets; 0: none */
  TnCapture               *capture;          /* nullable, taken: gets the packets of the host */
  guint                    mtu;
  guint16                  port;             /* UDP port wanted; 0: any */
} TnDataPathConfig;

#define TN_DATA_PATH_MAX_ENDPOINTS 12

/* On the data thread. */
typedef struct
{
  void (*link_state)   (gpointer user_data, guint region, TnUnderlayLinkState state, const GError *error);
  void (*relay_health) (gpointer user_data, guint region, const char *problem);
  void (*failed)       (gpointer user_data, const GError *error);       /* a transport is gone for good */

  /* The overlay has an interface of the kernel, and this name. */
  void (*interface)    (gpointer user_data, const char *name);

  /* Addresses or routes are not as they ought to be; NULL: all is well again. Packets go on as they can. */
  void (*router_problem) (gpointer user_data, const char *problem);

  /* The UDP ports that others may send to, for each family of addresses; 0: none. Once after a start, and after each rebind. */
  void (*bound)        (gpointer user_data, guint16 port4, guint16 port6);

  /* Whether tn_data_path_take_endpoints() is to tell where that peer is. */
  void (*wants_endpoints) (gpointer user_data, gint64 id, gboolean wanted);

  /* An update is in force: addresses, peers and filter are what it says, and routes as far as the system takes them. */
  void (*updated)      (gpointer user_data);

  /* Peers with a tunnel (TnPipelinePeerInfo), at most once a second and only after something happened. */
  void (*live)         (gpointer user_data, GArray *infos);

  /* The last one: nothing runs any more. */
  void (*stopped)      (gpointer user_data);
} TnDataPathCallbacks;

/* Where a peer says that it is. */
typedef struct
{
  gint64       id;
  guint        n;
  TnIpEndpoint endpoints[TN_DATA_PATH_MAX_ENDPOINTS];
} TnDataPathEndpoints;

/* What a new map changes. Pointers may be NULL for "as before". */
typedef struct
{
  gboolean         replace_peers;            /* peers that are not in upserts go */
  GArray          *upserts;                  /* of TnPipelinePeer */
  GArray          *removed;                  /* of gint64 */
  TnOverlayRouter *router;
  TnFilter        *filter;
  TnFilter        *jailed_filter;
  GArray          *addresses;                /* of TnIpPrefix: own ones */
  GArray          *routes;                   /* of TnIpPrefix: into the tunnel, for a router */
  GArray          *endpoints;                /* of TnDataPathEndpoints */
} TnDataPathUpdate;

TnDataPathUpdate *tn_data_path_update_new  (void);
void              tn_data_path_update_free (TnDataPathUpdate *update);
gboolean          tn_data_path_update_is_empty (const TnDataPathUpdate *update);

/* Starts it. @user_data must live until stopped() was called. */
TnDataPath *tn_data_path_new           (const TnDataPathConfig *config, const TnDataPathCallbacks *callbacks, gpointer user_data);
TnDataPath *tn_data_path_ref           (TnDataPath *path);
void        tn_data_path_unref         (TnDataPath *path);
void        tn_data_path_stop          (TnDataPath *path);
TnOverlayTransport *tn_data_path_get_overlay (TnDataPath *path);

void        tn_data_path_take_update   (TnDataPath *path, TnDataPathUpdate *update);
void        tn_data_path_take_endpoints (TnDataPath *path, TnDataPathEndpoints *endpoints);
void        tn_data_path_set_open      (TnDataPath *path, gboolean open);      /* closed at first: nothing goes out or comes in */
void        tn_data_path_set_node_key  (TnDataPath *path, const TnNodePrivateKey *key);
void        tn_data_path_set_relay_map (TnDataPath *path, TnRelayMap *map);
void        tn_data_path_set_home      (TnDataPath *path, guint region);
gint64      tn_data_path_get_home_heard_us (TnDataPath *path);      /* boot time, to the second, of what the home sent last; G_MININT64: nothing */
void        tn_data_path_rebind        (TnDataPath *path);
void        tn_data_path_connect_peer  (TnDataPath *path, gint64 id);      /* shakes hands ahead of the first packet */

/* Pings by disco or TSMP. @task returns a TnPipelinePong (free with g_free()), or G_IO_ERROR_TIMED_OUT, or TN_ERROR_NO_SUCH_PEER. */
#define TN_DATA_PATH_PING_TIMEOUT_S 5
#define TN_DATA_PATH_PING_TSMP_TIMEOUT_S 8      /* a lost handshake is sent again after 5 s */
void        tn_data_path_ping          (TnDataPath *path, TnPingKind kind, gint64 id, const TnIpAddress *address, guint size, GTask *task);

/* @task returns the path in use towards a peer, a TnPathAddress (free with g_free()), kind NONE if there is none. */
void        tn_data_path_ask_path (TnDataPath *path, gint64 id, GTask *task);

/* @task returns what it has counted, a text in the format of Prometheus (free with g_free()). */
void        tn_data_path_ask_metrics (TnDataPath *path, GTask *task);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnDataPath, tn_data_path_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnDataPathUpdate, tn_data_path_update_free)

G_END_DECLS

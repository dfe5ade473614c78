/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a plugin implements. For plugins of this tree only until 1.0: it changes without notice, and TN_PLUGIN_ABI with it. */

#include <gio/gio.h>

#include "tn-packet-batch.h"
#include "tn-path-address.h"
#include "tn-relay-map.h"
#include "tn-transport.h"

G_BEGIN_DECLS

/* --- Descriptor: every plugin exports one, the loader reads it before anything else runs --- */

#define TN_PLUGIN_ABI 6
#define TN_PLUGIN_DESCRIPTOR_SYMBOL "tn_plugin_descriptor"
#define TN_PLUGIN_EXPORT __attribute__ ((visibility ("default"))) extern

typedef struct
{
  guint32     abi;          /* TN_PLUGIN_ABI */
  guint32     size;         /* sizeof (TnPluginDescriptor) */
  const char *name;         /* "derp" */
  const char *version;
  const char *licence;      /* SPDX */
} TnPluginDescriptor;

#define TN_PLUGIN_DEFINE(plugin_name, plugin_licence)                                           \
  TN_PLUGIN_EXPORT const TnPluginDescriptor tn_plugin_descriptor;                               \
  const TnPluginDescriptor tn_plugin_descriptor =                                               \
    { TN_PLUGIN_ABI, sizeof (TnPluginDescriptor), plugin_name, TN_VERSION, plugin_licence };

/* --- Underlay: datagrams to other nodes ---
 *
 * Every function is called on the data thread, whose context is the thread-default one and is in the config; every callback
 * comes there, and none from inside send(). Datagrams are delivered as they come: telling STUN, disco and WireGuard apart is the
 * core's business. */

typedef enum
{
  TN_UNDERLAY_LINK_DOWN,         /* @error says why, NULL: not wanted any more */
  TN_UNDERLAY_LINK_CONNECTING,
  TN_UNDERLAY_LINK_UP,
} TnUnderlayLinkState;

typedef struct
{
  /* from[i] is where batch->packets[i] came from. One with a segment_size is several datagrams of one sender, that size each and the
   * last one what is left, as the kernel gathered them. */
  void (*receive)    (gpointer user_data, TnUnderlayTransport *transport, TnPacketBatch *batch, const TnPathAddress *from);

  /* The path of @to takes datagrams again, after send() took fewer than given. For a relay all paths of a region share one, for UDP
   * all of a family of addresses. */
  void (*writable)   (gpointer user_data, TnUnderlayTransport *transport, const TnPathAddress *to);

  /* The far end says that nobody is there. */
  void (*path_gone)  (gpointer user_data, TnUnderlayTransport *transport, const TnPathAddress *path);

  /* A link to a relay region changed. UP: it takes packets; a relay that never lets us in goes DOWN again. */
  void (*link_state) (gpointer user_data, TnUnderlayTransport *transport, guint region, TnUnderlayLinkState state, const GError *error);

  /* A relay says what is wrong with us or with itself, for people to read; NULL: all is well again, or the link is gone. Nullable. */
  void (*health)     (gpointer user_data, TnUnderlayTransport *transport, guint region, const char *problem);

  /* Anything at all came from the relay of @region: at most once a second, and before what came is told. Nullable. */
  void (*heard)      (gpointer user_data, TnUnderlayTransport *transport, guint region);

  /* get_port() says another one, neither by start() nor by rebind(): a socket could not be opened at first. Nullable. */
  void (*bound)      (gpointer user_data, TnUnderlayTransport *transport);
} TnUnderlayCallbacks;

typedef struct
{
  GMainContext           *context;
  const TnNodePrivateKey *node_key;        /* copied */
  GTlsDatabase           *tls_database;    /* nullable: the system's */
  GProxyResolver         *proxy_resolver;  /* nullable: the default one */
  const char             *app_name;        /* nullable */
  guint16                 port;            /* UDP port to listen on, if it is free; 0: any */
  guint32                 mark;            /* of what goes out, for the rules of a router; 0: none */
} TnUnderlayConfig;

typedef enum
{
  TN_SEND_NONE = 0,
  TN_SEND_URGENT = 1 << 0,       /* handshake, disco, keep-alive: may pass the queue, and is taken even when the path is full, within bounds */
} TnSendFlags;

struct _TnUnderlayTransportInterface
{
  GTypeInterface g_iface;

  TnPathAddressKind kind;        /* which addresses it serves */

  gboolean (*start)          (TnUnderlayTransport *self, const TnUnderlayConfig *config, const TnUnderlayCallbacks *callbacks,
                              gpointer user_data, GError **error);
  void     (*stop)           (TnUnderlayTransport *self);     /* no callback follows; may be started again */

  /* Sends packets[first...] in order and returns how many it took: sent, or held in a queue that is bounded in milliseconds. If
   * not all: writable() follows. One packet is one datagram: no segment_size. A path that cannot be served at all (unknown
   * region) takes and drops everything, and counts it. */
  guint    (*send)           (TnUnderlayTransport *self, const TnPathAddress *to, const TnPacketBatch *batch, guint first,
                              TnSendFlags flags);

  /* The network under it changed, or the machine slept: links that no longer lead anywhere are found and made anew at once, and
   * back-off starts over. Nullable. */
  void     (*rebind)         (TnUnderlayTransport *self);

  /* The UDP port of addresses of @version (4 or 6) that others may send to, while it is started; 0: none. rebind() may change it. Nullable. */
  guint16  (*get_port)       (TnUnderlayTransport *self, guint8 version);

  /* Relays only; NULL elsewhere. */
  void     (*set_relay_map)  (TnUnderlayTransport *self, TnRelayMap *map);
  void     (*set_home)       (TnUnderlayTransport *self, guint region);     /* 0: none. A link to it is kept up */
};

/* --- Overlay: packets to and from this host ---
 *
 * start(), stop(), write(), set_blocked() and set_stalled() are called on the data thread, and receive() comes there; an implementation with a
 * thread of its own crosses over by whole batches. */

typedef struct
{
  /* IP packets out of the host; all are taken */
  void (*receive) (gpointer user_data, TnOverlayTransport *transport, TnPacketBatch *batch);
  void (*failed)  (gpointer user_data, TnOverlayTransport *transport, const GError *error);      /* the interface is gone for good */
} TnOverlayCallbacks;

typedef struct
{
  GMainContext *context;
  guint         mtu;             /* bytes */
  const char   *interface;       /* nullable: name for an interface of the kernel */
  int           fd;              /* of one that somebody opened already, which it takes; 0: none */
} TnOverlayConfig;

struct _TnOverlayTransportInterface
{
  GTypeInterface g_iface;

  gboolean (*start)       (TnOverlayTransport *self, const TnOverlayConfig *config, const TnOverlayCallbacks *callbacks,
                           gpointer user_data, GError **error);
  void     (*stop)        (TnOverlayTransport *self);

  /* IP packets into the host. Inbound never waits for outbound: what it cannot take now is dropped and counted. */
  void     (*write)       (TnOverlayTransport *self, TnPacketBatch *batch);

  /* Name of the interface of the kernel that it made or was given, while it is started. Nullable, may return NULL: it has none. */
  const char *(*get_interface) (TnOverlayTransport *self);

  /* Something that a program sent before it closed its connection has not arrived yet. Nullable. */
  gboolean (*is_lingering) (TnOverlayTransport *self);

  /* Back-pressure: while @destination is blocked its path is full; a netstack holds its connections to it back, without loss. Nullable:
   * the senders are not its own, and learn by losses. */
  void     (*set_blocked) (TnOverlayTransport *self, const TnIpAddress *destination, gboolean blocked);

  /* All that the host sends just now goes to full paths, or not any more: what it has may stay where it is, for some milliseconds at
   * most, since what comes next may be for another path. Comes from inside receive(), too. Nullable. */
  void     (*set_stalled) (TnOverlayTransport *self, gboolean stalled);
};

/* --- Router: addresses and routes. A netstack implements it on itself, and is called on the data thread; one for an interface of the
 * kernel on a thread of its own, where it may wait. --- */

typedef struct
{
  const char       *interface;      /* nullable: of the kernel, which is there and up; NULL: the router is what has the addresses */
  const TnIpPrefix *addresses;
  guint             n_addresses;
  const TnIpPrefix *routes;
  guint             n_routes;
} TnRouterConfig;

struct _TnRouterInterface
{
  GTypeInterface g_iface;

  guint32 mark;      /* sockets that bear it (SO_MARK) pass by what it routes; 0: there is no such thing */
  guint8  protocol;  /* of the kernel's routes and rules that it makes (rtm_protocol): when one goes, configure() is called again; 0: none */

  gboolean (*configure) (TnRouter *self, const TnRouterConfig *config, GError **error);     /* replaces what was there */
  void     (*reset)     (TnRouter *self);
};

/* --- Netstack: an overlay with sockets of its own. These may be called from any thread and do not block; a call ends in the
 * thread-default context of its caller, and one that was cancelled leaves nothing behind, neither a port nor a connection. --- */

#define TN_TYPE_NETSTACK_STREAM (tn_netstack_stream_get_type ())
TN_PLUGIN_API
G_DECLARE_DERIVABLE_TYPE (TnNetstackStream, tn_netstack_stream, TN, NETSTACK_STREAM, GIOStream)

/* A TCP connection. Both streams are pollable, and usable from any thread. */
struct _TnNetstackStreamClass
{
  GIOStreamClass parent_class;

  GSocketAddress *(*dup_local_address)  (TnNetstackStream *self);
  GSocketAddress *(*dup_remote_address) (TnNetstackStream *self);
  gboolean        (*shutdown)           (TnNetstackStream *self, gboolean read, gboolean write, GError **error);     /* half-close */
  int             (*steal_fd)           (TnNetstackStream *self, GError **error);     /* nullable; -1: error. The stream is spent */
  GVariant       *(*dup_grants)         (TnNetstackStream *self);     /* nullable; a{sas} or NULL: by its address */
};

#define TN_TYPE_NETSTACK_LISTENER (tn_netstack_listener_get_type ())
TN_PLUGIN_API
G_DECLARE_DERIVABLE_TYPE (TnNetstackListener, tn_netstack_listener, TN, NETSTACK_LISTENER, GObject)

struct _TnNetstackListenerClass
{
  GObjectClass parent_class;

  GSocketAddress   *(*dup_local_address) (TnNetstackListener *self);
  void              (*accept_async)      (TnNetstackListener *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                                          gpointer user_data);
  TnNetstackStream *(*accept_finish)     (TnNetstackListener *self, GAsyncResult *result, GError **error);
  void              (*close)             (TnNetstackListener *self);     /* pending accepts end with G_IO_ERROR_CLOSED */
};

#define TN_TYPE_NETSTACK_DATAGRAM (tn_netstack_datagram_get_type ())
TN_PLUGIN_API
G_DECLARE_DERIVABLE_TYPE (TnNetstackDatagram, tn_netstack_datagram, TN, NETSTACK_DATAGRAM, GObject)

struct _TnNetstackDatagramClass
{
  GObjectClass parent_class;

  GSocketAddress *(*dup_local_address) (TnNetstackDatagram *self);
  /* at once; G_IO_ERROR_WOULD_BLOCK */
  gboolean        (*send_to)           (TnNetstackDatagram *self, GSocketAddress *to, GBytes *bytes, GError **error);
  /* the same, when there is room; cancelled: it was not sent */
  void            (*send_to_async)     (TnNetstackDatagram *self, GSocketAddress *to, GBytes *bytes, GCancellable *cancellable,
                                        GAsyncReadyCallback callback, gpointer user_data);
  gboolean        (*send_to_finish)    (TnNetstackDatagram *self, GAsyncResult *result, GError **error);
  void            (*receive_async)     (TnNetstackDatagram *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                                        gpointer user_data);
  GBytes         *(*receive_finish)    (TnNetstackDatagram *self, GAsyncResult *result, GSocketAddress **from, GError **error);
  void            (*close)             (TnNetstackDatagram *self);
};

struct _TnNetstackInterface
{
  GTypeInterface g_iface;

  void                (*connect_async)  (TnNetstack *self, GInetSocketAddress *remote, GCancellable *cancellable,
                                         GAsyncReadyCallback callback, gpointer user_data);
  TnNetstackStream   *(*connect_finish) (TnNetstack *self, GAsyncResult *result, GError **error);

  /* An address of "any" (0.0.0.0 or ::) listens on all own addresses of both families; one that is not an own one is TN_ERROR_NO_ROUTE.
   * Port 0 picks one. @backlog: 0 = default. */
  void                (*listen_async)   (TnNetstack *self, GInetSocketAddress *local, guint backlog, GCancellable *cancellable,
                                         GAsyncReadyCallback callback, gpointer user_data);
  TnNetstackListener *(*listen_finish)  (TnNetstack *self, GAsyncResult *result, GError **error);
  void                (*bind_datagram_async)  (TnNetstack *self, GInetSocketAddress *local, GCancellable *cancellable,
                                               GAsyncReadyCallback callback, gpointer user_data);
  TnNetstackDatagram *(*bind_datagram_finish) (TnNetstack *self, GAsyncResult *result, GError **error);

  /* ICMP or ICMPv6 echo with @size bytes of payload; the result is the round trip in microseconds, -1 on error. */
  void                (*ping_async)     (TnNetstack *self, GInetAddress *to, guint size, GCancellable *cancellable,
                                         GAsyncReadyCallback callback, gpointer user_data);
  gint64              (*ping_finish)    (TnNetstack *self, GAsyncResult *result, GError **error);

  /* The node that has @remote refuses the TCP connection of ours from @local to it, for @reason: the connect ends at once with
   * TN_ERROR_BLOCKED. One that is established is not touched, and what is none of ours is ignored. On the data thread. Nullable. */
  void                (*rejected)       (TnNetstack *self, const TnIpEndpoint *local, const TnIpEndpoint *remote, const char *reason);
};

G_END_DECLS

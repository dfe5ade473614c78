/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One connection to one relay of a region: dial, TLS, upgrade, greeting, then frames, until it ends. It is not used again after
 * that. All in the thread-default context of the thread that made it. */

#include <gio/gio.h>

#include "tn-derp-info.h"
#include "tn-packet-batch.h"
#include "tn-path-address.h"
#include "tn-relay-map.h"

G_BEGIN_DECLS

typedef struct
{
  gint64 connect_us;      /* from new() to the greeting */
  gint64 dial_us;         /* of it, for the TCP connection to one node */
  gint64 read_us;         /* between two frames */
  gint64 ping_us;         /* for the answer to probe() */
} TnDerpTimes;

extern const TnDerpTimes tn_derp_default_times;

typedef struct
{
  const TnRelayRegion    *region;           /* copied */
  const TnNodePrivateKey *node_key;         /* copied, erased with the client */
  GTlsDatabase           *tls_database;     /* nullable */
  GProxyResolver         *proxy_resolver;   /* nullable */
  const char             *app_name;         /* nullable */
  guint32                 mark;             /* of sockets; 0: none */
  gboolean                is_home;
  TnDerpTimes             times;
} TnDerpClientConfig;

/* Each may close the client. None is called from inside a function of the client, and none after closed() or close(). */
typedef struct
{
  void (*up)        (gpointer user_data);      /* packets can be sent */
  void (*receive)   (gpointer user_data, TnPacketBatch *batch, const TnPathAddress *from);
  void (*writable)  (gpointer user_data);
  void (*frame)     (gpointer user_data, const TnDerpMessage *message);      /* all but packets, after it was dealt with here */
  void (*closed)    (gpointer user_data, const GError *error);
} TnDerpClientEvents;

typedef struct _TnDerpClient TnDerpClient;

TnDerpClient *tn_derp_client_new      (const TnDerpClientConfig *config, const TnDerpClientEvents *events, gpointer user_data);
void          tn_derp_client_close    (TnDerpClient *client);      /* and frees */

/* How many packets it took. Before it is up it holds a few urgent ones, and no others. If not all: writable() follows. */
guint         tn_derp_client_send     (TnDerpClient *client, const TnNodePublicKey *to, const TnPacketBatch *batch, guint first,
                                       gboolean urgent, guint *n_dropped);
void          tn_derp_client_set_home (TnDerpClient *client, gboolean is_home);

/* Closes itself unless the relay answers soon. */
void          tn_derp_client_probe    (TnDerpClient *client);
gboolean      tn_derp_client_is_up    (TnDerpClient *client);
gboolean      tn_derp_client_is_stranded (TnDerpClient *client);      /* its address is gone from this machine */

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "tn-c2n.h"
#include "tn-keys.h"
#include "tn-lock-key.h"
#include "tn-netmap.h"
#include "tn-wire-control.h"

G_BEGIN_DECLS

/* The node's side of the control protocol: fetches the control key, keeps a connection, registers, follows the map stream and says
 * what changes about this node. Plain C, counted; it lives in the thread-default context in which it was made, and every function
 * is called and every callback comes there. Callbacks may call any function but tn_control_client_unref() of the last reference. */
typedef struct _TnControlClient TnControlClient;

/* Longest message of the map stream, in bytes. The protocol names no limit, and stock clients have none. The first message holds
 * the whole tailnet: at 100,000 nodes of 1.2 kB each that is 120 MB. */
#define TN_CONTROL_MAP_FRAME_MAX (256 << 20)

typedef enum
{
  TN_CONTROL_STOPPED,
  TN_CONTROL_CONNECTING,       /* on the way, or on the way back; get_error() says what is in the way */
  TN_CONTROL_NEEDS_LOGIN,      /* somebody has to visit get_auth_url(); without one, tn_control_client_login() has to be called */
  TN_CONTROL_NEEDS_APPROVAL,   /* an administrator has to approve the node */
  TN_CONTROL_RUNNING,          /* a network map is there. It stays so while the connection is lost and mended */
  TN_CONTROL_REFUSED,          /* get_error() has the server's words. Nothing happens before tn_control_client_login(). A node that was
                                * taken once is not refused: it tries again, and get_error() has the words meanwhile */
} TnControlState;

typedef struct
{
  /* A node key has to be in the store before it is used: answer with tn_control_client_keys_saved(), in here or later. The first one has not
   * been on the wire then; one with an @old one before it (nullable, to be kept as well) the server has taken, so it must not be lost. */
  void (*save_keys) (TnControlClient *client, const TnNodePrivateKey *key, const TnNodePublicKey *old, gpointer user_data);

  /* State, URL or error are not what they were. */
  void (*changed)   (TnControlClient *client, gpointer user_data);

  /* A message of the map stream has been applied. After a reconnect the map starts anew: @changes has all_peers set then,
   * and tells what differs from the one before. Hold
   * references of nodes, not the map. */
  void (*netmap)    (TnControlClient *client, const TnNetmap *netmap, const TnNetmapChanges *changes, gpointer user_data);

  /* The server wants a peer pinged. @task (referenced by who keeps it) returns a TnPong (free with tn_pong_free()), which may say why
   * nothing could be sent; with an error, the server hears nothing. Its cancellable ends it. Nullable, as is the next one. */
  void (*ping)      (TnControlClient *client, TnControlPing kind, const TnIpAddress *address, GTask *task, gpointer user_data);

  /* The server asks how the node is. @task, likewise, returns a string. */
  void (*report)    (TnControlClient *client, TnC2nReport report, GTask *task, gpointer user_data);
} TnControlHandler;

typedef struct
{
  const char                *server_url;
  gboolean                   allow_plain_http;      /* to a public host */
  const TnMachinePrivateKey *machine_key;           /* both keys are copied, into locked memory */
  const TnNodePrivateKey    *node_key;              /* NULL or zeros: none yet, one is made */
  gboolean                   node_key_is_new;       /* no server has seen it */
  TnNodePublicKey            old_node_key;          /* zeros: none */
  TnDiscoPublicKey           disco_key;
  TnLockPublicKey            lock_key;              /* zeros: none */
  const char                *auth_key;              /* nullable */
  gboolean                   ephemeral;
  const TnHostinfo          *hostinfo;
  GTlsDatabase              *tls_database;          /* nullable: the system's */
  GProxyResolver            *proxy_resolver;        /* nullable: the system's */
  guint32                    mark;                  /* of sockets, for the rules of a router; 0: none */
  gint64                     silence_max_us;        /* after which a connection counts as lost; 0: two minutes */
  gint64                     ping_after_us;         /* of silence while a login waits for a person; 0: half a minute */
  gint64                     pong_max_us;           /* what the server has to answer that; 0: 15 s */
  gint64                     proof_max_us;          /* the same after a change of network; 0: 5 s */
  gint64                     request_max_us;        /* the same for what the program wants of it; 0: 30 s */
  gint64                     update_max_us;         /* the same for what this node says of itself; 0: two minutes */
  gint64                     question_max_us;       /* at most, for each step of what the server wants of the node; 0: as it is used to */
} TnControlConfig;

/* Everything in @config is copied or referenced. NULL: the URL is no good. */
TnControlClient *tn_control_client_new          (const TnControlConfig *config, const TnControlHandler *handler, gpointer user_data, GError **error);
TnControlClient *tn_control_client_ref          (TnControlClient *client);
void             tn_control_client_unref        (TnControlClient *client);

void             tn_control_client_start        (TnControlClient *client);

/* A map of an earlier run, taken, which stands in for the one that the server has not sent yet: the first message of the server then says
 * what differs from it. Ignored once there is one of the server. */
void             tn_control_client_take_old_netmap (TnControlClient *client, TnNetmap *netmap);

/* @error: nullable; the key could not be saved, and is not used. */
void             tn_control_client_keys_saved   (TnControlClient *client, const GError *error);

/* Logs in anew: with a new node key, where a server knows the present one, which stays until it has taken the new one. @auth_key nullable:
 * with the one there is, or by URL; "": with none. Nothing happens on the way to an end. */
void             tn_control_client_login        (TnControlClient *client, const char *auth_key);

typedef void (*TnControlDoneFunc) (TnControlClient *client, const GError *error, gpointer user_data);

/* Tells the server that this node is gone for good, for which it connects if need be, and which takes up to 5 s; then stops. */
void             tn_control_client_logout       (TnControlClient *client, TnControlDoneFunc done, gpointer user_data);

/* Ends everything; an ephemeral node logs out first. @done (nullable) comes from the main loop, once. No other callback comes after
 * the call returned, and the client may be started again after @done. */
void             tn_control_client_stop         (TnControlClient *client, TnControlDoneFunc done, gpointer user_data);

/* Addresses or routes of this machine changed, or it slept: a connection that leads nowhere any more is found and made anew within
 * seconds, and what waits to be tried again is tried now. */
void             tn_control_client_network_changed (TnControlClient *client);

/* Somebody set the clock: what goes by it is looked at again. */
void             tn_control_client_clock_changed (TnControlClient *client);

/* @task returns a string that says who this node is to whoever trusts the server, and is meant for @audience. It needs a connection
 * (G_IO_ERROR_NOT_CONNECTED); what a server says that has no such tokens is a TN_ERROR_CONTROL. Its cancellable counts. */
void             tn_control_client_fetch_id_token (TnControlClient *client, const char *audience, GTask *task);

/* Has the server put a TXT record into the DNS that is there for all; @task gives TRUE. */
void             tn_control_client_publish_txt    (TnControlClient *client, const char *name, const char *value, GTask *task);

TnControlState   tn_control_client_get_state    (TnControlClient *client);
const char      *tn_control_client_get_auth_url (TnControlClient *client);      /* nullable */
const GError    *tn_control_client_get_error    (TnControlClient *client);      /* nullable: what is wrong at present */
gboolean         tn_control_client_is_key_expired (TnControlClient *client);    /* the state is NEEDS_LOGIN then */
gboolean         tn_control_client_may_show    (TnControlClient *client, const char *page);      /* to people, on behalf of the server */
const char      *tn_control_client_get_open_url (TnControlClient *client);      /* nullable: a page that the server wants to be opened */
const char      *tn_control_client_get_login_name (TnControlClient *client);    /* nullable */
const TnNodePrivateKey *tn_control_client_get_node_key (TnControlClient *client);
const TnNetmap  *tn_control_client_get_netmap   (TnControlClient *client);      /* nullable */

/* What this node says of itself. Calls are gathered; the server hears the latest, once it can. */
void             tn_control_client_set_endpoints (TnControlClient *client, const TnOwnEndpoint *endpoints, gsize n_endpoints);
void             tn_control_client_set_hostinfo  (TnControlClient *client, const TnHostinfo *hostinfo);      /* net_info stays */
void             tn_control_client_set_net_info  (TnControlClient *client, const TnNetInfo *net_info);
void             tn_control_client_set_disco_key (TnControlClient *client, const TnDiscoPublicKey *disco_key);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnControlClient, tn_control_client_unref)

G_END_DECLS

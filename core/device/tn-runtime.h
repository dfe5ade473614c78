/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"
#include "tn-data-path.h"
#include "tn-device-model.h"
#include "tn-identity.h"

G_BEGIN_DECLS

/* A node at work: control client, choice of relay and data path, between a device that starts it and the network. It lives on the
 * control thread; what it learns goes to the device's model. Reference counted. */
typedef struct _TnRuntime TnRuntime;

typedef struct
{
  const char         *hostname;
  const char         *control_url;
  const char         *auth_key;              /* nullable */
  const char *const  *tags;                  /* nullable */
  const char         *app_name;              /* nullable */
  TnCapture          *capture;               /* nullable, taken */
  gboolean            ephemeral;
  gboolean            allow_plain_http;
  GTlsDatabase       *tls_database;          /* nullable */
  const TnIdentity   *identity;              /* copied */
  GPtrArray          *underlays;             /* of TnUnderlayTransport */
  guint16             port;                  /* UDP; 0: any */
  TnNetstack         *netstack;
  TnRouter           *router;                /* nullable: for an interface of the kernel */
  const char         *interface;             /* nullable: name for one */
  int                 tun_fd;                /* of one, taken; 0: none */
  TnStateStore       *store;                 /* acquired; not referenced, used in @context until closed() */
  TnDeviceModel      *model;
  GMainContext       *context;               /* the device's: callbacks arrive there */
} TnRuntimeConfig;

/* All in the device's context; none after closed(). */
typedef struct
{
  /* State changed; the model has been told. */
  void (*state)  (gpointer user_data, TnDeviceState state);

  /* The interface of the kernel is there; the name that it has. */
  void (*interface) (gpointer user_data, const char *name);

  /* It cannot go on: refused, or out of order. closed() follows after tn_runtime_close(). */
  void (*failed) (gpointer user_data, const GError *error);

  /* Nothing uses the store any more. */
  void (*closed) (gpointer user_data);
} TnRuntimeCallbacks;

/* Starts at once. @user_data must live until closed() was called. */
TnRuntime  *tn_runtime_new      (const TnRuntimeConfig *config, const TnRuntimeCallbacks *callbacks, gpointer user_data);
TnRuntime  *tn_runtime_ref      (TnRuntime *runtime);
void        tn_runtime_unref    (TnRuntime *runtime);

/* How long a state store may take to answer once nobody waits for it any more: a stop does not hang on a keyring that hangs. */
#define TN_RUNTIME_STORE_PATIENCE_S 3

/* Any thread. Leaves the network (an ephemeral node logs out first, within bounds), then closed() comes. */
void        tn_runtime_close    (TnRuntime *runtime);

/* @task returns a boolean. */
void        tn_runtime_login    (TnRuntime *runtime, GTask *task, const char *auth_key);      /* asks for a new login; nullable */
void        tn_runtime_logout   (TnRuntime *runtime, GTask *task);

/* @task returns a string; its task data is the audience. */
void        tn_runtime_fetch_id_token (TnRuntime *runtime, GTask *task);
void        tn_runtime_publish_txt    (TnRuntime *runtime, GTask *task);      /* its data: name and value, as a GStrv */

TnDataPath *tn_runtime_get_data_path (TnRuntime *runtime);

/* What the packet filter grants @source towards us: a{sas} of JSON texts, or NULL. Any thread. */
GVariant   *tn_runtime_dup_grants (TnRuntime *runtime, const TnIpAddress *source);

/* A path in the application's terms; latency and reason stay as they are. Any thread. */
void        tn_runtime_describe_path (TnRuntime *runtime, const TnPathAddress *address, TnPathData *path);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnRuntime, tn_runtime_unref)

G_END_DECLS

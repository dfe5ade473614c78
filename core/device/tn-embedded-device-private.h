/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-device-model.h"
#include "tn-embedded-device.h"
#include "tn-runtime.h"

G_BEGIN_DECLS

typedef struct _TnOpening TnOpening;      /* of tn-embedded-device-life.c */

struct _TnEmbeddedDevice
{
  GObject         parent_instance;

  /* Immutable after construction. */
  char           *hostname;
  char           *control_url;
  char           *app_name;
  char           *capture_file;          /* nullable */
  char           *netstack_name;         /* nullable: the one of the highest priority */
  char           *wanted_interface;      /* nullable */
  int             tun_fd;                /* owned; -1: none */
  char          **transport_names;       /* nullable: the best one */
  char          **tags;
  TnStateStore   *state_store;
  GTlsDatabase   *tls_database;          /* nullable */
  GMainContext   *main_context;
  guint16         port;                  /* UDP; 0: any */
  gboolean        ephemeral;
  gboolean        allow_plain_http;

  char           *auth_key;              /* nullable; a secret */
  TnDeviceModel  *model;

  /* Only in main_context. */
  TnOpening      *opening;               /* from the call of start until there is a runtime; NULL otherwise */
  GPtrArray      *early_calls;           /* of GTask: logins and logouts that wait for a runtime */
  TnRuntime      *runtime;               /* NULL: stopped */
  TnNetstack     *netstack;              /* of the runtime */
  char           *interface;             /* nullable: of the kernel, while there is one */
  GTask          *start_task;            /* nullable */
  GSource        *start_cancelled;       /* nullable */
  GPtrArray      *stop_tasks;            /* of GTask */
  GPtrArray      *ending;                /* nullable: the stop tasks of an end that is just being told; not owned */
  gboolean        closing;               /* on its way to being stopped */
  GError         *stop_error;            /* nullable: why, if nobody called stop */
  TnDeviceState   state;
};

/* From any thread. */
void     tn_embedded_device_publish_preferences (TnEmbeddedDevice *self, gboolean want_running);

void     tn_embedded_device_set_interface (TnEmbeddedDevice *self, const char *name);      /* nullable; notifies */

/* tn-embedded-device-life.c */
void     tn_embedded_device_close_down    (TnEmbeddedDevice *self);      /* of a device that has a runtime or waits for one */
void     tn_embedded_device_start_async   (TnDevice *device, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
void     tn_embedded_device_stop_async    (TnDevice *device, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
void     tn_embedded_device_login_async   (TnDevice *device, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
void     tn_embedded_device_logout_async  (TnDevice *device, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

/* tn-embedded-device-sockets.c */
gboolean tn_embedded_device_check_running     (TnEmbeddedDevice *self, GError **error);
void     tn_embedded_device_implement_sockets (TnDeviceInterface *iface);

/* tn-embedded-device-requests.c */
void     tn_embedded_device_implement_requests (TnDeviceInterface *iface);

G_END_DECLS

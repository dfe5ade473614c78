/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-bus-tailnet.h"
#include "tn-device-model.h"
#include "tn-system-device.h"

G_BEGIN_DECLS

struct _TnSystemDevice
{
  GObject        parent_instance;

  /* Immutable after construction. */
  char          *directory;
  GMainContext  *main_context;
  TnDeviceModel *model;

  /* Only in main_context. */
  TnBusTailnet1 *proxy;            /* NULL: not connected */
  GCancellable  *loading;          /* of what goes on by itself */
  gboolean       reloading;        /* the list of peers is being asked for */
  gboolean       stale;            /* and once more after that */
  gboolean       stop_asked;       /* the end of the connection is no surprise */
};

/* Ends in @task: TRUE when connected, and all that is known is in place. */
void     tn_system_device_connect      (TnSystemDevice *self, GTask *task);

/* The whole list of peers; @task, nullable, ends with it. */
void     tn_system_device_load_peers   (TnSystemDevice *self, GTask *task);

/* NULL: it is not connected, and @task has ended with an error that says so. */
TnBusTailnet1 *tn_system_device_get_proxy (TnSystemDevice *self, GTask *task);

/* Calls @method for @task, which @callback gets a reference to as its data; @parameters, nullable, is sunk. Does nothing but end @task
 * if the device is not connected. */
void     tn_system_device_call         (GTask *task, const char *method, GVariant *parameters, GAsyncReadyCallback callback);

/* As an error of this process: without the bus's words around it. The other side hears of a call that was cancelled. */
void     tn_system_device_return_error (GTask *task, GError *error);

/* tn-system-device-calls.c */
void     tn_system_device_implement_calls (TnDeviceInterface *iface);

/* tn-system-device-sockets.c */
void     tn_system_device_implement_sockets (TnDeviceInterface *iface);

G_END_DECLS

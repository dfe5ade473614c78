/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-bus-tailnet.h"
#include "tn-device-server.h"

G_BEGIN_DECLS

struct _TnDeviceServer
{
  GObject       parent_instance;
  TnDevice     *device;
  GMainContext *context;           /* where everything happens */
  TnBusTailnet1 *skeleton;
  GDBusServer  *server;            /* NULL: not listening */
  char         *socket_path;       /* nullable */
  int           directory_fd;
  GPtrArray    *connections;       /* of GDBusConnection */
  GHashTable   *listeners;         /* id -> Listener */
  guint         last_listener;
  GHashTable   *datagrams;         /* GDBusConnection -> GCancellable: of the sockets that it has; not referenced */
  GHashTable   *calls;             /* GDBusMethodInvocation -> GCancellable: what is not answered; invocations not referenced */
  GPtrArray    *starts;            /* of GDBusMethodInvocation: who waits until the device runs */
  gboolean      starting;          /* because one of these asked */
  GPtrArray    *close_tasks;       /* of GTask */
  guint         n_farewells;       /* connections that are being closed */
  GSource      *facts_changed;     /* nullable: what the bus shows is about to be brought up to date */
  GSource      *peers_changed;     /* nullable: the signal is on its way */
};

/* Answers who waits for a start; @error: nullable. */
void tn_device_server_end_starts     (TnDeviceServer *self, const GError *error);

/* What has changed and is not shown yet, at once. */
void tn_device_server_show_changes   (TnDeviceServer *self);

/* tn-device-server-facts.c: what the bus shows without being asked. */
void tn_device_server_show_all       (TnDeviceServer *self);
void tn_device_server_show_health    (TnDeviceServer *self);
gboolean tn_device_server_list_peers_cb (TnDeviceServer *self, GDBusMethodInvocation *invocation, guint offset, guint limit);

/* tn-device-server-calls.c and tn-device-server-sockets.c: handlers of the skeleton. Each call keeps its invocation until the device
 * has answered. */
void tn_device_server_serve_calls    (TnDeviceServer *self);
void tn_device_server_serve_sockets  (TnDeviceServer *self);

/* tn-device-server-cancel.c: for what @invocation asks for, until it is answered; the server's. */
GCancellable *tn_device_server_watch (TnDeviceServer *self, GDBusMethodInvocation *invocation);

/* Nobody waits any more for what @connection asked for in the message @serial; 0: in all. */
void tn_device_server_cancel_calls   (TnDeviceServer *self, GDBusConnection *connection, guint serial);

/* What the answer to the message @serial gave, where the answer was not waited for: descriptors end without us. */
void tn_device_server_end_answered   (TnDeviceServer *self, GDBusConnection *connection, guint serial);

/* Whether @invocation may be begun: FALSE if its connection waits for too much already, and it has been told so. */
gboolean tn_device_server_admit      (TnDeviceServer *self, GDBusMethodInvocation *invocation);

/* What @connection has open ends; NULL: what everybody has. */
void tn_device_server_end_sockets    (TnDeviceServer *self, GDBusConnection *connection);

/* Takes @error. */
void tn_device_server_fail           (GDBusMethodInvocation *invocation, GError *error);

/* Somebody asks for the end of the device. */
void tn_device_server_request_stop   (TnDeviceServer *self);

G_END_DECLS

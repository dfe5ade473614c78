/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-device.h"

G_BEGIN_DECLS

/* What a device implements. All of it is called in the context that the caller is in, with arguments already checked; every _async
 * ends in the caller's thread-default context, exactly once. Its result is a GTask of the device with the public function as its
 * source tag and with what is said beside it: the _finish functions are the same for all of them. Properties come from a
 * TnDeviceModel (tn-device-model.h). */
struct _TnDeviceInterface
{
  GTypeInterface g_iface;

  /* A boolean. */
  void (*start_async)  (TnDevice *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  void (*stop_async)   (TnDevice *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  void (*login_async)  (TnDevice *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  void (*logout_async) (TnDevice *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

  /* A TnConnection. @host: as tn_host_spec_parse() gives it, a name or an address; @port is never 0. */
  void (*connect_to_host_async) (TnDevice *self, const char *host, guint16 port, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data);

  /* A TnListener, a TnDatagramSocket. @address: NULL for all own ones, else one of them or the own name. @port: 0 picks one. */
  void (*listen_async)        (TnDevice *self, guint16 port, const char *address, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
  void (*bind_datagram_async) (TnDevice *self, guint16 port, const char *address, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);

  /* A TnPingResult. */
  void (*ping_async) (TnDevice *self, const char *host, TnPingKind kind, guint size, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data);

  /* A TnDeviceAnswer. Nullable, then identify() answers. @address: text of an address without port, @port 0: unknown. */
  void (*whois_async) (TnDevice *self, const char *address, guint16 port, const char *protocol, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data);

  /* A GPtrArray of GInetAddress. Nullable, then the addresses of peers and of the own node answer. */
  void (*resolve_async) (TnDevice *self, const char *host, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

  /* A string. */
  void (*status_to_json_async) (TnDevice *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

  /* A string. */
  void (*fetch_id_token_async) (TnDevice *self, const char *audience, GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data);

  /* A boolean. */
  void (*publish_txt_async) (TnDevice *self, const char *name, const char *value, GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data);

  /* At once, from what is known; in the device's own context. */
  TnNode    *(*lookup_peer)      (TnDevice *self, const char *name_or_address);                       /* own node too */
  GPtrArray *(*peers_with_route) (TnDevice *self, GInetAddress *address);
  TnNode    *(*identify)         (TnDevice *self, GInetAddress *source, GVariant **capabilities);      /* who sends from @source */
};

/* What the task of a call gives; for the finish functions that have nothing to add. */
gpointer tn_device_finish (TnDevice *self, GAsyncResult *result, gpointer source_tag, GError **error);

/* Who sends from @source: the node that has it, or the router it comes through; NULL: unknown. @capabilities: a{sas} or NULL. */
TnNode *tn_device_identify (TnDevice *self, GInetAddress *source, GVariant **capabilities);

/* What whois_async() answers. */
typedef struct
{
  TnNode   *node;
  GVariant *capabilities;      /* nullable; a{sas} */
} TnDeviceAnswer;

/* Both are taken. */
TnDeviceAnswer *tn_device_answer_new  (TnNode *node, GVariant *capabilities);
void            tn_device_answer_free (TnDeviceAnswer *answer);

G_END_DECLS

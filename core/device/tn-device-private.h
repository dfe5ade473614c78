/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-device.h"

G_BEGIN_DECLS

/* What a device implements. All of it is called in the context that the caller is in, with arguments already checked; every _async
 * ends in the caller's thread-default context, exactly once. Properties come from a TnDeviceModel (tn-device-model.h). */
struct _TnDeviceInterface
{
  GTypeInterface g_iface;

  void      (*start_async)   (TnDevice *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  gboolean  (*start_finish)  (TnDevice *self, GAsyncResult *result, GError **error);
  void      (*stop_async)    (TnDevice *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  gboolean  (*stop_finish)   (TnDevice *self, GAsyncResult *result, GError **error);
  void      (*login_async)   (TnDevice *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  gboolean  (*login_finish)  (TnDevice *self, GAsyncResult *result, GError **error);
  void      (*logout_async)  (TnDevice *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  gboolean  (*logout_finish) (TnDevice *self, GAsyncResult *result, GError **error);

  /* @host: as tn_host_spec_parse() gives it, a name or an address; @port is never 0. */
  void          (*connect_to_host_async)  (TnDevice *self, const char *host, guint16 port, GCancellable *cancellable,
                                           GAsyncReadyCallback callback, gpointer user_data);
  TnConnection *(*connect_to_host_finish) (TnDevice *self, GAsyncResult *result, GError **error);

  /* @address: NULL for all own ones, else one of them or the own name. @port: 0 picks one. */
  void              (*listen_async)         (TnDevice *self, guint16 port, const char *address, GCancellable *cancellable,
                                             GAsyncReadyCallback callback, gpointer user_data);
  TnListener       *(*listen_finish)        (TnDevice *self, GAsyncResult *result, GError **error);
  void              (*bind_datagram_async)  (TnDevice *self, guint16 port, const char *address, GCancellable *cancellable,
                                             GAsyncReadyCallback callback, gpointer user_data);
  TnDatagramSocket *(*bind_datagram_finish) (TnDevice *self, GAsyncResult *result, GError **error);

  void          (*ping_async)  (TnDevice *self, const char *host, TnPingKind kind, guint size, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);
  TnPingResult *(*ping_finish) (TnDevice *self, GAsyncResult *result, GError **error);

  /* Nullable, then identify() answers. @address: text of an address without port, @port 0: unknown. */
  void    (*whois_async)  (TnDevice *self, const char *address, guint16 port, const char *protocol, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data);
  TnNode *(*whois_finish) (TnDevice *self, GAsyncResult *result, GVariant **capabilities, GError **error);

  /* Nullable, then the addresses of peers and of the own node answer. */
  void       (*resolve_async)  (TnDevice *self, const char *host, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  GPtrArray *(*resolve_finish) (TnDevice *self, GAsyncResult *result, GError **error);

  void   (*status_to_json_async)  (TnDevice *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  char  *(*status_to_json_finish) (TnDevice *self, GAsyncResult *result, GError **error);

  /* At once, from what is known; in the device's own context. */
  TnNode    *(*lookup_peer)      (TnDevice *self, const char *name_or_address);                       /* own node too */
  GPtrArray *(*peers_with_route) (TnDevice *self, GInetAddress *address);
  TnNode    *(*identify)         (TnDevice *self, GInetAddress *source, GVariant **capabilities);      /* who sends from @source */
};

/* Who sends from @source: the node that has it, or the router it comes through; NULL: unknown. @capabilities: a{sas} or NULL. */
TnNode *tn_device_identify (TnDevice *self, GInetAddress *source, GVariant **capabilities);

G_END_DECLS

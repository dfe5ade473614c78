/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-stun-socket.h"

#include "tn-socket-mark.h"

#define MAX_READS 64      /* a dispatch: a flood must not hold up the context */

struct _TnStunSocket
{
  GSocket         *socket;
  GSource         *source;
  TnStunAnswerFunc answer;
  gpointer         user_data;
};

static gboolean
readable_cb (GSocket      *socket,
             GIOCondition  condition,
             gpointer      user_data)
{
  TnStunSocket *self = user_data;
  char datagram[512];

  for (guint i = 0; i < MAX_READS; i++)
    {
      gssize len = g_socket_receive (socket, datagram, sizeof datagram, NULL, NULL);
      TnStunTxid txid;
      TnIpEndpoint seen_as;

      if (len < 0)        /* nothing left, or an ICMP error of one of them: the deadlines see to that */
        break;
      if (tn_stun_parse_response ((const guint8 *) datagram, (gsize) len, &txid, &seen_as))
        self->answer (self->user_data, &txid, &seen_as);
    }
  return G_SOURCE_CONTINUE;
}

TnStunSocket *
tn_stun_socket_new (gboolean           ipv6,
                    guint32            mark,
                    TnStunAnswerFunc   answer,
                    gpointer           user_data,
                    GError           **error)
{
  GSocketFamily family = ipv6 ? G_SOCKET_FAMILY_IPV6 : G_SOCKET_FAMILY_IPV4;
  g_autoptr (GInetAddress) any = g_inet_address_new_any (family);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (any, 0);
  g_autoptr (GSocket) socket = g_socket_new (family, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, error);
  TnStunSocket *self;

  if (socket == NULL || !g_socket_bind (socket, address, FALSE, error))
    return NULL;
  tn_socket_mark (socket, mark);

  g_socket_set_blocking (socket, FALSE);
  self = g_new0 (TnStunSocket, 1);
  self->socket = g_steal_pointer (&socket);
  self->answer = answer;
  self->user_data = user_data;
  self->source = g_socket_create_source (self->socket, G_IO_IN, NULL);
  g_source_set_static_name (self->source, "tailnet stun");
  g_source_set_callback (self->source, G_SOURCE_FUNC (readable_cb), self, NULL);
  g_source_attach (self->source, g_main_context_get_thread_default ());
  return self;
}

void
tn_stun_socket_free (TnStunSocket *self)
{
  g_source_destroy (self->source);
  g_source_unref (self->source);
  g_object_unref (self->socket);
  g_free (self);
}

gboolean
tn_stun_socket_send (TnStunSocket      *self,
                     GInetAddress      *address,
                     guint16            port,
                     const TnStunTxid  *txid,
                     GError           **error)
{
  g_autoptr (GSocketAddress) to = g_inet_socket_address_new (address, port);
  guint8 request[TN_STUN_REQUEST_LEN];

  tn_stun_write_request (txid, request);
  return g_socket_send_to (self->socket, to, (const char *) request, sizeof request, NULL, error) == sizeof request;
}

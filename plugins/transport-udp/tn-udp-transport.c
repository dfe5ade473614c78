/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-udp-transport.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>

#include "tn-udp-socket.h"

enum
{
  SLAB_LEN = 256 << 10,      /* three trains, or a full batch of common datagrams */
  TURN_MAX = 4,              /* batches in one turn of the loop: some 500 datagrams */
  SAME_PORT_TRIES = 16,
  AGAIN_MIN_S = 1,           /* a socket that there was no room for is tried again, ever more rarely */
  AGAIN_MAX_S = 30,
  URGENT_MAX = 32,           /* datagrams that are held for a full socket */
  URGENT_LEN = 64 << 10,
};

typedef struct
{
  TnUdpTransport *transport;
  TnUdpSocket     socket;
  gboolean        busy;             /* the last turn had several datagrams */
  GSource        *readable;         /* nullable, as the next one */
  GSource        *writable;         /* the socket is full */
  TnPacketBatch  *urgent;           /* nullable: what goes first when it is not any more */
  TnPathAddress   urgent_to[URGENT_MAX];
} Family;

/* Straight to other nodes. Of the data thread. */
struct _TnUdpTransport
{
  GObject              parent_instance;

  GMainContext        *context;       /* NULL: stopped */
  TnUnderlayCallbacks  callbacks;
  gpointer             user_data;
  TnUdpOptions         options;
  guint16              port;          /* wanted, or the last one */
  Family               families[2];   /* IPv4, IPv6 */
  TnPacketBatch       *batch;         /* received */
  TnPathAddress        from[TN_PACKET_BATCH_MAX];
  TnUdpCounters        counters;
  GSource             *again;         /* nullable: a family lacks its socket */
  guint                again_s;
};

static void underlay_iface_init (TnUnderlayTransportInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (TnUdpTransport, tn_udp_transport, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TN_TYPE_UNDERLAY_TRANSPORT, underlay_iface_init))

static Family *
family_for (TnUdpTransport *self,
            guint8          version)
{
  Family *family = &self->families[version == 6 ? 1 : 0];

  return version != 0 && family->socket.fd >= 0 ? family : NULL;
}

/* --- In --- */

static void
deliver (TnUdpTransport *self)
{
  if (self->batch->n_packets > 0)
    self->callbacks.receive (self->user_data, TN_UNDERLAY_TRANSPORT (self), self->batch, self->from);
}

/* Puts what was received behind the others, as it lies. */
static void
append_received (TnUdpTransport *self,
                 guint8         *data,
                 gsize           len,
                 guint16         segment_size)
{
  TnPacketBatch *batch = self->batch;
  gsize used = TN_PACKET_HEADROOM + len + TN_PACKET_TAILROOM;

  batch->packets[batch->n_packets++] = (TnPacket) {
    .data = data, .len = (guint32) len, .headroom = TN_PACKET_HEADROOM, .tailroom = TN_PACKET_TAILROOM, .segment_size = segment_size,
  };
  batch->slab_used += (used + 15) & ~(gsize) 15;
}

/* Fills a batch. FALSE: there is no more for now. */
static gboolean
receive_batch (TnUdpTransport *self,
               TnUdpSocket    *socket,
               guint           max)
{
  TnPacketBatch *batch = self->batch;

  tn_packet_batch_reset (batch);
  while (batch->n_packets < max &&
         batch->slab_len - batch->slab_used >= TN_PACKET_HEADROOM + TN_UDP_RECEIVE_MAX + TN_PACKET_TAILROOM)
    {
      guint8 *data = batch->slab + batch->slab_used + TN_PACKET_HEADROOM;
      guint16 segment_size = 0;
      gssize n = tn_udp_socket_receive (socket, data, &self->from[batch->n_packets], &segment_size);

      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return FALSE;
      if (n < 0)      /* what one of the destinations said: the socket goes on */
        return TRUE;
      if (n > 0)
        append_received (self, data, (gsize) n, segment_size);
    }
  return TRUE;
}

/* A datagram that comes alone does not wait until the socket has said that there is no other. */
static gboolean
readable_cb (int          fd,
             GIOCondition condition,
             gpointer     user_data)
{
  Family *family = user_data;
  g_autoptr (TnUdpTransport) self = g_object_ref (family->transport);
  guint max = family->busy ? TN_PACKET_BATCH_MAX : 1;
  guint n_received = 0;
  gboolean more = TRUE;

  for (guint i = 0; more && i < TURN_MAX && self->context != NULL && family->socket.fd == fd; i++)
    {
      more = receive_batch (self, &family->socket, max);
      n_received += self->batch->n_packets;
      deliver (self);
      max = TN_PACKET_BATCH_MAX;
    }
  family->busy = n_received > 1;
  self->counters.received += n_received;
  return G_SOURCE_CONTINUE;
}

/* --- Out --- */

static void
destroy_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

/* FALSE: it is full again. */
static gboolean
send_urgent (TnUdpTransport *self,
             Family         *family)
{
  TnPacketBatch *urgent = family->urgent;
  guint n = urgent != NULL ? urgent->n_packets : 0;

  for (guint i = 0; i < n; i++)
    {
      TnPacketBatch one = { .n_packets = 1 };
      guint first = 0;

      one.packets[0] = urgent->packets[i];
      if (tn_udp_socket_send (&family->socket, &family->urgent_to[i], &one, &first, &self->counters.lost) == TN_UDP_FULL)
        {
          memmove (urgent->packets, urgent->packets + i, (n - i) * sizeof *urgent->packets);
          memmove (family->urgent_to, family->urgent_to + i, (n - i) * sizeof *family->urgent_to);
          urgent->n_packets = n - i;
          return FALSE;
        }
      self->counters.sent++;
    }
  g_clear_pointer (&family->urgent, tn_packet_batch_free);
  return TRUE;
}

static gboolean
room_again_cb (gpointer user_data)
{
  Family *family = user_data;
  g_autoptr (TnUdpTransport) self = g_object_ref (family->transport);
  TnPathAddress to = { .kind = TN_PATH_ADDRESS_UDP, .udp = { .vni = TN_PATH_NO_VNI } };

  to.udp.endpoint.address.version = family == &self->families[1] ? 6 : 4;
  if (!send_urgent (self, family))
    return G_SOURCE_CONTINUE;
  destroy_source (&family->writable);
  self->callbacks.writable (self->user_data, TN_UNDERLAY_TRANSPORT (self), &to);
  return G_SOURCE_REMOVE;
}

static gboolean
writable_cb (int          fd,
             GIOCondition condition,
             gpointer     user_data)
{
  return room_again_cb (user_data);
}

static void
await_room (TnUdpTransport *self,
            Family         *family)
{
  if (family->writable != NULL)
    return;
  family->writable = g_unix_fd_source_new (family->socket.fd, G_IO_OUT);
  g_source_set_callback (family->writable, G_SOURCE_FUNC (writable_cb), family, NULL);
  g_source_attach (family->writable, self->context);
}

/* There is another socket, or none. */
static void
promise_room (TnUdpTransport *self,
              Family         *family)
{
  family->writable = g_idle_source_new ();
  g_source_set_callback (family->writable, room_again_cb, family, NULL);
  g_source_attach (family->writable, self->context);
}

/* Copies what a full socket must not keep, as far as there is room. How many it was. */
static guint
hold_urgent (Family              *family,
             const TnPathAddress *to,
             const TnPacketBatch *batch,
             guint                first)
{
  guint i;

  if (family->urgent == NULL)
    family->urgent = tn_packet_batch_new (URGENT_LEN);
  for (i = first; i < batch->n_packets && family->urgent->n_packets < URGENT_MAX; i++)
    {
      TnPacket *copy = tn_packet_batch_append (family->urgent, batch->packets[i].len);

      if (copy == NULL)
        break;
      memcpy (copy->data, batch->packets[i].data, copy->len);
      family->urgent_to[family->urgent->n_packets - 1] = *to;
    }
  return i - first;
}

static guint
tn_udp_transport_send (TnUnderlayTransport *transport,
                       const TnPathAddress *to,
                       const TnPacketBatch *batch,
                       guint                first,
                       TnSendFlags          flags)
{
  TnUdpTransport *self = TN_UDP_TRANSPORT (transport);
  Family *family = to->kind == TN_PATH_ADDRESS_UDP ? family_for (self, to->udp.endpoint.address.version) : NULL;
  guint n = batch->n_packets - first, next = first;

  if (family == NULL)
    {
      self->counters.lost += n;
      return n;
    }
  if (family->writable == NULL && tn_udp_socket_send (&family->socket, to, batch, &next, &self->counters.lost) == TN_UDP_FULL)
    await_room (self, family);
  self->counters.sent += next - first;
  if (next < batch->n_packets && (flags & TN_SEND_URGENT) != 0)
    next += hold_urgent (family, to, batch, next);
  return next - first;
}

/* --- Life --- */

static void
family_open (TnUdpTransport  *self,
             Family          *family,
             TnUdpSocket     *socket)
{
  family->socket = *socket;
  family->readable = g_unix_fd_source_new (socket->fd, G_IO_IN);
  g_source_set_callback (family->readable, G_SOURCE_FUNC (readable_cb), family, NULL);
  g_source_set_can_recurse (family->readable, TRUE);      /* it does not, and GLib need not take it out of the set and wake itself for that */
  g_source_attach (family->readable, self->context);
}

static void
family_close (Family *family)
{
  destroy_source (&family->readable);
  destroy_source (&family->writable);
  g_clear_pointer (&family->urgent, tn_packet_batch_free);
  tn_udp_socket_close (&family->socket);
}

/* On @port, or on any if another program has that one. 0, or an errno. */
static int
open_one (TnUdpTransport *self,
          guint8          version,
          guint16         port,
          TnUdpSocket    *socket)
{
  int number = tn_udp_socket_open (socket, version, port, &self->options);

  return number == EADDRINUSE && port != 0 ? tn_udp_socket_open (socket, version, 0, &self->options) : number;
}

/* Both families on @port; 0: on any that is free for both, as a rule. errnos, 0: open. */
static void
open_pair (TnUdpTransport *self,
           guint16         port,
           TnUdpSocket     sockets[2],
           int             numbers[2])
{
  for (guint try = 1; try <= SAME_PORT_TRIES; try++)
    {
      numbers[0] = tn_udp_socket_open (&sockets[0], 4, port, &self->options);
      numbers[1] = tn_udp_socket_open (&sockets[1], 6, numbers[0] == 0 ? sockets[0].port : port, &self->options);
      if (numbers[0] != 0 || numbers[1] != EADDRINUSE || port != 0)
        return;
      if (try < SAME_PORT_TRIES)
        tn_udp_socket_close (&sockets[0]);
    }
  numbers[1] = tn_udp_socket_open (&sockets[1], 6, 0, &self->options);
}

/* It is not that the kernel has no such family: there is just no room for a socket now. */
static gboolean
may_pass (int number)
{
  return number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM;
}

static gboolean again_cb (gpointer data);

static void
open_again (TnUdpTransport *self)
{
  destroy_source (&self->again);
  self->again = g_timeout_source_new_seconds (self->again_s);
  self->again_s = MIN (self->again_s * 2, AGAIN_MAX_S);
  g_source_set_callback (self->again, again_cb, self, NULL);
  g_source_attach (self->again, self->context);
}

static gboolean
again_cb (gpointer data)
{
  TnUdpTransport *self = data;
  gboolean again = FALSE, opened = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (self->families); i++)
    {
      Family *family = &self->families[i];
      TnUdpSocket socket;
      int number;

      if (family->socket.fd >= 0)
        continue;
      number = open_one (self, i == 0 ? 4 : 6, self->port, &socket);
      again |= may_pass (number);
      opened |= number == 0;
      if (number == 0)
        family_open (self, family, &socket);
    }
  if (again)
    open_again (self);
  else
    destroy_source (&self->again);
  if (opened && self->callbacks.bound != NULL)
    self->callbacks.bound (self->user_data, TN_UNDERLAY_TRANSPORT (self));
  return G_SOURCE_REMOVE;
}

static gboolean
open_sockets (TnUdpTransport  *self,
              guint16          port,
              GError         **error)
{
  TnUdpSocket sockets[2];
  int numbers[2];

  open_pair (self, port, sockets, numbers);
  if (port != 0 && (numbers[0] == EADDRINUSE || numbers[1] == EADDRINUSE))
    {
      g_message ("UDP port %u is in use: another one is taken", port);
      /* One that has it keeps what is known of it. */
      if (numbers[0] != 0 && numbers[1] != 0)
        open_pair (self, 0, sockets, numbers);
      else if (numbers[0] != 0)
        numbers[0] = open_one (self, 4, port, &sockets[0]);
      else
        numbers[1] = open_one (self, 6, port, &sockets[1]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (sockets); i++)
    if (numbers[i] == 0)
      family_open (self, &self->families[i], &sockets[i]);
  self->again_s = AGAIN_MIN_S;
  if (may_pass (numbers[0]) || may_pass (numbers[1]))
    open_again (self);
  if (numbers[0] == 0 || numbers[1] == 0)
    return TRUE;
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (numbers[0]), "no socket for UDP: %s", g_strerror (numbers[0]));
  return FALSE;
}

static void
close_sockets (TnUdpTransport *self)
{
  destroy_source (&self->again);
  for (guint i = 0; i < G_N_ELEMENTS (self->families); i++)
    family_close (&self->families[i]);
}

/* It is what others know. */
static void
remember_port (TnUdpTransport *self)
{
  for (guint i = G_N_ELEMENTS (self->families); i-- > 0;)
    if (self->families[i].socket.port != 0)
      self->port = self->families[i].socket.port;
}

static gboolean
tn_udp_transport_start (TnUnderlayTransport        *transport,
                        const TnUnderlayConfig     *config,
                        const TnUnderlayCallbacks  *callbacks,
                        gpointer                    user_data,
                        GError                    **error)
{
  TnUdpTransport *self = TN_UDP_TRANSPORT (transport);

  if (self->context != NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_PENDING, "UDP transport has been started already");
      return FALSE;
    }
  self->context = g_main_context_ref (config->context);
  self->callbacks = *callbacks;
  self->user_data = user_data;
  self->options.mark = config->mark;
  if (config->port != 0)
    self->port = config->port;
  if (!open_sockets (self, self->port, error))
    {
      close_sockets (self);
      g_clear_pointer (&self->context, g_main_context_unref);
      return FALSE;
    }
  self->batch = tn_packet_batch_new (SLAB_LEN);
  return TRUE;
}

static void
tn_udp_transport_stop (TnUnderlayTransport *transport)
{
  TnUdpTransport *self = TN_UDP_TRANSPORT (transport);

  if (self->context == NULL)
    return;
  remember_port (self);
  close_sockets (self);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_clear_pointer (&self->batch, tn_packet_batch_free);
  self->callbacks = (TnUnderlayCallbacks) { 0 };
}

/* Sockets of the old network's, on the port that others know, and with another chance for all that the new one can. What was blocked is
 * to come again. */
static void
tn_udp_transport_rebind (TnUnderlayTransport *transport)
{
  TnUdpTransport *self = TN_UDP_TRANSPORT (transport);
  g_autoptr (GError) error = NULL;
  gboolean blocked[2];

  if (self->context == NULL)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (self->families); i++)
    blocked[i] = self->families[i].writable != NULL;
  remember_port (self);
  close_sockets (self);
  if (!open_sockets (self, self->port, &error))
    g_message ("%s", error->message);
  for (guint i = 0; i < G_N_ELEMENTS (self->families); i++)
    if (blocked[i])
      promise_room (self, &self->families[i]);
}

static guint16
tn_udp_transport_get_port (TnUnderlayTransport *transport,
                           guint8               version)
{
  Family *family = family_for (TN_UDP_TRANSPORT (transport), version);

  return family != NULL ? family->socket.port : 0;
}

static void
underlay_iface_init (TnUnderlayTransportInterface *iface)
{
  iface->kind = TN_PATH_ADDRESS_UDP;
  iface->start = tn_udp_transport_start;
  iface->stop = tn_udp_transport_stop;
  iface->send = tn_udp_transport_send;
  iface->rebind = tn_udp_transport_rebind;
  iface->get_port = tn_udp_transport_get_port;
}

/* --- Type --- */

static void
tn_udp_transport_finalize (GObject *object)
{
  tn_udp_transport_stop (TN_UNDERLAY_TRANSPORT (object));
  G_OBJECT_CLASS (tn_udp_transport_parent_class)->finalize (object);
}

static void
tn_udp_transport_class_init (TnUdpTransportClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = tn_udp_transport_finalize;
}

static void
tn_udp_transport_init (TnUdpTransport *self)
{
  self->options = (TnUdpOptions) { .segments = TRUE, .merges = TRUE };
  for (guint i = 0; i < G_N_ELEMENTS (self->families); i++)
    {
      self->families[i].transport = self;
      self->families[i].socket.fd = -1;
    }
}

void
tn_udp_transport_set_offloads (TnUdpTransport *self,
                               gboolean        segments,
                               gboolean        merges)
{
  g_return_if_fail (self->context == NULL);

  self->options.segments = segments;
  self->options.merges = merges;
}

void
tn_udp_transport_get_counters (TnUdpTransport *self,
                               TnUdpCounters  *counters)
{
  *counters = self->counters;
}

gboolean
tn_udp_transport_is_segmenting (TnUdpTransport *self,
                                guint8          version)
{
  Family *family = family_for (self, version);

  return family != NULL && family->socket.segments;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib-unix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "tn-derp-client-private.h"
#include "tn-derp-verify.h"
#include "tn-error.h"
#include "tn-secret.h"
#include "tn-socket-stranded.h"

#define NOT_SENT_LOW_WATER (64 << 10)     /* what waits does so in our queue, where urgent packets can pass it */
#define TCP_KEEP_ALIVE_S 30               /* tailscale net/netknob */

const TnDerpTimes tn_derp_default_times = {
  .connect_us = 10 * G_USEC_PER_SEC,      /* derphttp_client.go: DNS, TCP, TLS, HTTP and greeting */
  .dial_us = 1500 * 1000,                 /* derphttp_client.go: dialNodeTimeout */
  .read_us = 120 * G_USEC_PER_SEC,        /* derp_client.go Recv(); servers send a keep-alive every 60 to 65 s */
  .ping_us = 3 * G_USEC_PER_SEC,          /* magicsock.go: after a rebind */
};

typedef struct
{
  GSource       source;
  TnDerpClient *client;
} IoSource;

static TnDerpClient *
client_ref (TnDerpClient *self)
{
  g_ref_count_inc (&self->ref_count);
  return self;
}

static void
client_unref (TnDerpClient *self)
{
  if (!g_ref_count_dec (&self->ref_count))
    return;

  tn_relay_region_free (self->region);
  g_clear_object (&self->tls_database);
  g_clear_error (&self->send_error);
  g_free (self->app_name);
  tn_packet_batch_free (self->batch);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnDerpClient, client_unref)

/* Ends everything under way; what is left is memory. */
static void
shut (TnDerpClient *self)
{
  self->state = TN_DERP_CLIENT_CLOSED;
  g_clear_pointer (&self->dial, tn_derp_dial_cancel);
  if (self->source != NULL)
    g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
  g_clear_pointer (&self->tls, tn_derp_tls_free);
  g_clear_object (&self->connection);
  tn_derp_queue_clear (&self->queue);
  g_clear_pointer (&self->secrets, tn_secret_free);
}

/* Takes @error. */
void
tn_derp_client_fail (TnDerpClient *self,
                     GError       *error)
{
  if (self->node != NULL)
    g_prefix_error (&error, "relay %s: ", self->node->host_name);
  shut (self);
  self->events->closed (self->user_data, error);
  g_error_free (error);
}

void
tn_derp_client_fail_malformed (TnDerpClient *self,
                               const char   *message)
{
  tn_derp_client_fail (self, g_error_new_literal (TN_ERROR, TN_ERROR_MALFORMED, message));
}

void
tn_derp_client_fail_io (TnDerpClient *self,
                        TnDerpIo      io,
                        GError       *error)
{
  if (io == TN_DERP_IO_END)
    error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED,
                                 self->state == TN_DERP_CLIENT_UP ? "connection closed" : "connection closed before the relay let us in");
  tn_derp_client_fail (self, error);
}

/* --- What to wait for --- */

/* When there is something to do although nothing came: at once for what send() left in the queue. */
static gint64
next_time (TnDerpClient *self)
{
  gint64 time_us = self->deadline_us;

  if (self->input_left || self->send_error != NULL)
    return 0;
  if (self->ping_deadline_us != 0)
    time_us = MIN (time_us, self->ping_deadline_us);
  if (self->state == TN_DERP_CLIENT_UP && !tn_derp_tls_wants_write (self->tls))
    time_us = MIN (time_us, tn_derp_queue_deadline (&self->queue));
  return time_us;
}

static void
update_source (TnDerpClient *self)
{
  GIOCondition condition = G_IO_IN;

  if (self->source == NULL)
    return;

  if (tn_derp_tls_wants_write (self->tls))
    condition |= G_IO_OUT;
  if (condition != self->condition)
    {
      self->condition = condition;
      g_source_modify_unix_fd (self->source, self->fd_tag, condition);
    }
}

/* --- Writing --- */

/* Writes what waits, in records as long as they get, until the socket takes no more. */
static TnDerpIo
flush (TnDerpClient  *self,
       gint64         now_us,
       GError       **error)
{
  TnDerpIo io = tn_derp_tls_flush (self->tls, error);
  const guint8 *bytes;
  gsize len;

  if (self->state != TN_DERP_CLIENT_UP)
    return io;

  while (io == TN_DERP_IO_DONE && (len = tn_derp_queue_peek (&self->queue, TN_DERP_TLS_RECORD_MAX, now_us, &bytes)) > 0)
    {
      io = tn_derp_tls_write (self->tls, bytes, len, error);
      if (io != TN_DERP_IO_FAILED)
        tn_derp_queue_consume (&self->queue, len, now_us);
    }
  return io;
}

guint
tn_derp_client_send (TnDerpClient          *self,
                     const TnNodePublicKey *to,
                     const TnPacketBatch   *batch,
                     guint                  first,
                     gboolean               urgent,
                     guint                 *n_dropped)
{
  gint64 now_us = g_get_monotonic_time ();
  gboolean flushed = FALSE;
  guint i = first;

  if (self->state != TN_DERP_CLIENT_UP && !urgent)
    {
      self->queue.refused = TRUE;
      return 0;
    }

  while (i < batch->n_packets && self->send_error == NULL)
    {
      const TnPacket *packet = &batch->packets[i];

      if (packet->len > TN_DERP_PACKET_MAX || packet->segment_size != 0)
        (*n_dropped)++;
      else if (!tn_derp_queue_push (&self->queue, to, packet->data, packet->len, urgent, now_us))
        {
          if (self->state != TN_DERP_CLIENT_UP || flushed || flush (self, now_us, &self->send_error) != TN_DERP_IO_DONE)
            break;
          flushed = TRUE;
          continue;
        }
      flushed = FALSE;
      i++;
    }

  if (self->state == TN_DERP_CLIENT_UP)
    update_source (self);
  return i - first;      /* sent in the next iteration: what others of this one send shares a record */
}

void
tn_derp_client_push_frame (TnDerpClient    *self,
                           TnDerpFrameType  type,
                           const void      *payload,
                           gsize            len)
{
  if (!tn_derp_queue_push_frame (&self->queue, type, payload, len, g_get_monotonic_time ()))
    g_debug ("relay %s does not read: frame of type %u dropped", self->node->host_name, type);
}

void
tn_derp_client_set_home (TnDerpClient *self,
                         gboolean      is_home)
{
  guint8 byte = is_home ? 1 : 0;

  if (self->is_home == is_home)
    return;

  self->is_home = is_home;
  if (self->state == TN_DERP_CLIENT_UP)
    tn_derp_client_push_frame (self, TN_DERP_NOTE_PREFERRED, &byte, 1);
}

void
tn_derp_client_probe (TnDerpClient *self)
{
  if (self->state != TN_DERP_CLIENT_UP)
    return;

  tn_random (self->ping_token, sizeof self->ping_token);
  self->ping_deadline_us = g_get_monotonic_time () + self->times.ping_us;
  tn_derp_client_push_frame (self, TN_DERP_PING, self->ping_token, sizeof self->ping_token);
}

gboolean
tn_derp_client_is_up (TnDerpClient *self)
{
  return self->state == TN_DERP_CLIENT_UP;
}

gboolean
tn_derp_client_is_stranded (TnDerpClient *self)
{
  return self->connection != NULL && tn_socket_is_stranded (g_socket_connection_get_socket (self->connection));
}

/* --- The source: one descriptor and one time --- */

static gboolean
check_deadlines (TnDerpClient *self,
                 gint64        now_us)
{
  const char *words;

  if (now_us < self->deadline_us && (self->ping_deadline_us == 0 || now_us < self->ping_deadline_us))
    return TRUE;

  words = self->state != TN_DERP_CLIENT_UP ? "no connection in time"
          : self->ping_deadline_us != 0 ? "no answer to a ping" : "nothing received in time";
  tn_derp_client_fail (self, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, words));
  return FALSE;
}

static void
write_all (TnDerpClient *self)
{
  GError *error = NULL;
  TnDerpIo io;

  io = flush (self, g_get_monotonic_time (), &error);
  if (io == TN_DERP_IO_FAILED || io == TN_DERP_IO_END)
    tn_derp_client_fail_io (self, io, error);
  else if (self->state == TN_DERP_CLIENT_UP && tn_derp_queue_take_room (&self->queue))
    self->events->writable (self->user_data);
}

static void
work (TnDerpClient *self,
      GIOCondition  ready)
{
  if (self->send_error != NULL)
    {
      tn_derp_client_fail (self, g_steal_pointer (&self->send_error));
      return;
    }
  if (ready & (G_IO_IN | G_IO_HUP | G_IO_ERR))
    tn_derp_tls_readable (self->tls);

  if (self->state == TN_DERP_CLIENT_HANDSHAKE)
    tn_derp_client_handshake (self);
  if (self->state > TN_DERP_CLIENT_HANDSHAKE && self->state < TN_DERP_CLIENT_CLOSED && !tn_derp_client_read (self))
    return;
  if (self->state > TN_DERP_CLIENT_HANDSHAKE && self->state < TN_DERP_CLIENT_CLOSED)
    write_all (self);
  if (self->state < TN_DERP_CLIENT_CLOSED)
    check_deadlines (self, g_get_monotonic_time ());
}

static gboolean
io_dispatch (GSource     *source,
             GSourceFunc  callback,
             gpointer     user_data)
{
  g_autoptr (TnDerpClient) self = client_ref (((IoSource *) source)->client);

  g_source_set_ready_time (source, -1);
  work (self, g_source_query_unix_fd (source, self->fd_tag));
  update_source (self);
  return G_SOURCE_CONTINUE;     /* destroyed when closed */
}

/* Not by its ready time: to set that costs a system call, and this would do so several times for each packet. */
static gboolean
io_prepare (GSource *source,
            int     *timeout)
{
  gint64 left_us = next_time (((IoSource *) source)->client) - g_source_get_time (source);

  *timeout = left_us <= 0 ? 0 : (int) MIN ((left_us + 999) / 1000, G_MAXINT);
  return left_us <= 0;
}

static gboolean
io_check (GSource *source)
{
  return next_time (((IoSource *) source)->client) <= g_source_get_time (source);
}

static GSourceFuncs io_funcs = { .prepare = io_prepare, .check = io_check, .dispatch = io_dispatch };

static void
set_options (int fd)
{
  const struct { int level, option, value; } options[] = {
    { IPPROTO_TCP, TCP_NODELAY, 1 },
    { IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOT_SENT_LOW_WATER },
    { SOL_SOCKET, SO_KEEPALIVE, 1 },
    { IPPROTO_TCP, TCP_KEEPIDLE, TCP_KEEP_ALIVE_S },
    { IPPROTO_TCP, TCP_KEEPINTVL, TCP_KEEP_ALIVE_S },
  };

  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    if (setsockopt (fd, options[i].level, options[i].option, &options[i].value, sizeof options[i].value) < 0)
      g_debug ("cannot set socket option %d: %s", options[i].option, g_strerror (errno));
}

static void
attach_source (TnDerpClient *self)
{
  self->source = g_source_new (&io_funcs, sizeof (IoSource));
  ((IoSource *) self->source)->client = self;
  g_source_set_static_name (self->source, "derp");
  g_source_set_can_recurse (self->source, TRUE);      /* it never does; else GLib takes it out of its poll set for each dispatch */
  self->condition = G_IO_IN;
  self->fd_tag = g_source_add_unix_fd (self->source, self->fd, self->condition);
  g_source_set_ready_time (self->source, 0);      /* the handshake begins in the next iteration */
  g_source_attach (self->source, g_main_context_get_thread_default ());
}

static void
dialled_cb (gpointer           user_data,
            GSocketConnection *connection,
            const TnRelayNode *node,
            const GError      *error)
{
  g_autoptr (TnDerpClient) self = client_ref (user_data);
  g_autoptr (GError) tls_error = NULL;

  self->dial = NULL;
  self->node = node;
  if (self->source != NULL)
    g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
  if (connection == NULL)
    {
      tn_derp_client_fail (self, g_error_copy (error));
      return;
    }
  if (G_IS_TCP_WRAPPER_CONNECTION (connection))
    {
      tn_derp_client_fail (self, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "the way to the proxy is itself encrypted"));
      return;
    }

  self->connection = g_object_ref (connection);
  self->fd = g_socket_get_fd (g_socket_connection_get_socket (connection));
  set_options (self->fd);
  self->tls = tn_derp_tls_new (self->fd, tn_derp_verify_sni (node), &tls_error);
  if (self->tls == NULL)
    {
      tn_derp_client_fail (self, g_steal_pointer (&tls_error));
      return;
    }
  self->state = TN_DERP_CLIENT_HANDSHAKE;
  attach_source (self);
}

static gboolean
dial_timeout_cb (gpointer user_data)
{
  g_autoptr (TnDerpClient) self = client_ref (user_data);

  tn_derp_client_fail (self, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no connection in time"));
  return G_SOURCE_REMOVE;
}

TnDerpClient *
tn_derp_client_new (const TnDerpClientConfig *config,
                    const TnDerpClientEvents *events,
                    gpointer                  user_data)
{
  TnDerpClient *self = g_new0 (TnDerpClient, 1);

  g_ref_count_init (&self->ref_count);
  self->events = events;
  self->user_data = user_data;
  self->region = tn_relay_region_copy (config->region);
  self->secrets = tn_secret_alloc (sizeof *self->secrets);
  self->secrets->node_key = *config->node_key;
  self->tls_database = config->tls_database != NULL ? g_object_ref (config->tls_database) : NULL;
  self->app_name = g_strdup (config->app_name);
  self->is_home = config->is_home;
  self->times = config->times;
  self->deadline_us = g_get_monotonic_time () + config->times.connect_us;
  tn_derp_queue_init (&self->queue);
  self->batch = tn_packet_batch_new (TN_DERP_READ_BUFFER_LEN);

  self->source = g_timeout_source_new ((guint) (config->times.connect_us / 1000));
  g_source_set_callback (self->source, dial_timeout_cb, self, NULL);
  g_source_attach (self->source, g_main_context_get_thread_default ());
  self->dial = tn_derp_dial_start (self->region, config->proxy_resolver, config->mark, config->times.dial_us, dialled_cb, self);
  return self;
}

void
tn_derp_client_close (TnDerpClient *self)
{
  shut (self);
  client_unref (self);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib-unix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "tn-box.h"
#include "tn-derp-client.h"
#include "tn-derp-dial.h"
#include "tn-derp-queue.h"
#include "tn-derp-tls.h"
#include "tn-derp-upgrade.h"
#include "tn-derp-verify.h"
#include "tn-error.h"

#define READ_BUFFER_LEN (128 << 10)
#define READS_PER_DISPATCH 4              /* buffers: others on this thread have to live too */
#define NOT_SENT_LOW_WATER (64 << 10)     /* what waits does so in our queue, where urgent packets can pass it */
#define TCP_KEEP_ALIVE_S 30               /* tailscale net/netknob */

const TnDerpTimes tn_derp_default_times = {
  .connect_us = 10 * G_USEC_PER_SEC,      /* derphttp_client.go: DNS, TCP, TLS, HTTP and greeting */
  .read_us = 120 * G_USEC_PER_SEC,        /* derp_client.go Recv(); servers send a keep-alive every 60 to 65 s */
  .ping_us = 3 * G_USEC_PER_SEC,          /* magicsock.go: after a rebind */
};

typedef enum
{
  STATE_DIALLING,
  STATE_HANDSHAKE,
  STATE_UPGRADE,       /* the request is out */
  STATE_GREETING,
  STATE_UP,
  STATE_CLOSED,
} State;

typedef struct
{
  GSource       source;
  TnDerpClient *client;
} IoSource;

struct _TnDerpClient
{
  grefcount                 ref_count;       /* closing from within a dispatch */
  State                     state;
  const TnDerpClientEvents *events;
  gpointer                  user_data;

  TnRelayRegion            *region;
  const TnRelayNode        *node;            /* of region */
  TnNodePrivateKey          node_key;
  guint8                    shared[32];
  GTlsDatabase             *tls_database;
  char                     *app_name;
  gboolean                  is_home;
  TnDerpTimes               times;

  TnDerpDial               *dial;
  GSocketConnection        *connection;
  int                       fd;
  TnDerpTls                *tls;
  GSource                  *source;
  gpointer                  fd_tag;
  GIOCondition              condition;       /* polled for */
  gint64                    ready_time;      /* of source */
  gint64                    deadline_us;     /* connecting: absolute; up: of the next frame */
  gint64                    ping_deadline_us;
  guint8                    ping_token[TN_DERP_PING_LEN];
  gboolean                  input_left;      /* stopped reading before there was no more */
  GError                   *send_error;      /* found inside send(): told in the next dispatch */

  TnDerpQueue               queue;
  TnPacketBatch            *batch;           /* its slab is the read buffer, its packets are frames in it */
  TnPathAddress             from[TN_PACKET_BATCH_MAX];
};

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
  explicit_bzero (self, sizeof *self);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnDerpClient, client_unref)

/* Ends everything under way; what is left is memory. */
static void
shut (TnDerpClient *self)
{
  self->state = STATE_CLOSED;
  g_clear_pointer (&self->dial, tn_derp_dial_cancel);
  if (self->source != NULL)
    g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
  g_clear_pointer (&self->tls, tn_derp_tls_free);
  g_clear_object (&self->connection);
  tn_derp_queue_clear (&self->queue);
  tn_node_private_key_clear (&self->node_key);
  explicit_bzero (self->shared, sizeof self->shared);
}

/* Takes @error. */
static void
fail (TnDerpClient *self,
      GError       *error)
{
  if (self->node != NULL)
    g_prefix_error (&error, "relay %s: ", self->node->host_name);
  shut (self);
  self->events->closed (self->user_data, error);
  g_error_free (error);
}

static void
fail_malformed (TnDerpClient *self,
                const char   *message)
{
  fail (self, g_error_new_literal (TN_ERROR, TN_ERROR_MALFORMED, message));
}

static void
fail_io (TnDerpClient *self,
         TnDerpIo      io,
         GError       *error)
{
  if (io == TN_DERP_IO_END)
    error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED,
                                 self->state == STATE_UP ? "connection closed" : "connection closed before the relay let us in");
  fail (self, error);
}

/* --- What to wait for --- */

static void
wake_now (TnDerpClient *self)
{
  if (self->source != NULL && self->ready_time != 0)
    {
      self->ready_time = 0;
      g_source_set_ready_time (self->source, 0);
    }
}

static void
update_source (TnDerpClient *self)
{
  GIOCondition condition = G_IO_IN;
  gint64 ready_time = self->deadline_us;

  if (self->source == NULL)
    return;

  if (tn_derp_tls_wants_write (self->tls))
    condition |= G_IO_OUT;
  if (self->ping_deadline_us != 0)
    ready_time = MIN (ready_time, self->ping_deadline_us);
  if (self->state == STATE_UP && !tn_derp_tls_wants_write (self->tls))
    ready_time = MIN (ready_time, tn_derp_queue_deadline (&self->queue));
  if (self->input_left || self->send_error != NULL)
    ready_time = 0;

  if (condition != self->condition)
    {
      self->condition = condition;
      g_source_modify_unix_fd (self->source, self->fd_tag, condition);
    }
  if (ready_time != self->ready_time)
    {
      self->ready_time = ready_time;
      g_source_set_ready_time (self->source, ready_time);
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

  if (self->state != STATE_UP)
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

  if (self->state != STATE_UP && !urgent)
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
          if (self->state != STATE_UP || flushed || flush (self, now_us, &self->send_error) != TN_DERP_IO_DONE)
            break;
          flushed = TRUE;
          continue;
        }
      flushed = FALSE;
      i++;
    }

  if (self->state == STATE_UP)
    wake_now (self);     /* so that what others of this iteration send shares a record */
  return i - first;
}

static void
push_frame (TnDerpClient    *self,
            TnDerpFrameType  type,
            const void      *payload,
            gsize            len)
{
  if (!tn_derp_queue_push_frame (&self->queue, type, payload, len, g_get_monotonic_time ()))
    g_debug ("relay %s does not read: frame of type %u dropped", self->node->host_name, type);
  wake_now (self);
}

void
tn_derp_client_set_home (TnDerpClient *self,
                         gboolean      is_home)
{
  guint8 byte = is_home ? 1 : 0;

  if (self->is_home == is_home)
    return;

  self->is_home = is_home;
  if (self->state == STATE_UP)
    push_frame (self, TN_DERP_NOTE_PREFERRED, &byte, 1);
}

void
tn_derp_client_probe (TnDerpClient *self)
{
  if (self->state != STATE_UP)
    return;

  tn_random (self->ping_token, sizeof self->ping_token);
  self->ping_deadline_us = g_get_monotonic_time () + self->times.ping_us;
  push_frame (self, TN_DERP_PING, self->ping_token, sizeof self->ping_token);
}

gboolean
tn_derp_client_is_up (TnDerpClient *self)
{
  return self->state == STATE_UP;
}

/* --- Getting in --- */

/* ClientInfo, and what every new connection of the home relay begins with. */
static gboolean
append_hello (TnDerpClient          *self,
              GByteArray            *out,
              const TnNodePublicKey *server_key)
{
  TnDerpClientInfo info = {
    .version = TN_DERP_PROTOCOL_VERSION, .can_ack_pings = TRUE, .app_name = self->app_name,
  };
  guint8 nonce[TN_DERP_NONCE_LEN];
  TnNodePublicKey public_key;

  if (!tn_box_precompute (self->shared, self->node_key.bytes, server_key->bytes))
    return FALSE;

  tn_node_private_key_get_public (&self->node_key, &public_key);
  tn_random (nonce, sizeof nonce);
  tn_derp_client_info_append (out, &public_key, self->shared, nonce, &info);
  if (self->is_home)
    tn_derp_note_preferred_append (out, TRUE);
  return TRUE;
}

/* From here on the private key has done its work. */
static void
go_up (TnDerpClient *self)
{
  self->state = STATE_UP;
  self->deadline_us = g_get_monotonic_time () + self->times.read_us;
  tn_node_private_key_clear (&self->node_key);
  self->events->up (self->user_data);
}

/* One record: GnuTLS holds what the socket does not take now. FALSE: failed, and told. */
static gboolean
write_record (TnDerpClient *self,
              GByteArray   *bytes)
{
  g_autoptr (GError) error = NULL;
  TnDerpIo io;

  if (bytes->len > TN_DERP_TLS_RECORD_MAX)
    {
      fail (self, g_error_new (G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "greeting of %u bytes is too long", bytes->len));
      return FALSE;
    }
  io = tn_derp_tls_flush (self->tls, &error);
  if (io == TN_DERP_IO_DONE)
    io = tn_derp_tls_write (self->tls, bytes->data, bytes->len, &error);
  else if (io == TN_DERP_IO_AGAIN)
    io = TN_DERP_IO_END;     /* a server that answers what it has not read */
  if (io == TN_DERP_IO_DONE || io == TN_DERP_IO_AGAIN)
    return TRUE;

  fail_io (self, io, g_steal_pointer (&error));
  return FALSE;
}

static void
begin_upgrade (TnDerpClient *self,
               GPtrArray    *chain)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  const TnRelayNode *first = g_ptr_array_index (self->region->nodes, 0);
  const char *ideal = self->node != first ? first->name : NULL;
  TnNodePublicKey server_key;
  gboolean fast_start = tn_derp_tls_is_13 (self->tls) && tn_derp_verify_find_key (chain, &server_key);

  tn_derp_upgrade_append_request (bytes, self->node, ideal, fast_start);
  if (fast_start && !append_hello (self, bytes, &server_key))
    {
      fail_malformed (self, "relay's key is of low order");
      return;
    }
  if (!write_record (self, bytes))
    return;

  if (fast_start)
    go_up (self);
  else
    self->state = STATE_UPGRADE;
}

static void
handshake (TnDerpClient *self)
{
  g_autoptr (GPtrArray) chain = NULL;
  GError *error = NULL;
  TnDerpIo io = tn_derp_tls_handshake (self->tls, &error);

  if (io == TN_DERP_IO_AGAIN)
    return;
  if (io != TN_DERP_IO_DONE)
    {
      fail_io (self, io, error);
      return;
    }

  chain = tn_derp_tls_dup_chain (self->tls);
  if (tn_derp_verify (chain, self->node, self->tls_database, &error))
    begin_upgrade (self, chain);
  else
    fail (self, error);
}

static gboolean
parse_upgrade (TnDerpClient *self,
               TnReader     *r)
{
  GError *error = NULL;
  gsize head_len = 0;

  if (tn_derp_upgrade_parse_response (r->pos, r->left, &head_len, &error) == TN_DERP_PARSED)
    {
      self->state = STATE_GREETING;
      return tn_reader_skip (r, head_len);
    }
  if (error != NULL)
    fail (self, error);
  return FALSE;
}

static gboolean
parse_greeting (TnDerpClient *self,
                TnReader     *r)
{
  g_autoptr (GByteArray) hello = NULL;
  TnNodePublicKey server_key;
  TnDerpFrame frame;
  TnDerpParse parsed = tn_derp_frame_next (r, TN_DERP_SERVER_KEY_MAX, &frame);

  if (parsed == TN_DERP_INCOMPLETE)
    return FALSE;

  hello = g_byte_array_new ();
  if (parsed == TN_DERP_TOO_LONG || !tn_derp_greeting_parse (&frame, &server_key) || !append_hello (self, hello, &server_key))
    {
      fail_malformed (self, "relay's greeting is malformed");
      return FALSE;
    }
  if (!write_record (self, hello))
    return FALSE;

  go_up (self);
  return self->state == STATE_UP;
}

/* --- Reading --- */

/* FALSE: closed in the callback. */
static gboolean
deliver (TnDerpClient *self)
{
  if (self->batch->n_packets > 0)
    {
      self->events->receive (self->user_data, self->batch, self->from);
      self->batch->n_packets = 0;
    }
  return self->state == STATE_UP;
}

static gboolean
handle_server_info (TnDerpClient      *self,
                    const TnDerpFrame *frame)
{
  TnDerpMessage message = { .type = TN_DERP_SERVER_INFO };
  TnDerpServerInfo info;
  GError *error = NULL;

  if (!tn_derp_server_info_open (frame, self->shared, &info, &error))
    {
      fail (self, error);
      return FALSE;
    }

  tn_derp_queue_set_tokens (&self->queue, info.bytes_per_second, info.burst_bytes, g_get_monotonic_time ());
  self->events->frame (self->user_data, &message);
  return self->state == STATE_UP;
}

static gboolean
handle_frame (TnDerpClient      *self,
              const TnDerpFrame *frame)
{
  TnDerpMessage message;

  if (frame->type == TN_DERP_SERVER_INFO)
    return handle_server_info (self, frame);
  if (!tn_derp_message_parse (frame, &message))
    return TRUE;

  if (message.type == TN_DERP_PING)
    push_frame (self, TN_DERP_PONG, message.token, sizeof message.token);
  else if (message.type == TN_DERP_PONG && memcmp (message.token, self->ping_token, sizeof message.token) == 0)
    self->ping_deadline_us = 0;
  self->events->frame (self->user_data, &message);
  return self->state == STATE_UP;
}

/* In place: the packet keeps the header of its frame as headroom. */
static void
append_packet (TnDerpClient      *self,
               const TnDerpFrame *frame)
{
  guint i = self->batch->n_packets++;

  self->from[i].kind = TN_PATH_ADDRESS_RELAY;
  self->from[i].relay.region = self->region->id;
  memcpy (self->from[i].relay.key.bytes, frame->payload, TN_KEY_LEN);
  self->batch->packets[i] = (TnPacket) {
    .data = self->batch->slab + (frame->payload - self->batch->slab) + TN_KEY_LEN,
    .len = frame->len - TN_KEY_LEN,
    .headroom = TN_DERP_SEND_HEADER_LEN,
  };
}

static gboolean
parse_frames (TnDerpClient *self,
              TnReader     *r)
{
  TnDerpFrame frame;
  TnDerpParse parsed;
  gsize before = r->left;

  while ((parsed = tn_derp_frame_next (r, TN_DERP_FRAME_MAX, &frame)) == TN_DERP_PARSED)
    {
      if (frame.type == TN_DERP_RECV_PACKET && frame.len >= TN_KEY_LEN)
        {
          append_packet (self, &frame);
          if (self->batch->n_packets == TN_PACKET_BATCH_MAX && !deliver (self))
            return FALSE;
        }
      else if (!deliver (self) || !handle_frame (self, &frame))
        return FALSE;
    }
  if (!deliver (self))
    return FALSE;

  if (parsed == TN_DERP_TOO_LONG)
    {
      fail_malformed (self, "relay sends a frame of more than 1048576 bytes");
      return FALSE;
    }
  if (r->left < before)
    self->deadline_us = g_get_monotonic_time () + self->times.read_us;
  return TRUE;
}

/* Room for the rest of a frame longer than the buffer; it goes back to its length when that is through. */
static void
fit_buffer (TnDerpClient *self)
{
  TnPacketBatch *batch = self->batch;
  gsize need = READ_BUFFER_LEN;

  if (self->state == STATE_UP && batch->slab_used >= TN_DERP_FRAME_HEADER_LEN)
    need = MAX (need, TN_DERP_FRAME_HEADER_LEN + (gsize) tn_get_u32be (batch->slab + 1));
  if (need != batch->slab_len)
    {
      batch->slab = g_realloc (batch->slab, need);
      batch->slab_len = need;
    }
}

/* FALSE: closed. */
static gboolean
parse (TnDerpClient *self)
{
  TnReader r = TN_READER_INIT (self->batch->slab, self->batch->slab_used);

  if (self->state == STATE_UPGRADE && !parse_upgrade (self, &r))
    return self->state != STATE_CLOSED;
  if (self->state == STATE_GREETING && !parse_greeting (self, &r) && self->state == STATE_CLOSED)
    return FALSE;
  if (self->state == STATE_UP && !parse_frames (self, &r))
    return FALSE;

  if (r.left > 0 && r.pos != self->batch->slab)
    memmove (self->batch->slab, r.pos, r.left);
  self->batch->slab_used = r.left;
  fit_buffer (self);
  return TRUE;
}

/* One buffer full, or all there is. */
static TnDerpIo
fill_buffer (TnDerpClient  *self,
             GError       **error)
{
  TnPacketBatch *batch = self->batch;
  TnDerpIo io = TN_DERP_IO_DONE;

  while (io == TN_DERP_IO_DONE && batch->slab_used < batch->slab_len)
    {
      gsize len = 0;

      io = tn_derp_tls_read (self->tls, batch->slab + batch->slab_used, batch->slab_len - batch->slab_used, &len, error);
      batch->slab_used += len;
    }
  return io;
}

/* FALSE: closed. */
static gboolean
read_all (TnDerpClient *self)
{
  for (guint i = 0; i < READS_PER_DISPATCH; i++)
    {
      g_autoptr (GError) error = NULL;
      TnDerpIo io = fill_buffer (self, &error);

      if (!parse (self))
        return FALSE;
      if (io == TN_DERP_IO_AGAIN)
        {
          self->input_left = FALSE;
          return TRUE;
        }
      if (io != TN_DERP_IO_DONE)
        {
          fail_io (self, io, g_steal_pointer (&error));
          return FALSE;
        }
    }
  self->input_left = TRUE;
  return TRUE;
}

/* --- The source: one descriptor and one time --- */

static gboolean
check_deadlines (TnDerpClient *self,
                 gint64        now_us)
{
  if (now_us < self->deadline_us && (self->ping_deadline_us == 0 || now_us < self->ping_deadline_us))
    return TRUE;

  fail (self, g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "%s", self->state != STATE_UP ? "no connection in time"
                           : self->ping_deadline_us != 0 ? "no answer to a ping" : "nothing received in time"));
  return FALSE;
}

static void
write_all (TnDerpClient *self)
{
  GError *error = NULL;
  TnDerpIo io;

  io = flush (self, g_get_monotonic_time (), &error);
  if (io == TN_DERP_IO_FAILED || io == TN_DERP_IO_END)
    fail_io (self, io, error);
  else if (self->state == STATE_UP && tn_derp_queue_take_room (&self->queue))
    self->events->writable (self->user_data);
}

static void
work (TnDerpClient *self,
      GIOCondition  ready)
{
  if (self->send_error != NULL)
    {
      fail (self, g_steal_pointer (&self->send_error));
      return;
    }
  if (ready & (G_IO_IN | G_IO_HUP | G_IO_ERR))
    tn_derp_tls_readable (self->tls);

  if (self->state == STATE_HANDSHAKE)
    handshake (self);
  if (self->state > STATE_HANDSHAKE && self->state < STATE_CLOSED && !read_all (self))
    return;
  if (self->state > STATE_HANDSHAKE && self->state < STATE_CLOSED)
    write_all (self);
  if (self->state < STATE_CLOSED)
    check_deadlines (self, g_get_monotonic_time ());
}

static gboolean
io_dispatch (GSource     *source,
             GSourceFunc  callback,
             gpointer     user_data)
{
  g_autoptr (TnDerpClient) self = client_ref (((IoSource *) source)->client);

  work (self, g_source_query_unix_fd (source, self->fd_tag));
  update_source (self);
  return G_SOURCE_CONTINUE;     /* destroyed when closed */
}

static GSourceFuncs io_funcs = { .dispatch = io_dispatch };

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

/* Ready at once: the handshake begins in the next iteration. */
static void
attach_source (TnDerpClient *self)
{
  self->source = g_source_new (&io_funcs, sizeof (IoSource));
  ((IoSource *) self->source)->client = self;
  g_source_set_static_name (self->source, "derp");
  self->condition = G_IO_IN;
  self->fd_tag = g_source_add_unix_fd (self->source, self->fd, self->condition);
  self->ready_time = 0;
  g_source_set_ready_time (self->source, 0);
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
      fail (self, g_error_copy (error));
      return;
    }
  if (G_IS_TCP_WRAPPER_CONNECTION (connection))
    {
      fail (self, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "the way to the proxy is itself encrypted"));
      return;
    }

  self->connection = g_object_ref (connection);
  self->fd = g_socket_get_fd (g_socket_connection_get_socket (connection));
  set_options (self->fd);
  self->tls = tn_derp_tls_new (self->fd, tn_derp_verify_sni (node), &tls_error);
  if (self->tls == NULL)
    {
      fail (self, g_steal_pointer (&tls_error));
      return;
    }
  self->state = STATE_HANDSHAKE;
  attach_source (self);
}

static gboolean
dial_timeout_cb (gpointer user_data)
{
  g_autoptr (TnDerpClient) self = client_ref (user_data);

  fail (self, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no connection in time"));
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
  self->node_key = *config->node_key;
  self->tls_database = config->tls_database != NULL ? g_object_ref (config->tls_database) : NULL;
  self->app_name = g_strdup (config->app_name);
  self->is_home = config->is_home;
  self->times = config->times;
  self->deadline_us = g_get_monotonic_time () + config->times.connect_us;
  tn_derp_queue_init (&self->queue);
  self->batch = tn_packet_batch_new (READ_BUFFER_LEN);

  self->source = g_timeout_source_new ((guint) (config->times.connect_us / 1000));
  g_source_set_callback (self->source, dial_timeout_cb, self, NULL);
  g_source_attach (self->source, g_main_context_get_thread_default ());
  self->dial = tn_derp_dial_start (self->region, config->proxy_resolver, dialled_cb, self);
  return self;
}

void
tn_derp_client_close (TnDerpClient *self)
{
  shut (self);
  client_unref (self);
}

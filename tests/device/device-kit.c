/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "device-kit.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define PATIENCE_S 50      /* more than any event here may take, under a sanitizer on a busy machine; TAILNET_TEST_PATIENCE_S is another */
#define CHUNK (64 << 10)

TnTestkitTailnet *
kit_tailnet_new (void)
{
  TnTestkitTailnet *tailnet = tn_testkit_tailnet_new ();
  g_autoptr (GError) error = NULL;

  tn_testkit_tailnet_start (tailnet, &error);
  g_assert_no_error (error);
  return tailnet;
}

TnDevice *
kit_device_new (TnTestkitTailnet *tailnet,
                const char       *hostname,
                TnStateStore     *store,
                gboolean          with_key)
{
  g_autofree char *url = tn_testkit_tailnet_dup_control_url (tailnet);
  TnEmbeddedDevice *device = tn_embedded_device_new (hostname, url, store);

  if (with_key)
    tn_embedded_device_set_auth_key (device, tn_testkit_tailnet_get_auth_key (tailnet));
  return TN_DEVICE (device);
}

TnDevice *
kit_device_join (TnTestkitTailnet *tailnet,
                 const char       *hostname)
{
  TnDevice *device = kit_device_new (tailnet, hostname, NULL, TRUE);
  g_autoptr (GError) error = NULL;

  kit_start (device, &error);
  g_assert_no_error (error);
  return device;
}

/* --- Waiting --- */

void
kit_result_cb (GObject      *object,
               GAsyncResult *result,
               gpointer      place)
{
  *(GAsyncResult **) place = g_object_ref (result);
}

static guint
get_patience_s (void)
{
  const char *text = g_getenv ("TAILNET_TEST_PATIENCE_S");
  guint64 seconds = PATIENCE_S;

  if (text != NULL)
    g_assert_true (g_ascii_string_to_unsigned (text, 10, 1, 3600, &seconds, NULL));
  return (guint) seconds;
}

static gboolean
impatient_cb (gpointer data)
{
  g_error ("gave up after %u s: %s", get_patience_s (), *(const char **) data);
  return G_SOURCE_REMOVE;
}

void
kit_wait_for (const char *what,
              gboolean  (*condition) (gpointer),
              gpointer    data)
{
  GMainContext *context = g_main_context_get_thread_default ();
  g_autoptr (GSource) limit = g_timeout_source_new_seconds (get_patience_s ());

  g_source_set_callback (limit, impatient_cb, &what, NULL);
  g_source_attach (limit, context);
  while (!condition (data))
    g_main_context_iteration (context, TRUE);
  g_source_destroy (limit);
}

static gboolean
has_result (gpointer place)
{
  return *(GAsyncResult **) place != NULL;
}

GAsyncResult *
kit_wait (GAsyncResult **place)
{
  kit_wait_for ("the end of a call", has_result, place);
  return *place;
}

/* --- Life --- */

gboolean
kit_start (TnDevice  *device,
           GError   **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  tn_device_start_async (device, NULL, kit_result_cb, &result);
  return tn_device_start_finish (device, kit_wait (&result), error);
}

void
kit_stop (TnDevice *device)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  tn_device_stop_async (device, NULL, kit_result_cb, &result);
  g_assert_true (tn_device_stop_finish (device, kit_wait (&result), &error));
  g_assert_no_error (error);
  g_assert_cmpint (tn_device_get_state (device), ==, TN_DEVICE_STATE_STOPPED);
}

void
kit_free (TnDevice *device)
{
  kit_stop (device);
  g_assert_finalize_object (device);
}

/* --- What is known --- */

typedef struct
{
  TnDevice     *device;
  TnDeviceState state;
  const char   *name;
  TnNode       *node;
  char         *text;
} Wanted;

static gboolean
has_state (gpointer data)
{
  Wanted *wanted = data;

  return tn_device_get_state (wanted->device) == wanted->state;
}

void
kit_wait_state (TnDevice      *device,
                TnDeviceState  state)
{
  Wanted wanted = { .device = device, .state = state };

  kit_wait_for ("a state of the device", has_state, &wanted);
}

static gboolean
has_peer (gpointer data)
{
  Wanted *wanted = data;

  g_clear_object (&wanted->node);
  wanted->node = tn_device_lookup_peer (wanted->device, wanted->name);
  return wanted->node != NULL && tn_node_get_online (wanted->node);
}

TnNode *
kit_wait_peer (TnDevice   *device,
               const char *name)
{
  Wanted wanted = { .device = device, .name = name };

  kit_wait_for (name, has_peer, &wanted);
  return wanted.node;
}

static gboolean
has_no_peer (gpointer data)
{
  Wanted *wanted = data;
  g_autoptr (TnNode) node = tn_device_lookup_peer (wanted->device, wanted->name);

  return node == NULL;
}

void
kit_wait_gone (TnDevice   *device,
               const char *name)
{
  Wanted wanted = { .device = device, .name = name };

  kit_wait_for ("a peer to go", has_no_peer, &wanted);
}

static gboolean
has_health (gpointer data)
{
  Wanted *wanted = data;
  GListModel *health = tn_device_get_health (wanted->device);

  for (guint i = 0; i < g_list_model_get_n_items (health); i++)
    {
      g_autoptr (TnHealthItem) item = g_list_model_get_item (health, i);

      if (g_strcmp0 (tn_health_item_get_code (item), wanted->name) == 0)
        {
          g_free (wanted->text);
          wanted->text = g_strdup (tn_health_item_get_text (item));
          return TRUE;
        }
    }
  return FALSE;
}

static gboolean
has_no_health (gpointer data)
{
  return !has_health (data);
}

char *
kit_wait_health (TnDevice   *device,
                 const char *code)
{
  Wanted wanted = { .device = device, .name = code };

  kit_wait_for (code, has_health, &wanted);
  return wanted.text;
}

void
kit_wait_healthy (TnDevice   *device,
                  const char *code)
{
  Wanted wanted = { .device = device, .name = code };

  kit_wait_for ("a health item to go", has_no_health, &wanted);
  g_free (wanted.text);
}

/* --- Calls --- */

TnPingResult *
kit_ping (TnDevice    *device,
          const char  *host,
          TnPingKind   kind,
          GError     **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  tn_device_ping_async (device, host, kind, 0, NULL, kit_result_cb, &result);
  return tn_device_ping_finish (device, kit_wait (&result), error);
}

TnConnection *
kit_connect (TnDevice    *device,
             const char  *host,
             guint16      port,
             GError     **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  tn_device_connect_to_host_async (device, host, port, NULL, kit_result_cb, &result);
  return tn_device_connect_to_host_finish (device, kit_wait (&result), error);
}

TnListener *
kit_listen (TnDevice    *device,
            guint16      port,
            const char  *address,
            GError     **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  tn_device_listen_async (device, port, address, NULL, kit_result_cb, &result);
  return tn_device_listen_finish (device, kit_wait (&result), error);
}

TnConnection *
kit_accept (TnListener *listener)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  TnConnection *connection;

  tn_listener_accept_async (listener, NULL, kit_result_cb, &result);
  connection = tn_listener_accept_finish (listener, kit_wait (&result), &error);
  g_assert_no_error (error);
  return connection;
}

void
kit_pair (TnDevice      *client,
          TnDevice      *server,
          const char    *server_name,
          guint16        port,
          TnConnection **client_end,
          TnConnection **server_end)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TnListener) listener = kit_listen (server, port, NULL, &error);
  g_autoptr (TnNode) peer = kit_wait_peer (client, server_name);

  g_assert_no_error (error);
  *client_end = kit_connect (client, server_name, port, &error);
  g_assert_no_error (error);
  *server_end = kit_accept (listener);
}

/* --- Bytes --- */

struct _KitTransfer
{
  TnConnection *from;
  TnConnection *to;
  gsize         len;
  gsize         n_sent;
  gsize         n_received;
  gsize         wanted;
  guint32       send_state;
  guint32       check_state;
  guint8        out[CHUNK];
  guint8        in[CHUNK];
  gboolean      sending;
  gboolean      receiving;
};

/* xorshift32: no two places of a stream look alike. */
static guint8
next_byte (guint32 *state)
{
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return (guint8) (*state >> 9);
}

static void send_some    (KitTransfer *transfer);
static void receive_some (KitTransfer *transfer);

static void
sent_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  KitTransfer *transfer = user_data;
  g_autoptr (GError) error = NULL;
  gsize n = 0;

  g_output_stream_write_all_finish (G_OUTPUT_STREAM (object), result, &n, &error);
  g_assert_no_error (error);
  transfer->n_sent += n;
  send_some (transfer);
}

static void
send_some (KitTransfer *transfer)
{
  GOutputStream *out = g_io_stream_get_output_stream (G_IO_STREAM (transfer->from));
  gsize n = MIN (CHUNK, transfer->len - transfer->n_sent);

  transfer->sending = n > 0;
  if (n == 0)
    return;
  for (gsize i = 0; i < n; i++)
    transfer->out[i] = next_byte (&transfer->send_state);
  g_output_stream_write_all_async (out, transfer->out, n, G_PRIORITY_DEFAULT, NULL, sent_cb, transfer);
}

static void
received_cb (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  KitTransfer *transfer = user_data;
  g_autoptr (GError) error = NULL;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (object), result, &error);

  g_assert_no_error (error);
  g_assert_cmpint (n, >, 0);
  for (gssize i = 0; i < n; i++)
    if (transfer->in[i] != next_byte (&transfer->check_state))
      g_error ("byte %" G_GSIZE_FORMAT " is wrong", transfer->n_received + (gsize) i);
  transfer->n_received += (gsize) n;
  receive_some (transfer);
}

static void
receive_some (KitTransfer *transfer)
{
  GInputStream *in = g_io_stream_get_input_stream (G_IO_STREAM (transfer->to));
  gsize n = MIN (CHUNK, transfer->len - transfer->n_received);

  transfer->receiving = n > 0;
  if (n > 0)
    g_input_stream_read_async (in, transfer->in, n, G_PRIORITY_DEFAULT, NULL, received_cb, transfer);
}

KitTransfer *
kit_transfer_start (TnConnection *from,
                    TnConnection *to,
                    gsize         len,
                    guint32       seed)
{
  KitTransfer *transfer = g_new0 (KitTransfer, 1);

  transfer->from = g_object_ref (from);
  transfer->to = g_object_ref (to);
  transfer->len = len;
  transfer->send_state = transfer->check_state = seed;
  send_some (transfer);
  receive_some (transfer);
  return transfer;
}

gsize
kit_transfer_received (KitTransfer *transfer)
{
  return transfer->n_received;
}

static gboolean
has_bytes (gpointer data)
{
  KitTransfer *transfer = data;

  return transfer->n_received >= transfer->wanted;
}

void
kit_transfer_wait_bytes (KitTransfer *transfer,
                         gsize        len)
{
  transfer->wanted = len;
  kit_wait_for ("bytes", has_bytes, transfer);
}

static gboolean
is_over (gpointer data)
{
  KitTransfer *transfer = data;

  return !transfer->sending && !transfer->receiving;
}

void
kit_transfer_finish (KitTransfer *transfer)
{
  kit_wait_for ("a transfer", is_over, transfer);
  g_object_unref (transfer->from);
  g_object_unref (transfer->to);
  g_free (transfer);
}

void
kit_echo (TnConnection *one,
          TnConnection *other,
          const char   *text)
{
  guint32 seed = g_str_hash (text) | 1;

  kit_transfer_finish (kit_transfer_start (one, other, strlen (text), seed));
  kit_transfer_finish (kit_transfer_start (other, one, strlen (text), seed + 2));
}

guint
kit_count_threads (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  guint n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static gboolean
is_listening (int fd)
{
  int listening = 0;
  socklen_t len = sizeof listening;

  return getsockopt (fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening != 0;
}

/* 0: no socket, or one without a port. */
static guint16
local_port (int fd)
{
  struct sockaddr_storage address = { 0 };
  socklen_t len = sizeof address;

  if (getsockname (fd, (struct sockaddr *) &address, &len) != 0)
    return 0;
  if (address.ss_family == AF_INET)
    return g_ntohs (((struct sockaddr_in *) &address)->sin_port);
  return address.ss_family == AF_INET6 ? g_ntohs (((struct sockaddr_in6 *) &address)->sin6_port) : 0;
}

guint
kit_count_fds (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  g_autoptr (GArray) fds = g_array_new (FALSE, FALSE, sizeof (int));
  g_autoptr (GHashTable) served = g_hash_table_new (NULL, NULL);
  const char *name;
  guint n = 0;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      int fd = (int) g_ascii_strtoll (name, NULL, 10);

      g_array_append_val (fds, fd);
      if (is_listening (fd))
        g_hash_table_add (served, GUINT_TO_POINTER (local_port (fd)));
    }
  for (guint i = 0; i < fds->len; i++)
    {
      int fd = g_array_index (fds, int, i);

      if (is_listening (fd) || !g_hash_table_contains (served, GUINT_TO_POINTER (local_port (fd))))
        n++;
    }
  return n;
}

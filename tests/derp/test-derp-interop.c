/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Against the relay server of others, whose program TAILNET_TEST_DERPER names. */

#include <glib/gstdio.h>

#include "derp-peer.h"

typedef struct
{
  GSubprocess      *process;
  GDataInputStream *log;
  char             *folder;
  guint             port;
  char             *pin;
} Derper;

/* One that is free now. */
static guint
find_port (void)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  guint port = g_socket_listener_add_any_inet_port (listener, NULL, NULL);

  g_socket_listener_close (listener);
  g_assert_cmpuint (port, !=, 0);
  return port;
}

/* Until it serves; it tells its certificate in passing. */
static void
read_log (Derper *derper)
{
  char *line;

  while (derper->pin == NULL && (line = g_data_input_stream_read_line (derper->log, NULL, NULL, NULL)) != NULL)
    {
      char *pin = strstr (line, "sha256-raw:");

      if (pin != NULL)
        derper->pin = g_strndup (pin, strcspn (pin, "\""));
      g_free (line);
    }
  g_assert_nonnull (derper->pin);
}

/* It tells its certificate before it listens. */
static void
wait_for_port (guint port)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  gint64 begin_us = g_get_monotonic_time ();
  GSocketConnection *connection;

  do
    connection = g_socket_client_connect_to_host (client, "127.0.0.1", (guint16) port, NULL, NULL);
  while (connection == NULL && g_get_monotonic_time () - begin_us < LIMIT_S * G_USEC_PER_SEC);
  g_assert_nonnull (connection);
  g_object_unref (connection);
}

static void
derper_start (Derper *derper)
{
  g_autofree char *address = g_strdup_printf ("127.0.0.1:%u", derper->port);
  g_autofree char *config = g_build_filename (derper->folder, "derper.key", NULL);
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_PIPE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE);
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&derper->pin, g_free);
  g_clear_object (&derper->log);
  g_clear_object (&derper->process);
  derper->process = g_subprocess_launcher_spawn (launcher, &error, g_getenv ("TAILNET_TEST_DERPER"), "-hostname", "127.0.0.1",
                                                 "-certmode", "manual", "-certdir", derper->folder, "-a", address, "-http-port", "-1",
                                                 "-stun=false", "-c", config, NULL);
  g_assert_no_error (error);
  derper->log = g_data_input_stream_new (g_subprocess_get_stderr_pipe (derper->process));
  read_log (derper);
  wait_for_port (derper->port);
}

static void
derper_stop (Derper *derper)
{
  g_subprocess_force_exit (derper->process);
  g_subprocess_wait (derper->process, NULL, NULL);
}

static gboolean
derper_init (Derper *derper)
{
  if (g_getenv ("TAILNET_TEST_DERPER") == NULL)
    {
      g_test_skip ("needs TAILNET_TEST_DERPER");
      return FALSE;
    }

  *derper = (Derper) { .folder = g_dir_make_tmp ("tailnet-derper-XXXXXX", NULL), .port = find_port () };
  derper_start (derper);
  return TRUE;
}

static void
derper_clear (Derper *derper)
{
  const char *const names[] = { "derper.key", "127.0.0.1.crt", "127.0.0.1.key" };

  derper_stop (derper);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (derper->folder, names[i], NULL);
      g_autoptr (GFile) file = g_file_new_for_path (path);

      g_file_delete (file, NULL, NULL);
    }
  g_assert_cmpint (g_rmdir (derper->folder), ==, 0);
  g_free (derper->folder);
  g_free (derper->pin);
  g_clear_object (&derper->log);
  g_clear_object (&derper->process);
}

static void
start_two_at (Derper *derper,
              Peer   *a,
              Peer   *b)
{
  add_region (a->map, 1, derper->port, derper->pin);
  add_region (b->map, 1, derper->port, derper->pin);
  peer_start (a, 1);
  peer_start (b, 1);
  WAIT_FOR (a->n_up[1] == 1 && b->n_up[1] == 1);
}

/* Up says that packets can be sent, not that the relay knows the other one already: until it answers. */
static void
send_until_received (Peer       *from,
                     Peer       *to,
                     const char *text)
{
  guint n = to->received->len;

  do
    {
      peer_send_bytes (from, 1, to, text, strlen (text), TN_SEND_URGENT);
      g_main_context_iteration (NULL, TRUE);
    }
  while (to->received->len == n);
  assert_received (to, n, text);
}

static void
test_exchange (void)
{
  static const guint8 disco[64] = { 'T', 'S', 0xf0, 0x9f, 0x92, 0xac };
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();
  Derper derper;

  if (!derper_init (&derper))
    return;
  start_two_at (&derper, a, b);
  send_until_received (a, b, "there");
  send_until_received (b, a, "back");
  g_assert_cmpmem (&a->from.relay.key, TN_KEY_LEN, &b->key, TN_KEY_LEN);

  IFACE (b)->stop (UNDERLAY (b));
  WAIT_FOR (a->n_gone == 1);
  peer_send_bytes (a, 1, b, disco, sizeof disco, TN_SEND_URGENT);
  WAIT_FOR (a->n_gone == 2);
  IFACE (a)->rebind (UNDERLAY (a));
  send_until_received (a, a, "to itself");
  g_assert_cmpuint (a->n_down[1], ==, 0);
  derper_clear (&derper);
}

static void
test_restart (void)
{
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();
  Derper derper;

  if (!derper_init (&derper))
    return;
  start_two_at (&derper, a, b);
  send_until_received (a, b, "before");
  derper_stop (&derper);
  WAIT_FOR (a->n_down[1] > 0 && b->n_down[1] > 0);
  derper_start (&derper);
  WAIT_FOR (a->n_up[1] == 2 && b->n_up[1] == 2);
  send_until_received (a, b, "after");
  derper_clear (&derper);
}

static void
test_wrong_pin (void)
{
  g_autofree char *pin = NULL;
  g_autoptr (Peer) a = peer_new ();
  Derper derper;

  if (!derper_init (&derper))
    return;
  pin = g_strdup (derper.pin);
  pin[strlen (pin) - 1] ^= 1;
  add_region (a->map, 1, derper.port, pin);
  peer_start (a, 1);
  WAIT_FOR (a->n_down[1] > 0);
  g_assert_error (a->error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE);
  derper_clear (&derper);
}

enum { BATCH = 16, PACKET_LEN = 1312, WINDOW_MIN = 16, WINDOW_MAX = 1024 };

static guint
send_batch (Peer  *from,
            Peer  *to,
            guint  first)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (BATCH * 1536);
  TnPathAddress path = path_to (1, to);

  for (guint i = 0; i < BATCH; i++)
    tn_put_u32be (tn_packet_batch_append (batch, PACKET_LEN)->data, first + i);
  return IFACE (from)->send (UNDERLAY (from), &path, batch, 0, TN_SEND_NONE);
}

/* How far the packets that @peer received go, with those lost on the way. Forgets them. */
static guint
take_progress (Peer  *peer,
               guint *n_received)
{
  GBytes *last = peer->received->len > 0 ? g_ptr_array_index (peer->received, peer->received->len - 1) : NULL;
  guint end = last != NULL && g_bytes_get_size (last) == PACKET_LEN ? tn_get_u32be (g_bytes_get_data (last, NULL)) + 1 : 0;

  *n_received += peer->received->len;
  g_ptr_array_set_size (peer->received, 0);
  return end;
}

/* Like a TCP connection: a relay drops what its reader does not take at once, and so a sender that knows no bounds loses most. */
typedef struct
{
  guint window;         /* packets */
  guint n_sent;
  guint n_received;
  guint n_lost;
  guint end;            /* of what arrived or is lost */
  guint end_before;     /* at the last tick */
} Flow;

static void
flow_advance (Flow  *flow,
              guint  end)
{
  guint n_lost;

  if (end <= flow->end)
    return;

  flow->end = end;
  n_lost = end - MIN (flow->n_received, end);
  flow->window = n_lost > flow->n_lost ? MAX (flow->window / 2, WINDOW_MIN) : MIN (flow->window + 1, WINDOW_MAX);
  flow->n_lost = n_lost;
}

/* What does not come for so long is lost. */
static gboolean
retransmit_cb (gpointer user_data)
{
  Flow *flow = user_data;

  if (flow->end == flow->end_before)
    flow_advance (flow, flow->n_sent);
  flow->end_before = flow->end;
  return G_SOURCE_CONTINUE;
}

static void
test_throughput (void)
{
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();
  const guint n_wanted = g_test_perf () ? 400000 : 20000;
  Flow flow = { .window = WINDOW_MIN };
  guint timer;
  gint64 begin_us;
  double seconds;
  Derper derper;

  if (!derper_init (&derper))
    return;
  start_two_at (&derper, a, b);
  send_until_received (a, b, "go");
  begin_us = g_get_monotonic_time ();
  timer = g_timeout_add (20, retransmit_cb, &flow);
  while (flow.end < n_wanted)
    {
      if (flow.n_sent < flow.end + flow.window)
        flow.n_sent += send_batch (a, b, flow.n_sent);
      g_main_context_iteration (NULL, flow.n_sent >= flow.end + flow.window);
      flow_advance (&flow, take_progress (b, &flow.n_received));
    }
  g_source_remove (timer);
  seconds = (double) (g_get_monotonic_time () - begin_us) / G_USEC_PER_SEC;
  g_test_message ("%u of %u packets arrived, %.2f Gbit/s", flow.n_received, flow.n_sent,
                  (double) flow.n_received * PACKET_LEN * 8e-9 / seconds);
  g_assert_cmpuint (flow.n_received, >, flow.n_sent / 2);
  g_assert_cmpuint (a->n_down[1] + b->n_down[1], ==, 0);
  derper_clear (&derper);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  tn_derp_transport_register (NULL);

  g_test_add_func ("/derp/interop/exchange", test_exchange);
  g_test_add_func ("/derp/interop/restart", test_restart);
  g_test_add_func ("/derp/interop/wrong-pin", test_wrong_pin);
  g_test_add_func ("/derp/interop/throughput", test_throughput);

  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdint.h>

#include "lwip/ip4_frag.h"
#include "lwip/ip6_frag.h"
#include "lwip/priv/tcp_priv.h"
#include "tn-lwip-core.h"
#include "tn-reader.h"
#include "../netstack/wire.h"

/* A program of bytes for one host of a wire: packets as they come, a connection shaken hands for and then segments that lie relative
 * to it, what its program does, and time. The other host hears nothing. */

#define PORT        7
#define MAX_LEN     2048
#define STEPS_MAX   64
#define OPTIONS_MAX 40

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32 };

enum      /* the first byte of an input */
{
  CONFIG_CONNECT   = 1 << 0,      /* the host connects; else it is connected to */
  CONFIG_IP6       = 1 << 1,
  CONFIG_HALF_OPEN = 1 << 2,      /* the last part of the handshake is left to the input */
  CONFIG_RAW       = 1 << 3,      /* no connection at all */
};

enum { OP_SEGMENT, OP_DATA, OP_WRITE, OP_READ, OP_SHUT, OP_TICKS, OP_RAW, OP_BLOCK, N_OPS };

typedef struct
{
  TestHost           *host;
  TnNetstackListener *listener;
  TnNetstackDatagram *datagram;
  TnReader            r;
  gboolean            ip6;
  guint16             host_port;
  guint16             peer_port;
  guint32             host_first;      /* what the host's numbers begin with */
  guint32             host_next;       /* behind all that it sent */
  guint32             peer_next;       /* what it waits for */
  gboolean            heard;
  gboolean            waiting;         /* for a connection */
  GAsyncResult       *accepted;
  GAsyncResult       *connected;
  TnNetstackStream   *stream;
  gboolean            blocked;
} Play;

static Play play;

/* --- What the host sends --- */

static gboolean
hear (TestHost     *from,
      const guint8 *packet,
      gsize         len,
      gpointer      user_data)
{
  gsize head = packet[0] >> 4 == 6 ? 40 : 20;
  const guint8 *tcp = packet + head;
  guint32 seq, data;

  if (from != play.host || len < head + 20 || packet[packet[0] >> 4 == 6 ? 6 : 9] != 6 || tn_get_u16be (tcp + 2) != play.peer_port)
    return TRUE;
  seq = tn_get_u32be (tcp + 4);
  data = (guint32) (len - head) - (guint32) (tcp[12] >> 4) * 4 + ((tcp[13] & SYN) != 0) + ((tcp[13] & FIN) != 0);
  if ((tcp[13] & SYN) != 0)
    play.host_first = play.host_next = seq;
  if ((gint32) (seq + data - play.host_next) > 0)
    play.host_next = seq + data;
  if ((tcp[13] & ACK) != 0)
    play.peer_next = tn_get_u32be (tcp + 8);
  play.host_port = tn_get_u16be (tcp);
  play.heard = TRUE;
  return TRUE;
}

static void
turn (void)
{
  while (g_main_context_iteration (play.host->wire->context, FALSE))
    ;
}

/* --- What it gets --- */

static void
write_packet (const guint8 *data,
              gsize         len)
{
  TnOverlayTransport *overlay = TN_OVERLAY_TRANSPORT (play.host->stack);
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (MAX_LEN + 512);
  TnPacket *packet = tn_packet_batch_append (batch, len);

  memcpy (packet->data, data, len);
  packet->checksum = TN_CHECKSUM_VERIFIED;      /* sums of TCP and UDP count as good, as after a network card */
  TN_OVERLAY_TRANSPORT_GET_IFACE (overlay)->write (overlay, batch);
  turn ();
}

static const guint8 ip4_a[] = { 100, 64, 0, 1 }, ip4_b[] = { 100, 64, 0, 2 };
static const guint8 ip6_a[16] = { 0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0, [15] = 1 };
static const guint8 ip6_b[16] = { 0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0, [15] = 2 };

/* What stands before the parsers that are meant: an address of ours, and the sum of an IPv4 header. */
static void
make_ours (guint8 *packet,
           gsize   len)
{
  gsize header = (gsize) (packet[0] & 15) * 4;
  guint32 sum = 0;

  if (packet[0] >> 4 == 6 && len >= 40)
    memcpy (packet + 24, ip6_a, sizeof ip6_a);
  if (packet[0] >> 4 != 4 || header < 20 || header > len)
    return;
  memcpy (packet + 16, ip4_a, sizeof ip4_a);
  packet[10] = packet[11] = 0;
  for (gsize i = 0; i < header; i += 2)
    sum += (guint32) packet[i] << 8 | packet[i + 1];
  sum = (sum & 0xffff) + (sum >> 16);
  sum = ~((sum & 0xffff) + (sum >> 16));
  packet[10] = (guint8) (sum >> 8);
  packet[11] = (guint8) sum;
}

typedef struct
{
  guint8  flags;
  guint32 seq;
  guint32 ack;
  guint16 window;
  guint16 urgent;
  guint8  options[OPTIONS_MAX];
  gsize   options_len;
  gsize   len;
} Segment;

static void
write_segment (const Segment *segment)
{
  guint8 packet[MAX_LEN] = { 0 };
  gsize head = play.ip6 ? 40 : 20;
  gsize options_len = (segment->options_len + 3) & ~(gsize) 3;
  gsize len = 20 + options_len + segment->len;
  guint8 *tcp = packet + head;

  packet[0] = play.ip6 ? 0x60 : 0x45;
  if (play.ip6)
    {
      tn_put_u16be (packet + 4, (guint16) len);
      packet[6] = 6;
      packet[7] = 64;
      memcpy (packet + 8, ip6_b, sizeof ip6_b);
    }
  else
    {
      tn_put_u16be (packet + 2, (guint16) (head + len));
      packet[8] = 64;
      packet[9] = 6;
      memcpy (packet + 12, ip4_b, sizeof ip4_b);
    }
  tn_put_u16be (tcp, play.peer_port);
  tn_put_u16be (tcp + 2, play.host_port);
  tn_put_u32be (tcp + 4, segment->seq);
  tn_put_u32be (tcp + 8, segment->ack);
  tcp[12] = (guint8) ((20 + options_len) / 4 << 4);
  tcp[13] = segment->flags;
  tn_put_u16be (tcp + 14, segment->window);
  tn_put_u16be (tcp + 18, segment->urgent);
  memcpy (tcp + 20, segment->options, segment->options_len);
  make_ours (packet, head + len);
  write_packet (packet, head + len);
}

/* The edges of selective acknowledgements, which are numbers of the host's. */
static void
shift_edges (Segment *segment)
{
  for (gsize i = 0; i + 1 < segment->options_len && segment->options[i] != 0;)
    {
      gsize len = segment->options[i] == 1 ? 1 : segment->options[i + 1];

      for (gsize j = i + 2; segment->options[i] == 5 && j + 4 <= MIN (i + len, segment->options_len); j += 4)
        tn_put_u32be (segment->options + j, tn_get_u32be (segment->options + j) + play.host_first);
      if (len == 0)
        return;
      i += len;
    }
}

static gboolean
read_options (Segment *segment)
{
  guint8 len;

  if (!tn_reader_u8 (&play.r, &len))
    return FALSE;
  segment->options_len = MIN (len, MIN (OPTIONS_MAX, play.r.left));
  return tn_reader_copy (&play.r, segment->options, segment->options_len);
}

/* Numbers lie around what each side has come to. */
static gboolean
play_segment (void)
{
  guint16 seq, ack, len;
  Segment segment = { 0 };

  if (!tn_reader_u8 (&play.r, &segment.flags) || !tn_reader_u16be (&play.r, &seq) || !tn_reader_u16be (&play.r, &ack) ||
      !tn_reader_u16be (&play.r, &segment.window) || !tn_reader_u16be (&play.r, &segment.urgent) || !tn_reader_u16be (&play.r, &len) ||
      !read_options (&segment))
    return FALSE;
  segment.seq = play.peer_next + (guint32) (gint32) (gint16) seq;
  segment.ack = play.host_next + (guint32) (gint32) (gint16) ack;
  segment.len = len % 1400;
  shift_edges (&segment);
  write_segment (&segment);
  return TRUE;
}

static void
shake_hands (guint8 config)
{
  Segment segment = { .flags = SYN, .seq = 1000, .window = 0xffff };
  g_autoptr (GInetSocketAddress) remote = NULL;

  play.host_port = PORT;
  if ((config & CONFIG_CONNECT) != 0)
    {
      remote = test_address (play.ip6 ? TEST_IP6_B : TEST_IP4_B, play.peer_port);
      TN_NETSTACK_GET_IFACE (play.host->stack)->connect_async (play.host->stack, remote, NULL, test_result_cb, &play.connected);
      turn ();
      segment.flags = SYN | ACK;
      segment.ack = play.host_next;
    }
  if (!read_options (&segment))
    return;
  write_segment (&segment);
  if ((config & (CONFIG_CONNECT | CONFIG_HALF_OPEN)) != 0 || !play.heard)
    return;

  segment = (Segment) { .flags = ACK, .seq = play.peer_next, .ack = play.host_next, .window = 0xffff };
  write_segment (&segment);
}

/* --- What its program does --- */

static void
take_stream (guint8 config)
{
  TnNetstackListenerClass *listener_class = TN_NETSTACK_LISTENER_GET_CLASS (play.listener);

  if ((config & CONFIG_CONNECT) == 0 && !play.waiting)
    {
      play.waiting = TRUE;
      listener_class->accept_async (play.listener, NULL, test_result_cb, &play.accepted);
    }
  turn ();
  if (play.accepted != NULL && play.stream == NULL)
    {
      play.waiting = FALSE;
      play.stream = listener_class->accept_finish (play.listener, play.accepted, NULL);
      g_clear_object (&play.accepted);
    }
  if (play.connected == NULL || play.stream != NULL)
    return;
  play.stream = TN_NETSTACK_GET_IFACE (play.host->stack)->connect_finish (play.host->stack, play.connected, NULL);
  g_clear_object (&play.connected);
}

static void
play_write (gsize len)
{
  static const guint8 zeros[64 * 256];
  GOutputStream *out = play.stream != NULL ? g_io_stream_get_output_stream (G_IO_STREAM (play.stream)) : NULL;

  if (out != NULL)
    g_pollable_output_stream_write_nonblocking (G_POLLABLE_OUTPUT_STREAM (out), zeros, len, NULL, NULL);
}

static void
play_read (gsize len)
{
  guint8 buffer[64 * 256];
  GInputStream *in = play.stream != NULL ? g_io_stream_get_input_stream (G_IO_STREAM (play.stream)) : NULL;

  if (in != NULL)
    g_pollable_input_stream_read_nonblocking (G_POLLABLE_INPUT_STREAM (in), buffer, len, NULL, NULL);
}

static void
play_shut (guint how)
{
  if (play.stream == NULL)
    return;
  if (how % 4 != 0)
    TN_NETSTACK_STREAM_GET_CLASS (play.stream)->shutdown (play.stream, (how & 1) != 0, (how & 2) != 0, NULL);
  else
    g_clear_object (&play.stream);
}

typedef struct
{
  TnLwipJob job;
  guint     n;
} Ticks;

static void
ticks_run (TnLwipJob *job)
{
  for (guint i = 0; i < ((Ticks *) job)->n; i++)
    {
      tcp_fasttmr ();
      tcp_slowtmr ();
    }
}

static void
abort_run (TnLwipJob *job)
{
  while (tcp_active_pcbs != NULL)
    tcp_abort (tcp_active_pcbs);
  while (tcp_tw_pcbs != NULL)
    tcp_abort (tcp_tw_pcbs);
  for (guint i = 0; i <= MAX (IP_REASS_MAXAGE, IPV6_REASS_MAXAGE); i++)      /* fragments that wait for others */
    {
      ip_reass_tmr ();
      ip6_reass_tmr ();
    }
}

static int job_done;

static void
done_run (TnLwipJob *job)
{
  g_atomic_int_set (&job_done, TRUE);
}

static void
run_job (TnLwipJob *job)
{
  TnLwipJob done = { .run = done_run };

  g_atomic_int_set (&job_done, FALSE);
  tn_lwip_core_leave (job);
  tn_lwip_core_leave (&done);
  while (!g_atomic_int_get (&job_done))
    {
      tn_lwip_core_help ();
      turn ();
    }
}

static void
play_ticks (guint n)
{
  Ticks ticks = { { .run = ticks_run }, n };

  run_job (&ticks.job);
}

static void
play_block (gboolean blocked)
{
  TnOverlayTransport *overlay = TN_OVERLAY_TRANSPORT (play.host->stack);
  TnIpAddress address = play.ip6 ? tn_ip_address_from_bytes (ip6_b, 16) : tn_ip_address_from_bytes (ip4_b, 4);

  play.blocked = blocked;
  TN_OVERLAY_TRANSPORT_GET_IFACE (overlay)->set_blocked (overlay, &address, blocked);
}

static gboolean
play_raw (void)
{
  guint8 packet[MAX_LEN];
  guint16 len;

  if (!tn_reader_u16be (&play.r, &len))
    return FALSE;
  len = (guint16) MIN (len, MIN (play.r.left, sizeof packet));
  if (len == 0 || !tn_reader_copy (&play.r, packet, len))
    return FALSE;
  make_ours (packet, len);
  write_packet (packet, len);
  return TRUE;
}

/* The next of what the other side has to say. */
static void
play_data (gsize len)
{
  Segment segment = { .flags = ACK | PSH, .seq = play.peer_next, .ack = play.host_next, .window = 0xffff, .len = len };

  write_segment (&segment);
}

static gboolean
step (guint8 config)
{
  guint8 op, arg;

  if (!tn_reader_u8 (&play.r, &op))
    return FALSE;
  if (op % N_OPS == OP_SEGMENT)
    return play_segment ();
  if (op % N_OPS == OP_RAW)
    return play_raw ();
  if (!tn_reader_u8 (&play.r, &arg))
    return FALSE;

  take_stream (config);
  if (op % N_OPS == OP_DATA)
    play_data (arg * 5u);
  else if (op % N_OPS == OP_WRITE)
    play_write (arg < 16 ? arg : arg * 64u);
  else if (op % N_OPS == OP_READ)
    play_read (arg * 64u);
  else if (op % N_OPS == OP_SHUT)
    play_shut (arg);
  else if (op % N_OPS == OP_TICKS)
    play_ticks (arg % 32);
  else
    play_block ((arg & 1) != 0);
  turn ();
  return TRUE;
}

static void
play_all (gpointer data)
{
  TnLwipJob end = { .run = abort_run };
  guint8 config = 0;

  if (!tn_reader_u8 (&play.r, &config))
    return;
  play.ip6 = (config & CONFIG_IP6) != 0;
  play.peer_port = play.peer_port < 1024 ? 1024 : play.peer_port + 1;
  play.heard = FALSE;
  if ((config & CONFIG_RAW) == 0)
    shake_hands (config);
  for (guint i = 0; i < STEPS_MAX && step (config); i++)
    ;

  if (play.blocked)
    play_block (FALSE);
  for (guint i = 0; i < 2; i++)      /* what came of it, and what was under way still, and comes to an end just now */
    {
      take_stream (config);
      g_clear_object (&play.stream);
      run_job (&end);
      turn ();
    }
}

/* --- The world, one for all inputs --- */

static void
open_world (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (GError) error = NULL;

  play.host = &wire->hosts[0];
  play.listener = test_listen (play.host, "0.0.0.0", PORT, 0, &error);
  g_assert_no_error (error);
  play.datagram = test_bind (play.host, "0.0.0.0", PORT, &error);
  g_assert_no_error (error);
  test_wire_set_drop (wire, hear, NULL);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  if (play.host == NULL)
    open_world ();
  play.r = (TnReader) TN_READER_INIT (data, size);
  test_wire_call (play.host->wire, play_all, NULL);
  return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tn-box.h"
#include "tn-derp-frame.h"
#include "tn-derp-info.h"
#include "tn-derp-queue.h"
#include "tn-derp-upgrade.h"
#include "tn-error.h"

static const TnNodePublicKey peer = { { 1, 2, 3 } };

/* --- Frames --- */

static void
test_truncated (void)
{
  g_autoptr (GByteArray) whole = g_byte_array_new ();
  TnIpEndpoint endpoint = { .address.version = 4, .port = 80 };

  tn_derp_greeting_append (whole, &peer);
  for (guint len = 0; len <= whole->len; len++)      /* every proper prefix waits for more */
    {
      g_autofree guint8 *prefix = g_memdup2 (whole->data, MAX (len, 1));
      TnReader r = TN_READER_INIT (prefix, len);
      TnDerpFrame frame;

      g_assert_cmpint (tn_derp_frame_next (&r, TN_DERP_SERVER_KEY_MAX, &frame), ==,
                       len < whole->len ? TN_DERP_INCOMPLETE : TN_DERP_PARSED);
      g_assert_cmpuint (r.left, ==, len < whole->len ? len : 0);
    }

  g_byte_array_set_size (whole, 0);
  tn_derp_peer_present_append (whole, &peer, &endpoint, 3);
  for (guint32 len = 0; len <= whole->len - TN_DERP_FRAME_HEADER_LEN; len++)      /* old servers send less of this one */
    {
      g_autofree guint8 *payload = g_memdup2 (whole->data + TN_DERP_FRAME_HEADER_LEN, MAX (len, 1));
      TnDerpFrame frame = { TN_DERP_PEER_PRESENT, len, payload };
      TnDerpMessage message;

      g_assert_cmpint (tn_derp_message_parse (&frame, &message), ==, len >= TN_KEY_LEN);
      g_assert_cmpint (message.endpoint.port, ==, len >= TN_KEY_LEN + 18 ? 80 : 0);
      g_assert_cmpint (message.flags, ==, len >= TN_KEY_LEN + 19 ? 3 : 0);
    }
}

static void
test_too_long (void)
{
  guint8 header[TN_DERP_FRAME_HEADER_LEN];
  TnReader r = TN_READER_INIT (header, sizeof header);
  TnDerpFrame frame;

  tn_derp_frame_put_header (header, TN_DERP_RECV_PACKET, TN_DERP_FRAME_MAX);
  g_assert_cmpint (tn_derp_frame_next (&r, TN_DERP_FRAME_MAX, &frame), ==, TN_DERP_INCOMPLETE);
  tn_derp_frame_put_header (header, TN_DERP_RECV_PACKET, TN_DERP_FRAME_MAX + 1);
  g_assert_cmpint (tn_derp_frame_next (&r, TN_DERP_FRAME_MAX, &frame), ==, TN_DERP_TOO_LONG);
  tn_derp_frame_put_header (header, TN_DERP_RECV_PACKET, G_MAXUINT32);
  g_assert_cmpint (tn_derp_frame_next (&r, TN_DERP_FRAME_MAX, &frame), ==, TN_DERP_TOO_LONG);
}

/* --- What is in a box --- */

static void
assert_no_server_info (const char *text)
{
  static const guint8 shared[32] = { 4, 5, 6 };
  gsize len = strlen (text);
  g_autofree guint8 *payload = g_malloc0 (TN_DERP_NONCE_LEN + TN_BOX_TAG_LEN + len);
  TnDerpFrame frame = { TN_DERP_SERVER_INFO, (guint32) (TN_DERP_NONCE_LEN + TN_BOX_TAG_LEN + len), payload };
  g_autoptr (GError) error = NULL;
  TnDerpServerInfo info;

  tn_box_seal (shared, payload, (const guint8 *) text, len, payload + TN_DERP_NONCE_LEN);
  g_assert_false (tn_derp_server_info_open (&frame, shared, &info, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_MALFORMED);
}

static void
test_no_json (void)
{
  static const char *const texts[] = { "", "{", "[]", "1", "\"x\"", "{}{}", "1{\"version\":2}", "{\"version\":\"2\"}", "{\"version\":2} x" };
  g_autofree char *deep = g_strnfill (TN_DERP_FRAME_MAX - 64, '[');

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    assert_no_server_info (texts[i]);
  assert_no_server_info (deep);
}

/* --- Upgrade --- */

static void
test_upgrade_response (void)
{
  static const char head[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n\r\n";
  static const char with_frames[] = "HTTP/1.1 101 Switching Protocols\r\n\r\n\x06\0\0\0\0";
  gsize head_len = 0;

  for (gsize len = 0; len < sizeof head; len++)
    {
      g_autofree guint8 *prefix = g_memdup2 (head, MAX (len, 1));
      g_autoptr (GError) error = NULL;
      TnDerpParse parsed = tn_derp_upgrade_parse_response (prefix, len, &head_len, &error);

      g_assert_no_error (error);
      g_assert_cmpint (parsed, ==, len < sizeof head - 1 ? TN_DERP_INCOMPLETE : TN_DERP_PARSED);
    }
  g_assert_cmpuint (head_len, ==, sizeof head - 1);

  g_assert_cmpint (tn_derp_upgrade_parse_response ((const guint8 *) with_frames, sizeof with_frames - 1, &head_len, NULL), ==,
                   TN_DERP_PARSED);
  g_assert_cmpuint (head_len, ==, sizeof with_frames - 1 - 5);      /* what follows is kept for the frames */
}

static void
test_upgrade_request (void)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  TnRelayNode node = { .host_name = (char[]) { "fd00::1" }, .derp_port = 8443 };
  TnRelayNode ideal = { .name = (char[]) { "900a" } };

  g_assert_true (tn_derp_upgrade_append_request (out, &node, &ideal, TRUE));
  g_byte_array_append (out, (const guint8 *) "", 1);
  g_assert_cmpstr ((const char *) out->data, ==, "GET /derp HTTP/1.1\r\nHost: [fd00::1]:8443\r\nUpgrade: DERP\r\n"
                   "Connection: Upgrade\r\nDerp-Fast-Start: 1\r\nIdeal-Node: 900a\r\n\r\n");
}

/* What the map says is not to write lines of the request. */
static void
test_upgrade_names (void)
{
  static const char *const bad[] = { "a\r\nX: y", "a b", "a\tb", "a\x7f", "\xc3\xa4" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *name = g_strdup (bad[i]);
      g_autoptr (GByteArray) out = g_byte_array_new ();
      TnRelayNode good = { .name = (char[]) { "1a" }, .host_name = (char[]) { "r.test" } };
      TnRelayNode named = { .name = name, .host_name = (char[]) { "r.test" } };
      TnRelayNode host = { .name = (char[]) { "1a" }, .host_name = name };

      g_assert_false (tn_derp_upgrade_append_request (out, &good, &named, FALSE));
      g_assert_false (tn_derp_upgrade_append_request (out, &host, NULL, FALSE));
      g_assert_cmpuint (out->len, ==, 0);
    }
}

/* --- Queue --- */

static gboolean
push (TnDerpQueue *queue,
      gsize        len,
      gboolean     urgent,
      gint64       now_us)
{
  g_autofree guint8 *data = g_malloc0 (MAX (len, 1));

  return tn_derp_queue_push (queue, &peer, data, len, urgent, now_us);
}

static gsize
take (TnDerpQueue *queue,
      gsize        max,
      gint64       now_us)
{
  const guint8 *bytes;
  gsize len = tn_derp_queue_peek (queue, max, now_us, &bytes);

  if (len > 0)
    tn_derp_queue_consume (queue, len, now_us);
  return len;
}

static void
test_queue_urgent (void)
{
  TnDerpQueue queue;
  const guint8 *bytes;

  tn_derp_queue_init (&queue);
  g_assert_true (push (&queue, 1000 - 37, FALSE, 0));
  g_assert_true (push (&queue, 1000 - 37, FALSE, 0));
  g_assert_cmpuint (take (&queue, 400, 0), ==, 400);
  g_assert_true (push (&queue, 100 - 37, TRUE, 0));
  g_assert_cmpuint (take (&queue, 16384, 0), ==, 600);      /* the frame that has begun, */
  g_assert_cmpuint (tn_derp_queue_peek (&queue, 16384, 0, &bytes), ==, 100);      /* then the urgent one, */
  g_assert_cmpuint (take (&queue, 16384, 0), ==, 100);
  g_assert_cmpuint (take (&queue, 16384, 0), ==, 1000);     /* then the rest */
  g_assert_true (tn_derp_queue_is_empty (&queue));
  tn_derp_queue_clear (&queue);
}

/* What it holds follows what is drained: 10 ms of it. */
static void
test_queue_limit (void)
{
  TnDerpQueue queue;
  gint64 now_us = 1000;
  gsize held;

  tn_derp_queue_init (&queue);
  for (guint i = 0; i < 1000; i++)      /* 8 MB/s */
    {
      while (push (&queue, 1400, FALSE, now_us))
        ;
      now_us += 1000;
      g_assert_cmpuint (take (&queue, 8000, now_us), ==, 8000);
    }
  held = queue.packets.end - queue.packets.start;
  g_assert_cmpuint (held, >, 8000 * 8);
  g_assert_cmpuint (held, <, 8000 * 12);

  for (guint i = 0; i < 1000; i++)      /* 0.1 MB/s: one record at least */
    {
      while (push (&queue, 1400, FALSE, now_us))
        ;
      now_us += 10000;
      g_assert_cmpuint (take (&queue, 1000, now_us), ==, 1000);
    }
  g_assert_cmpuint (queue.packets.end - queue.packets.start, <=, TN_DERP_QUEUE_MIN);
  tn_derp_queue_clear (&queue);
}

static void
test_queue_room (void)
{
  TnDerpQueue queue;

  tn_derp_queue_init (&queue);
  g_assert_true (push (&queue, 65536, FALSE, 0));      /* an empty one takes any */
  g_assert_false (tn_derp_queue_take_room (&queue));   /* nobody waits */
  g_assert_false (push (&queue, 1, FALSE, 0));
  g_assert_false (tn_derp_queue_take_room (&queue));
  while (take (&queue, 16384, 1) > 0)
    ;
  g_assert_true (tn_derp_queue_take_room (&queue));
  g_assert_false (tn_derp_queue_take_room (&queue));   /* once */
  while (push (&queue, 1000, TRUE, 2))
    ;
  g_assert_cmpuint (queue.urgent.end - queue.urgent.start, <=, TN_DERP_QUEUE_URGENT_MAX);
  tn_derp_queue_clear (&queue);
}

/* A relay that asks for so many bytes a second gets them, and urgent packets do not wait. */
static void
test_queue_tokens (void)
{
  TnDerpQueue queue;
  gint64 now_us = 0;
  gsize sum = 0;

  tn_derp_queue_init (&queue);
  tn_derp_queue_set_tokens (&queue, 100000, 10, now_us);      /* a burst smaller than any packet */
  while (now_us < 10 * G_USEC_PER_SEC)
    {
      while (push (&queue, 1000 - 37, FALSE, now_us))
        ;
      sum += take (&queue, 1000, now_us);
      g_assert_cmpuint (take (&queue, 1000, now_us), ==, 0);
      g_assert_cmpint (tn_derp_queue_deadline (&queue), >, now_us);
      now_us = tn_derp_queue_deadline (&queue);
    }
  g_assert_cmpuint (sum, >, 980000);
  g_assert_cmpuint (sum, <, 1020000);

  take (&queue, 1000, now_us);
  g_assert_true (push (&queue, 1, TRUE, now_us));
  g_assert_cmpuint (take (&queue, 1000, now_us), ==, 38);
  tn_derp_queue_clear (&queue);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/derp/frame/truncated", test_truncated);
  g_test_add_func ("/derp/frame/too-long", test_too_long);
  g_test_add_func ("/derp/info/no-json", test_no_json);
  g_test_add_func ("/derp/upgrade/response", test_upgrade_response);
  g_test_add_func ("/derp/upgrade/request", test_upgrade_request);
  g_test_add_func ("/derp/upgrade/upgrade-names", test_upgrade_names);
  g_test_add_func ("/derp/queue/urgent", test_queue_urgent);
  g_test_add_func ("/derp/queue/limit", test_queue_limit);
  g_test_add_func ("/derp/queue/room", test_queue_room);
  g_test_add_func ("/derp/queue/tokens", test_queue_tokens);

  return g_test_run ();
}

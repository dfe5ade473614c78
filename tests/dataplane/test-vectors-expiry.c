/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vectors.h"

#include "tn-expiry.h"

static gint64
time_member (JsonObject *object,
             const char *name)
{
  const char *text = tn_json_string (object, name);
  g_autoptr (GDateTime) time = NULL;

  if (text == NULL)
    return TN_EXPIRY_NEVER;
  time = g_date_time_new_from_iso8601 (text, NULL);
  g_assert_nonnull (time);
  if (g_date_time_get_year (time) == 1)
    return TN_EXPIRY_NEVER;
  return g_date_time_to_unix (time) * G_TIME_SPAN_SECOND + g_date_time_get_microsecond (time);
}

static TnExpiryPeer *
peers_member (TnVector   *v,
              const char *name,
              guint      *n)
{
  JsonArray *array = tn_vector_array (v, name);
  TnExpiryPeer *peers;

  *n = array != NULL ? json_array_get_length (array) : 0;
  peers = g_new0 (TnExpiryPeer, *n + 1);
  for (guint i = 0; i < *n; i++)
    {
      JsonObject *peer = json_array_get_object_element (array, i);

      g_assert_true (tn_node_public_key_parse (&peers[i].key, tn_json_string (peer, "key")));
      peers[i].expiry_us = time_member (peer, "expiry");
      peers[i].expired = tn_json_bool (peer, "expired");
    }
  return peers;
}

/* Endpoints and home region go when, and only when, the peer becomes flagged here. */
static void
check_cleared (TnVector   *v,
               JsonObject *out,
               JsonObject *in,
               gboolean    newly)
{
  JsonArray *endpoints = tn_json_array (out, "endpoints");
  JsonArray *before = tn_json_array (in, "endpoints");
  guint n_before = before != NULL ? json_array_get_length (before) : 0;

  tn_vector_same_uint (v, "endpoints", newly ? 0 : n_before, endpoints != NULL ? json_array_get_length (endpoints) : 0);
  tn_vector_same_int (v, "home region", newly ? 0 : tn_json_int (in, "home_derp"), tn_json_int (out, "home_derp"));
}

static void
test_expiry (TnVector *v)
{
  guint n, n_out;
  g_autofree TnExpiryPeer *before = peers_member (v, "peers", &n);
  g_autofree TnExpiryPeer *peers = peers_member (v, "peers", &n);
  g_autofree TnExpiryPeer *expected = peers_member (v, "out", &n_out);
  gint64 now_us = time_member (v->object, "now");
  gint64 delta_us = tn_expiry_clock_delta (now_us, now_us + tn_vector_int (v, "control_delta_s") * G_TIME_SPAN_SECOND);

  g_assert_cmpuint (n, ==, n_out);
  tn_expiry_flag (peers, n, now_us, delta_us);
  for (guint i = 0; i < n; i++)
    {
      tn_vector_same_bool (v, "expired", peers[i].expired, expected[i].expired);
      tn_vector_same_bool (v, "same key", tn_node_public_key_equal (&peers[i].key, &expected[i].key), TRUE);
      check_cleared (v, json_array_get_object_element (tn_vector_array (v, "out"), i),
                     json_array_get_object_element (tn_vector_array (v, "peers"), i), peers[i].expired && !before[i].expired);
    }
  tn_vector_same_int (v, "next",
                      tn_expiry_next (peers, n, time_member (v->object, "self_expiry"), now_us, delta_us),
                      time_member (v->object, "next"));
}

static void
test_vectors (void)
{
  static const TnVectorOp ops[] = { { NULL, test_expiry } };

  tn_vectors_run ("expiry.jsonl", 140, ops, G_N_ELEMENTS (ops), NULL);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataplane/vectors/expiry", test_vectors);
  return g_test_run ();
}

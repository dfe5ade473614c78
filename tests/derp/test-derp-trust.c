/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whom the transport takes for the relay of its map. */

#include <glib/gstdio.h>

#include "derp-peer.h"

static GTlsDatabase *
database_of (GTlsCertificate *certificate)
{
  g_autofree char *pem = NULL;
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  GTlsDatabase *database;
  int fd = g_file_open_tmp ("tailnet-ca-XXXXXX.pem", &path, &error);

  g_assert_no_error (error);
  g_close (fd, NULL);
  g_object_get (certificate, "certificate-pem", &pem, NULL);
  g_assert_true (g_file_set_contents (path, pem, -1, NULL));
  database = g_tls_file_database_new (path, &error);
  g_assert_no_error (error);
  g_remove (path);
  return database;
}

static void
test_custom_ca (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();

  a->database = database_of (tn_testkit_derp_get_certificate (relay));
  add_region (a->map, 1, tn_testkit_derp_get_port (relay), NULL);
  peer_start (a, 1);
  WAIT_FOR (a->n_up[1] == 1);
}

static void
assert_refused (Peer       *peer,
                const char *words)
{
  WAIT_FOR (peer->n_down[1] >= 2);      /* it tries again */
  g_assert_cmpuint (peer->n_up[1], ==, 0);
  g_assert_error (peer->error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE);
  g_assert_nonnull (strstr (peer->error->message, words));
}

static void
test_wrong_ca (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (TnTestkitDerp) other = start_relay (2, TRUE);
  g_autoptr (Peer) a = peer_new ();

  a->database = database_of (tn_testkit_derp_get_certificate (other));
  add_region (a->map, 1, tn_testkit_derp_get_port (relay), NULL);
  peer_start (a, 1);
  assert_refused (a, "unknown authority");
}

static void
test_wrong_name (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();

  a->database = database_of (tn_testkit_derp_get_certificate (relay));
  add_region (a->map, 1, tn_testkit_derp_get_port (relay), "relay.example");
  peer_start (a, 1);
  assert_refused (a, "for another name");
}

/* The certificate is also for localhost: another name than that of the map, when the map says so. */
static void
test_other_name (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();

  a->database = database_of (tn_testkit_derp_get_certificate (relay));
  add_region (a->map, 1, tn_testkit_derp_get_port (relay), "localhost");
  peer_start (a, 1);
  WAIT_FOR (a->n_up[1] == 1);
}

static void
test_wrong_pin (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (TnTestkitDerp) other = start_relay (2, TRUE);
  g_autofree char *pin = tn_testkit_derp_dup_pin (other);
  g_autoptr (Peer) a = peer_new ();

  add_region (a->map, 1, tn_testkit_derp_get_port (relay), pin)->insecure_for_tests = TRUE;      /* does not lift a pin */
  peer_start (a, 1);
  assert_refused (a, pin);
}

static void
test_insecure (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();

  add_region (a->map, 1, tn_testkit_derp_get_port (relay), NULL)->insecure_for_tests = TRUE;
  peer_start (a, 1);
  WAIT_FOR (a->n_up[1] == 1);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  tn_derp_transport_register (NULL);

  g_test_add_func ("/derp/trust/custom-ca", test_custom_ca);
  g_test_add_func ("/derp/trust/wrong-ca", test_wrong_ca);
  g_test_add_func ("/derp/trust/wrong-name", test_wrong_name);
  g_test_add_func ("/derp/trust/other-name", test_other_name);
  g_test_add_func ("/derp/trust/wrong-pin", test_wrong_pin);
  g_test_add_func ("/derp/trust/insecure", test_insecure);

  return g_test_run ();
}

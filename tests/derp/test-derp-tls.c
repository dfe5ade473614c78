/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a relay may send between the records of its frames. */

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tn-derp-tls.h"
#include "tn-testkit-derp.h"

typedef struct
{
  int                              fds[2];
  TnDerpTls                       *client;
  gnutls_session_t                 server;
  gnutls_certificate_credentials_t credentials;
  gnutls_datum_t                   ticket_key;
} Fixture;

static void
set_up (Fixture       *f,
        gconstpointer  unused)
{
  g_autoptr (TnTestkitDerp) donor = tn_testkit_derp_new (1);      /* of a certificate */
  g_autoptr (GError) error = NULL;
  g_autofree char *certificate = NULL, *key = NULL;
  gnutls_datum_t certificate_datum, key_datum;
  TnDerpIo io = TN_DERP_IO_AGAIN;
  int rc = GNUTLS_E_AGAIN;

  g_assert_true (tn_testkit_derp_start (donor, &error));
  g_object_get (tn_testkit_derp_get_certificate (donor), "certificate-pem", &certificate, "private-key-pem", &key, NULL);
  certificate_datum = (gnutls_datum_t) { (guint8 *) certificate, (guint) strlen (certificate) };
  key_datum = (gnutls_datum_t) { (guint8 *) key, (guint) strlen (key) };
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, f->fds), ==, 0);

  g_assert_cmpint (gnutls_certificate_allocate_credentials (&f->credentials), ==, 0);
  g_assert_cmpint (gnutls_certificate_set_x509_key_mem (f->credentials, &certificate_datum, &key_datum, GNUTLS_X509_FMT_PEM), ==, 0);
  g_assert_cmpint (gnutls_init (&f->server, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_AUTO_SEND_TICKET), ==, 0);
  g_assert_cmpint (gnutls_priority_set_direct (f->server, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL), ==, 0);
  g_assert_cmpint (gnutls_credentials_set (f->server, GNUTLS_CRD_CERTIFICATE, f->credentials), ==, 0);
  g_assert_cmpint (gnutls_session_ticket_key_generate (&f->ticket_key), ==, 0);
  g_assert_cmpint (gnutls_session_ticket_enable_server (f->server, &f->ticket_key), ==, 0);
  gnutls_transport_set_int (f->server, f->fds[1]);

  f->client = tn_derp_tls_new (f->fds[0], NULL, &error);
  g_assert_no_error (error);
  while (io == TN_DERP_IO_AGAIN || rc == GNUTLS_E_AGAIN)
    {
      tn_derp_tls_readable (f->client);
      if (io == TN_DERP_IO_AGAIN)
        io = tn_derp_tls_handshake (f->client, &error);
      if (rc == GNUTLS_E_AGAIN)
        rc = gnutls_handshake (f->server);
    }
  g_assert_no_error (error);
  g_assert_cmpint (io, ==, TN_DERP_IO_DONE);
  g_assert_cmpint (rc, ==, 0);
  g_assert_true (tn_derp_tls_is_13 (f->client));
}

static void
tear_down (Fixture       *f,
           gconstpointer  unused)
{
  tn_derp_tls_free (f->client);
  gnutls_deinit (f->server);
  gnutls_certificate_free_credentials (f->credentials);
  gnutls_free (f->ticket_key.data);
  close (f->fds[0]);
  close (f->fds[1]);
}

/* All that a socket which was polled once had. */
static void
assert_reads (Fixture    *f,
              const char *expected)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  TnDerpIo io;
  gsize len;
  guint8 out[100];

  tn_derp_tls_readable (f->client);
  while ((io = tn_derp_tls_read (f->client, out, sizeof out, &len, &error)) == TN_DERP_IO_DONE)
    g_string_append_len (text, (const char *) out, (gssize) len);
  g_assert_no_error (error);
  g_assert_cmpint (io, ==, TN_DERP_IO_AGAIN);
  g_assert_cmpstr (text->str, ==, expected);
}

static void
server_says (Fixture    *f,
             const char *text)
{
  g_assert_cmpint (gnutls_record_send (f->server, text, strlen (text)), ==, strlen (text));
}

/* GnuTLS ends a call after them although the record behind them is in memory, where no poll finds it. */
static void
test_tickets (Fixture       *f,
              gconstpointer  unused)
{
  g_assert_cmpint (gnutls_session_ticket_send (f->server, 2, 0), ==, 0);
  server_says (f, "behind");
  assert_reads (f, "behind");

  server_says (f, "one ");
  g_assert_cmpint (gnutls_session_ticket_send (f->server, 3, 0), ==, 0);
  server_says (f, "two ");
  g_assert_cmpint (gnutls_session_ticket_send (f->server, 1, 0), ==, 0);
  server_says (f, "three");
  assert_reads (f, "one two three");

  g_assert_cmpint (gnutls_session_ticket_send (f->server, 1, 0), ==, 0);
  assert_reads (f, "");
}

static void
test_new_keys (Fixture       *f,
               gconstpointer  unused)
{
  server_says (f, "old ");
  g_assert_cmpint (gnutls_session_key_update (f->server, 0), ==, 0);
  server_says (f, "new");
  assert_reads (f, "old new");
}

/* In two parts: what came of it first is no reason to spin. */
static void
test_torn (Fixture       *f,
           gconstpointer  unused)
{
  guint8 records[2000];
  gssize len;
  int to[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, to), ==, 0);
  gnutls_transport_set_int (f->server, to[0]);
  g_assert_cmpint (gnutls_session_ticket_send (f->server, 1, 0), ==, 0);
  server_says (f, "torn");
  len = read (to[1], records, sizeof records);
  g_assert_cmpint (len, >, 20);
  for (gssize i = 0; i < len; i++)
    {
      g_assert_cmpint (write (f->fds[1], records + i, 1), ==, 1);
      assert_reads (f, i + 1 < len ? "" : "torn");
    }
  close (to[0]);
  close (to[1]);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add ("/derp/tls/tickets", Fixture, NULL, set_up, test_tickets, tear_down);
  g_test_add ("/derp/tls/new-keys", Fixture, NULL, set_up, test_new_keys, tear_down);
  g_test_add ("/derp/tls/torn", Fixture, NULL, set_up, test_torn, tear_down);
  return g_test_run ();
}

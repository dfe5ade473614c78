/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "client-kit.h"
#include "tn-testkit-certificate.h"

/* A server whose certificate turns bad, and good again. The key of the server is worth what its certificate is; the connection is
 * not, as it has that key. */

typedef struct
{
  Fixture           client;
  TnTestkitTailnet *tailnet;
  GTlsCertificate  *good;
  GTlsCertificate  *bad;      /* of nobody whom the client trusts */
} Certificates;

static void
set_up_certificates (Certificates *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  self->tailnet = g_object_new (TN_TESTKIT_TYPE_TAILNET, "tls", TRUE, NULL);
  g_assert_true (tn_testkit_tailnet_start (self->tailnet, &error));
  self->client.control = tn_testkit_tailnet_get_control (self->tailnet);
  self->client.tls_database = tn_testkit_tailnet_get_tls_database (self->tailnet);
  fixture_init (&self->client);
  g_object_get (self->client.control, "tls-certificate", &self->good, NULL);
  self->bad = tn_testkit_certificate_new ("127.0.0.1", NULL, &error);
  g_assert_no_error (error);
}

static void
tear_down_certificates (Certificates *self, gconstpointer data)
{
  fixture_clear (&self->client);
  g_object_unref (self->good);
  g_object_unref (self->bad);
  g_object_unref (self->tailnet);
}

static void
show (Certificates *self, GTlsCertificate *certificate)
{
  g_object_set (self->client.control, "tls-certificate", certificate, NULL);
}

static gboolean
is_well (Fixture *fixture)
{
  return is_running (fixture) && tn_control_client_get_error (fixture->client) == NULL;
}

static void
check_named (const GError *error)
{
  g_assert_error (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE);
  g_assert_nonnull (strstr (error->message, "certificate for 127.0.0.1 is signed by an unknown authority"));
}

/* Who does not know the server yet takes no key from it, and asks ever more rarely. */
static void
test_key (Certificates *self, gconstpointer data)
{
  Fixture *fixture = &self->client;

  show (self, self->bad);
  start (fixture, TRUE, 0);
  fixture->wanted = 4;
  wait_for ("errors", has_errors, fixture);
  for (guint i = 0; i < fixture->errors->len; i++)
    check_named (g_ptr_array_index (fixture->errors, i));
  g_assert_cmpuint (fixture->client->retries[TN_RETRY_CONNECT].failures, ==, fixture->errors->len);
  g_assert_nonnull (fixture->client->retries[TN_RETRY_CONNECT].timer);
  g_assert_false (fixture->client->have_control_key);
  g_assert_cmpstr (fixture->states->str, ==, "C");

  show (self, self->good);
  wait_for ("the map", is_well, fixture);
}

/* Who knows the server finds it in any wrapping. */
static void
test_connection (Certificates *self, gconstpointer data)
{
  Fixture *fixture = &self->client;

  join (fixture);
  for (guint i = 0; i < 3; i++)
    {
      show (self, i % 2 == 0 ? self->bad : self->good);
      tn_testkit_control_drop_connections (fixture->control, "node");
      fixture->wanted = fixture->n_full + 1;
      wait_for ("another map", has_maps, fixture);
    }
  for (guint i = 0; i < fixture->errors->len; i++)
    g_assert_cmpuint (((GError *) g_ptr_array_index (fixture->errors, i))->domain, !=, G_TLS_ERROR);
  g_assert_cmpstr (fixture->states->str, ==, "CR");
}

static gboolean
has_named (Fixture *fixture)
{
  const GError *error = tn_control_client_get_error (fixture->client);

  return g_error_matches (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE);
}

/* Unless it has another key meanwhile: that one is not taken. The node runs on with what it has. */
static void
test_other_key (Certificates *self, gconstpointer data)
{
  Fixture *fixture = &self->client;

  join (fixture);
  show (self, self->bad);
  tn_testkit_control_rotate_key (fixture->control);
  wait_for ("the certificate to be named", has_named, fixture);
  check_named (tn_control_client_get_error (fixture->client));
  fixture->wanted = fixture->errors->len + 2;
  wait_for ("more tries", has_errors, fixture);
  check_named (tn_control_client_get_error (fixture->client));
  g_assert_cmpuint (fixture->n_full, ==, 1);
  g_assert_cmpstr (fixture->states->str, ==, "CR");

  show (self, self->good);
  fixture->wanted = 2;
  wait_for ("another map", has_maps, fixture);
  wait_for ("no more complaint", is_well, fixture);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add ("/control/certificate/" path, Certificates, NULL, set_up_certificates, func, tear_down_certificates)
  ADD ("key", test_key);
  ADD ("connection", test_connection);
  ADD ("other-key", test_other_key);
  return g_test_run ();
}

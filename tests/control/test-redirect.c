/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <libsoup/soup.h>
#include <string.h>

#include "client-kit.h"
#include "tn-error.h"

/* A server, or a proxy before it, that sends who asks for its key to another address. */

typedef struct
{
  Fixture           client;
  TnTestkitTailnet *tailnet;
} Ways;

static void
set_up_ways (Ways *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  self->tailnet = g_object_new (TN_TESTKIT_TYPE_TAILNET, "tls", TRUE, NULL);
  g_assert_true (tn_testkit_tailnet_start (self->tailnet, &error));
  self->client.control = tn_testkit_tailnet_get_control (self->tailnet);
  self->client.tls_database = tn_testkit_tailnet_get_tls_database (self->tailnet);
  self->client.no_plain_http = TRUE;
  fixture_init (&self->client);
}

static void
tear_down_ways (Ways *self, gconstpointer data)
{
  fixture_clear (&self->client);
  g_object_unref (self->tailnet);
}

typedef struct
{
  SoupServer *server;
  char       *url;
  char       *location;      /* nullable: where it sends everybody */
  guint       n_asked;
} Signpost;

static void
signpost_cb (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query, gpointer data)
{
  Signpost *self = data;

  self->n_asked++;
  soup_server_message_set_status (message, self->location != NULL ? 302 : 404, NULL);
  if (self->location != NULL)
    soup_message_headers_replace (soup_server_message_get_response_headers (message), "Location", self->location);
}

static void
signpost_start (Signpost *self, GTlsCertificate *certificate)
{
  SoupServerListenOptions options = SOUP_SERVER_LISTEN_IPV4_ONLY | (certificate != NULL ? SOUP_SERVER_LISTEN_HTTPS : 0);
  g_autoptr (GError) error = NULL;
  GSList *uris;

  *self = (Signpost) { .server = soup_server_new (NULL, NULL) };
  if (certificate != NULL)
    soup_server_set_tls_certificate (self->server, certificate);
  soup_server_add_handler (self->server, "/key", signpost_cb, self, NULL);
  soup_server_listen_local (self->server, 0, options, &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (self->server);
  self->url = g_strdup_printf ("%s://127.0.0.1:%d", certificate != NULL ? "https" : "http", g_uri_get_port (uris->data));
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
}

static void
signpost_stop (Signpost *self)
{
  soup_server_disconnect (self->server);
  g_object_unref (self->server);
  g_free (self->url);
  g_free (self->location);
}

/* The first complaint of a client of @signpost. */
static void
follow_signpost (Fixture *fixture, Signpost *signpost)
{
  g_free (fixture->url);
  fixture->url = g_strdup (signpost->url);
  start (fixture, TRUE, 0);
  fixture->wanted = 1;
  wait_for ("an error", has_errors, fixture);
  g_assert_cmpuint (signpost->n_asked, ==, 1);
}

static void
check_blocked (Fixture *fixture, const char *place)
{
  const GError *error = g_ptr_array_index (fixture->errors, 0);

  g_assert_error (error, TN_ERROR, TN_ERROR_BLOCKED);
  g_assert_nonnull (strstr (error->message, place));
  g_assert_false (fixture->client->have_control_key);
}

/* A proxy that sends everything to plain HTTP: the key of a server that one reaches by TLS is not to be had there. */
static void
test_out_of_tls (Ways *self, gconstpointer data)
{
  g_autoptr (GTlsCertificate) certificate = NULL;
  Signpost signpost, plain;

  g_object_get (self->client.control, "tls-certificate", &certificate, NULL);
  signpost_start (&plain, NULL);
  signpost_start (&signpost, certificate);
  signpost.location = g_strdup_printf ("%s/key?v=1", plain.url);
  follow_signpost (&self->client, &signpost);
  check_blocked (&self->client, plain.url);
  g_assert_cmpuint (plain.n_asked, ==, 0);
  signpost_stop (&signpost);
  signpost_stop (&plain);
}

/* A host on this machine needs no TLS, but where it leads to does. */
static void
test_out_of_reach (Ways *self, gconstpointer data)
{
  Signpost signpost;

  signpost_start (&signpost, NULL);
  signpost.location = g_strdup ("http://192.0.2.1/key");
  follow_signpost (&self->client, &signpost);
  check_blocked (&self->client, "http://192.0.2.1/key");
  signpost_stop (&signpost);
}

/* The same server by another name, as it should be. */
static void
test_into_tls (Ways *self, gconstpointer data)
{
  g_autofree char *url = tn_testkit_control_dup_url (self->client.control);
  Signpost signpost;

  signpost_start (&signpost, NULL);
  signpost.location = g_strdup_printf ("%s/key?v=" G_STRINGIFY (TN_CAPABILITY_VERSION), url);
  follow_signpost (&self->client, &signpost);
  g_assert_nonnull (strstr (((GError *) g_ptr_array_index (self->client.errors, 0))->message, "upgrade"));      /* it had the key */
  signpost_stop (&signpost);
}

/* libsoup's server (seen in 3.2) never frees the socket of a connection that its client breaks off. */
int __lsan_is_turned_off (void);

int
__lsan_is_turned_off (void)
{
  return 1;
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add ("/control/redirect/" path, Ways, NULL, set_up_ways, func, tear_down_ways)
  ADD ("out-of-tls", test_out_of_tls);
  ADD ("out-of-reach", test_out_of_reach);
  ADD ("into-tls", test_into_tls);
  return g_test_run ();
}

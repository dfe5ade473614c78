/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <libsoup/soup.h>
#include <string.h>

#include "client-kit.h"
#include "tn-error.h"

/* A server, or a proxy before it, that sends who asks for its key to another address. */

typedef struct
{
  SoupServer *server;
  char       *url;
  char       *location;      /* where it sends everybody */
  guint       n_asked;
} Signpost;

typedef struct
{
  Fixture           client;
  TnTestkitTailnet *tailnet;
  Signpost          signpost;
} Ways;

static void
signpost_stop (Signpost *self)
{
  soup_server_disconnect (self->server);
  g_object_unref (self->server);
  g_free (self->url);
  g_free (self->location);
}

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
  signpost_stop (&self->signpost);
  g_object_unref (self->tailnet);
}

static void
signpost_cb (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query, gpointer data)
{
  Signpost *self = data;

  self->n_asked++;
  soup_server_message_set_status (message, SOUP_STATUS_FOUND, NULL);
  soup_message_headers_replace (soup_server_message_get_response_headers (message), "Location", self->location);
}

static void
signpost_start (Signpost *self)
{
  g_autoptr (GError) error = NULL;
  GSList *uris;

  *self = (Signpost) { .server = soup_server_new (NULL, NULL) };
  soup_server_add_handler (self->server, "/key", signpost_cb, self, NULL);
  soup_server_listen_local (self->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (self->server);
  self->url = g_strdup_printf ("http://127.0.0.1:%d", g_uri_get_port (uris->data));
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
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
  g_assert_cmpuint (signpost->n_asked, >=, 1);
}

static void
check_blocked (Fixture *fixture, const char *place)
{
  const GError *error = g_ptr_array_index (fixture->errors, 0);

  g_assert_error (error, TN_ERROR, TN_ERROR_BLOCKED);
  g_assert_nonnull (strstr (error->message, place));
  g_assert_false (fixture->client->have_control_key);
}

/* A host on this machine needs no TLS, but where it leads to does. */
static void
test_out_of_reach (Ways *self, gconstpointer data)
{
  signpost_start (&self->signpost);
  self->signpost.location = g_strdup ("http://192.0.2.1/key");
  follow_signpost (&self->client, &self->signpost);
  check_blocked (&self->client, "http://192.0.2.1/key");
}

/* The same server by another name, as it should be. */
static void
test_into_tls (Ways *self, gconstpointer data)
{
  g_autofree char *url = tn_testkit_control_dup_url (self->client.control);

  signpost_start (&self->signpost);
  self->signpost.location = g_strdup_printf ("%s/key?v=" G_STRINGIFY (TN_CAPABILITY_VERSION), url);
  follow_signpost (&self->client, &self->signpost);
  g_assert_nonnull (strstr (((GError *) g_ptr_array_index (self->client.errors, 0))->message, "upgrade"));      /* it had the key */
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
  ADD ("out-of-reach", test_out_of_reach);
  ADD ("into-tls", test_into_tls);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-latency-probe.h"

#include <string.h>

#include "tn-linked-cancellable.h"
#include "tn-soup.h"

#define BODY_MAX   8192
#define PIN_PREFIX "sha256-raw:"

typedef struct
{
  char               *url;
  char               *cert_name;        /* nullable */
  gboolean            insecure;
  GTlsDatabase       *database;         /* nullable */
  TnLinkedCancellable cancellable;
  gboolean            is_warm;          /* the connection is there: this request is the one that counts */
  gint64              start_us;
  gint64              latency_ns;
  GInetAddress       *remote;
  guint8              body[BODY_MAX];
} Probe;

static void
probe_free (gpointer data)
{
  Probe *probe = data;

  g_free (probe->url);
  g_free (probe->cert_name);
  g_clear_object (&probe->database);
  tn_linked_cancellable_clear (&probe->cancellable);
  g_clear_object (&probe->remote);
  g_free (probe);
}

static gboolean
is_pinned (const char      *pin,
           GTlsCertificate *certificate)
{
  g_autoptr (GByteArray) der = NULL;
  g_autofree char *digest = NULL;

  g_object_get (certificate, "certificate", &der, NULL);
  if (der == NULL)
    return FALSE;
  digest = g_compute_checksum_for_data (G_CHECKSUM_SHA256, der->data, der->len);
  return g_ascii_strcasecmp (digest, pin) == 0;
}

/* Asked when the certificate does not fit the host name: it may be pinned, or be for another name. */
static gboolean
accept_certificate_cb (SoupMessage          *message,
                       GTlsCertificate      *certificate,
                       GTlsCertificateFlags  errors,
                       gpointer              user_data)
{
  Probe *probe = g_task_get_task_data (user_data);
  g_autoptr (GSocketConnectable) identity = NULL;
  g_autoptr (GTlsDatabase) system = NULL;
  GTlsDatabase *database = probe->database;

  if (probe->insecure)
    return TRUE;
  if (probe->cert_name == NULL)
    return FALSE;
  if (g_str_has_prefix (probe->cert_name, PIN_PREFIX))
    return is_pinned (probe->cert_name + strlen (PIN_PREFIX), certificate);

  if (database == NULL)
    database = system = g_tls_backend_get_default_database (g_tls_backend_get_default ());
  identity = g_network_address_new (probe->cert_name, 443);
  return g_tls_database_verify_chain (database, certificate, G_TLS_DATABASE_PURPOSE_AUTHENTICATE_SERVER, identity, NULL,
                                      G_TLS_DATABASE_VERIFY_NONE, NULL, NULL) == 0;
}

static void
unref_closure_data (gpointer  data,
                    GClosure *closure)
{
  g_object_unref (data);
}

static void send_request (GTask *task);

static void
body_read_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  Probe *probe = g_task_get_task_data (task);

  if (!g_input_stream_read_all_finish (G_INPUT_STREAM (object), result, NULL, &error))
    g_task_return_error (task, g_steal_pointer (&error));
  else if (probe->is_warm)
    g_task_return_boolean (task, TRUE);
  else
    {
      probe->is_warm = TRUE;
      send_request (task);
    }
}

static void
note_remote (Probe       *probe,
             SoupMessage *message)
{
  GSocketAddress *remote = soup_message_get_remote_address (message);

  if (G_IS_INET_SOCKET_ADDRESS (remote))
    g_set_object (&probe->remote, g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (remote)));
}

static void
sent_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GError) error = NULL;
  Probe *probe = g_task_get_task_data (task);
  SoupMessage *message = soup_session_get_async_result_message (SOUP_SESSION (object), result);

  stream = soup_session_send_finish (SOUP_SESSION (object), result, &error);
  if (stream == NULL)
    {
      tn_soup_explain (message, &error);
      g_prefix_error (&error, "cannot reach %s: ", probe->url);
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (soup_message_get_status (message) > 299)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_FAILED, "%s answers with status %u", probe->url,
                               soup_message_get_status (message));
      return;
    }

  probe->latency_ns = (g_get_monotonic_time () - probe->start_us) * 1000;
  note_remote (probe, message);
  g_input_stream_read_all_async (stream, probe->body, sizeof probe->body, G_PRIORITY_DEFAULT, probe->cancellable.own,
                                 body_read_cb, g_object_ref (task));
}

static void
send_request (GTask *task)
{
  Probe *probe = g_task_get_task_data (task);
  g_autoptr (GUri) uri = g_uri_parse (probe->url, SOUP_HTTP_URI_FLAGS, NULL);
  g_autoptr (SoupMessage) message = NULL;

  /* The host name is what control made of it. */
  if (uri == NULL || g_uri_get_host (uri) == NULL || *g_uri_get_host (uri) == '\0')
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s is no address of a relay", probe->url);
      return;
    }
  message = soup_message_new_from_uri ("GET", uri);
  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  g_signal_connect_data (message, "accept-certificate", G_CALLBACK (accept_certificate_cb), g_object_ref (task), unref_closure_data, 0);
  probe->start_us = g_get_monotonic_time ();
  tn_soup_limit_interim (message, probe->cancellable.own);
  soup_session_send_async (g_task_get_source_object (task), message, G_PRIORITY_DEFAULT, probe->cancellable.own, sent_cb, g_object_ref (task));
}

void
tn_latency_probe_async (SoupSession         *session,
                        GTlsDatabase        *database,
                        const TnRelayNode   *node,
                        GCancellable        *cancellable,
                        GAsyncReadyCallback  callback,
                        gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (session, cancellable, callback, user_data);
  gboolean is_ipv6 = strchr (node->host_name, ':') != NULL;
  Probe *probe = g_new0 (Probe, 1);

  g_task_set_source_tag (task, tn_latency_probe_async);
  g_task_set_task_data (task, probe, probe_free);
  probe->url = g_strdup_printf ("https://%s%s%s:%u/derp/latency-check", is_ipv6 ? "[" : "", node->host_name, is_ipv6 ? "]" : "",
                                node->derp_port != 0 ? node->derp_port : 443);
  probe->cert_name = node->cert_name != NULL && *node->cert_name != '\0' ? g_strdup (node->cert_name) : NULL;
  probe->insecure = node->insecure_for_tests;
  g_set_object (&probe->database, database);
  tn_linked_cancellable_init (&probe->cancellable, cancellable);
  send_request (task);
}

gint64
tn_latency_probe_finish (SoupSession   *session,
                         GAsyncResult  *result,
                         GInetAddress **remote,
                         GError       **error)
{
  Probe *probe = g_task_get_task_data (G_TASK (result));

  if (!g_task_propagate_boolean (G_TASK (result), error))
    return -1;

  if (remote != NULL)
    *remote = g_steal_pointer (&probe->remote);
  return probe->latency_ns;
}

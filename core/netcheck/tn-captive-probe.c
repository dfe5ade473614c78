/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-captive-probe.h"

#include <libsoup/soup.h>
#include <string.h>

#include "tn-linked-cancellable.h"
#include "tn-socket-mark.h"
#include "tn-soup.h"

#define CHALLENGE "X-Tailscale-Challenge"
#define RESPONSE  "X-Tailscale-Response"

enum
{
  TIMEOUT_S = 3,          /* what holds one captive is near */
  LIMIT_S = 5,            /* and may say something all the time without an end */
  ASKED_MAX = 5,
  NETWORK_AUTHENTICATION_REQUIRED = 511,      /* RFC 6585 §6 */
  PORTAL_MAX_LEN = 500,
};

typedef struct
{
  SoupSession        *session;
  TnLinkedCancellable cancellable;      /* also cancelled when one answer is enough */
  GSource            *limit;
  guint16             port;
  guint               n_asked;
  guint               n_pending;
  TnCaptive           verdict;
  char               *portal;
} Probe;

static void
probe_free (gpointer data)
{
  Probe *probe = data;

  g_source_destroy (probe->limit);
  g_source_unref (probe->limit);
  tn_linked_cancellable_clear (&probe->cancellable);
  g_object_unref (probe->session);
  g_free (probe->portal);
  g_free (probe);
}

/* --- One answer --- */

typedef struct
{
  GTask       *task;
  SoupMessage *message;
  char        *expected;      /* NULL: of the control server, which need not know the page */
} Question;

static void
question_free (Question *question)
{
  g_object_unref (question->task);
  g_object_unref (question->message);
  g_free (question->expected);
  g_free (question);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Question, question_free)

/* Where a browser would be sent. What is no plain HTTP URL is nothing to show to anybody. */
static char *
dup_portal (SoupMessage *message)
{
  const char *location = soup_message_headers_get_one (soup_message_get_response_headers (message), "Location");
  g_autoptr (GUri) uri = location != NULL && strlen (location) <= PORTAL_MAX_LEN
                           ? g_uri_parse_relative (soup_message_get_uri (message), location, SOUP_HTTP_URI_FLAGS, NULL) : NULL;

  if (uri == NULL || (strcmp (g_uri_get_scheme (uri), "http") != 0 && strcmp (g_uri_get_scheme (uri), "https") != 0))
    return NULL;
  return g_uri_to_string (uri);
}

static gboolean
leads_elsewhere (SoupMessage *message)
{
  g_autofree char *portal = dup_portal (message);
  g_autoptr (GUri) uri = portal != NULL ? g_uri_parse (portal, SOUP_HTTP_URI_FLAGS, NULL) : NULL;

  return uri != NULL && g_strcmp0 (g_uri_get_host (uri), g_uri_get_host (soup_message_get_uri (message))) != 0;
}

/* A control server may have no such page, and may send one on to its own address with TLS. */
static TnCaptive
judge_control (SoupMessage *message)
{
  guint status = soup_message_get_status (message);

  if (status == SOUP_STATUS_NO_CONTENT)
    return TN_CAPTIVE_NO;
  return status == NETWORK_AUTHENTICATION_REQUIRED || status == SOUP_STATUS_OK || (SOUP_STATUS_IS_REDIRECTION (status) && leads_elsewhere (message))
           ? TN_CAPTIVE_YES : TN_CAPTIVE_UNKNOWN;
}

static TnCaptive
judge_relay (SoupMessage *message,
             const char  *expected)
{
  guint status = soup_message_get_status (message);
  const char *response = soup_message_headers_get_one (soup_message_get_response_headers (message), RESPONSE);

  if (status == SOUP_STATUS_NO_CONTENT && g_strcmp0 (response, expected) == 0)
    return TN_CAPTIVE_NO;
  return status == NETWORK_AUTHENTICATION_REQUIRED || SOUP_STATUS_IS_SUCCESSFUL (status) || SOUP_STATUS_IS_REDIRECTION (status)
           ? TN_CAPTIVE_YES : TN_CAPTIVE_UNKNOWN;      /* a relay that has troubles of its own says nothing of the network */
}

static void
take_verdict (Probe       *probe,
              TnCaptive    verdict,
              SoupMessage *message)
{
  if (verdict == TN_CAPTIVE_UNKNOWN || probe->verdict != TN_CAPTIVE_UNKNOWN)
    return;
  probe->verdict = verdict;
  if (verdict == TN_CAPTIVE_YES)
    probe->portal = dup_portal (message);
  g_cancellable_cancel (probe->cancellable.own);
}

static void
answered_cb (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  g_autoptr (Question) question = user_data;
  Probe *probe = g_task_get_task_data (question->task);
  g_autoptr (GInputStream) body = soup_session_send_finish (SOUP_SESSION (object), result, NULL);

  if (body != NULL)
    take_verdict (probe, question->expected != NULL ? judge_relay (question->message, question->expected)
                                                    : judge_control (question->message), question->message);
  if (--probe->n_pending == 0)
    g_task_return_boolean (question->task, TRUE);
}

/* --- Asking --- */

static void
ask (GTask      *task,
     const char *host,
     gboolean    is_relay)
{
  Probe *probe = g_task_get_task_data (task);
  g_autoptr (GUri) uri = g_uri_build (SOUP_HTTP_URI_FLAGS, "http", NULL, host, probe->port, "/generate_204", NULL, NULL);
  g_autoptr (SoupMessage) message = soup_message_new_from_uri ("GET", uri);
  Question *question;

  if (message == NULL || probe->n_asked == ASKED_MAX)
    return;
  question = g_new0 (Question, 1);
  question->task = g_object_ref (task);
  question->message = g_object_ref (message);
  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  soup_message_headers_append (soup_message_get_request_headers (message), "Cache-Control", "no-cache, no-store");
  if (is_relay)
    {
      g_autofree char *challenge = g_strdup_printf ("ts_%s", host);

      question->expected = g_strdup_printf ("response %s", challenge);
      soup_message_headers_append (soup_message_get_request_headers (message), CHALLENGE, challenge);
    }
  tn_soup_limit_interim (message, probe->cancellable.own);
  probe->n_asked++;
  probe->n_pending++;
  soup_session_send_async (probe->session, message, G_PRIORITY_DEFAULT, probe->cancellable.own, answered_cb, question);
}

static void
ask_region (GTask               *task,
            const TnRelayRegion *region)
{
  for (guint i = 0; i < region->nodes->len; i++)
    {
      const TnRelayNode *node = g_ptr_array_index (region->nodes, i);

      if (node->can_port80 && node->ipv4 != NULL && g_hostname_is_ip_address (node->ipv4))      /* a name may be held captive, too */
        ask (task, node->ipv4, TRUE);
    }
}

static void
ask_relays (GTask      *task,
            TnRelayMap *relays,
            guint       home)
{
  const TnRelayRegion *first = tn_relay_map_lookup (relays, home);

  if (first != NULL)
    ask_region (task, first);
  for (guint i = 0; i < relays->regions->len; i++)
    {
      const TnRelayRegion *region = g_ptr_array_index (relays->regions, i);

      if (region != first && !region->avoid && !region->no_measure_no_home)
        ask_region (task, region);
    }
}

static gboolean
limit_cb (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return G_SOURCE_REMOVE;
}

static Probe *
probe_new (guint16       port,
           GCancellable *outer)
{
  Probe *probe = g_new0 (Probe, 1);

  probe->port = port;
  tn_linked_cancellable_init (&probe->cancellable, outer);
  probe->limit = g_timeout_source_new_seconds (LIMIT_S);
  g_source_set_callback (probe->limit, limit_cb, probe->cancellable.own, NULL);
  g_source_attach (probe->limit, g_main_context_get_thread_default ());
  probe->session = soup_session_new_with_options ("timeout", TIMEOUT_S, "proxy-resolver", NULL, NULL);      /* it is about the way without one */
  return probe;
}

void
tn_captive_probe_async (TnRelayMap          *relays,
                        guint                home,
                        const char          *control_host,
                        guint16              port,
                        guint32              mark,
                        GCancellable        *cancellable,
                        GAsyncReadyCallback  callback,
                        gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Probe *probe = probe_new (port, cancellable);

  g_task_set_check_cancellable (task, FALSE);
  g_task_set_source_tag (task, tn_captive_probe_async);
  g_task_set_task_data (task, probe, probe_free);
  tn_socket_mark_session (probe->session, mark);
  if (control_host != NULL)
    ask (task, control_host, FALSE);
  if (relays != NULL)
    ask_relays (task, relays, home);
  if (probe->n_pending == 0)
    g_task_return_boolean (task, TRUE);
}

TnCaptive
tn_captive_probe_finish (GAsyncResult  *result,
                         char         **portal)
{
  Probe *probe = g_task_get_task_data (G_TASK (result));

  g_task_propagate_boolean (G_TASK (result), NULL);
  *portal = g_strdup (probe->portal);
  return probe->verdict;
}

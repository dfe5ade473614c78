/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-control-dial.h"

#include <libsoup/soup.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "tn-error.h"
#include "tn-proxy.h"
#include "tn-secret.h"
#include "tn-shown.h"
#include "tn-socket-mark.h"

#define UPGRADE_PATH     "/ts2021"
#define UPGRADE_PROTOCOL "tailscale-control-protocol"

enum
{
  READ_LEN = 4 << 10,
  HEAD_MAX_LEN = 12 << 10,      /* with what a read may bring behind it, the connection's buffer is not exceeded */
};

typedef struct
{
  gint             ref_count;      /* one for the dial, one for each operation under way */
  TnControlDial   *dial;           /* NULL: abandoned */
  TnControlRoute   route;
  TnIpAddress      address;        /* of a candidate of the plan; version 0: what DNS says */
  guint            limit_ms;       /* of this one alone, from its start; 0: the dial's */
  GSource         *delay;
  GSource         *limit;          /* nullable */
  GCancellable    *cancellable;
  GIOStream       *stream;
  TnNoiseHandshake handshake;
  GString         *request;
  GByteArray      *received;
  gsize            head_len;       /* of the 101 answer; 0 until it is whole */
  gboolean         started;
  gboolean         waiting;        /* connected, for the control key */
} Attempt;

struct _TnControlDial
{
  TnControlUrl       *url;
  TnMachinePrivateKey *machine_key;      /* in the secret pool */
  TnMachinePublicKey  control_key;
  gboolean            have_key;
  guint16             version;
  GProxyResolver     *resolver;
  guint32             mark;        /* of sockets; 0: none */
  TnControlDialFunc   func;
  gpointer            user_data;
  GMainContext       *context;
  GSource            *timeout;
  GSource            *plan_end;    /* while candidates are tried: what is left of the time is for DNS */
  guint               limit_ms;
  gboolean            skip_plain;
  gboolean            asks_dns;    /* not only the candidates of a plan */
  GPtrArray          *attempts;    /* that still run or wait */
  GError             *error;       /* the first one, which says most */
};

static void attempt_start (Attempt *attempt);
static void add_by_name (TnControlDial *dial);
static void attempt_read (Attempt *attempt);

/* --- Attempts --- */

static Attempt *
attempt_ref (Attempt *attempt)
{
  attempt->ref_count++;
  return attempt;
}

static void
attempt_unref (Attempt *attempt)
{
  if (--attempt->ref_count > 0)
    return;
  g_clear_object (&attempt->stream);
  g_object_unref (attempt->cancellable);
  tn_noise_handshake_clear (&attempt->handshake);
  if (attempt->request != NULL)
    g_string_free (attempt->request, TRUE);
  g_byte_array_unref (attempt->received);
  g_free (attempt);
}

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    {
      g_source_destroy (*source);
      g_clear_pointer (source, g_source_unref);
    }
}

/* For the array of the dial. */
static void
attempt_abandon (gpointer data)
{
  Attempt *attempt = data;

  attempt->dial = NULL;
  clear_source (&attempt->delay);
  clear_source (&attempt->limit);
  g_cancellable_cancel (attempt->cancellable);
  attempt_unref (attempt);
}

static void
finish (TnControlDial   *dial,
        TnControlDialed *dialed,
        const GError    *error)
{
  g_autoptr (GError) kept = error != NULL ? g_error_copy (error) : NULL;     /* the callback may free the dial */

  clear_source (&dial->timeout);
  clear_source (&dial->plan_end);
  g_ptr_array_set_size (dial->attempts, 0);
  dial->func (dialed, kept, dial->user_data);
}

static void
keep_error (TnControlDial *dial,
            GError        *error)      /* taken */
{
  if (dial->error == NULL || g_error_matches (dial->error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED))
    {
      g_clear_error (&dial->error);
      dial->error = g_error_copy (error);
      g_prefix_error (&dial->error, "cannot reach control server %s: ", dial->url->authority);
    }
  g_error_free (error);
}

/* The next one need not wait any longer. */
static void
attempt_fail (Attempt *attempt,
              GError  *error)
{
  TnControlDial *dial = attempt->dial;

  g_debug ("control: %s port %u: %s", attempt->route.tls ? "https" : "http", attempt->route.port, error->message);
  keep_error (dial, error);
  g_ptr_array_remove (dial->attempts, attempt);
  if (dial->attempts->len == 0 && !dial->asks_dns)
    {
      add_by_name (dial);      /* of a plan that leads nowhere */
      return;
    }
  if (dial->attempts->len == 0)
    {
      finish (dial, NULL, dial->error);
      return;
    }
  for (guint i = 0; i < dial->attempts->len; i++)
    {
      Attempt *other = g_ptr_array_index (dial->attempts, i);

      if (other->delay != NULL && !other->started)
        {
          clear_source (&other->delay);
          attempt_start (other);
          return;
        }
    }
}

static void
attempt_succeed (Attempt        *attempt,
                 TnNoiseSession *session,
                 gsize           used)
{
  TnControlDialed *dialed = g_new0 (TnControlDialed, 1);

  dialed->stream = g_steal_pointer (&attempt->stream);
  dialed->by_name = attempt->address.version == 0;
  dialed->session = *session;
  g_byte_array_remove_range (attempt->received, 0, (guint) used);
  dialed->early = g_byte_array_ref (attempt->received);
  g_debug ("control: connected by %s port %u", attempt->route.tls ? "https" : "http", attempt->route.port);
  finish (attempt->dial, dialed, NULL);
}

/* --- The answer: HTTP head, then the handshake --- */

static gboolean
check_head (const char  *head,
            gsize        len,
            GError     **error)
{
  g_autoptr (SoupMessageHeaders) headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_RESPONSE);
  g_autofree char *reason = NULL;
  g_autofree char *shown = NULL;
  SoupHTTPVersion version;
  const char *upgrade;
  guint status;

  if (!soup_headers_parse_response (head, (int) len, headers, &version, &status, &reason))
    {
      shown = tn_shown (head, 40);
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "answer to the upgrade is not HTTP: “%s”", shown);
      return FALSE;
    }
  if (status != SOUP_STATUS_SWITCHING_PROTOCOLS)
    {
      shown = tn_shown (reason, 200);
      g_set_error (error, TN_ERROR, TN_ERROR_CONTROL, "upgrade answered with status %u %s", status, shown);
      return FALSE;
    }
  upgrade = soup_message_headers_get_one (headers, "Upgrade");
  if (g_strcmp0 (upgrade, UPGRADE_PROTOCOL) != 0)
    {
      shown = tn_shown (upgrade, 200);
      g_set_error (error, TN_ERROR, TN_ERROR_CONTROL, "upgraded to “%s”, expected " UPGRADE_PROTOCOL, shown);
      return FALSE;
    }
  return TRUE;
}

/* FALSE without an error: more bytes are needed. */
static gboolean
take_head (Attempt  *attempt,
           GError  **error)
{
  GByteArray *received = attempt->received;
  const char *end;

  if (attempt->head_len > 0)
    return TRUE;
  end = g_strstr_len ((const char *) received->data, received->len, "\r\n\r\n");
  if (end == NULL)
    {
      if (received->len > HEAD_MAX_LEN)
        g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "answer to the upgrade: head of more than %d bytes", HEAD_MAX_LEN);
      return FALSE;
    }
  attempt->head_len = (gsize) (end - (const char *) received->data) + 4;

  g_autofree char *head = g_strndup ((const char *) received->data, attempt->head_len);
  return check_head (head, attempt->head_len, error);
}

static gboolean
take_handshake (Attempt         *attempt,
                TnNoiseSession  *session,
                gsize           *used,
                GError         **error)
{
  const guint8 *data = attempt->received->data + attempt->head_len;
  gsize len = attempt->received->len - attempt->head_len;
  gsize need;

  if (len < TN_NOISE_HEADER_LEN)
    return FALSE;
  need = tn_noise_response_len (data, error);
  if (need > HEAD_MAX_LEN)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "noise handshake: error frame of %" G_GSIZE_FORMAT " bytes", need);
      return FALSE;
    }
  if (need == 0 || len < need || !tn_noise_finish (&attempt->handshake, data, need, session, error))
    return FALSE;
  *used = attempt->head_len + need;
  return TRUE;
}

static void
handle_received (Attempt *attempt)
{
  g_auto (TnNoiseSession) session = { 0 };
  GError *error = NULL;
  gsize used = 0;

  if (take_head (attempt, &error) && take_handshake (attempt, &session, &used, &error))
    attempt_succeed (attempt, &session, used);
  else if (error != NULL)
    attempt_fail (attempt, error);
  else
    attempt_read (attempt);
}

static void
read_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  Attempt *attempt = user_data;
  GError *error = NULL;
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (G_INPUT_STREAM (object), result, &error);

  if (attempt->dial == NULL)
    {
      g_clear_error (&error);
    }
  else if (error != NULL)
    {
      attempt_fail (attempt, error);
    }
  else if (g_bytes_get_size (bytes) == 0)
    {
      /* All that one sees of another control key or a version that the server does not take. */
      error = g_error_new (G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, attempt->head_len > 0
                             ? "connection closed in the handshake: the server has another key, or does not accept version %d"
                             : "connection closed before an answer to the upgrade (version %d)", attempt->dial->version);
      attempt_fail (attempt, error);
    }
  else
    {
      g_byte_array_append (attempt->received, g_bytes_get_data (bytes, NULL), (guint) g_bytes_get_size (bytes));
      handle_received (attempt);
    }
  attempt_unref (attempt);
}

static void
attempt_read (Attempt *attempt)
{
  g_input_stream_read_bytes_async (g_io_stream_get_input_stream (attempt->stream), READ_LEN, G_PRIORITY_DEFAULT, attempt->cancellable,
                                   read_cb, attempt_ref (attempt));
}

/* --- The request --- */

static void
write_cb (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  Attempt *attempt = user_data;
  GError *error = NULL;
  gboolean ok = g_output_stream_write_all_finish (G_OUTPUT_STREAM (object), result, NULL, &error);

  if (attempt->dial == NULL)
    g_clear_error (&error);
  else if (!ok)
    attempt_fail (attempt, error);
  else
    attempt_read (attempt);
  attempt_unref (attempt);
}

static void
attempt_upgrade (Attempt *attempt)
{
  TnControlDial *dial = attempt->dial;
  guint8 initiation[TN_NOISE_INITIATION_LEN];
  g_autofree char *base64 = NULL;
  GError *error = NULL;

  if (!tn_noise_initiate (&attempt->handshake, dial->machine_key, &dial->control_key, dial->version, NULL, initiation, &error))
    {
      attempt_fail (attempt, error);
      return;
    }
  base64 = g_base64_encode (initiation, sizeof initiation);
  attempt->request = g_string_new (NULL);
  g_string_printf (attempt->request,
                   "POST " UPGRADE_PATH " HTTP/1.1\r\nHost: %s\r\nUpgrade: " UPGRADE_PROTOCOL "\r\nConnection: upgrade\r\n"
                   "X-Tailscale-Handshake: %s\r\nContent-Length: 0\r\n\r\n", dial->url->authority, base64);
  g_output_stream_write_all_async (g_io_stream_get_output_stream (attempt->stream), attempt->request->str, attempt->request->len,
                                   G_PRIORITY_DEFAULT, attempt->cancellable, write_cb, attempt_ref (attempt));
}

static void
attempt_connected (Attempt *attempt)
{
  attempt->waiting = !attempt->dial->have_key;
  if (!attempt->waiting)
    attempt_upgrade (attempt);
}

/* --- Connecting --- */

/* Noise proves who the server is; TLS only helps to get through, so that a box which breaks it open does not keep us out. */
static gboolean
accept_certificate_cb (GTlsConnection       *connection,
                       GTlsCertificate      *certificate,
                       GTlsCertificateFlags  problems,
                       gpointer              user_data)
{
  g_debug ("control: certificate with problems 0x%x accepted for the transport, which has its own keys", problems);
  return TRUE;
}

static void
handshake_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  Attempt *attempt = user_data;
  GError *error = NULL;
  gboolean ok = g_tls_connection_handshake_finish (G_TLS_CONNECTION (object), result, &error);

  if (attempt->dial == NULL)
    g_clear_error (&error);
  else if (!ok)
    attempt_fail (attempt, error);
  else
    attempt_connected (attempt);
  attempt_unref (attempt);
}

static void
attempt_start_tls (Attempt *attempt)
{
  g_autoptr (GSocketConnectable) identity = g_network_address_new (attempt->dial->url->host, attempt->route.port);
  GError *error = NULL;
  GIOStream *tls = g_tls_client_connection_new (attempt->stream, identity, &error);

  if (tls == NULL)
    {
      attempt_fail (attempt, error);
      return;
    }
  g_object_unref (attempt->stream);
  attempt->stream = tls;
  g_signal_connect (tls, "accept-certificate", G_CALLBACK (accept_certificate_cb), NULL);
  g_tls_connection_handshake_async (G_TLS_CONNECTION (tls), G_PRIORITY_DEFAULT, attempt->cancellable, handshake_cb, attempt_ref (attempt));
}

/* While somebody takes the time to log in the server says nothing: it is the kernel that finds out that the connection is dead. */
static void
set_options (GSocket *socket)
{
  g_socket_set_option (socket, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
  g_socket_set_keepalive (socket, TRUE);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_KEEPIDLE, 60, NULL);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_KEEPINTVL, 15, NULL);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_KEEPCNT, 4, NULL);
}

static void
connect_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  Attempt *attempt = user_data;
  GError *error = NULL;
  GSocketConnection *connection = g_socket_client_connect_finish (G_SOCKET_CLIENT (object), result, &error);

  if (attempt->dial == NULL)
    {
      g_clear_error (&error);
      g_clear_object (&connection);
    }
  else if (connection == NULL)
    {
      attempt_fail (attempt, error);
    }
  else
    {
      set_options (g_socket_connection_get_socket (connection));
      attempt->stream = G_IO_STREAM (connection);
      if (attempt->route.tls)
        attempt_start_tls (attempt);
      else
        attempt_connected (attempt);
    }
  attempt_unref (attempt);
}

static gboolean
limit_cb (gpointer user_data)
{
  Attempt *attempt = user_data;

  attempt_fail (attempt, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer in the time that the server's plan gives"));
  return G_SOURCE_REMOVE;
}

static GSource *
add_timer (TnControlDial *dial,
           guint          wait_ms,
           GSourceFunc    callback,
           gpointer       user_data)
{
  GSource *timer = g_timeout_source_new (wait_ms);

  g_source_set_callback (timer, callback, user_data, NULL);
  g_source_attach (timer, dial->context);
  return timer;
}

static void
attempt_start (Attempt *attempt)
{
  TnControlDial *dial = attempt->dial;
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnectable) address = NULL;
  g_autoptr (GProxyResolver) resolver = NULL;
  gboolean is_ipv6 = strchr (dial->url->host, ':') != NULL;
  g_autofree char *uri = NULL;
  GError *error = NULL;

  attempt->started = TRUE;
  if (attempt->limit_ms > 0)
    attempt->limit = add_timer (dial, attempt->limit_ms, limit_cb, attempt);
  if (attempt->address.version != 0)
    {
      g_autoptr (GInetAddress) candidate = g_inet_address_new_from_bytes (attempt->address.bytes, attempt->address.version == 4
                                                                            ? G_SOCKET_FAMILY_IPV4 : G_SOCKET_FAMILY_IPV6);

      address = G_SOCKET_CONNECTABLE (g_inet_socket_address_new (candidate, attempt->route.port));
    }
  else
    {
      /* The scheme is what a proxy is chosen by. */
      uri = g_strdup_printf (is_ipv6 ? "%s://[%s]:%u" : "%s://%s:%u", attempt->route.tls ? "https" : "http", dial->url->host,
                             attempt->route.port);
      address = g_network_address_parse_uri (uri, attempt->route.port, &error);
    }
  if (address == NULL)
    {
      attempt_fail (attempt, error);
      return;
    }
  resolver = tn_proxy_resolver_for_host (dial->resolver, dial->url->host);
  g_socket_client_set_enable_proxy (client, resolver != NULL);
  if (resolver != NULL)
    g_socket_client_set_proxy_resolver (client, resolver);
  tn_socket_mark_client (client, dial->mark);
  g_socket_client_connect_async (client, address, attempt->cancellable, connect_cb, attempt_ref (attempt));
}

static gboolean
delay_cb (gpointer user_data)
{
  Attempt *attempt = user_data;

  g_clear_pointer (&attempt->delay, g_source_unref);
  attempt_start (attempt);
  return G_SOURCE_REMOVE;
}

static Attempt *
attempt_add (TnControlDial        *dial,
             const TnControlRoute *route,
             guint                 delay_ms)
{
  Attempt *attempt = g_new0 (Attempt, 1);

  attempt->ref_count = 1;
  attempt->dial = dial;
  attempt->route = *route;
  attempt->cancellable = g_cancellable_new ();
  attempt->received = g_byte_array_new ();
  g_ptr_array_add (dial->attempts, attempt);

  /* Even the first one starts from the main loop, where it may fail at once. */
  attempt->delay = add_timer (dial, delay_ms, delay_cb, attempt);
  return attempt;
}

static gboolean
may_take (TnControlDial        *dial,
          const TnControlRoute *route)
{
  return !dial->skip_plain || route->tls;
}

static guint
delay_of (TnControlDial        *dial,
          const TnControlRoute *route)
{
  return dial->skip_plain ? 0 : route->delay_ms;
}

static void
add_by_name (TnControlDial *dial)
{
  const TnControlUrl *url = dial->url;

  dial->asks_dns = TRUE;
  clear_source (&dial->plan_end);
  for (guint i = 0; i < url->n_routes; i++)
    if (may_take (dial, &url->routes[i]))
      attempt_add (dial, &url->routes[i], delay_of (dial, &url->routes[i]));
}

static void
add_candidate (TnControlDial         *dial,
               const TnDialCandidate *candidate)
{
  const TnControlUrl *url = dial->url;

  for (guint i = 0; i < url->n_routes; i++)
    if (may_take (dial, &url->routes[i]))
      {
        Attempt *attempt = attempt_add (dial, &url->routes[i], candidate->delay_ms + delay_of (dial, &url->routes[i]));

        attempt->address = candidate->address;
        attempt->limit_ms = candidate->limit_ms;
      }
}

/* Whatever they still wait for: the address may be one at which nobody says anything. */
static gboolean
plan_end_cb (gpointer user_data)
{
  TnControlDial *dial = user_data;

  g_debug ("control: the server's plan leads nowhere");
  keep_error (dial, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer in the time that the server's plan gives"));
  g_ptr_array_set_size (dial->attempts, 0);
  add_by_name (dial);
  return G_SOURCE_REMOVE;
}

static void
add_candidates (TnControlDial    *dial,
                const TnDialPlan *plan)
{
  for (guint i = 0; i < plan->n_candidates; i++)
    add_candidate (dial, &plan->candidates[i]);
  dial->plan_end = add_timer (dial, tn_dial_plan_limit_ms (plan), plan_end_cb, dial);
}

/* --- The dial --- */

static gboolean
timeout_cb (gpointer user_data)
{
  TnControlDial *dial = user_data;
  g_autoptr (GError) error = NULL;

  if (dial->error != NULL)
    error = g_error_copy (dial->error);
  else
    error = g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "cannot reach control server %s: no answer in %u s", dial->url->authority,
                         dial->limit_ms / 1000);
  g_clear_pointer (&dial->timeout, g_source_unref);
  finish (dial, NULL, error);
  return G_SOURCE_REMOVE;
}

static TnControlUrl *
url_copy (const TnControlUrl *url)
{
  TnControlUrl *copy = g_memdup2 (url, sizeof *url);

  copy->text = g_strdup (url->text);
  copy->host = g_strdup (url->host);
  copy->authority = g_strdup (url->authority);
  return copy;
}

TnControlDial *
tn_control_dial_new (const TnControlUrl        *url,
                     const TnMachinePrivateKey *machine_key,
                     guint16                    version,
                     gboolean                   skip_plain,
                     const TnDialPlan          *plan,
                     GProxyResolver            *resolver,
                     guint32                    mark,
                     TnControlDialFunc          func,
                     gpointer                   user_data)
{
  TnControlDial *dial = g_new0 (TnControlDial, 1);

  dial->url = url_copy (url);
  dial->machine_key = tn_secret_dup (machine_key, sizeof *machine_key);
  dial->version = version;
  dial->resolver = resolver != NULL ? g_object_ref (resolver) : NULL;
  dial->mark = mark;
  dial->func = func;
  dial->user_data = user_data;
  dial->context = g_main_context_ref_thread_default ();
  dial->attempts = g_ptr_array_new_with_free_func (attempt_abandon);
  dial->skip_plain = skip_plain && url->n_routes > 1;
  dial->limit_ms = MAX (TN_DIAL_LIMIT_MS, tn_dial_plan_limit_ms (plan)) + TN_DIAL_LIMIT_MORE_MS;
  dial->timeout = add_timer (dial, dial->limit_ms, timeout_cb, dial);
  if (plan->n_candidates > 0)
    add_candidates (dial, plan);
  else
    add_by_name (dial);
  return dial;
}

static gboolean
upgrade_cb (gpointer user_data)
{
  Attempt *attempt = user_data;

  g_clear_pointer (&attempt->delay, g_source_unref);
  attempt_upgrade (attempt);
  return G_SOURCE_REMOVE;
}

void
tn_control_dial_set_key (TnControlDial            *dial,
                         const TnMachinePublicKey *control_key)
{
  dial->control_key = *control_key;
  dial->have_key = TRUE;
  for (guint i = 0; i < dial->attempts->len; i++)
    {
      Attempt *attempt = g_ptr_array_index (dial->attempts, i);

      if (!attempt->waiting)
        continue;
      attempt->waiting = FALSE;
      attempt->delay = g_idle_source_new ();
      g_source_set_priority (attempt->delay, G_PRIORITY_DEFAULT);
      g_source_set_callback (attempt->delay, upgrade_cb, attempt, NULL);
      g_source_attach (attempt->delay, dial->context);
    }
}

void
tn_control_dial_free (TnControlDial *dial)
{
  clear_source (&dial->timeout);
  clear_source (&dial->plan_end);
  g_ptr_array_unref (dial->attempts);
  tn_control_url_free (dial->url);
  tn_secret_free (dial->machine_key);
  g_clear_object (&dial->resolver);
  g_main_context_unref (dial->context);
  g_clear_error (&dial->error);
  g_free (dial);
}

void
tn_control_dialed_free (TnControlDialed *dialed)
{
  g_clear_object (&dialed->stream);
  tn_noise_session_clear (&dialed->session);
  g_clear_pointer (&dialed->early, g_byte_array_unref);
  g_free (dialed);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-control-dial-private.h"

#include "tn-error.h"
#include "tn-secret.h"

/* Which ways to the server are tried, and when. */

static void add_by_name (TnControlDial *dial);

/* --- Attempts --- */

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
  TnControlAttempt *attempt = data;

  attempt->dial = NULL;
  clear_source (&attempt->delay);
  clear_source (&attempt->limit);
  g_cancellable_cancel (attempt->cancellable);
  tn_control_attempt_unref (attempt);
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

/* What says most: that somebody was there, who did not understand us (or has another key), before that nobody was. */
static guint
weigh (const GError *error)
{
  if (error == NULL)
    return 0;
  if (error->domain == TN_ERROR || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED))
    return 3;
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED) ? 1 : 2;
}

static void
keep_error (TnControlDial *dial,
            GError        *error)      /* taken */
{
  if (weigh (error) > weigh (dial->error) || weigh (dial->error) == 1)
    {
      g_clear_error (&dial->error);
      dial->error = g_error_copy (error);
      g_prefix_error (&dial->error, "cannot reach control server %s: ", dial->url->authority);
    }
  g_error_free (error);
}

/* The next one need not wait any longer. */
void
tn_control_dial_fail (TnControlAttempt *attempt,
                      GError           *error)
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
      TnControlAttempt *other = g_ptr_array_index (dial->attempts, i);

      if (other->delay != NULL && !other->started)
        {
          clear_source (&other->delay);
          tn_control_attempt_start (other);
          return;
        }
    }
}

void
tn_control_dial_succeed (TnControlAttempt *attempt,
                         TnNoiseSession   *session,
                         gsize             used)
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

GSource *
tn_control_dial_add_timer (TnControlDial *dial,
                           guint          wait_ms,
                           GSourceFunc    callback,
                           gpointer       user_data)
{
  GSource *timer = g_timeout_source_new (wait_ms);

  g_source_set_callback (timer, callback, user_data, NULL);
  g_source_attach (timer, dial->context);
  return timer;
}

static gboolean
delay_cb (gpointer user_data)
{
  TnControlAttempt *attempt = user_data;

  g_clear_pointer (&attempt->delay, g_source_unref);
  tn_control_attempt_start (attempt);
  return G_SOURCE_REMOVE;
}

static TnControlAttempt *
attempt_add (TnControlDial        *dial,
             const TnControlRoute *route,
             guint                 delay_ms)
{
  TnControlAttempt *attempt = g_new0 (TnControlAttempt, 1);

  attempt->ref_count = 1;
  attempt->dial = dial;
  attempt->route = *route;
  attempt->cancellable = g_cancellable_new ();
  attempt->received = g_byte_array_new ();
  g_ptr_array_add (dial->attempts, attempt);

  /* Even the first one starts from the main loop, where it may fail at once. */
  attempt->delay = tn_control_dial_add_timer (dial, delay_ms, delay_cb, attempt);
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
        TnControlAttempt *attempt = attempt_add (dial, &url->routes[i], candidate->delay_ms + delay_of (dial, &url->routes[i]));

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
  dial->plan_end = tn_control_dial_add_timer (dial, tn_dial_plan_limit_ms (plan), plan_end_cb, dial);
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
  dial->timeout = tn_control_dial_add_timer (dial, dial->limit_ms, timeout_cb, dial);
  if (plan->n_candidates > 0)
    add_candidates (dial, plan);
  else
    add_by_name (dial);
  return dial;
}

static gboolean
upgrade_cb (gpointer user_data)
{
  TnControlAttempt *attempt = user_data;

  g_clear_pointer (&attempt->delay, g_source_unref);
  tn_control_attempt_upgrade (attempt);
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
      TnControlAttempt *attempt = g_ptr_array_index (dial->attempts, i);

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

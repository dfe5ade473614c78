/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-login.h"

#include <libsoup/soup.h>

#include "tn-error.h"
#include "tn-shown.h"

#define ERROR_SHOWN_MAX  200
#define TOO_MANY_REQUESTS 429
#define WAIT_MAX_US      ((gint64) 3600 * G_USEC_PER_SEC)
#define WAIT_DEFAULT_US  (5 * G_USEC_PER_SEC)      /* and up to as much more */

void
tn_login_clear (TnLogin *login)
{
  g_clear_pointer (&login->auth_url, g_free);
  g_clear_pointer (&login->login_name, g_free);
}

/* RFC 6585 §4; RFC 9110 §15.6.4: one that cannot answer says so, or does not, and is asked as after any failure. */
gboolean
tn_login_asks_to_wait (guint       status,
                       const char *retry_after)
{
  return status == TOO_MANY_REQUESTS || (status == SOUP_STATUS_SERVICE_UNAVAILABLE && retry_after != NULL);
}

gint64
tn_login_parse_retry_after (const char *text,
                            gint64      now_us)
{
  g_autoptr (GDateTime) date = NULL;
  guint64 seconds;
  gint64 wait_us = 0;

  if (text != NULL && g_ascii_string_to_unsigned (text, 10, 1, (guint64) (WAIT_MAX_US / G_USEC_PER_SEC), &seconds, NULL))
    wait_us = (gint64) seconds * G_USEC_PER_SEC;
  else if (text != NULL && (date = soup_date_time_new_from_http_string (text)) != NULL)
    wait_us = g_date_time_to_unix (date) * G_USEC_PER_SEC - now_us;
  if (wait_us <= 0 || wait_us > WAIT_MAX_US)
    wait_us = WAIT_DEFAULT_US + g_random_int_range (0, (gint32) WAIT_DEFAULT_US);
  return wait_us;
}

static TnLoginVerdict
check_status (TnLogin     *login,
              guint        status,
              const char  *retry_after,
              const char  *body,
              gsize        len,
              gint64       now_us,
              GError     **error)
{
  g_autofree char *text = g_utf8_make_valid (len > 0 ? body : "", (gssize) MIN (len, 200));      /* no body, no pointer */

  g_strchomp (text);
  if (tn_login_asks_to_wait (status, retry_after))
    {
      login->wait_us = tn_login_parse_retry_after (retry_after, now_us);
      g_set_error (error, TN_ERROR, TN_ERROR_CONTROL, "control server asks to wait %d s: %s", (int) (login->wait_us / G_USEC_PER_SEC), text);
      return TN_LOGIN_WAIT;
    }
  g_set_error (error, TN_ERROR, TN_ERROR_CONTROL, "control server answered register with status %u: %s", status, text);
  return TN_LOGIN_RETRY;
}

static TnLoginVerdict
follow (TnLogin            *login,
        TnRegisterResponse *response)
{
  gboolean same = g_strcmp0 (login->auth_url, response->auth_url) == 0;

  g_free (login->auth_url);
  login->auth_url = g_steal_pointer (&response->auth_url);
  return same ? TN_LOGIN_FOLLOW_LATER : TN_LOGIN_FOLLOW;
}

TnLoginVerdict
tn_login_evaluate (TnLogin     *login,
                   guint        status,
                   const char  *retry_after,
                   const char  *body,
                   gsize        len,
                   gint64       now_us,
                   GError     **error)
{
  g_auto (TnRegisterResponse) response = { 0 };

  if (status != 200)
    return check_status (login, status, retry_after, body, len, now_us, error);
  if (!tn_wire_register_response_parse (body, len, &response, error))
    return TN_LOGIN_RETRY;

  if (response.error != NULL)
    {
      g_autofree char *shown = tn_shown (response.error, ERROR_SHOWN_MAX);

      g_set_error (error, TN_ERROR, TN_ERROR_AUTH_REJECTED, "control server refused the node: %s", shown);
      return TN_LOGIN_REFUSED;
    }
  /* Tailnet lock: the signature of the old key is for a new one to be signed anew, which we cannot do. It goes on without, as the
   * reference does when that fails: tailscale control/controlclient/direct.go: doLogin. */
  if (response.has_signature && !login->fresh_key)
    return TN_LOGIN_NEW_KEY;
  if (response.node_key_expired)
    {
      if (!login->fresh_key)
        return TN_LOGIN_NEW_KEY;
      g_set_error_literal (error, TN_ERROR, TN_ERROR_KEY_EXPIRED, "control server says that a key just made has expired");
      return TN_LOGIN_RETRY;
    }
  if (response.auth_url != NULL)
    return follow (login, &response);

  g_clear_pointer (&login->auth_url, g_free);
  login->machine_authorized = response.machine_authorized;
  g_free (login->login_name);
  login->login_name = g_steal_pointer (&response.login_name);
  return TN_LOGIN_DONE;
}

gboolean
tn_login_check_logout (const char  *body,
                       gsize        len,
                       GError     **error)
{
  g_auto (TnRegisterResponse) response = { 0 };
  g_autofree char *shown = NULL;

  if (!tn_wire_register_response_parse (body, len, &response, error))
    return FALSE;
  if (response.error == NULL)
    return TRUE;
  shown = tn_shown (response.error, ERROR_SHOWN_MAX);
  g_set_error (error, TN_ERROR, TN_ERROR_CONTROL, "control server says: %s", shown);
  return FALSE;
}

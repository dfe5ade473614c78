/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <string.h>

#include "tn-login.h"

/* One answer of a login, and what holds after each. */
static void
evaluate (TnLogin    *login,
          guint       status,
          const char *retry_after,
          const char *body,
          gsize       len)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *url = g_strdup (login->auth_url);
  TnLoginVerdict verdict = tn_login_evaluate (login, status, retry_after, body, len, 0, &error);

  g_assert (login->auth_url == NULL || strlen (login->auth_url) <= TN_AUTH_URL_MAX_LEN);
  tn_login_check_logout (body, len, NULL);
  switch (verdict)
    {
    case TN_LOGIN_DONE:
      g_assert (error == NULL && login->auth_url == NULL && status == 200);
      break;
    case TN_LOGIN_NEW_KEY:
      g_assert (error == NULL && !login->fresh_key);
      login->fresh_key = TRUE;
      break;
    case TN_LOGIN_FOLLOW:
      g_assert (error == NULL && *login->auth_url != '\0' && g_strcmp0 (url, login->auth_url) != 0);
      break;
    case TN_LOGIN_FOLLOW_LATER:
      g_assert (error == NULL && g_strcmp0 (url, login->auth_url) == 0);
      break;
    case TN_LOGIN_WAIT:
      g_assert (error != NULL && status == 429 && login->wait_us > 0 && login->wait_us <= 3600 * G_TIME_SPAN_SECOND);
      break;
    case TN_LOGIN_RETRY:
    case TN_LOGIN_REFUSED:
      g_assert (error != NULL && g_utf8_validate (error->message, -1, NULL));
      break;
    }
}

/* Answers of one login, a zero byte between them. */
int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_auto (TnLogin) login = { 0 };
  g_autofree char *header = g_strndup ((const char *) data, MIN (size, 40));
  const char *body = (const char *) data, *end = body + size;
  TnMachinePublicKey key;

  while (body <= end)
    {
      const char *next = body < end ? memchr (body, 0, (gsize) (end - body)) : NULL;

      evaluate (&login, 200, NULL, body, (gsize) ((next != NULL ? next : end) - body));
      if (next == NULL)
        break;
      body = next + 1;
    }
  evaluate (&login, 429, header, (const char *) data, size);
  evaluate (&login, 500, header, (const char *) data, size);
  if (tn_wire_control_key_parse ((const char *) data, size, &key, NULL))
    g_assert (!tn_machine_public_key_is_zero (&key));
  return 0;
}

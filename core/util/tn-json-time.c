/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-json-text.h"

#include <string.h>

/* Digits at the head of @text. FALSE: there are fewer. */
static gboolean
read_digits (const char *text,
             guint       n,
             gint64     *out)
{
  gint64 number = 0;

  for (guint i = 0; i < n; i++)
    {
      if (!g_ascii_isdigit (text[i]))
        return FALSE;
      number = 10 * number + (text[i] - '0');
    }
  *out = number;
  return TRUE;
}

/* ".123456789Z", ".5Z" or "Z"; microseconds, and what is less is cut off. */
static gboolean
read_fraction (const char *text,
               gint64     *us)
{
  gint64 unit = G_USEC_PER_SEC / 10;

  *us = 0;
  if (*text == '.')
    for (text++; g_ascii_isdigit (*text); text++, unit /= 10)
      *us += unit * (*text - '0');
  return text[0] == 'Z' && text[1] == '\0' && text[-1] != '.';
}

/* Days since 1970; years start in March here, so that the odd day comes last. */
static gint64
count_days (gint64 year,
            gint64 month,
            gint64 day)
{
  gint64 y = month > 2 ? year : year - 1;
  gint64 m = month > 2 ? month - 3 : month + 9;

  return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* What servers send: UTC, after 1970. FALSE: GDateTime has to look at it. */
static gboolean
read_plain_time (const char *text,
                 gint64     *unix_us)
{
  gint64 year, month, day, hour, minute, second, us;

  if (!read_digits (text, 4, &year) || text[4] != '-' || !read_digits (text + 5, 2, &month) || text[7] != '-' ||
      !read_digits (text + 8, 2, &day) || text[10] != 'T' || !read_digits (text + 11, 2, &hour) || text[13] != ':' ||
      !read_digits (text + 14, 2, &minute) || text[16] != ':' || !read_digits (text + 17, 2, &second) || !read_fraction (text + 19, &us))
    return FALSE;
  if (year < 1971 || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59)
    return FALSE;
  if (day < 1 || day > g_date_get_days_in_month ((GDateMonth) month, (GDateYear) year))
    return FALSE;
  *unix_us = (((count_days (year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * G_USEC_PER_SEC + us;
  return TRUE;
}

gboolean
tn_json_text_get_time (TnJsonText  value,
                       gint64     *unix_us)
{
  g_autoptr (GDateTime) time = NULL;
  char copy[48];

  if (tn_json_text_is_null (value))
    return TRUE;
  if (tn_json_text_kind (value) != TN_JSON_STRING || value.len >= sizeof copy || memchr (value.text, '\\', value.len) != NULL)
    return FALSE;
  memcpy (copy, value.text + 1, value.len - 2);
  copy[value.len - 2] = '\0';
  if (read_plain_time (copy, unix_us))
    return TRUE;
  time = g_date_time_new_from_iso8601 (copy, NULL);
  if (time == NULL)
    return FALSE;
  if (g_date_time_to_unix (time) <= G_GINT64_CONSTANT (-62135596800))     /* 0001-01-01T00:00:00Z */
    *unix_us = 0;
  else
    *unix_us = g_date_time_to_unix (time) * G_USEC_PER_SEC + g_date_time_get_microsecond (time);
  return TRUE;
}

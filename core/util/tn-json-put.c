/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-json-put.h"

/* Of the head of @text that stands for itself. */
static gsize
plain_len (const char *text)
{
  gsize len = 0;

  while ((guchar) text[len] >= 0x20 && text[len] != '"' && text[len] != '\\' && text[len] != 0x7f)
    len++;
  return len;
}

void
tn_json_put_string (GString    *out,
                    const char *text)
{
  gsize len;

  g_string_append_c (out, '"');
  for (; *text != '\0'; text++)
    switch (*text)
      {
      case '"': case '\\':
        g_string_append_c (out, '\\');
        g_string_append_c (out, *text);
        break;
      case '\n': g_string_append (out, "\\n"); break;
      case '\t': g_string_append (out, "\\t"); break;
      case '\r': g_string_append (out, "\\r"); break;
      default:
        len = plain_len (text);
        if (len == 0)
          g_string_append_printf (out, "\\u%04x", (guint) (guchar) *text);
        else
          g_string_append_len (out, text, (gssize) len);
        text += MAX (len, 1) - 1;
      }
  g_string_append_c (out, '"');
}

void
tn_json_put_key (GString    *out,
                 const char *name)
{
  if (out->len > 0 && out->str[out->len - 1] != '{' && out->str[out->len - 1] != '[')
    g_string_append_c (out, ',');
  tn_json_put_string (out, name);
  g_string_append_c (out, ':');
}

void
tn_json_put_member_string (GString    *out,
                           const char *name,
                           const char *value)
{
  if (value == NULL)
    return;
  tn_json_put_key (out, name);
  tn_json_put_string (out, value);
}

void
tn_json_put_member_int (GString    *out,
                        const char *name,
                        gint64      value)
{
  tn_json_put_key (out, name);
  g_string_append_printf (out, "%" G_GINT64_FORMAT, value);
}

void
tn_json_put_member_bool (GString    *out,
                         const char *name,
                         gboolean    value)
{
  tn_json_put_key (out, name);
  g_string_append (out, value ? "true" : "false");
}

void
tn_json_put_member_raw (GString    *out,
                        const char *name,
                        const char *json)
{
  if (json == NULL)
    return;
  tn_json_put_key (out, name);
  g_string_append (out, json);
}

void
tn_json_put_member_strv (GString           *out,
                         const char        *name,
                         const char *const *values)
{
  if (values == NULL)
    return;
  tn_json_put_key (out, name);
  g_string_append_c (out, '[');
  for (gsize i = 0; values[i] != NULL; i++)
    {
      if (i > 0)
        g_string_append_c (out, ',');
      tn_json_put_string (out, values[i]);
    }
  g_string_append_c (out, ']');
}

void
tn_json_put_member_time (GString    *out,
                         const char *name,
                         gint64      unix_us)
{
  g_autoptr (GDateTime) whole = NULL;
  g_autoptr (GDateTime) time = NULL;
  g_autofree char *text = NULL;

  if (unix_us == 0)
    return;
  whole = g_date_time_new_from_unix_utc (0);
  time = whole != NULL ? g_date_time_add (whole, unix_us) : NULL;
  text = time != NULL ? g_date_time_format_iso8601 (time) : NULL;
  tn_json_put_member_string (out, name, text);
}

void
tn_json_put_member_address (GString           *out,
                            const char        *name,
                            const TnIpAddress *address)
{
  char text[TN_IP_ADDRESS_TEXT_MAX];

  if (address->version == 0)
    return;
  tn_ip_address_print (address, text);
  tn_json_put_member_string (out, name, text);
}

void
tn_json_put_member_prefixes (GString          *out,
                             const char       *name,
                             const TnIpPrefix *prefixes,
                             gsize             n)
{
  tn_json_put_key (out, name);
  g_string_append_c (out, '[');
  for (gsize i = 0; i < n; i++)
    {
      char text[TN_IP_PREFIX_TEXT_MAX];

      tn_ip_prefix_print (&prefixes[i], text);
      g_string_append_printf (out, "%s\"%s\"", i > 0 ? "," : "", text);
    }
  g_string_append_c (out, ']');
}

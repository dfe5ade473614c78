/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-dns-name.h"

#include <string.h>

gboolean
tn_dns_name_canonical (const char *text,
                       char        out[TN_DNS_NAME_SIZE])
{
  const char *start = text[0] == '.' && text[1] != '\0' ? text + 1 : text;
  gsize len = strlen (start);
  gsize label_len = 0;

  if (len > 0 && start[len - 1] == '.')
    len--;
  if (len >= TN_DNS_NAME_MAX)
    return FALSE;
  for (gsize i = 0; i < len; i++)
    {
      if (start[i] == '.' && (label_len == 0 || label_len > TN_DNS_LABEL_MAX))
        return FALSE;
      label_len = start[i] == '.' ? 0 : label_len + 1;
    }

  memcpy (out, start, len);
  out[len] = '.';
  out[len + 1] = '\0';
  return TRUE;
}

const char *
tn_dns_name_parent (const char *name)
{
  const char *dot = strchr (name, '.');

  return dot != NULL && dot[1] != '\0' ? dot + 1 : NULL;
}

gboolean
tn_dns_name_contains (const char *suffix,
                      const char *name)
{
  gsize suffix_len = strlen (suffix), len = strlen (name);

  if (g_str_equal (suffix, ".") || g_str_equal (suffix, name))
    return TRUE;
  return len > suffix_len && name[len - suffix_len - 1] == '.' && g_str_has_suffix (name, suffix);
}

char *
tn_dns_suffix_of_node (const char *name)
{
  const char *start = name + strspn (name, ".");
  gsize len = strlen (start);
  const char *dot;

  while (len > 0 && start[len - 1] == '.')
    len--;
  dot = memchr (start, '.', len);
  if (dot == NULL)
    return g_strndup (start, len);
  return g_strndup (dot + 1, len - (gsize) (dot + 1 - start));
}

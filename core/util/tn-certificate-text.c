/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-certificate-text.h"

char *
tn_certificate_dup_problems (GTlsCertificateFlags problems)
{
  static const struct { GTlsCertificateFlags flag; const char *text; } names[] = {
    { G_TLS_CERTIFICATE_UNKNOWN_CA, "signed by an unknown authority" },
    { G_TLS_CERTIFICATE_BAD_IDENTITY, "for another name" },
    { G_TLS_CERTIFICATE_NOT_ACTIVATED, "not valid yet" },
    { G_TLS_CERTIFICATE_EXPIRED, "expired" },
    { G_TLS_CERTIFICATE_REVOKED, "revoked" },
    { G_TLS_CERTIFICATE_INSECURE, "made with an insecure algorithm" },
    { G_TLS_CERTIFICATE_GENERIC_ERROR, "not usable" },
  };
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (problems & names[i].flag)
      g_string_append_printf (text, "%s%s", text->len > 0 ? ", " : "", names[i].text);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

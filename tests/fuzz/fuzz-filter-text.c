/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "tn-filter-text.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autoptr (GArray) prefixes = g_array_new (FALSE, FALSE, sizeof (TnIpPrefix));
  const char *capability;

  if (!tn_filter_text_parse (text, prefixes, &capability))
    {
      g_assert_cmpuint (prefixes->len, ==, 0);
      return 0;
    }
  g_assert_true ((prefixes->len == 0) == (capability != NULL));
  g_assert_cmpuint (prefixes->len, <, 256);
  for (guint i = 0; i < prefixes->len; i++)
    g_assert_true (tn_ip_prefix_is_masked (&g_array_index (prefixes, TnIpPrefix, i)));
  return 0;
}

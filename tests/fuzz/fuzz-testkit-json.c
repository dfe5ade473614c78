/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What nodes send to the control server of the test library. */

#include <stdint.h>

#include "tn-testkit-json.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = tn_testkit_json_parse ((const char *) data, size, &error);

  g_assert_true ((node != NULL) == (error == NULL));
  if (node != NULL)
    {
      g_autofree char *text = json_to_string (node, FALSE);

      g_assert_nonnull (text);
    }
  return 0;
}

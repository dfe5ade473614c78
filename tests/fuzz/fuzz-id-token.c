/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <string.h>

#include "tn-wire-control.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *token = tn_wire_id_token_parse ((const char *) data, size, &error);

  g_assert_true ((token == NULL) == (error != NULL));
  for (const char *c = token; c != NULL && *c != '\0'; c++)
    g_assert_true (g_ascii_isgraph (*c));
  return 0;
}

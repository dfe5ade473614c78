/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "tn-control-client-private.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autoptr (GBytes) answer = tn_control_answer_c2n ((const char *) data, size);

  g_assert (g_bytes_get_size (answer) > 0);
  return 0;
}

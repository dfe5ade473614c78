/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "tn-c2n.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  TnC2nReport report = TN_C2N_REPORT_NONE;
  gint64 limit_us = -1;
  g_autoptr (GBytes) answer = tn_c2n_answer ((const char *) data, size, &report, &limit_us);

  if (answer == NULL)
    {
      g_assert_true (report != TN_C2N_REPORT_NONE && limit_us >= 0);
      answer = tn_c2n_answer_report (report, NULL);
    }
  g_assert_cmpuint (g_bytes_get_size (answer), >, 0);
  return 0;
}

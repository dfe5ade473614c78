/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "tn-login.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_auto (TnLogin) login = { 0 };
  g_autofree char *header = g_strndup ((const char *) data, MIN (size, 40));
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) second = NULL;
  TnMachinePublicKey key;

  (void) tn_login_evaluate (&login, 200, NULL, (const char *) data, size, 0, &error);
  (void) tn_login_evaluate (&login, 429, header, (const char *) data, size, 0, &second);
  g_assert (second != NULL);
  if (tn_wire_control_key_parse ((const char *) data, size, &key, NULL))
    g_assert (!tn_machine_public_key_is_zero (&key));
  return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/crypto.h>

/* Before the first use of libcrypto in each thread. Its own way is to free everything in exit(), which does not wait for threads:
 * one of ours that was just ending, and giving its contexts back, ended in a damaged heap once in 800 runs of “tailnet nc”. */
static inline void
tn_libcrypto_init (void)
{
  OPENSSL_init_crypto (OPENSSL_INIT_NO_ATEXIT, NULL);
}

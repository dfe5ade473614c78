/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "tn-keys.h"

G_BEGIN_DECLS

/* A fresh key and a self-signed certificate for @address (an IP address or a name) and localhost, good for a year. With
 * @derp_key a second certificate follows it in the chain, which tells clients the key of the relay. */
GTlsCertificate *tn_testkit_certificate_new (const char *address, const TnNodePublicKey *derp_key, GError **error);

/* "sha256-raw:" and 64 digits, as a relay map pins it. */
char            *tn_testkit_certificate_dup_pin (GTlsCertificate *certificate);

G_END_DECLS

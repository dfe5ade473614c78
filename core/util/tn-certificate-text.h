/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* What is wrong with a certificate, for the sentence "certificate for NAME is ...". */
char *tn_certificate_dup_problems (GTlsCertificateFlags problems);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-ip.h"

G_BEGIN_DECLS

/* One entry of SrcIPs or DstPorts: "*", an address, a CIDR, first-last, or cap:NAME. Appends prefixes (of TnIpPrefix) to @prefixes,
 * or sets @capability, which points into @text. FALSE: none of these; nothing was appended. */
gboolean tn_filter_text_parse (const char *text, GArray *prefixes, const char **capability) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS

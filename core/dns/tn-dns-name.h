/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Names as the other implementations take them (tailscale util/dnsname/dnsname.go): a label may hold any byte but a dot, and the last
 * one may have any length that the whole has room for. Case counts. A canonical name ends with a dot; "." is the root. */
#define TN_DNS_NAME_MAX  254u      /* bytes, its final dot included */
#define TN_DNS_LABEL_MAX 63u
#define TN_DNS_NAME_SIZE (TN_DNS_NAME_MAX + 1)

/* FALSE: too long, or an empty label. A dot in front does not count; no text is the root. */
gboolean    tn_dns_name_canonical  (const char *text, char out[TN_DNS_NAME_SIZE]) G_GNUC_WARN_UNUSED_RESULT;

/* Of a canonical name: what follows its first label, inside of it. NULL: nothing does. */
const char *tn_dns_name_parent     (const char *name);

/* Is @name the same as @suffix, or below it? Both are canonical. */
gboolean    tn_dns_name_contains   (const char *suffix, const char *name);

/* Domain of a tailnet, by the name of a node of it, without dots around it: all that follows the first label. A single label is its own
 * domain. Free with g_free(). */
char       *tn_dns_suffix_of_node  (const char *name);

G_END_DECLS

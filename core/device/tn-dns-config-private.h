/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-dns-config.h"
#include "tn-dns-settings.h"
#include "tn-json-writer.h"

G_BEGIN_DECLS

/* Immutable, hence good for every thread. @values: a{sv}, as on the bus (org.tailnet.Tailnet1.Tailnet1.xml); sunk. What is missing
 * or of another type counts as empty. */
TnDnsConfig *tn_dns_config_new              (GVariant *values);
TnDnsConfig *tn_dns_config_new_for_settings (const TnDnsSettings *settings, const char *fqdn);      /* of the own node, nullable */
GVariant    *tn_dns_config_get_values       (TnDnsConfig *self);
GVariant    *tn_dns_config_dup_value        (TnDnsConfig *self, const char *name, const char *type);      /* an array; empty: there is none */
gboolean     tn_dns_config_equal            (TnDnsConfig *a, TnDnsConfig *b);      /* by value; NULL equals NULL */

/* "ExtraRecords" as the stock client writes them; an array, empty for NULL. */
void         tn_dns_config_write_records    (TnDnsConfig *self, TnJsonWriter *writer);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-version-macros.h"

G_BEGIN_DECLS

#define TN_TYPE_DNS_CONFIG (tn_dns_config_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnDnsConfig, tn_dns_config, TN, DNS_CONFIG, GObject)

TN_AVAILABLE_IN_ALL
gboolean            tn_dns_config_get_magic_dns          (TnDnsConfig *self);
TN_AVAILABLE_IN_ALL
const char         *tn_dns_config_get_suffix             (TnDnsConfig *self);
TN_AVAILABLE_IN_ALL
const char * const *tn_dns_config_get_resolvers          (TnDnsConfig *self);
TN_AVAILABLE_IN_ALL
const char * const *tn_dns_config_get_fallback_resolvers (TnDnsConfig *self);
TN_AVAILABLE_IN_ALL
GVariant           *tn_dns_config_get_routes             (TnDnsConfig *self);
TN_AVAILABLE_IN_ALL
const char * const *tn_dns_config_get_search_domains     (TnDnsConfig *self);
TN_AVAILABLE_IN_ALL
GVariant           *tn_dns_config_get_extra_records      (TnDnsConfig *self);
TN_AVAILABLE_IN_ALL
const char * const *tn_dns_config_get_cert_domains       (TnDnsConfig *self);
TN_AVAILABLE_IN_ALL
char               *tn_dns_config_to_json                (TnDnsConfig *self);

G_END_DECLS

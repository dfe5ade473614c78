/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-json-text.h"

G_BEGIN_DECLS

/* What a control server says of the DNS (tailscale tailcfg/tailcfg.go: DNSConfig), as it came. What has the wrong form is left out,
 * as are items beyond these numbers. */
#define TN_DNS_RESOLVERS_MAX 100u        /* of one list */
#define TN_DNS_ROUTES_MAX    10000u
#define TN_DNS_RECORDS_MAX   50000u
#define TN_DNS_DOMAINS_MAX   10000u      /* of one list */

typedef struct
{
  const char        *address;            /* IP, IP:port, or a URL: https for DoH, http for the peer API; may be empty */
  const char *const *bootstrap;          /* addresses of the host of a URL */
  gboolean           use_with_exit_node;
} TnDnsResolver;

typedef struct
{
  const TnDnsResolver *items;
  guint                n;
} TnDnsResolvers;

typedef struct
{
  const char    *suffix;
  TnDnsResolvers resolvers;              /* none: this node itself answers */
} TnDnsRoute;

typedef struct
{
  const char *name;
  const char *type;                      /* "" for A or AAAA, as the value has it */
  const char *value;
} TnDnsRecord;

typedef struct
{
  TnDnsResolvers     resolvers;
  TnDnsResolvers     fallback_resolvers; /* where there have to be some, and no others are said */
  const TnDnsRoute  *routes;
  const TnDnsRecord *records;
  guint              n_routes;
  guint              n_records;
  gboolean           magic_dns;          /* "Proxied": this node answers for the names of nodes */
  const char *const *search_domains;
  const char *const *cert_domains;       /* names that the server helps to get certificates for */
  const char *const *exit_node_filtered; /* suffixes, with a dot in front, and names that an exit node does not resolve for others */
} TnDnsWire;

/* Everything in it is in @arena. FALSE: it is empty. */
gboolean tn_dns_wire_parse           (TnDnsWire *wire, const char *json, gsize len, TnArena *arena, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A list of resolvers alone, such as a node has for those who use it as exit node. No list: none. */
void     tn_dns_wire_parse_resolvers (TnDnsResolvers *resolvers, TnJsonText list, TnArena *arena);

G_END_DECLS

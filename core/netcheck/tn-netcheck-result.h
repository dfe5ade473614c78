/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>
#include "tn-ip.h"

G_BEGIN_DECLS

typedef struct
{
  guint  region;
  gint64 latency_ns;           /* the least, however measured */
  gint64 ipv4_latency_ns;      /* by STUN; 0: none */
  gint64 ipv6_latency_ns;
} TnNetcheckRegion;

typedef enum
{
  TN_NETCHECK_UNKNOWN = -1,
  TN_NETCHECK_NO,
  TN_NETCHECK_YES,
} TnNetcheckAnswer;

/* What a measurement found; immutable once handed out. */
typedef struct
{
  gatomicrefcount  ref_count;
  gint64           wall_us;          /* when, since 1970 */
  gboolean         udp;              /* some STUN server answered */
  gboolean         ipv4;             /* some relay answered by it */
  gboolean         ipv6;
  gboolean         ipv4_can_send;
  gboolean         ipv6_can_send;
  gboolean         os_has_ipv6;
  TnNetcheckAnswer mapping_varies;   /* IPv4: do two servers see different addresses of one socket? */
  guint            home;             /* 0: none */
  TnIpEndpoint     global_ipv4;      /* version 0: none */
  TnIpEndpoint     global_ipv6;
  GArray          *regions;          /* of TnNetcheckRegion, those that answered, by ascending region */
} TnNetcheckResult;

TnNetcheckResult *tn_netcheck_result_new     (void);
TnNetcheckResult *tn_netcheck_result_ref     (TnNetcheckResult *result);
void              tn_netcheck_result_unref   (TnNetcheckResult *result);

/* NULL: it did not answer. */
const TnNetcheckRegion *
                  tn_netcheck_result_lookup  (const TnNetcheckResult *result, guint region);

/* While it is made: the entry of a region, a new one if need be. Valid until the next call. */
TnNetcheckRegion *tn_netcheck_result_ensure  (TnNetcheckResult *result, guint region);

/* Fields as the stock client's netcheck prints them: latencies in nanoseconds. */
JsonNode         *tn_netcheck_result_to_json (const TnNetcheckResult *result);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnNetcheckResult, tn_netcheck_result_unref)

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <net/if.h>

#include "tn-ip.h"
#include "tn-nl-message.h"

G_BEGIN_DECLS

/* What the kernel has, in messages of rtnetlink(7). All that is made here bears this number as the protocol that made it: see
 * README.md. */
#define TN_LINUX_PROTOCOL 52

typedef struct
{
  guint32  index;
  char     name[IF_NAMESIZE];
  gboolean running;       /* somebody is at its other end, be it up or down */
  gboolean ipv6;
} TnLinuxLink;

typedef struct
{
  TnIpPrefix prefix;
  guint32    index;
  guint8     protocol;
} TnLinuxAddress;

typedef struct
{
  TnIpPrefix prefix;
  guint32    index;       /* 0: none, or several */
  guint32    table;
  guint32    metric;
  guint8     type;
  guint8     protocol;
} TnLinuxRoute;

typedef struct
{
  guint8     version;     /* 4, 6 */
  guint8     action;
  guint8     protocol;
  gboolean   narrowed;    /* it looks at more than the mark */
  guint32    priority;
  guint32    mark;
  guint32    mask;
  guint32    table;
} TnLinuxRule;

/* FALSE: it is something else, or makes no sense. */
gboolean tn_linux_link_parse    (const TnNlMessage *message, TnLinuxLink *out) G_GNUC_WARN_UNUSED_RESULT;
gboolean tn_linux_address_parse (const TnNlMessage *message, TnLinuxAddress *out) G_GNUC_WARN_UNUSED_RESULT;
gboolean tn_linux_route_parse   (const TnNlMessage *message, TnLinuxRoute *out) G_GNUC_WARN_UNUSED_RESULT;
gboolean tn_linux_rule_parse    (const TnNlMessage *message, TnLinuxRule *out) G_GNUC_WARN_UNUSED_RESULT;

void     tn_linux_link_ask      (TnNlBatch *batch, const char *name, guint32 index);      /* by name, or NULL: by index */
void     tn_linux_addresses_ask (TnNlBatch *batch, guint8 version);
void     tn_linux_routes_ask    (TnNlBatch *batch, guint8 version, guint8 table);
void     tn_linux_rules_ask     (TnNlBatch *batch, guint8 version);
void     tn_linux_address_write (TnNlBatch *batch, gconstpointer address, gboolean add);
void     tn_linux_route_write   (TnNlBatch *batch, gconstpointer route, gboolean add);
void     tn_linux_rule_write    (TnNlBatch *batch, gconstpointer rule, gboolean add);

G_END_DECLS

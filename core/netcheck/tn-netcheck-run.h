/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-netcheck-result.h"
#include "tn-relay-map.h"

G_BEGIN_DECLS

/* One measurement, in the thread-default context of its maker. */
typedef struct _TnNetcheckRun TnNetcheckRun;

typedef struct
{
  TnRelayMap             *map;
  const TnNetcheckResult *last;             /* NULL: ask all regions */
  guint                   home;
  GTlsDatabase           *tls_database;     /* nullable */
  GProxyResolver         *proxy_resolver;   /* nullable */
  gboolean                tcp_only;         /* not a datagram */
  guint32                 mark;             /* of sockets; 0: none */
} TnNetcheckRunConfig;

/* The result has no home yet. The run is not to be freed within the call. */
typedef void (*TnNetcheckRunFunc) (gpointer user_data, TnNetcheckResult *result);

/* @done is called once, never before this returns. */
TnNetcheckRun *tn_netcheck_run_new  (const TnNetcheckRunConfig *config, TnNetcheckRunFunc done, gpointer user_data);

/* At any time; @done is not called any more. */
void           tn_netcheck_run_free (TnNetcheckRun *run);

G_END_DECLS

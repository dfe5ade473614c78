/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-node-private.h"

G_BEGIN_DECLS

/* For tn-node*.c alone. */
struct _TnNode
{
  GObject           parent_instance;
  const TnNodeData *data;
  TnNodeLive        live;

  /* Made from data and live when first asked for. */
  char            **addresses;
  char            **routes;
  GInetAddress     *ipv4;
  GInetAddress     *ipv6;
  GDateTime        *last_seen;
  GDateTime        *created;
  GDateTime        *key_expiry;
  GDateTime        *last_handshake;
  TnPath           *path;
  char             *location;
  char             *public_key;
};

static inline GDateTime *
tn_node_ensure_date_time (GDateTime **cache,
                          gint64      time_us)
{
  if (*cache == NULL && time_us != 0)
    *cache = g_date_time_new_from_unix_utc (time_us / G_USEC_PER_SEC);
  return *cache;
}

/* Nothing shows more than the second. FALSE: the same; else @cache is empty. */
static inline gboolean
tn_node_drop_date_time (GDateTime **cache,
                        gint64      old_us,
                        gint64      new_us)
{
  if (old_us / G_USEC_PER_SEC == new_us / G_USEC_PER_SEC)
    return FALSE;
  g_clear_pointer (cache, g_date_time_unref);
  return TRUE;
}

static inline void
tn_node_notify_if (TnNode     *self,
                   gboolean    changed,
                   const char *property)
{
  if (changed)
    g_object_notify (G_OBJECT (self), property);
}

G_END_DECLS

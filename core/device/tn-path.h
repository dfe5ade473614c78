/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-version-macros.h"

G_BEGIN_DECLS

/**
 * TnPathKind:
 * @TN_PATH_KIND_NONE: nothing was sent or received yet
 * @TN_PATH_KIND_DIRECT: datagrams go straight to the peer
 * @TN_PATH_KIND_RELAY: everything goes through a relay
 * @TN_PATH_KIND_PEER_RELAY: datagrams go through another node of the tailnet
 *
 * How packets travel to a peer.
 *
 * Since: 0.1
 */
typedef enum
{
  TN_PATH_KIND_NONE,
  TN_PATH_KIND_DIRECT,
  TN_PATH_KIND_RELAY,
  TN_PATH_KIND_PEER_RELAY,
} TnPathKind;

#define TN_TYPE_PATH (tn_path_get_type ())
typedef struct _TnPath TnPath;

TN_AVAILABLE_IN_ALL
GType                  tn_path_get_type        (void) G_GNUC_CONST;
TN_AVAILABLE_IN_ALL
TnPath                *tn_path_ref             (TnPath       *self);
TN_AVAILABLE_IN_ALL
void                   tn_path_unref           (TnPath       *self);
TN_AVAILABLE_IN_ALL
TnPathKind             tn_path_get_kind        (const TnPath *self);
TN_AVAILABLE_IN_ALL
GInetSocketAddress    *tn_path_get_endpoint    (const TnPath *self);
TN_AVAILABLE_IN_ALL
const char            *tn_path_get_region      (const TnPath *self);
TN_AVAILABLE_IN_ALL
gint64                 tn_path_get_latency_us  (const TnPath *self);
TN_AVAILABLE_IN_ALL
GDateTime             *tn_path_get_since       (const TnPath *self);
TN_AVAILABLE_IN_ALL
const char            *tn_path_get_reason      (const TnPath *self);
TN_AVAILABLE_IN_ALL
char                  *tn_path_to_string       (const TnPath *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnPath, tn_path_unref)

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-version-macros.h"

G_BEGIN_DECLS

#define TN_TESTKIT_TYPE_DERP (tn_testkit_derp_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnTestkitDerp, tn_testkit_derp, TN_TESTKIT, DERP, GObject)

TN_AVAILABLE_IN_ALL
TnTestkitDerp   *tn_testkit_derp_new              (guint           region);

/* Life of the server. */
TN_AVAILABLE_IN_ALL
gboolean         tn_testkit_derp_start            (TnTestkitDerp  *self,
                                                   GError        **error);
TN_AVAILABLE_IN_ALL
void             tn_testkit_derp_stop             (TnTestkitDerp  *self);

/* How clients find and trust it. */
TN_AVAILABLE_IN_ALL
guint            tn_testkit_derp_get_region       (TnTestkitDerp  *self);
TN_AVAILABLE_IN_ALL
const char      *tn_testkit_derp_get_address      (TnTestkitDerp  *self);
TN_AVAILABLE_IN_ALL
guint            tn_testkit_derp_get_port         (TnTestkitDerp  *self);
TN_AVAILABLE_IN_ALL
guint            tn_testkit_derp_get_stun_port    (TnTestkitDerp  *self);
TN_AVAILABLE_IN_ALL
void             tn_testkit_derp_set_stun_port    (TnTestkitDerp  *self,
                                                   guint           stun_port);
TN_AVAILABLE_IN_ALL
GTlsCertificate *tn_testkit_derp_get_certificate  (TnTestkitDerp  *self);
TN_AVAILABLE_IN_ALL
char            *tn_testkit_derp_dup_pin          (TnTestkitDerp  *self);
TN_AVAILABLE_IN_ALL
char            *tn_testkit_derp_dup_region_json  (TnTestkitDerp  *self);
TN_AVAILABLE_IN_ALL
char            *tn_testkit_derp_dup_map_json     (TnTestkitDerp  *self);

/* Who is there. */
TN_AVAILABLE_IN_ALL
guint            tn_testkit_derp_get_n_clients    (TnTestkitDerp  *self);

/* Trouble. */
TN_AVAILABLE_IN_ALL
guint            tn_testkit_derp_disconnect       (TnTestkitDerp  *self,
                                                   const char     *node_key);
TN_AVAILABLE_IN_ALL
gboolean         tn_testkit_derp_get_stalled      (TnTestkitDerp  *self);
TN_AVAILABLE_IN_ALL
void             tn_testkit_derp_set_stalled      (TnTestkitDerp  *self,
                                                   gboolean        stalled);
TN_AVAILABLE_IN_ALL
void             tn_testkit_derp_send_health      (TnTestkitDerp  *self,
                                                   const char     *problem);
TN_AVAILABLE_IN_ALL
void             tn_testkit_derp_send_restarting  (TnTestkitDerp  *self,
                                                   guint           reconnect_in_ms,
                                                   guint           try_for_ms);
TN_AVAILABLE_IN_ALL
void             tn_testkit_derp_send_bytes       (TnTestkitDerp  *self,
                                                   GBytes         *bytes);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-testkit-derp.h"
#include "tn-testkit-derp-connection.h"

G_BEGIN_DECLS

struct _TnTestkitDerp
{
  GObject           parent_instance;

  guint             region;
  char             *address;
  guint             port;            /* 0: any; after the first start the one it got */
  guint             stun_port;
  gboolean          fast_start;
  gboolean          stalled;

  TnNodePrivateKey  key;
  GTlsCertificate  *certificate;     /* NULL until started */
  GSocketService   *service;         /* NULL: stopped */
  TnTestkitRelay   *relay;
  GPtrArray        *connections;     /* of TnTestkitDerpConnection */
  GSource          *keep_alive;
};

/* Text form of the client's key; NULL: it has not said who it is. */
char *tn_testkit_derp_dup_peer    (TnTestkitDerpConnection *connection);

/* To everybody who is in. */
void  tn_testkit_derp_send_to_all (TnTestkitDerp *self, TnDerpFrameType type, const void *payload, gsize len);

G_END_DECLS

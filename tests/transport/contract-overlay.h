/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"

G_BEGIN_DECLS

/* What every overlay transport has to do, as one suite for all of them: a test program of an implementation fills this in and calls
 * contract_overlay_add(). The host behind it has CONTRACT_OWN, and sends and receives datagrams between CONTRACT_PORT there and
 * CONTRACT_PORT at CONTRACT_OTHER, which is the test. All of it in the default main context. */
#define CONTRACT_OWN   "100.64.0.1"
#define CONTRACT_OTHER "100.64.0.2"
#define CONTRACT_PORT  4711
#define CONTRACT_MTU   1280

typedef struct
{
  const char          *name;
  gboolean             has_interface;
  TnOverlayTransport *(*create)   (void);

  /* It has been started: give it the address, and sockets. They are gone before it is stopped. */
  gpointer            (*join)     (TnOverlayTransport *overlay);
  void                (*leave)    (gpointer host);
  void                (*send)     (gpointer host, GBytes *payload);      /* out of the host, soon */
  GPtrArray          *(*received) (gpointer host);                       /* of GBytes: payloads that came into it so far */
} ContractOverlay;

/* Adds /transport/overlay/NAME/…; @contract stays alive. */
void contract_overlay_add (const ContractOverlay *contract);

G_END_DECLS

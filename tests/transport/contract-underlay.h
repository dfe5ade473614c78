/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"

G_BEGIN_DECLS

/* What every underlay transport has to do, as one suite for all of them: a test program of an implementation fills this in and calls
 * contract_underlay_add(). One over UDP is reached on loopback. */
typedef struct
{
  const char           *name;
  gsize                 max_len;            /* longest datagram */
  gboolean              tells_gone;         /* path_gone() comes for a key that nobody has */
  gboolean              wakes_early;        /* writable() may come while nothing moves */

  gpointer            (*setup)         (void);                                    /* in the thread-default context */
  void                (*teardown)      (gpointer network);
  TnUnderlayTransport *(*create)       (gpointer network);
  TnRelayMap          *(*dup_map)      (gpointer network);                        /* relays: has a region 1 that works; NULL: over UDP */
  guint               (*get_n_nodes)   (gpointer network);                        /* nullable: that it knows; what is for others is lost */
  void                (*set_stalled)   (gpointer network, gboolean stalled);      /* nullable: nothing moves; tests back-pressure */
} ContractUnderlay;

/* Adds /transport/underlay/NAME/…; @contract stays alive. */
void contract_underlay_add (const ContractUnderlay *contract);

G_END_DECLS

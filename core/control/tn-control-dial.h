/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-control-url.h"
#include "tn-dial-plan.h"
#include "tn-noise.h"

G_BEGIN_DECLS

/* Reaches the control server and shakes hands: over plain HTTP and HTTPS at once, the first handshake that is complete wins. The
 * connecting may start before the control key is known, which saves a round trip. */
typedef struct _TnControlDial TnControlDial;

typedef struct
{
  GIOStream     *stream;
  TnNoiseSession session;
  GByteArray    *early;       /* what came behind the handshake */
  gboolean       by_name;     /* DNS led there, and no candidate of a plan */
} TnControlDialed;

/* Once, from the main loop, with a result that is the callback's or an error; not after tn_control_dial_free(). */
typedef void (*TnControlDialFunc) (TnControlDialed *dialed, const GError *error, gpointer user_data);

/* @skip_plain: HTTPS alone where there is a choice, for a server whose plain HTTP failed a moment ago. The candidates of @plan come
 * before what DNS says, which has its turn when they have failed or had their time. @resolver may be NULL. @mark: of sockets, 0: none. */
TnControlDial *tn_control_dial_new     (const TnControlUrl *url, const TnMachinePrivateKey *machine_key, guint16 version,
                                        gboolean skip_plain, const TnDialPlan *plan, GProxyResolver *resolver, guint32 mark,
                                        TnControlDialFunc func, gpointer user_data);
void           tn_control_dial_set_key (TnControlDial *dial, const TnMachinePublicKey *control_key);

/* Stops whatever still runs. */
void           tn_control_dial_free    (TnControlDial *dial);

void           tn_control_dialed_free  (TnControlDialed *dialed);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnControlDial, tn_control_dial_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnControlDialed, tn_control_dialed_free)

G_END_DECLS

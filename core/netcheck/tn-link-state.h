/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-nl-message.h"

G_BEGIN_DECLS

/* The way of this machine into the network, as far as another one would make a difference to connections: default routes, the
 * interfaces that they leave by, and addresses of its own that others can reach. Without I/O: messages of rtnetlink(7) go in. */
typedef struct _TnLinkState TnLinkState;

TnLinkState *tn_link_state_new  (void);
void         tn_link_state_free (TnLinkState *state);

/* TRUE: it is another one than before. What is said once more, or gone that was not there, makes none. */
gboolean     tn_link_state_take (TnLinkState *state, const TnNlMessage *message);

/* Would connections notice a difference between the two? */
gboolean     tn_link_state_equal (const TnLinkState *a, const TnLinkState *b);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnLinkState, tn_link_state_free)

G_END_DECLS

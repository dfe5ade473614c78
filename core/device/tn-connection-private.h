/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"
#include "tn-connection.h"

G_BEGIN_DECLS

/* @peer: who is at the other end, NULL if unknown. @capabilities: nullable a{sas}, what the packet filter grants the peer. */
TnConnection *tn_connection_new (TnNetstackStream *stream, TnNode *peer, GVariant *capabilities);

G_END_DECLS

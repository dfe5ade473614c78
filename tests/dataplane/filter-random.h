/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "filter-model.h"

G_BEGIN_DECLS

/* Random filters and packets, for an engine and for the model. */

#define N_RULES_MAX 100
#define N_CAPABILITIES 3
#define RANDOM_PACKET_MAX 80

/* One of a few, near each other, so that much matches. */
TnIpAddress random_host   (GRand *rand);

/* At times too short for what it says it is. Returns its length. */
gsize       random_packet (GRand *rand, guint8 bytes[RANDOM_PACKET_MAX]);

/* Fills in the lists that @model points to: N_RULES_MAX rules, model->n_holders, model->n_local. */
TnFilter   *random_filter (GRand *rand, Model *model, ModelRule *rules, ModelHolder *holders, TnIpPrefix *local);

G_END_DECLS
